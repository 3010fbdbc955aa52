"""A manifest made again from the files that lie in the folder, and deleted rows found again without tombstones."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.paths import lies_under
from mmsearch.retrieval.store.fact_updates import find_updates
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.side_tables import PARTS_FOLDER
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.tombstones import find_tombstones, read_tombstones
from mmsearch.retrieval.store.writer import shard_entry
from mmsearch.types import MODALITIES, Modality


def manifest_from_files(root: Path) -> Manifest:
    """A manifest that names every sound shard, tombstone file and file of changed facts in the folder.

    Shards that a merge has replaced may still lie there: of two that hold the same ids, the newer one counts.
    """
    manifest = Manifest()
    for path in sorted((root / "shards").rglob("*.parquet"), reverse=True):
        with suppress(MMSearchError, OSError):
            manifest = _with_shard(root, manifest, path)
    for path in (root / PARTS_FOLDER).rglob("*.parquet"):  # their rows are taken in by the next run; they name models
        with suppress(MMSearchError, OSError):
            space = Shard(path).space
            manifest = replace(manifest, spaces={**manifest.spaces, space.key: space})
    manifest = replace(manifest, tombstones=tuple(find_tombstones(root)), fact_updates=find_updates(root))
    highest = max((entry.max_id for entry in manifest.shards), default=0)
    for entry in manifest.tombstones:  # rows that a merge has left out may have had the highest ids
        highest = max(highest, int(read_tombstones(root, entry).max(initial=0)))
    sequence = max((_sequence(path) for path in root.rglob("*-*.*")), default=0)
    return _with_searched_spaces(replace(manifest, next_id=highest + 1, next_seq=sequence + 1))


def deleted_by_other_rows(root: Path, manifest: Manifest) -> list[int]:
    """The ids of rows that must be deleted by what the other rows say, for a collection that lost its tombstones."""
    removed = tuple(os.fsencode(path) for path in manifest.removed)
    ids: list[int] = []
    for rows in Snapshot(root, manifest).all_rows().values():
        ids += _outdated(rows, removed).tolist()
    return ids


def _with_shard(root: Path, manifest: Manifest, path: Path) -> Manifest:
    """The manifest with a shard that was found, unless a newer one holds its ids."""
    shard = Shard(path)
    shard.check_mapping()
    modality = next((modality for modality in MODALITIES if modality == path.parent.name), None)
    if modality is None:
        return manifest
    entry = shard_entry(root, path.relative_to(root).as_posix(), modality)
    others = manifest.shards_of(entry.space, modality)
    if any(other.min_id <= entry.max_id and entry.min_id <= other.max_id for other in others):
        return manifest
    spaces = {**manifest.spaces, entry.space: shard.space}
    return replace(manifest, shards=(*manifest.shards, entry), spaces=spaces)


def _with_searched_spaces(manifest: Manifest) -> Manifest:
    """The manifest with the spaces that are searched: for each modality the newest that is more than half complete.

    Rows of a modality that another model has taken over since, and that are not swept yet, are left out.
    """
    by_modality: dict[Modality, str] = {}
    for modality in MODALITIES:
        rows = {key: _rows(manifest, key, modality) for key, space in manifest.spaces.items() if space.has_model}
        complete = [key for key, count in rows.items() if count and 2 * count >= max(rows.values())]
        if complete:
            by_modality[modality] = max(complete, key=lambda key: _newest_id(manifest, key, modality))
    largest = max(manifest.spaces, key=lambda key: sum(_rows(manifest, key, m) for m in MODALITIES), default=None)
    primary = by_modality.get("image") or by_modality.get("text") or next(iter(by_modality.values()), largest)
    secondary = tuple(dict.fromkeys(key for key in by_modality.values() if key != primary))
    taken_over = {
        entry
        for entry in manifest.shards
        if entry.space in (primary, *secondary) and by_modality.get(entry.modality, entry.space) != entry.space
    }
    return replace(
        manifest,
        primary_space=primary,
        secondary_spaces=secondary,
        space_by_modality=by_modality if secondary else {},
        shards=tuple(entry for entry in manifest.shards if entry not in taken_over),
    )


def _rows(manifest: Manifest, space: str, modality: Modality) -> int:
    return sum(entry.rows for entry in manifest.shards_of(space, modality))


def _newest_id(manifest: Manifest, space: str, modality: Modality) -> int:
    return max((entry.max_id for entry in manifest.shards_of(space, modality)), default=0)


def _sequence(path: Path) -> int:
    """The sequence number that a file's name begins with; 0 where it has none."""
    digits = path.name.split("-")[0]
    return int(digits) if digits.isdigit() else 0


def _outdated(rows: Rows, removed: tuple[bytes, ...]) -> NDArray[np.int64]:
    """The ids, int64 ``[n]``, of rows of earlier contents of their path, and of those under a ``removed`` path.

    A path has one content at a time: its newest row says which, and of what time.
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
    outdated = (contents != contents[last]) | (times != times[last])
    gone = np.array([any(lies_under(path, top) for top in removed) for path in paths.dictionary.to_pylist()], np.bool_)
    ids: NDArray[np.int64] = rows.ids[outdated | gone[files]]
    return ids
