"""A snapshot: what one manifest names, opened for reading. It never changes; a newer manifest is a new snapshot."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.fact_updates import NO_UPDATES, FactUpdates, read_updates
from mmsearch.retrieval.store.manifest import Manifest, ShardEntry
from mmsearch.retrieval.store.own_columns import joint_types, with_types
from mmsearch.retrieval.store.remote import fetch_together, mirror_of
from mmsearch.retrieval.store.shards import Shard, numbers_present
from mmsearch.retrieval.store.side_tables import read_side_table
from mmsearch.retrieval.store.tombstones import read_tombstones
from mmsearch.types import Modality


class ShardRows(Protocol):
    """A shard, or neighbouring rows of one; see `Shard`."""

    def __len__(self) -> int: ...

    @property
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns, each with its type."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """Row ids, ascending."""

    @property
    def vector_blocks(self) -> list[NDArray[np.float16]]:
        """Vectors, block by block."""

    def facts(self, columns: Sequence[str]) -> pa.Table:
        """The named columns of all rows."""

    def facts_of_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """The named columns of one block."""

    def facts_at(self, positions: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The named columns of the rows at ascending positions."""


class Rows:
    """The rows of a (space, modality), deleted ones included. Positions count them by ascending id.

    ``deleted``: ids of deleted rows, here or elsewhere, ascending.
    """

    def __init__(
        self, shards: Sequence[ShardRows], deleted: NDArray[np.int64], updates: FactUpdates = NO_UPDATES
    ) -> None:
        self._shards = list(shards)
        self._deleted = deleted
        self._all_updates = updates
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
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns that any of the rows may have values in, each with its type."""
        return joint_types([*(shard.own_types for shard in self._shards), self._updates.own_types])

    @cached_property
    def live(self) -> NDArray[np.bool_] | None:
        """Which positions are not deleted, bool ``[rows]``; None if none is deleted."""
        places = np.searchsorted(self.ids, self._deleted)
        inside = places < len(self)
        places, deleted = places[inside], self._deleted[inside]
        hit = places[self.ids[places] == deleted]
        if not len(hit):
            return None
        live = np.ones(len(self), np.bool_)
        live[hit] = False
        live.flags.writeable = False  # an index keeps what it computes from this very array
        return live

    @property
    def live_count(self) -> int:
        """How many rows are not deleted."""
        return len(self) if self.live is None else int(np.count_nonzero(self.live))

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of ids that are rows here."""
        return np.searchsorted(self.ids, ids).astype(np.int64)

    def has(self, row_id: int) -> bool:
        """Whether an id is a row here, deleted or not."""
        place = int(np.searchsorted(self.ids, row_id))
        return place < len(self) and int(self.ids[place]) == row_id

    @property
    def live_positions(self) -> NDArray[np.int64]:
        """Positions of the rows that are not deleted, ascending."""
        return np.arange(len(self)) if self.live is None else np.flatnonzero(self.live)

    def live_positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of those of some ids that are rows here and not deleted."""
        places = self.live_positions_or_gaps(ids)
        return places[places >= 0]

    def live_positions_or_gaps(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of each id, int64 ``[len(ids)]``; -1 where it is no row here, or a deleted one."""
        positions = self.positions(ids)
        inside = positions < len(self)
        found = np.zeros(len(ids), np.bool_)
        found[inside] = self.ids[positions[inside]] == ids[inside]
        if self.live is not None:
            found[found] = self.live[positions[found]]
        return np.where(found, positions, -1)

    def facts(self, columns: Sequence[str]) -> pa.Table:
        """The named columns of all rows, in order of position; nulls in those that no row has."""
        tables = [with_types(shard.facts(columns), self.own_types) for shard in self._shards]
        table = pa.concat_tables(table.replace_schema_metadata(None) for table in tables)
        return self._updates.applied_to(self.ids, table) if len(self._updates) else table

    def tables(self, columns: Sequence[str], positions: NDArray[np.int64] | None = None) -> Iterator[pa.Table]:
        """The named columns, one row group after another, in order of position.

        ``positions``: ascending; row groups without any of them are not read. None stands for all rows.
        """
        first = 0
        for shard in self._shards:
            start = 0
            for group, block in enumerate(shard.vector_blocks):
                count = len(block)
                if positions is None:
                    inside = None
                else:
                    bounds = np.searchsorted(positions, [first + start, first + start + count])
                    inside = positions[bounds[0] : bounds[1]] - (first + start)
                if inside is None or len(inside):
                    table = with_types(shard.facts_of_group(group, columns), self.own_types)
                    table = self._updates.applied_to(shard.ids[start : start + count], table)
                    yield table if inside is None or len(inside) == count else table.take(pa.array(inside))
                start += count
            first += start

    def live_tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The named columns of the rows that are not deleted, one row group after another."""
        return self.tables(columns, None if self.live is None else self.live_positions)

    def facts_at(self, positions: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The named columns of the rows at ``positions`` (any order), one dict for each row, in the order given."""
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        owners = np.searchsorted(self._starts, ordered, side="right") - 1
        found: list[dict[str, Any]] = []
        for owner in numbers_present(owners):
            inside = ordered[owners == owner] - self._starts[owner]
            found += self._shards[owner].facts_at(inside, columns)
        if len(self._updates):
            for row_id, row in zip(self.ids[ordered].tolist(), found, strict=True):
                row.update(self._updates.row(row_id, columns))
        result: list[dict[str, Any]] = [{}] * len(found)
        for place, row in zip(order, found, strict=True):
            result[place] = row
        return result

    def vectors_at(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """The stored vectors at ``positions``; float16 ``[len(positions), dim]``."""
        blocks = self.vector_blocks
        if len(blocks) == 1:
            return blocks[0][positions]
        starts = np.cumsum([0] + [len(block) for block in blocks])
        owners = np.searchsorted(starts, positions, side="right") - 1
        taken = np.empty((len(positions), blocks[0].shape[1]), np.float16)
        order = np.argsort(owners, kind="stable")
        bounds = np.searchsorted(owners[order], np.arange(len(blocks) + 1))
        spans = zip(blocks, starts, bounds, bounds[1:], strict=False)
        fetch_together([(block, positions[order[first:last]] - start) for block, start, first, last in spans])
        for block, start, first, last in zip(blocks, starts, bounds, bounds[1:], strict=False):
            if first < last:
                places = order[first:last]
                taken[places] = block[positions[places] - start]
        return taken

    @cached_property
    def _updates(self) -> FactUpdates:
        """The changed facts, if any of them is of a row here."""
        touched = len(self._all_updates) and self._all_updates.touches(self.ids)
        return self._all_updates if touched else NO_UPDATES


class Snapshot:
    """What a manifest names. Files are opened when they are first needed, and stay readable after they are deleted."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self._rows: dict[tuple[str, Modality], Rows] = {}
        self._side_tables: dict[str, pa.Table | None] = {}
        self._guard = threading.Lock()

    @cached_property
    def deleted_ids(self) -> NDArray[np.int64]:
        """The ids of all deleted rows whose tombstones are kept, ascending."""
        parts = [read_tombstones(self.root, entry) for entry in self.manifest.tombstones]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    @cached_property
    def fact_updates(self) -> FactUpdates:
        """The facts that were changed after their rows were written."""
        return read_updates(self.root, self.manifest)

    def side_table(self, name: str) -> pa.Table | None:
        """A side table, such as ``tags``, kept once it was read; None if there is none (see `side_tables`).

        Raises:
            FileNotFoundError: its file is gone; a newer manifest may have replaced it.
            CollectionDamagedError: it cannot be read.
        """
        if name not in self._side_tables:
            self._side_tables[name] = read_side_table(self.root, self.manifest, name)
        return self._side_tables[name]

    def rows(self, space: str, modality: Modality) -> Rows:
        """The rows of a (space, modality).

        Raises:
            FileNotFoundError: a file is gone; a newer manifest may have replaced it.
            CollectionDamagedError: a shard is not what the manifest says.
        """
        with self._guard:
            key = (space, modality)
            if key not in self._rows:
                entries = self.manifest.shards_of(space, modality)
                shards = [open_shard(self.root, entry) for entry in entries]
                self._rows[key] = Rows(shards, self.deleted_ids, self.fact_updates)
            return self._rows[key]

    def all_rows(self) -> dict[tuple[str, Modality], Rows]:
        """The rows of every space and modality."""
        return {(key, m): self.rows(key, m) for key in self.manifest.spaces for m in self.manifest.modalities(key)}

    @cached_property
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns of the whole collection, each with its type. Opens every shard."""
        return joint_types(rows.own_types for rows in self.all_rows().values())

    def counts(self, space: str) -> dict[Modality, int]:
        """Rows that are not deleted, by modality."""
        return {m: self.rows(space, m).live_count for m in self.manifest.modalities(space)}


def open_shard(root: Path, entry: ShardEntry) -> Shard:
    """Open a shard that a manifest names, and check that it is the one.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is not what the manifest says.
    """
    path = root / entry.path
    shard = Shard(path, entry.footer, entry.first_id) if mirror_of(root) is None else _open_elsewhere(root, entry)
    if len(shard) != entry.rows or shard.space.key != entry.space:
        raise CollectionDamagedError(f"shard {path} is not the one that the manifest names")
    return shard


def _open_elsewhere(root: Path, entry: ShardEntry) -> Shard:
    """Open a shard of a collection in a bucket: the whole file, if it is on this machine, or parts of it."""
    mirror = mirror_of(root)
    assert mirror is not None
    for path in (root / entry.path, mirror.cache.whole(entry.checksum)):
        try:
            if path is not None:
                return Shard(path, entry.footer, entry.first_id)
        except FileNotFoundError:
            continue
    from mmsearch.retrieval.store.remote_shard import RemoteFile

    return Shard(root / entry.path, entry.footer, entry.first_id, RemoteFile(mirror, entry))
