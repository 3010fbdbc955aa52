"""Verifying a collection, file by file, and mending it: from the shards, everything else can be made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import file_checksum
from mmsearch.errors import CollectionDamagedError, MMSearchError, NewerFormatError
from mmsearch.indexes import ApproximateIndex
from mmsearch.retrieval.paths import lies_under
from mmsearch.retrieval.store.lock import writer_lock
from mmsearch.retrieval.store.manifest import (
    MANIFEST_NAME,
    IndexEntry,
    LostEntry,
    Manifest,
    MatchSampleEntry,
    ShardEntry,
    SkippedEntry,
    TombstoneEntry,
    load_manifest,
)
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.snapshot import Rows, Snapshot, open_shard
from mmsearch.retrieval.store.tombstones import find_tombstones, read_tombstone_file, read_tombstones
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.index_files import read_index_facts
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import MODALITIES, Modality

Entry = ShardEntry | IndexEntry | MatchSampleEntry | TombstoneEntry | SkippedEntry


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file.

    Attributes:
        path: the file.
        reason: what is wrong.
        repaired: what was done about it; None if nothing was.
    """

    path: str
    reason: str
    repaired: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"path": self.path, "reason": self.reason, "repaired": self.repaired}


def examine(root: Path, *, repair: bool = False) -> list[Problem]:
    """Check the manifest and every file that it names: checksums, rows, spaces, ids.

    Repairing takes damaged shards out (their files are embedded again by the next ``index``), builds damaged
    indexes and samples again, and makes a lost manifest from the shards that are there.

    Raises:
        MMSearchError: there is no collection at ``root``.
        CollectionBusyError: repairing, while another process writes.
    """
    if not repair:
        return _examined(root)
    if not (root / "shards").is_dir() and not (root / MANIFEST_NAME).exists():
        load_manifest(root)  # says that there is no collection
    with writer_lock(root):
        return _repair(root)


def _examined(root: Path) -> list[Problem]:
    """What is wrong; a writer beside us may sweep what a manifest named, and then the newest one is examined."""
    while True:
        try:
            manifest = load_manifest(root)
            problems = [problem for _, problem in _damaged(root, manifest)]
            if not problems or load_manifest(root).generation == manifest.generation:
                return problems
        except CollectionDamagedError as error:
            return [Problem(str(root / MANIFEST_NAME), str(error))]


def _repair(root: Path) -> list[Problem]:
    done: list[Problem] = []
    try:
        manifest = load_manifest(root)
    except NewerFormatError:
        raise
    except MMSearchError:
        manifest = _manifest_of_shards(root)
        told = "made again from the shards; what to exclude and what was removed is to be said again"
        done.append(Problem(str(root / MANIFEST_NAME), "it was damaged", told))
    bad = list(_damaged(root, manifest))
    saved: list[int] = []
    tombstones_lost = False
    for entry, problem in bad:
        if isinstance(entry, TombstoneEntry):
            ids = _ids_left(root, entry)
            tombstones_lost |= ids is None
            saved += ids or []
            done.append(replace(problem, repaired=_DEAD_LOST if ids is None else "made again from its copy"))
        else:
            done.append(replace(problem, repaired=_what_was_done(entry)))
        manifest = _without(manifest, entry)
    if not done:
        return []
    writer = Writer(root, replace(manifest, generation=manifest.generation))
    if tombstones_lost:
        saved += _derived(root, manifest)
    writer.commit(delete=saved)
    for space in list(manifest.spaces.values()):
        maintain(writer, space)
    return done


_DEAD_LOST = (
    "lost with its copy: rows of changed files and of what was removed are found and forgotten again; files that are"
    " gone answer until the next run of indexing"
)


def _ids_left(root: Path, entry: TombstoneEntry) -> list[int] | None:
    """The ids of a set of tombstones from whichever of its files is whole; None where none is."""
    for name in entry.files:
        with suppress(MMSearchError, OSError):
            if file_checksum(root / name) == entry.checksum:
                ids: list[int] = read_tombstone_file(root / name).tolist()
                return ids
    return None


def _derived(root: Path, manifest: Manifest) -> list[int]:
    snapshot = Snapshot(root, manifest)
    removed = tuple(os.fsencode(path) for path in manifest.removed)
    ids: list[int] = []
    for key in manifest.spaces:
        for modality in manifest.modalities(key):
            ids += _derived_dead(snapshot.rows(key, modality), removed).tolist()
    return ids


def _what_was_done(entry: Entry) -> str:
    if isinstance(entry, ShardEntry):
        return "taken out; the next run of indexing embeds its files again"
    if isinstance(entry, SkippedEntry):
        return "taken out; the next run of indexing looks at skipped files again"
    return "made again"


def _damaged(root: Path, manifest: Manifest) -> Iterator[tuple[Entry, Problem]]:
    entries: list[Entry] = [*manifest.shards, *manifest.tombstones, *manifest.match_samples, *manifest.indexes]
    entries += [manifest.skipped] if manifest.skipped else []
    for entry in entries:
        try:
            _check(root, entry)
        except (MMSearchError, OSError, ValueError, KeyError) as error:
            yield entry, Problem(str(root / entry.path), _what_is_wrong(error))


def _what_is_wrong(error: Exception) -> str:
    """An error as a person may read it: ours as they are, of the system's and of Python's what they mean."""
    if isinstance(error, MMSearchError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    if isinstance(error, OSError):
        return f"it cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return "it is damaged: it does not hold what it should"


def _check(root: Path, entry: Entry) -> None:
    """Raise what is wrong with one file of the manifest."""
    checksums = entry.checksums if isinstance(entry, IndexEntry) else {"": entry.checksum}
    for ending, expected in checksums.items():
        _check_sum(root / (entry.path + ending), expected)
    if isinstance(entry, ShardEntry):
        shard = open_shard(root, entry)
        shard.check_mapping()
        if np.any(np.diff(shard.ids) <= 0):
            raise CollectionDamagedError("its ids do not ascend")
    elif isinstance(entry, TombstoneEntry):
        read_tombstones(root, entry)
        if entry.copy:
            try:
                _check_sum(root / entry.copy, entry.checksum)
            except (CollectionDamagedError, OSError) as error:
                raise CollectionDamagedError(f"its copy {entry.copy} is lost or damaged") from error
    elif isinstance(entry, MatchSampleEntry):
        np.load(root / entry.path, allow_pickle=False)
    elif isinstance(entry, SkippedEntry):
        pass  # its checksum says enough
    else:
        read_index_facts(root, entry)
        ApproximateIndex.load((root / entry.path).with_suffix(".faiss"))


def _check_sum(path: Path, expected: str) -> None:
    if file_checksum(path) != expected:
        raise CollectionDamagedError("its checksum does not fit: the file was cut or altered")


def _without(manifest: Manifest, entry: Entry) -> Manifest:
    return replace(
        manifest,
        shards=tuple(e for e in manifest.shards if e != entry),
        tombstones=tuple(e for e in manifest.tombstones if e != entry),
        match_samples=tuple(e for e in manifest.match_samples if e != entry),
        indexes=tuple(e for e in manifest.indexes if not _depends(e, entry)),
        skipped=None if manifest.skipped == entry else manifest.skipped,
        lost=_with_lost(manifest, entry),
    )


def _with_lost(manifest: Manifest, entry: Entry) -> tuple[LostEntry, ...]:
    """Note what rows were lost, so that the next run misses them also in files of which other rows are there."""
    if not isinstance(entry, ShardEntry):
        return manifest.lost
    others = (e for e in manifest.lost if (e.space, e.modality) != (entry.space, entry.modality))
    return (*others, LostEntry(entry.space, entry.modality, manifest.next_id))


def _depends(index: IndexEntry, entry: Entry) -> bool:
    """Whether a segment goes when ``entry`` does: it is that one, or covers what comes after it."""
    if not isinstance(entry, IndexEntry) or (index.space, index.modality) != (entry.space, entry.modality):
        return False
    return index.covers_to >= entry.covers_to


def _manifest_of_shards(root: Path) -> Manifest:
    """A manifest that names every sound shard and tombstone file that lies in the folder.

    Shards that a merge had replaced may still lie there: of two that hold the same ids, the newer one counts.
    """
    manifest = Manifest()
    for path in sorted((root / "shards").rglob("*.parquet"), reverse=True):
        with suppress(MMSearchError, OSError):
            manifest = _with_found(root, manifest, path)
    manifest = replace(manifest, tombstones=tuple(find_tombstones(root)))
    highest = max((entry.max_id for entry in manifest.shards), default=0)
    for entry in manifest.tombstones:  # rows that `compact` has dropped may have had the highest
        highest = max(highest, int(read_tombstones(root, entry).max(initial=0)))
    sequence = max((_sequence(path) for path in root.rglob("*-*.*")), default=0)
    return _in_use(replace(manifest, next_id=highest + 1, next_seq=sequence + 1))


def _in_use(manifest: Manifest) -> Manifest:
    """Which of the spaces that were found are searched: for each modality the newest that is no mere beginning.

    Rows of a modality that another model has taken over since, and that are not swept yet, count no more.
    """
    serving: dict[Modality, str] = {}
    for modality in MODALITIES:
        rows = {key: _rows(manifest, key, modality) for key, space in manifest.spaces.items() if space.has_model}
        complete = [key for key, count in rows.items() if count and 2 * count >= max(rows.values())]
        if complete:
            serving[modality] = max(complete, key=lambda key: _newest(manifest, key, modality))
    largest = max(manifest.spaces, key=lambda key: sum(_rows(manifest, key, m) for m in MODALITIES), default=None)
    current = serving.get("image") or serving.get("text") or next(iter(serving.values()), largest)
    also = tuple(dict.fromkeys(key for key in serving.values() if key != current))
    taken_over = {
        entry
        for entry in manifest.shards
        if entry.space in (current, *also) and serving.get(entry.modality, entry.space) != entry.space
    }
    shards = tuple(entry for entry in manifest.shards if entry not in taken_over)
    return replace(
        manifest, primary_space=current, secondary_spaces=also, space_by_modality=serving if also else {}, shards=shards
    )


def _rows(manifest: Manifest, space: str, modality: Modality) -> int:
    return sum(entry.rows for entry in manifest.shards_of(space, modality))


def _newest(manifest: Manifest, space: str, modality: Modality) -> int:
    return max((entry.max_id for entry in manifest.shards_of(space, modality)), default=0)


def _with_found(root: Path, manifest: Manifest, path: Path) -> Manifest:
    shard = Shard(path)
    shard.check_mapping()
    modality = _modality(path.parent.name)
    low, high = int(shard.ids[0]), int(shard.ids[-1])
    key = shard.space.key
    taken = [e for e in manifest.shards if (e.space, e.modality) == (key, modality)]
    if any(e.min_id <= high and low <= e.max_id for e in taken):
        return manifest
    name = path.relative_to(root).as_posix()
    size = os.path.getsize(path)
    entry = ShardEntry(name, key, modality, len(shard), low, high, size, file_checksum(path), shard.footer)
    return replace(manifest, shards=(*manifest.shards, entry), spaces={**manifest.spaces, key: shard.space})


def _modality(name: str) -> Modality:
    for modality in MODALITIES:
        if modality == name:
            return modality
    raise CollectionDamagedError(f"no modality {name}")


def _sequence(path: Path) -> int:
    digits = path.name.split("-")[0]
    return int(digits) if digits.isdigit() else 0


def _derived_dead(rows: Rows, removed: tuple[bytes, ...]) -> NDArray[np.int64]:
    """The ids, int64 ``[n]``, of rows that must be dead by what the others say, where all tombstones are lost.

    A path has one content at a time: its newest row says which, and of when. What lies under a ``removed`` path has
    none.
    """
    if not len(rows):
        return np.empty(0, np.int64)
    table = rows.facts(["path", "content_hash", "mtime_ns"])
    paths = table["path"].combine_chunks().dictionary_encode()
    contents = table["content_hash"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    files, times = paths.indices.to_numpy(), table["mtime_ns"].to_numpy()
    newest = np.zeros(len(paths.dictionary), np.int64)
    np.maximum.at(newest, files, np.arange(len(files)))
    last = newest[files]
    dead = (contents != contents[last]) | (times != times[last])
    gone = np.array([any(lies_under(path, top) for top in removed) for path in paths.dictionary.to_pylist()], np.bool_)
    dead |= gone[files]
    ids: NDArray[np.int64] = rows.ids[dead]
    return ids
