"""What an indexing run has to do: the files that a scan found, compared with the files that have rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.ingest.absent import AbsenceChecker, AbsentFolder
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.mounts import behind_dangling_link, is_gone
from mmsearch.retrieval.ingest.options import Check
from mmsearch.retrieval.ingest.scan import Scan, missing_paths, no_such_path_error
from mmsearch.retrieval.ingest.skip_memory import SkipMemory
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, differ_only_in_case
from mmsearch.retrieval.paths import lies_under, lies_under_any
from mmsearch.types import FileNote, Modality, PassedOver, printable

Renamed = list[tuple[StoredFile, FoundFile]]


class SeenFiles:
    """The files that a scan found: a mark for each stored one, and the paths of the others."""

    def __init__(self, stored: StoredFiles | None) -> None:
        self._stored = stored
        self._marks = np.zeros(0 if stored is None else len(stored.columns), np.bool_)
        self._paths: set[bytes] = set()

    def mark(self, numbers: NDArray[np.int64]) -> None:
        """Mark stored files by their numbers."""
        self._marks[numbers] = True

    def add(self, paths: Sequence[bytes]) -> None:
        """Note files by their paths, stored or not."""
        self._paths.update(paths)
        if self._stored is not None:
            numbers = self._stored.columns.numbers_of(paths)
            self._marks[numbers[numbers >= 0]] = True

    def __contains__(self, path: object) -> bool:
        if path in self._paths:
            return True
        if self._stored is None or not len(self._marks):
            return False
        assert isinstance(path, bytes)
        (number,) = self._stored.columns.numbers_of([path])
        return bool(number >= 0 and self._marks[number])

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which stored files were not found, at the number of each, bool ``[rows]``."""
        return ~self._marks


@dataclass(slots=True)
class IngestPlan:
    """The work of a run, and what it has to report without doing any work.

    Attributes:
        found: the number of files that the scan found, skipped ones included.
        unchanged: the number of files that need no work.
        to_read: files to open: new, changed, or with rows missing.
        in_other_spaces: those of ``to_read`` that have rows of another model; they are not skipped if this one
            cannot embed them.
        renamed: files whose names changed in case only.
        deleted: stored files that do not exist any more, by path.
        absent: folders and disks that are missing, with the stored files under them, whose rows are kept.
        skipped: files and folders that the scan skipped.
        skipped_before: files that an earlier run skipped and that have not changed since.
        passed_over: a summary of what the scan passed over on purpose.
        notices: notices about the paths and the exclude patterns.
        seen: all files that were found.
        moved_from: old paths of files that were found elsewhere while the plan was carried out.
        absence_checker: tells deleted files from those on a missing disk; None before the scan has ended.
    """

    found: int = 0
    unchanged: int = 0
    to_read: list[FoundFile] = field(default_factory=list)
    in_other_spaces: set[bytes] = field(default_factory=set)
    renamed: Renamed = field(default_factory=list)
    deleted: dict[bytes, StoredFile] = field(default_factory=dict)
    absent: list[AbsentFolder] = field(default_factory=list)
    skipped: list[FileNote] = field(default_factory=list)
    skipped_before: list[FileNote] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    seen: SeenFiles = field(default_factory=lambda: SeenFiles(None))
    moved_from: set[bytes] = field(default_factory=set)
    absence_checker: AbsenceChecker | None = None

    @property
    def has_work(self) -> bool:
        """Whether any row is to be added, replaced or deleted."""
        return bool(self.to_read or self.renamed or self.deleted)

    def has_left_its_place(self, file: StoredFile) -> bool:
        """Whether a stored file is gone from its path for good, rather than with a disk that may come back."""
        if file.path in self.seen or file.source is not None or self.absence_checker is None:
            return False
        may_come_back = behind_dangling_link(file.path) or self.absence_checker.is_on_absent_disk(file.path)
        return is_gone(file.path) and not may_come_back

    def note_moved(self, file: StoredFile) -> None:
        """Take a stored file that was found elsewhere out of ``deleted`` and ``absent``: its rows are replaced."""
        self.moved_from.add(file.path)
        self.deleted.pop(file.path, None)
        for folder in self.absent:
            folder.files.pop(file.path, None)

    @property
    def kept(self) -> tuple[FileNote, ...]:
        """A note for each missing folder or disk whose files are kept."""
        return tuple(folder.note() for folder in self.absent if folder.files)


def make_plan(
    scan: Scan,
    stored: StoredFiles,
    *,
    stored_elsewhere: StoredFiles | None = None,
    kinds: frozenset[Modality] = frozenset(),
    prune_missing: bool = False,
    check: Check = "times",
    mounts: Mapping[bytes, str] | None = None,
    skips: SkipMemory | None = None,
) -> IngestPlan:
    """Walk the folders once and decide about each file by its size and times; no file is opened.

    Args:
        scan: the walk, not begun yet.
        stored: the files with rows in the spaces that are filled.
        stored_elsewhere: when a model is added: the files with rows in the collection's other spaces. Of these only
            files of the ``kinds`` that the new model embeds are read.
        kinds: see ``stored_elsewhere``.
        prune_missing: also delete the rows of files in folders that are missing or empty, or on missing disks.
        check: see `IngestOptions`.
        mounts: the mount points that files lay on when they were indexed, see `mounts_above`; None: not known.
        skips: the files that were skipped before; None: all are tried again.

    Raises:
        UsageError: a path does not exist and no file under it is stored.
    """
    missing = missing_paths(scan.paths)
    for path in missing:
        if not stored.under([path]) and path not in scan.roots:
            raise no_such_path_error(path)
    plan = IngestPlan(seen=SeenFiles(stored))
    to_judge = _pass_over_unchanged(plan, scan, stored, check)
    plan.found += len(to_judge)
    stored.read(to_judge)
    alike = _renamed_candidates(plan, scan, stored, to_judge)
    for found in to_judge:
        unchanged = stored.is_unchanged(found, by_ctime=check == "times")
        before = stored.get(found.path)
        if unchanged and check != "content" and before is not None and stored.is_complete(before):
            plan.unchanged += 1
        elif before is None and (renamed := _renamed_in_case(found, alike)) is not None:
            plan.renamed.append((renamed, found))
        elif skips is not None and check != "content" and (note := skips.recall(found)) is not None:
            plan.skipped_before.append(note)
        else:
            plan.to_read.append(found)
    if stored_elsewhere is not None:
        _drop_what_others_embed(plan, stored_elsewhere, kinds)
    plan.skipped = scan.skipped
    plan.found += len(scan.skipped)
    plan.absence_checker = AbsenceChecker(
        scan.paths,
        scan.folders | {os.fsencode(note.path) for note in scan.skipped} | scan.excluded_or_removed,
        plan.seen,
        mounts,
    )
    not_found = stored.under(scan.may_lack, plan.seen.missing)
    renamed_from = {old.path for old, _ in plan.renamed}
    passed_over = [f for f in not_found if f.path not in renamed_from and scan.has_passed_over(f.path)]
    _add_missing_files(plan, scan, not_found, prune_missing)
    plan.deleted |= {file.path: file for file in passed_over}
    plan.passed_over = scan.passed_over
    if passed_over:
        plan.notices.append(Notice(NoticeKind.NO_LONGER_INDEXED, {"files": len(passed_over)}))
    for path in missing:
        if not stored.under([path]):
            plan.notices.append(Notice(NoticeKind.PATH_MISSING, {"path": printable(os.fsdecode(path))}))
    return plan


def _pass_over_unchanged(plan: IngestPlan, scan: Scan, stored: StoredFiles, check: Check) -> list[FoundFile]:
    """Walk the folders, and count the files that need no work, by the thousand; returns all others."""
    others: list[FoundFile] = []
    for batch in scan.batches():
        if isinstance(batch, FoundFile):
            found = [batch]
        elif check == "content":
            found = batch.some(range(len(batch)))
        else:
            numbers = stored.unchanged(batch, by_ctime=check == "times")
            plan.seen.mark(numbers[numbers >= 0])
            found = batch.some(np.flatnonzero(numbers < 0).tolist())
            plan.found += len(batch) - len(found)
            plan.unchanged += len(batch) - len(found)
        plan.seen.add([file.path for file in found])
        others += found
    return others


def _renamed_candidates(
    plan: IngestPlan, scan: Scan, stored: StoredFiles, found: Sequence[FoundFile]
) -> dict[str, StoredFile]:
    """The stored files that were looked for and not found, and whose names differ from new ones in case at most."""
    new = [file.path for file in found if stored.get(file.path) is None]
    places = frozenset(scan.may_lack)
    if not (new and places):
        return {}
    alike = stored.named_alike(new, plan.seen.missing)
    return {name: file for name, file in alike.items() if lies_under_any(file.path, places)}


def _drop_what_others_embed(plan: IngestPlan, elsewhere: StoredFiles, kinds: frozenset[Modality]) -> None:
    """Do not open a picture again only to learn that the added model embeds sounds."""
    if "video" in kinds:
        kinds |= {"audio"}  # a file with rows of its sound only may be a film
    candidates, plan.to_read = plan.to_read, []
    elsewhere.read(candidates)
    for found in candidates:
        other = elsewhere.get(found.path) if elsewhere.is_unchanged(found) else None
        if other is not None and not other.modalities & kinds:
            plan.unchanged += 1
            continue
        if other is not None:
            plan.in_other_spaces.add(found.path)
        plan.to_read.append(found)


def _renamed_in_case(found: FoundFile, alike: Mapping[str, StoredFile]) -> StoredFile | None:
    """The stored file that was not found and whose name differed in case only."""
    old = alike.get(os.fsdecode(found.path).casefold())
    if old is not None and old.size == found.size and differ_only_in_case(old.path, found.path):
        return old
    return None


def _add_missing_files(plan: IngestPlan, scan: Scan, not_found: Sequence[StoredFile], prune_missing: bool) -> None:
    """Add the stored files that were not found to those that are deleted or, with their folder or disk, absent."""
    assert plan.absence_checker is not None
    accounted: set[bytes] = {old.path for old, _ in plan.renamed} | {os.fsencode(note.path) for note in scan.skipped}
    absent: dict[bytes, AbsentFolder] = {}
    for file in not_found:
        path = file.path
        if path in accounted or scan.has_passed_over(path) or file.is_name or file.source is not None:
            continue
        if any(lies_under(path, folder) for folder in scan.unreadable) or not is_gone(path):
            continue
        folder = None if prune_missing else plan.absence_checker.absent_folder(path)
        if folder is None:
            plan.deleted[path] = file
        else:
            absent.setdefault(folder.folder, folder).files[path] = file
    plan.absent = list(absent.values())
