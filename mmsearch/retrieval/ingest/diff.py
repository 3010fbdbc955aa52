"""What an indexing run has to do: the scan held against what the collection knows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmsearch.retrieval.ingest.known import KnownFile, KnownFiles, same_but_case
from mmsearch.retrieval.ingest.scan import Found, Scan, lies_under, missing, no_such_path
from mmsearch.types import FileNote, Modality, PassedOver, printable


@dataclass(slots=True)
class Plan:
    """The work: files to read, files whose rows go, files kept although they were not seen.

    ``served``: files to read that another model of the collection embeds already; nothing is lost if this one cannot.
    """

    found: int = 0
    unchanged: int = 0
    todo: list[Found] = field(default_factory=list)
    served: set[bytes] = field(default_factory=set)
    renamed: list[tuple[KnownFile, Found]] = field(default_factory=list)
    vanished: list[KnownFile] = field(default_factory=list)
    kept: list[FileNote] = field(default_factory=list)
    skipped: list[FileNote] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()
    notices: list[str] = field(default_factory=list)


def make_plan(
    scan: Scan,
    known: KnownFiles,
    *,
    elsewhere: KnownFiles | None = None,
    kinds: frozenset[Modality] = frozenset(),
    prune_missing: bool = False,
) -> Plan:
    """Walk the folders once and decide for each file; nothing is opened, a stat is all that a file costs.

    Args:
        scan: where to look.
        known: the files with rows in the spaces that are filled.
        elsewhere: those with rows in the collection's other spaces, where a model is added to it; of these only
            files of the ``kinds`` that the added model embeds are read.
        prune_missing: also forget what lay under a path that is missing or empty.

    Raises:
        UsageError: a path does not exist and the collection knows nothing under it.
    """
    lost = missing(scan.paths)
    for path in lost:
        if next(known.under([path]), None) is None and path not in scan.roots:
            raise no_such_path(path)
    plan = Plan()
    seen: set[bytes] = set()
    by_folded_name = {os.fsdecode(path).casefold(): file for path, file in known.by_path.items()}
    for found in scan.files():
        if found.path in seen:
            continue
        seen.add(found.path)
        plan.found += 1
        if known.unchanged(found):
            plan.unchanged += 1
        elif (renamed := _renamed_in_case(found, known, by_folded_name)) is not None:
            plan.renamed.append((renamed, found))
        else:
            plan.todo.append(found)
    if elsewhere is not None:
        _pass_over_served(plan, elsewhere, kinds)
    plan.renamed, both_there = _split(plan.renamed, seen)
    plan.todo += [found for _, found in both_there]
    plan.skipped = scan.skipped
    plan.found += len(scan.skipped)
    met = seen | {old.path for old, _ in plan.renamed}
    left_out = [file for file in known.under(scan.paths) if file.path not in met and scan.leaves_out(file.path)]
    _add_vanished(plan, scan, known, seen, lost, prune_missing)
    plan.vanished = list({file.path: file for file in (*plan.vanished, *left_out)}.values())
    plan.passed_over = scan.passed_over
    plan.notices = _notices(scan, left_out, known, lost)
    return plan


def _notices(scan: Scan, left_out: Sequence[KnownFile], known: KnownFiles, lost: Sequence[bytes]) -> list[str]:
    """What a scan has to say apart from files."""
    told = []
    if left_out:
        files = "1 file" if len(left_out) == 1 else f"{len(left_out):,} files"
        told.append(f"{files} indexed before and passed over now: no longer among the answers")
    for path in lost:
        if next(known.under([path]), None) is None:
            told.append(f"{printable(os.fsdecode(path))} is missing, and nothing of it is stored")
    return told


def _pass_over_served(plan: Plan, elsewhere: KnownFiles, kinds: frozenset[Modality]) -> None:
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


def _renamed_in_case(found: Found, known: KnownFiles, by_folded: dict[str, KnownFile]) -> KnownFile | None:
    if found.path in known.by_path:
        return None
    old = by_folded.get(os.fsdecode(found.path).casefold())
    if old is not None and old.size == found.size and same_but_case(old.path, found.path):
        return old
    return None


def _split(
    renamed: list[tuple[KnownFile, Found]], seen: set[bytes]
) -> tuple[list[tuple[KnownFile, Found]], list[tuple[KnownFile, Found]]]:
    # Where names differ in case and both were listed, they are two files (hard links), not one renamed.
    return [r for r in renamed if r[0].path not in seen], [r for r in renamed if r[0].path in seen]


def _add_vanished(
    plan: Plan, scan: Scan, known: KnownFiles, seen: set[bytes], lost: Sequence[bytes], prune_missing: bool
) -> None:
    moved_from = {old.path for old, _ in plan.renamed}
    skipped = {os.fsencode(note.path) for note in scan.skipped}
    vanished: dict[bytes, KnownFile] = {}
    for root in scan.paths:
        gone = [
            file
            for file in known.under([root])
            if file.path not in seen
            and file.path not in moved_from
            and file.path not in skipped
            and not scan.leaves_out(file.path)
            and not any(lies_under(file.path, folder) for folder in scan.unread)
            and not os.path.lexists(file.path)
        ]
        if not gone:
            continue
        reason = _reason_to_keep(root, lost, seen, skipped)
        if reason and not prune_missing:
            shown = printable(os.fsdecode(root))
            files = "1 item" if len(gone) == 1 else f"{len(gone)} items"
            plan.kept.append(
                FileNote(
                    os.fsdecode(root),
                    f"{shown} {reason}: {files} kept (an unmounted disk?); --prune-missing forgets them",
                )
            )
        else:
            vanished |= {file.path: file for file in gone}
    plan.vanished = list(vanished.values())


def _reason_to_keep(root: bytes, lost: Sequence[bytes], seen: set[bytes], skipped: set[bytes]) -> str | None:
    if root in lost:
        return "is missing"
    if not any(lies_under(path, root) for path in seen | skipped):
        return "is suddenly empty"
    return None
