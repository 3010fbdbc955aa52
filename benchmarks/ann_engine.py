"""What an engine of the case ``ann`` must do. The engines stand in `ann_engines` (libraries) and `ann_databases`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

BUCKETS = 100
K = 10
BLOCK = 65_536
TO_COME = 10_000  # rows for which engines with a fixed capacity leave room


class Engine:
    """Rows are known by their positions; ``bucket`` is the position mod `BUCKETS`. A lacking verb stays as it is here.

    Engines are told `threads` for building and adding. A query is answered by one thread in every engine.
    """

    modules: Sequence[str] = ()  # imported before memory is measured
    points: Sequence[Any] = (None,)  # efforts of a search, from quick to thorough; the middle one is the usual one
    can_filter = can_change = False
    beside_bytes = 0  # of each dimension, read from vectors that lie beside its own files
    threads = 1

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        """Index float16 ``rows`` ``[n, dim]`` (mapped) into an empty folder; ``queries`` are texts to tune with."""
        raise NotImplementedError

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        """Be ready to search what was built, and to change it where ``changing``."""
        raise NotImplementedError

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        """Ids of the ten nearest to a float32 query ``[dim]``, of one bucket where that is asked for."""
        raise NotImplementedError

    def search_many(self, queries: Any, point: Any) -> list[list[int]]:
        """Ids of the ten nearest to each of the float32 queries ``[q, dim]``, by as many threads as it was told."""
        return [np.asarray(self.search(query, point)).tolist() for query in queries]

    def harder(self, point: Any) -> Any:
        """The effort beyond the last of `points`, for engines whose recall is not high enough there."""
        return tuple(2 * part for part in point) if isinstance(point, tuple) else 2 * point

    def add(self, ids: Any, rows: Any) -> None:
        """Add float16 rows ``[n, dim]`` so that the next search can find them."""
        raise NotImplementedError

    def settle(self) -> None:
        """Do what the engine's documents ask for after many rows have been added."""

    def delete(self, ids: Any) -> None:
        """Delete rows so that the next search does not find them."""
        raise NotImplementedError
