"""Facts that were changed after their rows were written: a side table by row id, laid over what the shards hold.

Shards are immutable, and their vectors are most of their bytes: to change one price, a shard of a million rows would be
written anew. So `Collection.update_facts` writes the changed rows' facts to a small file instead. A row of it holds
all facts that can be changed, so of several files the newest that has the row's id counts. Merges of shards take the
values over; `compact` leaves no such file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.manifest import FactUpdateEntry, Manifest
from mmsearch.retrieval.store.own_columns import joint_types, with_types
from mmsearch.retrieval.store.parquet_file import ParquetFile
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.schema import is_own_column, with_all_columns

UPDATES_FOLDER = "facts"
CHANGEABLE = ("width", "height", "duration_s", "taken_at", "note", "taken_from")
"""The format's own facts that can be changed; a user's own columns all can."""


class FactUpdates:
    """Changed facts of some rows. ``ids`` ascend; ``table`` has a row for each, with `CHANGEABLE` and own columns."""

    def __init__(self, ids: NDArray[np.int64], table: pa.Table) -> None:
        self.ids = ids
        self.table = table

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns among those that were changed, each with its type."""
        return {field.name: field.type for field in self.table.schema if is_own_column(field.name)}

    def touches(self, ids: NDArray[np.int64]) -> bool:
        """Whether any of the rows is changed. ``ids`` ascend."""
        return bool(len(self._places(ids)[0]))

    def applied_to(self, ids: NDArray[np.int64], table: pa.Table) -> pa.Table:
        """The facts of rows with the changes put in.

        ``ids`` ascend; ``table`` has a row for each, and its own columns have types that hold the changes as well.
        """
        places, sources = self._places(ids)
        if not len(places):
            return table
        order = np.arange(len(ids))
        order[places] = len(ids) + sources
        for number, name in enumerate(table.column_names):
            if name in self.table.column_names:
                before, changes = table.column(number), self.table[name]
                both = pa.chunked_array([*before.chunks, *changes.cast(before.type, safe=False).chunks], before.type)
                table = table.set_column(number, name, both.take(pa.array(order)))
        return table

    def row(self, row_id: int, columns: Sequence[str]) -> dict[str, Any]:
        """The named columns of a changed row; nothing for a row that was not changed."""
        place = int(np.searchsorted(self.ids, row_id))
        if place == len(self.ids) or self.ids[place] != row_id:
            return {}
        return {name: self.table[name][place].as_py() for name in columns if name in self.table.column_names}

    def followed_by(self, later: FactUpdates) -> FactUpdates:
        """These changes and later ones, of which the later count."""
        kept = ~np.isin(self.ids, later.ids)
        names = list(dict.fromkeys((*self.table.column_names, *later.table.column_names)))
        types = joint_types((self.own_types, later.own_types))
        tables = (self.table.filter(pa.array(kept)), later.table)
        parts = [with_types(with_all_columns(table, names), types) for table in tables]
        ids = np.concatenate([self.ids[kept], later.ids])
        order = np.argsort(ids)
        return FactUpdates(ids[order], pa.concat_tables(parts).take(pa.array(order)))

    def _places(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in ``ids`` the changed rows are, and where these stand in the table."""
        if not len(self.ids) or not len(ids):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        places = np.minimum(np.searchsorted(ids, self.ids), len(ids) - 1)
        sources = np.flatnonzero(ids[places] == self.ids)
        return places[sources], sources


NO_UPDATES = FactUpdates(np.empty(0, np.int64), pa.table({}))


def write_updates(root: Path, name: str, updates: FactUpdates) -> FactUpdateEntry:
    """Write changed facts to the file ``name`` (relative to ``root``), durably."""
    import pyarrow.parquet as pq

    path = root / name
    with durable_file(path) as sink:
        pq.write_table(updates.table.add_column(0, "id", pa.array(updates.ids)), sink, compression="zstd")
    return FactUpdateEntry(name, len(updates), file_checksum(path))


def read_updates(root: Path, manifest: Manifest) -> FactUpdates:
    """All changed facts of a collection.

    Raises:
        FileNotFoundError: a file of them is gone; a newer manifest may have replaced it.
        CollectionDamagedError: one cannot be read.
    """
    found = NO_UPDATES
    for entry in manifest.fact_updates:
        later = read_update_file(at_hand(root, entry.path))
        found = found.followed_by(later) if len(found) else later
    return found


def read_update_file(path: Path) -> FactUpdates:
    """The changed facts in one file.

    Raises:
        FileNotFoundError: it is gone.
        CollectionDamagedError: it cannot be read.
    """
    try:
        table = ParquetFile(path.read_bytes()).read()
        ids: NDArray[np.int64] = table["id"].to_numpy()
        return FactUpdates(ids, table.drop_columns(["id"]))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, KeyError, OSError, TypeError, ValueError) as error:
        raise CollectionDamagedError(f"{path} is damaged") from error


def find_updates(root: Path) -> tuple[FactUpdateEntry, ...]:
    """An entry for each sound file of changed facts in the folder, named by a manifest or not, the oldest first."""
    entries = []
    for path in sorted((root / UPDATES_FOLDER).glob("*.parquet")):
        try:
            count = len(read_update_file(path))
        except (CollectionDamagedError, OSError):
            continue
        entries.append(FactUpdateEntry(path.relative_to(root).as_posix(), count, file_checksum(path)))
    return tuple(entries)
