"""Files that `mmsearch.library.find_duplicates` has found to be copies of one another: they are one hit.

Its groups lie in the side table ``duplicates``, in order of a number for each path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.path_keys import path_key
from mmsearch.retrieval.store.snapshot import Snapshot

TABLE = "duplicates"
EXTRA = 32
"""Answers that are looked up besides, in the place of copies; more where these do not suffice."""


class NearCopies:
    """The groups of a snapshot, looked up by path."""

    def __init__(self, snapshot: Snapshot, table: pa.Table) -> None:
        self._snapshot = snapshot
        self._keys: NDArray[np.int64] = table["key"].to_numpy()
        self._groups: NDArray[np.int64] = table["group"].to_numpy()
        self._ids: NDArray[np.int64] = table["id"].to_numpy()

    def group(self, path: str) -> int | None:
        """The group of a file; None if it is in none."""
        key = path_key(path)
        at = int(np.searchsorted(self._keys, key))
        return int(self._groups[at]) if at < len(self._keys) and int(self._keys[at]) == key else None

    def folded(self, paths: Iterable[str]) -> int:
        """How many of some files another one of them stands for."""
        groups = [group for path in set(paths) if (group := self.group(path)) is not None]
        return len(groups) - len(set(groups))

    def paths(self, groups: Iterable[int]) -> dict[int, list[str]]:
        """The paths of the files of some groups that are still rows of the collection."""
        found: dict[int, list[str]] = {}
        wanted = np.unique(np.array(list(groups), np.int64))
        if not len(wanted):
            return found
        places = np.flatnonzero(np.isin(self._groups, wanted))
        ids, numbers = self._ids[places], self._groups[places]
        for rows in self._snapshot.all_rows().values():
            positions = rows.live_positions_or_gaps(ids)
            there = positions >= 0
            for number, facts in zip(numbers[there].tolist(), rows.facts_at(positions[there], ["path"]), strict=True):
                found.setdefault(number, []).append(os.fsdecode(facts["path"]))
        return found


def near_copies(snapshot: Snapshot) -> NearCopies | None:
    """The groups of a snapshot; None if none were looked for, or none found."""
    if not any(entry.name == TABLE for entry in snapshot.manifest.side_tables):
        return None
    table = snapshot.side_table(TABLE)
    if table is None or not len(table) or "key" not in table.column_names:
        return None
    return NearCopies(snapshot, table)
