"""Groups of earlier runs, kept in side tables of the collection, and the ids that their groups have had.

The table ``groups`` has a line for each row in a group: ``id``, ``group`` (the number in the group's id), ``scope``
(which files were grouped, and how) and ``fit``. Facts of the groups are in ``group-facts``. A new group has the id of
an earlier one of its scope if they share most of the files that both runs know; else a number that was never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.errors import CollectionBusyError, ReadOnlyError
from mmsearch.library.tagging.kept import TABLE as TAGS_TABLE

GROUPS_TABLE, FACTS_TABLE = "groups", "group-facts"
LEAST_OVERLAP = 0.3
"""Of the files that either of two groups has and both runs know: so many must be in both, or they are two groups."""

_METHOD = 1
"""Counts up when the same files would be grouped in another way, or called otherwise."""

_MOST_SCOPES = 16
_METADATA = b"mmsearch.groups"

_ROWS = pa.schema(
    [
        pa.field("id", pa.int64()),
        pa.field("group", pa.int32()),
        pa.field("scope", pa.dictionary(pa.int32(), pa.string())),
        pa.field("fit", pa.float32()),
    ]
)
_FACTS = pa.schema(
    [
        pa.field("group", pa.int32()),
        pa.field("scope", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("name", pa.string()),
        pa.field("is_sure", pa.bool_()),
        pa.field("words", pa.list_(pa.string())),
    ]
)
"""Columns of the two tables."""


@dataclass(slots=True)
class Kept:
    """What earlier runs left.

    Attributes:
        rows: the table of rows.
        facts: the table of groups.
        next_number: the first number that no group ever had.
        stands: by scope, what the collection held when it was grouped (see `stand_of`), the latest last.
    """

    rows: pa.Table
    facts: pa.Table
    next_number: int = 1
    stands: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, collection: Collection) -> Kept:
        """The tables of a collection; empty ones if nothing was grouped yet."""
        rows, facts = collection.side_table(GROUPS_TABLE), collection.side_table(FACTS_TABLE)
        if rows is None or facts is None:
            return cls(_ROWS.empty_table(), _FACTS.empty_table())
        told = json.loads((facts.schema.metadata or {}).get(_METADATA, b"{}"))
        highest = max(facts["group"].to_pylist(), default=0)
        return cls(rows, facts, max(int(told.get("next", 1)), highest + 1), dict(told.get("stands", {})))

    def of_scope(self, scope: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """The rows of a scope, their groups, and how well they fit; in the order of the last run."""
        table = _of_scopes(self.rows, {scope})
        return (
            table["id"].to_numpy().astype(np.int64),
            table["group"].to_numpy().astype(np.int64),
            table["fit"].to_numpy().astype(np.float32),
        )

    def numbered(self, scope: str, rows: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """The number of each new group: that of the earlier one that it continues, else a new one.

        ``rows`` and ``groups``: all rows that were looked at, and the place of their group, 0 to ``count`` - 1, or -1.
        """
        old_rows, old_groups, _ = self.of_scope(scope)
        numbers = np.full(count, -1, np.int64)
        for place, number in matched(old_rows, old_groups, rows, groups):
            numbers[place] = number
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = self.next_number
            self.next_number += 1
        return numbers

    def put(
        self,
        scope: str,
        stand: Any,
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
        fits: NDArray[np.float32],
        facts: Sequence[Mapping[str, Any]],
    ) -> None:
        """Replace what is kept of a scope; scopes that were asked for long ago are forgotten."""
        self.stands.pop(scope, None)
        self.stands[scope] = stand
        known = list(self.stands)[-_MOST_SCOPES:]
        self.stands = {name: self.stands[name] for name in known}
        stays = set(known) - {scope}
        new_rows = pa.table(
            {"id": rows, "group": groups, "scope": [scope] * len(rows), "fit": fits.astype(np.float32)}, schema=_ROWS
        )
        new_facts = pa.Table.from_pylist([{**fact, "scope": scope} for fact in facts], schema=_FACTS)
        self.rows = pa.concat_tables([_of_scopes(self.rows, stays), new_rows]).unify_dictionaries().combine_chunks()
        self.facts = pa.concat_tables([_of_scopes(self.facts, stays), new_facts])

    def write(self, collection: Collection) -> str | None:
        """Keep the tables in the collection; returns why not, if they cannot be kept."""
        told = json.dumps({"next": self.next_number, "stands": self.stands}).encode()
        try:
            facts = self.facts.replace_schema_metadata({_METADATA: told})
            collection.set_side_tables({GROUPS_TABLE: self.rows, FACTS_TABLE: facts})
        except (CollectionBusyError, ReadOnlyError) as error:
            return f"the groups were not kept, and may have other ids next time: {error}"
        return None


def stand_of(collection: Collection) -> list[Any]:
    """What tells whether groups would be other ones now: rows that came or went, changed facts, labels."""
    manifest = collection.manifest
    tags = [entry.checksum for entry in manifest.side_tables if entry.name == TAGS_TABLE]
    return [_METHOD, manifest.next_id, len(collection), [entry.checksum for entry in manifest.fact_updates], tags]


def matched(
    old_rows: NDArray[np.int64],
    old_groups: NDArray[np.int64],
    rows: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Which new group continues which old one: pairs of new and old, each at most once, by their shares in common.

    Rows in no group have group -1. Rows that one of the runs does not know do not count.
    """
    common, first, second = np.intersect1d(old_rows, rows, assume_unique=True, return_indices=True)
    if not len(common):
        return []
    old, new = old_groups[first], groups[second]
    pairs, both = np.unique(np.stack([new, old]), axis=1, return_counts=True)
    new_sizes, old_sizes = (dict(zip(*np.unique(one, return_counts=True), strict=True)) for one in (new, old))
    shares = [
        (count / (new_sizes[one] + old_sizes[other] - count), int(one), int(other))
        for one, other, count in zip(*pairs, both, strict=True)
        if one >= 0 and other >= 0
    ]
    found: dict[int, int] = {}
    for share, one, other in sorted(shares, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if share >= LEAST_OVERLAP and one not in found and other not in found.values():
            found[one] = other
    return list(found.items())


def _of_scopes(table: pa.Table, scopes: set[str]) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table["scope"].cast(pa.string()), pa.array(sorted(scopes), pa.string())))
