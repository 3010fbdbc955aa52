"""What an indexing run has to do: the files that a scan found, compared with the files that have rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.ingest.absent import AbsenceChecker, AbsentFolder
from mmsearch.retrieval.ingest.mounts import behind_dangling_link, is_gone
from mmsearch.retrieval.ingest.options import Check
from mmsearch.retrieval.ingest.scan import FoundFile, Scan, missing_paths, no_such_path_error
from mmsearch.retrieval.ingest.skip_memory import SkipMemory
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, differ_only_in_case
from mmsearch.retrieval.paths import lies_under
from mmsearch.types import FileNote, Modality, PassedOver, printable

Renamed = list[tuple[StoredFile, FoundFile]]


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
        seen: the paths of all files that were found.
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
    seen: set[bytes] = field(default_factory=set)
    moved_from: set[bytes] = field(default_factory=set)
    absence_checker: AbsenceChecker | None = None

    @property
    def has_work(self) -> bool:
        """Whether any row is to be added, replaced or deleted."""
        return bool(self.to_read or self.renamed or self.deleted)

    def has_left_its_place(self, file: StoredFile) -> bool:
        """Whether a stored file is gone from its path for good, rather than with a disk that may come back."""
        if file.path in self.seen or self.absence_checker is None:
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
        if next(stored.under([path]), None) is None and path not in scan.roots:
            raise no_such_path_error(path)
    plan = IngestPlan()
    seen = plan.seen
    by_folded_path = {os.fsdecode(path).casefold(): file for path, file in stored.by_path.items()}
    for found in scan.files():
        if found.path in seen:
            continue
        seen.add(found.path)
        plan.found += 1
        unchanged = stored.is_unchanged(found, by_ctime=check == "times")
        if unchanged and check != "content" and stored.is_complete(stored.by_path[found.path]):
            plan.unchanged += 1
        elif not unchanged and (renamed := _renamed_in_case(found, stored, by_folded_path)) is not None:
            plan.renamed.append((renamed, found))
        elif skips is not None and check != "content" and (note := skips.recall(found)) is not None:
            plan.skipped_before.append(note)
        else:
            plan.to_read.append(found)
    if stored_elsewhere is not None:
        _drop_what_others_embed(plan, stored_elsewhere, kinds)
    plan.renamed, separate_files = _split_by_old_name(plan.renamed, seen)
    plan.to_read += [found for _, found in separate_files]
    plan.skipped = scan.skipped
    plan.found += len(scan.skipped)
    plan.absence_checker = AbsenceChecker(
        scan.paths, seen | {os.fsencode(note.path) for note in scan.skipped} | scan.excluded_or_removed, mounts
    )
    still_there = seen | {old.path for old, _ in plan.renamed}
    passed_over = [f for f in stored.under(scan.paths) if f.path not in still_there and scan.has_passed_over(f.path)]
    _add_missing_files(plan, scan, stored, prune_missing)
    plan.deleted |= {file.path: file for file in passed_over}
    plan.passed_over = scan.passed_over
    if passed_over:
        plan.notices.append(Notice(NoticeKind.NO_LONGER_INDEXED, {"files": len(passed_over)}))
    for path in missing:
        if next(stored.under([path]), None) is None:
            plan.notices.append(Notice(NoticeKind.PATH_MISSING, {"path": printable(os.fsdecode(path))}))
    return plan


def _drop_what_others_embed(plan: IngestPlan, elsewhere: StoredFiles, kinds: frozenset[Modality]) -> None:
    """Do not open a picture again only to learn that the added model embeds sounds."""
    if "video" in kinds:
        kinds |= {"audio"}  # a file with rows of its sound only may be a film
    candidates, plan.to_read = plan.to_read, []
    for found in candidates:
        other = elsewhere.by_path.get(found.path) if elsewhere.is_unchanged(found) else None
        if other is not None and not other.modalities & kinds:
            plan.unchanged += 1
            continue
        if other is not None:
            plan.in_other_spaces.add(found.path)
        plan.to_read.append(found)


def _renamed_in_case(
    found: FoundFile, stored: StoredFiles, by_folded_path: Mapping[str, StoredFile]
) -> StoredFile | None:
    if found.path in stored.by_path:
        return None
    old = by_folded_path.get(os.fsdecode(found.path).casefold())
    if old is not None and old.size == found.size and differ_only_in_case(old.path, found.path):
        return old
    return None


def _split_by_old_name(renamed: Renamed, seen: set[bytes]) -> tuple[Renamed, Renamed]:
    """Files that were renamed, and those whose old name was found too: two files (hard links), not one renamed."""
    return [r for r in renamed if r[0].path not in seen], [r for r in renamed if r[0].path in seen]


def _add_missing_files(plan: IngestPlan, scan: Scan, stored: StoredFiles, prune_missing: bool) -> None:
    """Add the stored files that were not found to those that are deleted or, with their folder or disk, absent."""
    assert plan.absence_checker is not None
    accounted: set[bytes] = {old.path for old, _ in plan.renamed} | {os.fsencode(note.path) for note in scan.skipped}
    absent: dict[bytes, AbsentFolder] = {}
    for file in stored.under(scan.paths):
        path = file.path
        if path in plan.seen or path in accounted or scan.has_passed_over(path) or file.is_name:
            continue
        if any(lies_under(path, folder) for folder in scan.unreadable) or not is_gone(path):
            continue
        folder = None if prune_missing else plan.absence_checker.absent_folder(path)
        if folder is None:
            plan.deleted[path] = file
        else:
            absent.setdefault(folder.folder, folder).files[path] = file
    plan.absent = list(absent.values())
