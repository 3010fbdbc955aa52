"""Collections of Qdrant: of a server, of a folder of its client or of Qdrant Edge, or in a snapshot of a shard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.columns import FORMAT_TYPES, find_path_column, table_blocks
from mmsearch.exchange.importing.source import Block, Choice
from mmsearch.exchange.packages import checked_file, is_address, without_secrets
from mmsearch.exchange.qdrant_points import PointId, Points, open_points
from mmsearch.types import Space

_MOST = 1000
"""Points in one answer of a server."""


class QdrantSource:
    """Points with their payloads. A point without a path in its payload is named by its id."""

    space: Space | None = None

    def __init__(self, name: str, choice: Choice) -> None:
        if not is_address(name):
            checked_file(name)
        self._name, self._choice = without_secrets(name), choice
        self._points = open_points(name, choice.table, choice.vector_column)
        dim = self._points.dim()
        if dim is None:
            self._points.close()
            raise UsageError(f"{self._name} has no collection {choice.table!r}")
        self.dim = dim
        self.rows = self._points.count()

    def blocks(self, rows: int) -> Iterator[Block]:
        """All points, in order of id."""
        waiting: list[Points] = []
        for points in self._points.scroll(min(rows, _MOST)):
            waiting.append(points)
            if sum(len(one.ids) for one in waiting) >= rows:
                yield from self._made(waiting)
                waiting = []
        if waiting:
            yield from self._made(waiting)

    def close(self) -> None:
        """Close the connection."""
        self._points.close()

    def _made(self, pages: list[Points]) -> Iterator[Block]:
        ids = [one for page in pages for one in page.ids]
        table = _table([payload for page in pages for payload in page.payloads], ids)
        find_path_column(table.column_names, self._choice.path_column, self._name)
        vectors = np.concatenate([page.vectors for page in pages])
        return table_blocks(table, vectors, self._choice, self._name, list(map(str, ids)))


def _table(payloads: list[dict[str, Any]], ids: list[PointId]) -> pa.Table:
    """Payloads as columns; objects, and values of several types, become JSON."""
    names = dict.fromkeys(name for payload in payloads for name in payload)
    columns = {name: _column(name, [payload.get(name) for payload in payloads]) for name in names}
    if "id" not in columns:
        columns["id"] = pa.array(ids) if all(isinstance(one, int) for one in ids) else pa.array(map(str, ids))
    return pa.table(columns)


def _column(name: str, values: list[Any]) -> pa.Array:
    if not any(isinstance(value, dict) for value in values):
        try:
            made = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass
        else:
            if not pa.types.is_null(made.type) and _is_flat(made.type):
                return made
            if pa.types.is_null(made.type):
                return made.cast(FORMAT_TYPES.get(name, pa.string()))
    return pa.array(
        [value if value is None else json.dumps(value, ensure_ascii=False) for value in values], pa.string()
    )


def _is_flat(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return not pa.types.is_nested(kind.value_type)
    return not pa.types.is_nested(kind)
