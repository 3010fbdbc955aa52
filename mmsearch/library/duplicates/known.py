"""What earlier runs found out, in side tables of the collection: pairs that were compared, and rows that were seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mmsearch.collection import Collection
from mmsearch.library.duplicates.files import Ints

GROUPS_TABLE, PAIRS_TABLE, SEEN_TABLE = "duplicates", "duplicates-pairs", "duplicates-seen"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that were compared: ``reason`` is ``different`` if they are no copies."""

    id: int
    other: int
    reason: str
    number: float


@dataclass(slots=True)
class Known:
    """What is known of rows.

    Attributes:
        pairs: by the ids of two rows, the smaller first.
        seen: ids of rows that were compared with all others that were there.
    """

    pairs: dict[tuple[int, int], Pair] = field(default_factory=dict)
    seen: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, pairs: Iterable[Pair]) -> None:
        """Remember pairs."""
        self.pairs.update(((min(pair.id, pair.other), max(pair.id, pair.other)), pair) for pair in pairs)

    def of(self, one: int, other: int) -> Pair | None:
        """What is known of two rows."""
        return self.pairs.get((min(one, other), max(one, other)))


def read_known(collection: Collection, ids: Ints) -> Known:
    """What is known of rows that are still there.

    Args:
        collection: the collection.
        ids: of all rows, in any order.
    """
    known = Known()
    there = np.sort(ids)
    if (seen := collection.side_table(SEEN_TABLE)) is not None:
        known.seen = np.intersect1d(seen["id"].to_numpy(), there)
    if (table := collection.side_table(PAIRS_TABLE)) is not None:
        alive = np.isin(table["id"].to_numpy(), there) & np.isin(table["other"].to_numpy(), there)
        for row in table.filter(pa.array(alive)).to_pylist():
            known.add([Pair(row["id"], row["other"], row["reason"], row["number"])])
    return known


def pairs_table(known: Known) -> pa.Table:
    """The pairs as a side table."""
    pairs = [known.pairs[key] for key in sorted(known.pairs)]
    return pa.table(
        {
            "id": pa.array([pair.id for pair in pairs], pa.int64()),
            "other": pa.array([pair.other for pair in pairs], pa.int64()),
            "reason": pa.array([pair.reason for pair in pairs], pa.string()),
            "number": pa.array([pair.number for pair in pairs], pa.float32()),
        }
    )
