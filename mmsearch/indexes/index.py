"""The index that is searched: stored vectors, and where there are many, an approximate index that proposes rows."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import SpaceMismatchError, UsageError
from mmsearch.indexes.calibrate import Calibration, K
from mmsearch.indexes.exact import rescored, search_exact
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.faiss.selectors import Selector, follow_one_another
from mmsearch.indexes.gpu import GpuRows, rows_on_gpu
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors

if TYPE_CHECKING:
    from mmsearch.indexes.faiss.approximate import ApproximateIndex

SCAN_SHARE = 0.02
"""Share of rows up to which those that a filter leaves are all compared."""

SCAN_ROWS = (4096, 65_536)
"""Rows that a filter leaves up to which they are all compared, and beyond which they are not, whatever their share."""

BROAD_SHARE = 0.7
"""Share of rows from which those that a filter forbids are dropped after the search rather than inside it."""

_SCAN_BEFORE_IMPORT = 128_000_000  # products: numpy has them before FAISS is imported, in some 35 ms

Mask = NDArray[np.bool_]


def scans(rows: int, allowed: int, products: int, faiss_is_loaded: bool) -> bool:
    """Whether to compare all rows that may answer, rather than ask the approximate index.

    Args:
        rows: how many there are.
        allowed: how many of them may answer.
        products: queries · rows · dimensions, with those of earlier searches that were scanned for this reason:
            a process that goes on asking soon has the approximate index.
        faiss_is_loaded: whether this process has imported FAISS already.
    """
    few = allowed == 0 or (allowed < rows and allowed <= min(max(SCAN_SHARE * rows, SCAN_ROWS[0]), SCAN_ROWS[1]))
    return few or (not faiss_is_loaded and products <= _SCAN_BEFORE_IMPORT)


def wider(k: int, share: float) -> float:
    """How many times the lists to probe for k rows when a filter leaves ``share`` of all rows.

    The k-th of the rows left is about the (k / share)-th of all. Its list lies the farther from the query's:
    on real vectors, lists that grow with the root of that rank hold the recall measured at K.
    """
    return max(1.0, math.sqrt(k / share / K))


class VectorIndex:
    """The nearest rows by cosine; safe to search from several threads.

    Rows with ids up to ``covers_to`` are found through ``approximate`` (or what that callable loads when it
    is first needed), later rows by comparing them all. Scores are always those of the stored vectors.
    ``threads`` bounds those of a search; default one for each processor.
    """

    def __init__(
        self,
        vectors: StoredVectors,
        ids: Positions | None = None,
        approximate: ApproximateIndex | Callable[[], ApproximateIndex] | None = None,
        calibration: Calibration | None = None,
        covers_to: int | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        self.vectors = vectors
        self.ids = np.arange(len(vectors), dtype=np.int64) if ids is None else ids
        self.calibration = calibration
        self._approximate = approximate
        self._covered = len(vectors)
        if covers_to is not None:
            self._covered = int(np.searchsorted(self.ids, covers_to, side="right"))
        self._selector = Selector(self.ids)
        self._first = int(self.ids[0]) if follow_one_another(self.ids) else None
        self._threads = threads
        self._scanned = 0  # products scanned because FAISS was not loaded
        self._gpu: GpuRows | None = None
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """Dimensions of its vectors."""
        return self.vectors.dim

    @property
    def kind(self) -> str:
        """``exact`` or ``approximate``."""
        return "exact" if self._approximate is None else "approximate"

    def search(
        self,
        queries: Floats,
        k: int,
        *,
        allowed: Mask | None = None,
        exact: bool = False,
    ) -> tuple[Floats, Positions]:
        """The k nearest rows of each query.

        Args:
            queries: float32 ``[q, dim]``, unit vectors.
            k: rows wanted.
            allowed: which rows may answer, bool ``[rows]`` by position; None for all. A mask that is used for many
                searches is best marked read-only: what is made of it is then kept.
            exact: compare all rows.

        Returns:
            Cosines (float32, descending) and ids (int64), both ``[q, k]``. Where fewer than k rows may answer,
            the places left hold -inf and -1; all that may answer are found.

        Raises:
            SpaceMismatchError: queries of another dimension.
            UsageError: k below 1; a query with NaN, infinite, or without direction.
        """
        queries = checked_queries(queries, self.dim, k)
        count = self._selector.count(allowed)
        if exact or self._scans(len(queries), count):
            self._load_faiss_where_it_pays(len(queries) * count * self.dim)
            scores, positions = self._scan(queries, k, allowed, count)
        else:
            scores, positions = self._search_approximately(queries, k, allowed, count)
            wanted = min(k, count)
            short = np.flatnonzero((positions >= 0).sum(axis=1) < wanted)
            if len(short):
                scores[short], positions[short] = self._scan(queries[short], k, allowed, count)
        return scores, np.where(positions >= 0, self.ids[np.maximum(positions, 0)] if len(self) else -1, -1)

    def _scan(self, queries: Floats, k: int, allowed: Mask | None, count: int) -> tuple[Floats, Positions]:
        """Compare all rows that may answer; on a GPU where there is one, and all rows to compare."""
        if self._gpu is None and 2 * count >= len(self):
            self._gpu = rows_on_gpu(self.vectors)
        if self._gpu is not None and 2 * count >= len(self):
            found = self._gpu.nearest(queries, k, allowed)
            if found is not None:
                return rescored(self.vectors, queries, found, k)
        return search_exact(self.vectors, queries, k, allowed=allowed, threads=self._threads)

    def _scans(self, queries: int, allowed: int) -> bool:
        if self._approximate is None:
            return True
        loaded = not callable(self._approximate) or "faiss" in sys.modules
        return scans(len(self), allowed, queries * len(self) * self.dim + self._scanned, loaded)

    def _load_faiss_where_it_pays(self, products: int) -> None:
        """FAISS compares halves in place (`halves`): beyond some products its import costs less than numpy would."""
        if "faiss" in sys.modules:
            return
        self._scanned += products
        if self._scanned > _SCAN_BEFORE_IMPORT:
            import faiss  # noqa: F401

    def _search_approximately(
        self, queries: Floats, k: int, allowed: Mask | None, count: int
    ) -> tuple[Floats, Positions]:
        probing = self.calibration.probing if self.calibration else Probing(16)
        probing = probing.widened(wider(k, count / len(self)))
        candidates = self.calibration.candidates if self.calibration else 256
        candidates = math.ceil(candidates * max(1.0, k / K))
        positions = self._proposed(queries, candidates, probing, allowed, count)
        if self._covered < len(self):
            tail = self._of_tail(queries, k, allowed)
            positions = np.concatenate([positions, tail], axis=1)
        return rescored(self.vectors, queries, positions, k)

    def _proposed(
        self, queries: Floats, candidates: int, probing: Probing, allowed: Mask | None, count: int
    ) -> Positions:
        """Positions that the approximate index proposes and that may answer, ``[q, …]``, -1 for none."""
        approximate = self.load()
        if allowed is not None and count >= BROAD_SHARE * len(self):
            more = math.ceil(candidates * len(self) / count) + K
            positions = self._positions(approximate.candidates(queries, more, probing, threads=self._threads))
            positions = np.where((positions >= 0) & allowed[positions], positions, -1)
            if np.all((positions >= 0).sum(axis=1) >= min(candidates, count)):
                return positions
        selector = self._selector.of(allowed)
        positions = self._positions(
            approximate.candidates(queries, candidates, probing, selector, threads=self._threads)
        )
        # What a filter leaves may lie in lists far from the query: go on until as many are found as without it.
        while allowed is not None and probing.wider < 2 * approximate.lists:
            short = np.flatnonzero((positions >= 0).sum(axis=1) < min(candidates, count))
            if not len(short):
                break
            probing = probing.widened(4)
            found = approximate.candidates(queries[short], candidates, probing, selector, threads=self._threads)
            positions[short] = self._positions(found)
        return positions

    def _of_tail(self, queries: Floats, k: int, allowed: Mask | None) -> Positions:
        """The best of the rows that no segment covers yet."""
        tail = np.arange(len(self)) >= self._covered
        tail = tail if allowed is None else tail & allowed
        return search_exact(self.vectors, queries, k, allowed=tail, threads=self._threads)[1]

    def _positions(self, ids: NDArray[np.int64]) -> Positions:
        """Positions of ids; -1 for those that are no rows here any more."""
        if self._first is not None:
            return np.where((ids >= self._first) & (ids < self._first + len(self)), ids - self._first, -1)
        places = np.searchsorted(self.ids, ids)
        known = (ids >= 0) & (places < len(self.ids))
        places = np.where(known, places, 0)
        return np.where(known & (self.ids[places] == ids), places, -1)

    def load(self) -> ApproximateIndex:
        """The approximate index, opened now rather than when that pays; for measuring what it finds."""
        with self._guard:
            if callable(self._approximate):
                self._approximate = self._approximate()
            assert self._approximate is not None
            return self._approximate


def checked_queries(queries: Floats, dim: int, k: int) -> Floats:
    """Queries as contiguous float32 ``[q, dim]``; see `VectorIndex.search` for the errors."""
    queries = np.ascontiguousarray(queries, np.float32)
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise SpaceMismatchError(f"queries of shape {list(queries.shape)} do not fit vectors of {dim} dimensions")
    squares = np.einsum("ij,ij->i", queries, queries)
    if not (squares.min(initial=1) > 0 and squares.max(initial=0) < np.inf):  # a NaN is neither
        raise UsageError("a query vector has no direction (NaN, infinite or zero)")
    return queries
