"""To a collection of Qdrant: on a server, or in a folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.payload import json_rows
from mmsearch.exchange.qdrant_points import Points, open_points

_VALUES_AT_ONCE = 1 << 18
"""Numbers in one request: as JSON some 5 MB, and a server takes 32 by default."""


class QdrantDestination:
    """Points whose ids are those of the rows. Distances are inner products, which are cosines of unit vectors."""

    def __init__(self, place: str, plan: Plan, table: str) -> None:
        self._points = open_points(place, table)
        try:
            dim = self._points.dim()
            if dim is None:
                self._points.create(plan.space.dim, plan.dtype)
            elif dim != plan.space.dim:
                raise UsageError(f"{place} holds vectors of {dim} dimensions, and these have {plan.space.dim}")
        except BaseException:
            self._points.close()
            raise
        self._place = place
        self._at_once = max(1, _VALUES_AT_ONCE // plan.space.dim)

    def ids(self) -> NDArray[np.int64]:
        """The ids of all points."""
        found = self._points.ids()
        if words := [point for point in found if not isinstance(point, int)]:
            raise UsageError(f"{self._place} holds other points, such as {words[0]}")
        return np.array(found, np.int64)

    def write(self, rows: Rows) -> None:
        """Send them in several requests."""
        payloads = json_rows(rows.payload)
        ids, vectors = rows.ids.tolist(), rows.vectors.astype(np.float32, copy=False)
        for start in range(0, len(ids), self._at_once):
            part = slice(start, start + self._at_once)
            self._points.upsert(Points(ids[part], vectors[part], payloads[part]))

    def finish(self) -> None:
        """Nothing is left to do; Qdrant builds its index by itself."""

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Points by id."""
        found = self._points.get(ids.tolist())
        return {
            int(point): Stored(str(payload.get("path", "")), vector)
            for point, vector, payload in zip(found.ids, found.vectors, found.payloads, strict=True)
        }

    def close(self) -> None:
        """Write what waits, and let go."""
        self._points.close()
