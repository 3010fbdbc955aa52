"""The rows of one part of a collection: shards that lie in it, and pieces of those that do not lie in it as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.snapshot import Rows, ShardRows, Snapshot, open_shard
from mmsearch.scale.readers.part import Part
from mmsearch.types import Modality


class PieceOfShard:
    """Neighbouring rows of a shard, as if they were a shard. Row groups without any of them are never read.

    Args:
        shard: the shard.
        start: the position of the first row.
        stop: that after the last; above ``start``.
    """

    def __init__(self, shard: Shard, start: int, stop: int) -> None:
        self._shard = shard
        self._start, self._stop = start, stop
        bounds = shard.bounds
        first, last = (int(group) for group in np.searchsorted(bounds, [start, stop - 1], side="right") - 1)
        self._slices = [
            (group, slice(max(start - int(bounds[group]), 0), min(stop, int(bounds[group + 1])) - int(bounds[group])))
            for group in range(first, last + 1)
        ]

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns that the shard has, each with its type."""
        return self._shard.own_types

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Row ids, ascending; int64 ``[rows]``."""
        return np.concatenate([self._shard.ids_of_group(group)[inside] for group, inside in self._slices])

    @cached_property
    def vector_blocks(self) -> list[NDArray[np.float16]]:
        """Unit vectors as float16 ``[rows of a block, dim]``, mapped from the file, or fetched when they are needed."""
        blocks = self._shard.vector_blocks
        return [
            blocks[group] if inside == slice(0, len(blocks[group])) else blocks[group][inside]
            for group, inside in self._slices
        ]

    def facts_of_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """The named columns of one block, numbered as `vector_blocks` are."""
        number, inside = self._slices[group]
        return self._shard.facts_of_group(number, columns).slice(inside.start, inside.stop - inside.start)

    def facts(self, columns: Sequence[str]) -> pa.Table:
        """The named columns of all rows."""
        return pa.concat_tables(self.facts_of_group(group, columns) for group in range(len(self._slices)))

    def facts_at(self, positions: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The named columns of the rows at ``positions`` (ascending), one dict for each row."""
        return self._shard.facts_at(positions + self._start, columns)


class NamedSnapshot(Snapshot):
    """What a manifest names, and a digest by which other processes know that they read the same."""

    @cached_property
    def digest(self) -> str:
        """Of the manifest, as hex."""
        written = json.dumps(self.manifest.to_json(), sort_keys=True).encode()
        return hashlib.blake2b(written, digest_size=16).hexdigest()


class PartSnapshot(NamedSnapshot):
    """What a manifest names, of which the rows of one part alone are opened."""

    def __init__(self, root: Path, manifest: Manifest, part: Part) -> None:
        super().__init__(root, manifest)
        self.part = part

    def rows(self, space: str, modality: Modality) -> Rows:
        """The rows of a (space, modality) that are in the part; see `Snapshot.rows`."""
        with self._guard:
            key = (space, modality)
            if key not in self._rows:
                self._rows[key] = Rows(self._pieces(space, modality), self.deleted_ids, self.fact_updates)
            return self._rows[key]

    @property
    def all_part_rows(self) -> int:
        """How many rows the part has, deleted ones included."""
        spans = [self.part.span(rows) for rows in rows_by_kind(self.manifest).values()]
        return sum(stop - start for start, stop in spans)

    def _pieces(self, space: str, modality: Modality) -> list[ShardRows]:
        entries = self.manifest.shards_of(space, modality)
        start, stop = self.part.span(sum(entry.rows for entry in entries))
        found: list[ShardRows] = []
        first = 0
        for entry in entries:
            begin, end = max(start - first, 0), min(stop - first, entry.rows)
            if begin < end:
                shard = open_shard(self.root, entry)
                is_whole = (begin, end) == (0, entry.rows)
                found.append(shard if is_whole else PieceOfShard(shard, begin, end))
            first += entry.rows
        return found


def rows_by_kind(manifest: Manifest) -> dict[tuple[str, Modality], int]:
    """How many rows each (space, modality) has, deleted ones included."""
    found: dict[tuple[str, Modality], int] = {}
    for entry in manifest.shards:
        key = (entry.space, entry.modality)
        found[key] = found.get(key, 0) + entry.rows
    return found
