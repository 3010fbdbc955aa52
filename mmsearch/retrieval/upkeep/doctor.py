"""Checking a collection file by file, and repairing it: from the shards, everything else can be made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.durable import file_checksum
from mmsearch.errors import CollectionDamagedError, MMSearchError, NewerFormatError, StorageError
from mmsearch.indexes import LEXICAL_FORMAT, ApproximateIndex, LexicalSegment
from mmsearch.retrieval.store.fact_updates import read_update_file
from mmsearch.retrieval.store.lock import writer_lock
from mmsearch.retrieval.store.manifest import (
    MANIFEST_NAME,
    FactUpdateEntry,
    IndexEntry,
    LexicalEntry,
    LostEntry,
    Manifest,
    MatchSampleEntry,
    ShardEntry,
    SideTableEntry,
    SkippedEntry,
    TombstoneEntry,
    load_manifest,
)
from mmsearch.retrieval.store.remote import at_hand, at_hand_anew, bring_files, file_shown, mirror_of
from mmsearch.retrieval.store.side_tables import PARTS_TABLE, read_side_table_file
from mmsearch.retrieval.store.snapshot import open_shard
from mmsearch.retrieval.store.tombstones import read_tombstone_file, read_tombstones
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.index_files import read_index_facts
from mmsearch.retrieval.upkeep.lost_parts import forget_parts, rows_of_unknown_parts
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.retrieval.upkeep.rebuild_manifest import deleted_by_other_rows, manifest_from_files
from mmsearch.saved_files import read_saved, saved_paths

Entry = (
    ShardEntry
    | IndexEntry
    | LexicalEntry
    | MatchSampleEntry
    | TombstoneEntry
    | FactUpdateEntry
    | SideTableEntry
    | SkippedEntry
)

_MANIFEST_REBUILT = (
    "made again from the shards; what to exclude and what was removed is to be said again,"
    " and levels are to be fitted again"
)
_TOMBSTONES_LOST = (
    "lost with its copy: rows of changed files and of what was removed are found and forgotten again; files that are"
    " gone answer until the next run of indexing"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file of a collection.

    Attributes:
        path: the file.
        reason: what is wrong with it.
        repaired: what was done about it; None if nothing was.
    """

    path: str
    reason: str
    repaired: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"path": self.path, "reason": self.reason, "repaired": self.repaired}


def examine(root: Path, *, repair: bool = False) -> list[Problem]:
    """Check the manifest and every file that it names: checksums, numbers of rows, spaces, ids.

    Repairing takes damaged shards out (the next run of indexing embeds their files again), builds damaged indexes and
    samples again, and makes a lost manifest from the shards that are there.

    Raises:
        MMSearchError: there is no collection at ``root``.
        NewerFormatError: a newer version of mmsearch wrote it.
        CollectionBusyError: repairing, while another process writes.
    """
    if not repair:
        return [*_check_newest(root), *_damaged_searches(root)]
    if mirror_of(root) is None and not (root / "shards").is_dir() and not (root / MANIFEST_NAME).exists():
        load_manifest(root)  # raises that there is no collection
    with writer_lock(root):
        return [*_repair(root), *(_set_aside(problem) for problem in _damaged_searches(root))]


def _damaged_searches(root: Path) -> list[Problem]:
    """The files of saved searches that cannot be read."""
    found: list[Problem] = []
    for path in saved_paths(root):
        try:
            read_saved(path)
        except NewerFormatError:
            continue
        except (CollectionDamagedError, OSError):
            found.append(Problem(str(path), "it is damaged: it does not hold a search"))
    return found


def _set_aside(problem: Problem) -> Problem:
    """Rename a damaged saved search, so that it can be looked at and its name is free."""
    aside = f"{problem.path}.damaged"
    os.replace(problem.path, aside)
    return replace(problem, repaired=f"set aside as {aside}; save the search anew")


def _check_newest(root: Path) -> list[Problem]:
    """What is wrong; checked again if another process has written meanwhile and may have swept files away."""
    while True:
        try:
            manifest = load_manifest(root)
            problems = [problem for _, problem in _find_problems(root, manifest)]
            if not problems or load_manifest(root).generation == manifest.generation:
                return problems
        except CollectionDamagedError as error:
            return [Problem(file_shown(root, MANIFEST_NAME), str(error))]


def _repair(root: Path) -> list[Problem]:
    done: list[Problem] = []
    try:
        manifest = load_manifest(root)
    except NewerFormatError:
        raise
    except StorageError:
        raise
    except MMSearchError:
        bring_files(root)
        manifest = manifest_from_files(root)
        done.append(Problem(file_shown(root, MANIFEST_NAME), "it was damaged", _MANIFEST_REBUILT))
    deleted: list[int] = []
    tombstones_lost = False
    for entry, problem in list(_find_problems(root, manifest)):
        if isinstance(entry, TombstoneEntry):
            ids = _ids_in_sound_file(root, entry)
            tombstones_lost |= ids is None
            deleted += ids or []
            done.append(replace(problem, repaired=_TOMBSTONES_LOST if ids is None else "made again from its copy"))
        else:
            done.append(replace(problem, repaired=_what_was_done(entry)))
        manifest = _without(manifest, entry)
        if isinstance(entry, ShardEntry):
            manifest, of_its_parts = forget_parts(root, manifest, entry)
            deleted += of_its_parts
    if not done:
        return []
    if tombstones_lost:
        deleted += deleted_by_other_rows(root, manifest)
    deleted += rows_of_unknown_parts(root, manifest)
    writer = Writer(root, _with_footers(root, manifest))
    writer.commit(delete=deleted)
    for space in list(writer.manifest.spaces.values()):
        maintain(writer, space)
    return done


def _ids_in_sound_file(root: Path, entry: TombstoneEntry) -> list[int] | None:
    """The ids of a set of tombstones from whichever of its two files is sound; None if neither is."""
    for name in entry.files:
        with suppress(MMSearchError, OSError):
            path = at_hand(root, name)
            if file_checksum(path) == entry.checksum:
                ids: list[int] = read_tombstone_file(path).tolist()
                return ids
    return None


def _with_footers(root: Path, manifest: Manifest) -> Manifest:
    """The manifest with the checksums of footers that entries of earlier versions lack. All shards are sound."""
    shards = (
        entry if entry.footer is not None else replace(entry, footer=open_shard(root, entry).footer)
        for entry in manifest.shards
    )
    return replace(manifest, shards=tuple(shards))


def _what_was_done(entry: Entry) -> str:
    if isinstance(entry, ShardEntry):
        return "taken out; the next run of indexing embeds its files again"
    if isinstance(entry, SkippedEntry):
        return "taken out; the next run of indexing looks at skipped files again"
    if isinstance(entry, FactUpdateEntry):
        return "taken out; the facts that were changed through it are what they were before"
    if isinstance(entry, SideTableEntry) and entry.name == PARTS_TABLE:
        return "taken out, with the rows of all archives; the next run of indexing or gathering brings them back"
    if isinstance(entry, SideTableEntry):
        return f"taken out; what it held ({entry.name}) is to be computed again"
    return "made again"


def _find_problems(root: Path, manifest: Manifest) -> Iterator[tuple[Entry, Problem]]:
    """Every file of the manifest with which something is wrong."""
    entries: list[Entry] = [*manifest.shards, *manifest.tombstones, *manifest.fact_updates, *manifest.side_tables]
    entries += [*manifest.match_samples, *manifest.indexes, *manifest.lexical]
    entries += [manifest.skipped] if manifest.skipped else []
    for entry in entries:
        try:
            _check(root, entry)
        except (MMSearchError, OSError, ValueError, KeyError) as error:
            yield entry, Problem(file_shown(root, entry.path), _reason(error))


def _reason(error: Exception) -> str:
    """What is wrong, in plain words."""
    if isinstance(error, MMSearchError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    if isinstance(error, OSError):
        return f"it cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return "it is damaged: it does not hold what it should"


def _check(root: Path, entry: Entry) -> None:
    """Raise if something is wrong with the files of an entry."""
    checksums = entry.checksums if isinstance(entry, IndexEntry) else {"": entry.checksum}
    for ending, expected in checksums.items():
        _compare_checksum(at_hand_anew(root, entry.path + ending), expected)
    if isinstance(entry, ShardEntry):
        shard = open_shard(root, entry)
        shard.check_mapping()
        if np.any(np.diff(shard.ids) <= 0):
            raise CollectionDamagedError("its ids do not ascend")
    elif isinstance(entry, TombstoneEntry):
        read_tombstones(root, entry)
        if entry.copy:
            try:
                _compare_checksum(at_hand_anew(root, entry.copy), entry.checksum)
            except (CollectionDamagedError, OSError) as error:
                raise CollectionDamagedError(f"its copy {entry.copy} is lost or damaged") from error
    elif isinstance(entry, FactUpdateEntry):
        read_update_file(at_hand(root, entry.path))
    elif isinstance(entry, SideTableEntry):
        read_side_table_file(at_hand(root, entry.path))
    elif isinstance(entry, MatchSampleEntry):
        np.load(at_hand(root, entry.path), allow_pickle=False)
    elif isinstance(entry, LexicalEntry):
        if entry.format == LEXICAL_FORMAT:
            LexicalSegment.open(at_hand(root, entry.path), entry.rows).check()
    elif isinstance(entry, IndexEntry):
        read_index_facts(root, entry)
        ApproximateIndex.load(at_hand(root, f"{entry.path}.faiss"))


def _compare_checksum(path: Path, expected: str) -> None:
    if file_checksum(path) != expected:
        raise CollectionDamagedError("its checksum does not fit: the file was cut or altered")


def _without(manifest: Manifest, entry: Entry) -> Manifest:
    """The manifest without an entry, and without the index segments that need it."""
    return replace(
        manifest,
        shards=tuple(e for e in manifest.shards if e != entry),
        tombstones=tuple(e for e in manifest.tombstones if e != entry),
        fact_updates=tuple(e for e in manifest.fact_updates if e != entry),
        side_tables=tuple(e for e in manifest.side_tables if e != entry),
        match_samples=tuple(e for e in manifest.match_samples if e != entry),
        indexes=tuple(e for e in manifest.indexes if not _needs(e, entry)),
        lexical=tuple(e for e in manifest.lexical if not _needs(e, entry)),
        skipped=None if manifest.skipped == entry else manifest.skipped,
        lost=_with_lost(manifest, entry),
    )


def _with_lost(manifest: Manifest, entry: Entry) -> tuple[LostEntry, ...]:
    """Note which rows were lost, so that the next run embeds their files again, even those that have other rows."""
    if not isinstance(entry, ShardEntry):
        return manifest.lost
    others = (e for e in manifest.lost if (e.space, e.modality) != (entry.space, entry.modality))
    return (*others, LostEntry(entry.space, entry.modality, manifest.next_id))


def _needs(index: IndexEntry | LexicalEntry, entry: Entry) -> bool:
    """Whether a segment goes when ``entry`` does: it is that one, or a later segment of the same index."""
    if (
        not isinstance(entry, IndexEntry | LexicalEntry)
        or type(entry) is not type(index)
        or (index.space, index.modality) != (entry.space, entry.modality)
    ):
        return False
    return index.covers_to >= entry.covers_to
