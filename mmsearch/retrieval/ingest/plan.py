"""What an indexing run has to do: the scan held against what the collection knows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.ingest.absent import Absences, AbsentFiles
from mmsearch.retrieval.ingest.mounts import behind_dangling_link, is_gone
from mmsearch.retrieval.ingest.scan import FoundFile, Scan, lies_under, missing, no_such_path
from mmsearch.retrieval.ingest.skip_memory import SkipMemory
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, same_but_case
from mmsearch.types import FileNote, Modality, PassedOver, printable

Check = Literal["times", "mtime", "content"]
CHECKS: tuple[Check, ...] = ("times", "mtime", "content")


@dataclass(slots=True)
class IngestPlan:
    """The work: files to read, files whose rows go, files kept although they were not seen.

    ``served``: files to read that another model of the collection embeds already; nothing is lost if this one cannot.
    ``remembered``: files that were skipped before and have not changed since. ``absent``: files that are kept although
    they were not seen. ``taken``: old paths of files that were found elsewhere.
    """

    found: int = 0
    unchanged: int = 0
    todo: list[FoundFile] = field(default_factory=list)
    served: set[bytes] = field(default_factory=set)
    renamed: list[tuple[StoredFile, FoundFile]] = field(default_factory=list)
    vanished: dict[bytes, StoredFile] = field(default_factory=dict)
    absent: list[AbsentFiles] = field(default_factory=list)
    skipped: list[FileNote] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    remembered: list[FileNote] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    taken: set[bytes] = field(default_factory=set)
    absences: Absences | None = None

    def movable(self, file: StoredFile) -> bool:
        """Whether a known file is gone from where it lay, for good: not together with a disk that may come back."""
        if file.path in self.seen or self.absences is None:
            return False
        away = behind_dangling_link(file.path) or self.absences.on_absent_disk(file.path)
        return is_gone(file.path) and not away

    def take(self, file: StoredFile) -> None:
        """A file that is gone was found elsewhere: its old rows are replaced, and it is no more to be kept."""
        self.taken.add(file.path)
        self.vanished.pop(file.path, None)
        for kept in self.absent:
            kept.files.pop(file.path, None)

    @property
    def kept(self) -> tuple[FileNote, ...]:
        """What is said of the files that are kept although they were not seen."""
        return tuple(kept.note() for kept in self.absent if kept.files)


def make_plan(
    scan: Scan,
    known: StoredFiles,
    *,
    elsewhere: StoredFiles | None = None,
    kinds: frozenset[Modality] = frozenset(),
    prune_missing: bool = False,
    check: Check = "times",
    mounts: Mapping[bytes, str] | None = None,
    skips: SkipMemory | None = None,
) -> IngestPlan:
    """Walk the folders once and decide for each file; nothing is opened, a stat is all that a file costs.

    Args:
        scan: where to look.
        known: the files with rows in the spaces that are filled.
        elsewhere: those with rows in the collection's other spaces, where a model is added to it; of these only
            files of the ``kinds`` that the added model embeds are read.
        prune_missing: also forget what lay in folders that are missing or empty, or on disks that are not there.
        check: ``times`` takes a file for unchanged by its size and times, ``mtime`` does not look at ctime, ``content``
            has every file read.
        mounts: the mount points that files lay on when they were indexed, see `mounts_above`; None: not known.
        skips: the files that were skipped before; None: all are tried again.

    Raises:
        UsageError: a path does not exist and the collection knows nothing under it.
    """
    lost = missing(scan.paths)
    for path in lost:
        if next(known.under([path]), None) is None and path not in scan.roots:
            raise no_such_path(path)
    plan = IngestPlan()
    seen = plan.seen
    by_folded_name = {os.fsdecode(path).casefold(): file for path, file in known.by_path.items()}
    for found in scan.files():
        if found.path in seen:
            continue
        seen.add(found.path)
        plan.found += 1
        same = known.unchanged(found, by_ctime=check == "times")
        if same and check != "content" and known.is_whole(known.by_path[found.path]):
            plan.unchanged += 1
        elif not same and (renamed := _renamed_in_case(found, known, by_folded_name)) is not None:
            plan.renamed.append((renamed, found))
        elif skips is not None and check != "content" and (note := skips.recalled(found)) is not None:
            plan.remembered.append(note)
        else:
            plan.todo.append(found)
    if elsewhere is not None:
        _pass_over_served(plan, elsewhere, kinds)
    plan.renamed, both_there = _split(plan.renamed, seen)
    plan.todo += [found for _, found in both_there]
    plan.skipped = scan.skipped
    plan.found += len(scan.skipped)
    plan.absences = Absences(
        scan.paths, seen | {os.fsencode(note.path) for note in scan.skipped} | scan.set_aside, mounts
    )
    met = seen | {old.path for old, _ in plan.renamed}
    left_out = [file for file in known.under(scan.paths) if file.path not in met and scan.leaves_out(file.path)]
    _add_vanished(plan, scan, known, prune_missing)
    plan.vanished |= {file.path: file for file in left_out}
    plan.passed_over = scan.passed_over
    plan.notices = _notices(scan, left_out, known, lost)
    return plan


def _notices(scan: Scan, left_out: Sequence[StoredFile], known: StoredFiles, lost: Sequence[bytes]) -> list[Notice]:
    """What a scan has to say apart from files."""
    told: list[Notice] = []
    if left_out:
        told.append(Notice(NoticeKind.NO_LONGER_INDEXED, {"files": len(left_out)}))
    for path in lost:
        if next(known.under([path]), None) is None:
            told.append(Notice(NoticeKind.PATH_MISSING, {"path": printable(os.fsdecode(path))}))
    return told


def _pass_over_served(plan: IngestPlan, elsewhere: StoredFiles, kinds: frozenset[Modality]) -> None:
    """Do not open a picture again to learn that the added model embeds sounds alone."""
    if "video" in kinds:
        kinds |= {"audio"}  # a file that is known by its sound may be a film
    todo, plan.todo = plan.todo, []
    for found in todo:
        other = elsewhere.by_path.get(found.path) if elsewhere.unchanged(found) else None
        if other is not None and not other.modalities & kinds:
            plan.unchanged += 1
            continue
        if other is not None:
            plan.served.add(found.path)
        plan.todo.append(found)


def _renamed_in_case(found: FoundFile, known: StoredFiles, by_folded: dict[str, StoredFile]) -> StoredFile | None:
    if found.path in known.by_path:
        return None
    old = by_folded.get(os.fsdecode(found.path).casefold())
    if old is not None and old.size == found.size and same_but_case(old.path, found.path):
        return old
    return None


def _split(
    renamed: list[tuple[StoredFile, FoundFile]], seen: set[bytes]
) -> tuple[list[tuple[StoredFile, FoundFile]], list[tuple[StoredFile, FoundFile]]]:
    # Where names differ in case and both were listed, they are two files (hard links), not one renamed.
    return [r for r in renamed if r[0].path not in seen], [r for r in renamed if r[0].path in seen]


def _add_vanished(plan: IngestPlan, scan: Scan, known: StoredFiles, prune_missing: bool) -> None:
    """Tell what is deleted from what is only away: of the known files that were not seen and are not there."""
    assert plan.absences is not None
    moved_from = {old.path for old, _ in plan.renamed}
    skipped = {os.fsencode(note.path) for note in scan.skipped}
    kept: dict[bytes, AbsentFiles] = {}
    for file in known.under(scan.paths):
        path = file.path
        if path in plan.seen or path in moved_from or path in skipped or scan.leaves_out(path):
            continue
        if any(lies_under(path, folder) for folder in scan.unread) or not is_gone(path):
            continue
        why = None if prune_missing else plan.absences.why_kept(path)
        if why is None:
            plan.vanished[path] = file
        else:
            kept.setdefault(why.folder, AbsentFiles(why.folder, why.reason)).files[path] = file
    plan.absent = list(kept.values())
