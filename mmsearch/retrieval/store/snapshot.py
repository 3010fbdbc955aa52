"""A snapshot: what one manifest names, opened for reading. It never changes; a newer manifest is a new snapshot."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import unique_small
from mmsearch.retrieval.store.manifest import Manifest, ShardEntry
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.tombstones import read_tombstones
from mmsearch.types import Modality


class Rows:
    """The rows of a (space, modality), dead ones included, by position: the order of ascending ids."""

    def __init__(self, shards: Sequence[Shard], dead: NDArray[np.int64]) -> None:
        self._shards = list(shards)
        self._dead = dead
        self._starts = np.cumsum([0] + [len(shard) for shard in self._shards])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Row ids, strictly ascending; int64 ``[rows]``."""
        parts = [shard.ids for shard in self._shards]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    @cached_property
    def vector_blocks(self) -> list[NDArray[np.float16]]:
        """Float16 unit vectors in blocks ``[rows, dim]``, mapped from the shards, in order of position."""
        return [block for shard in self._shards for block in shard.vector_blocks]

    @cached_property
    def live(self) -> NDArray[np.bool_] | None:
        """Which positions are alive; None where all are."""
        places = np.searchsorted(self.ids, self._dead)
        inside = places < len(self)
        places, dead = places[inside], self._dead[inside]
        hit = places[self.ids[places] == dead]
        if not len(hit):
            return None
        live = np.ones(len(self), np.bool_)
        live[hit] = False
        live.flags.writeable = False  # so that what a search makes of it may be kept
        return live

    @property
    def live_count(self) -> int:
        """How many rows are alive."""
        return len(self) if self.live is None else int(np.count_nonzero(self.live))

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of ids that are rows here."""
        return np.searchsorted(self.ids, ids).astype(np.int64)

    def has(self, row_id: int) -> bool:
        """Whether an id is a row here."""
        place = int(np.searchsorted(self.ids, row_id))
        return place < len(self) and int(self.ids[place]) == row_id

    def facts(self, columns: Sequence[str]) -> pa.Table:
        """The named columns of all rows, in order of position."""
        tables = [shard.facts(columns) for shard in self._shards]
        return pa.concat_tables(table.replace_schema_metadata(None) for table in tables)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The named columns of all rows, one row group after another, in order of position."""
        for shard in self._shards:
            for group in range(len(shard.vector_blocks)):
                yield shard.facts_of_group(group, columns)

    def facts_at(self, positions: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The named columns of the rows at ``positions`` (any order), one dict a row, in the order given."""
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        owners = np.searchsorted(self._starts, ordered, side="right") - 1
        found: list[dict[str, Any]] = []
        for owner in unique_small(owners):
            inside = ordered[owners == owner] - self._starts[owner]
            found += self._shards[owner].facts_at(inside, columns)
        result: list[dict[str, Any]] = [{}] * len(found)
        for place, row in zip(order, found, strict=True):
            result[place] = row
        return result

    def vectors_at(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """The stored vectors at ``positions``; float16 ``[len(positions), dim]``."""
        from mmsearch.indexes import StoredVectors

        blocks = self.vector_blocks
        return StoredVectors(blocks, blocks[0].shape[1]).take_float16(positions)


class Snapshot:
    """What a manifest names. Shards open when they are first needed; opened ones outlive their names."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self._rows: dict[tuple[str, Modality], Rows] = {}
        self._guard = threading.Lock()

    @cached_property
    def deleted_ids(self) -> NDArray[np.int64]:
        """All dead ids, ascending."""
        parts = [read_tombstones(self.root, entry) for entry in self.manifest.tombstones]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def rows(self, space: str, modality: Modality) -> Rows:
        """The rows of a (space, modality)."""
        with self._guard:
            key = (space, modality)
            if key not in self._rows:
                entries = self.manifest.shards_of(space, modality)
                self._rows[key] = Rows([open_shard(self.root, entry) for entry in entries], self.deleted_ids)
            return self._rows[key]

    def counts(self, space: str) -> dict[Modality, int]:
        """Live rows by modality."""
        return {m: self.rows(space, m).live_count for m in self.manifest.modalities(space)}


def open_shard(root: Path, entry: ShardEntry) -> Shard:
    """Open a shard that a manifest names, and see that it is the one that was meant.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is not what the manifest says.
    """
    path = root / entry.path
    shard = Shard(path, entry.footer)
    if len(shard) != entry.rows or shard.space.key != entry.space:
        raise CollectionDamagedError(f"shard {path} is not the one that the manifest names")
    return shard
