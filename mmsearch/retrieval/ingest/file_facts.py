"""Facts of a user's own that belong to a file: they stay when it is embedded anew, as changed or by another model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mmsearch.own_facts import NO_OWN_FACTS, OwnFacts
from mmsearch.retrieval.store.snapshot import Rows, Snapshot


class FileFacts:
    """The facts of a user's own on which all rows of a file agree, by path. What only some rows have is of these rows.

    A file may have rows of several modalities and spaces; those of any one of them suffice.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def of(self, path: bytes) -> OwnFacts:
        """The facts of the file at ``path``; empty if it has none."""
        return self._by_path.get(path, NO_OWN_FACTS)

    @cached_property
    def _by_path(self) -> Mapping[bytes, OwnFacts]:
        found: dict[bytes, dict[str, Any]] = {}
        for rows in self._snapshot.all_rows().values():
            for path, shared in _shared_facts(rows):
                found[path] = {**shared, **found.get(path, {})}
        return {path: OwnFacts(facts) for path, facts in found.items()}


def _shared_facts(rows: Rows) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each path of which some row has facts of a user's own, with those that are equal in all of its rows."""
    import pyarrow.compute as pc

    names = list(rows.own_types)
    if not names:
        return
    table = rows.facts(["path", *names])
    table = table if rows.live is None else table.filter(pa.array(rows.live))
    has_facts = np.logical_or.reduce([np.asarray(table[name].is_valid().to_numpy(), np.bool_) for name in names])
    paths = table["path"].filter(pa.array(has_facts)).unique()
    shared: dict[bytes, dict[str, Any]] = {}
    for row in table.filter(pc.is_in(table["path"], value_set=paths)).to_pylist():
        path = row.pop("path")
        before = shared.get(path)
        shared[path] = row if before is None else {n: v for n, v in before.items() if row[n] == v}
    for path, facts in shared.items():
        kept = {name: value for name, value in facts.items() if value is not None}
        if kept:
            yield path, kept
