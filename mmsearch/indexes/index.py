"""The index that is searched: stored vectors and, if there are many, an approximate index that proposes candidates."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import SpaceMismatchError, UsageError
from mmsearch.indexes.calibration import Calibration, K
from mmsearch.indexes.exact import rescore, search_exact
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.faiss.selectors import Selector, are_consecutive
from mmsearch.indexes.gpu import GpuRows, rows_on_gpu
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors

if TYPE_CHECKING:
    from mmsearch.indexes.faiss.approximate import ApproximateIndex

SCAN_SHARE = 0.02
"""If a filter allows at most this share of the rows, all allowed rows are compared."""

SCAN_ROWS = (4096, 65_536)
"""Whatever their share: up to the first number, all allowed rows are compared; above the second, they never are."""

BROAD_SHARE = 0.7
"""If a filter allows at least this share of the rows, the others are dropped after the search, not during it."""

_PRODUCTS_BEFORE_IMPORT = 128_000_000  # products that numpy computes in the time that importing FAISS takes (35 ms)
_MIN_QUERIES_FOR_THREADS, _RESCORED_TOGETHER = 32, 16
_DEFAULT_NPROBE, _DEFAULT_CANDIDATES = 16, 256  # of an approximate index without a calibration

Mask = NDArray[np.bool_]


def should_scan(rows: int, allowed: int, products: int, faiss_is_loaded: bool) -> bool:
    """Whether to compare all allowed rows instead of asking the approximate index.

    Args:
        rows: number of rows.
        allowed: how many of them a filter allows.
        products: queries × rows × dimensions, plus those of earlier searches that were scanned because FAISS was not
            loaded: a process that searches again and again soon loads it.
        faiss_is_loaded: whether this process has imported FAISS.
    """
    few = allowed == 0 or (allowed < rows and allowed <= min(max(SCAN_SHARE * rows, SCAN_ROWS[0]), SCAN_ROWS[1]))
    return few or (not faiss_is_loaded and products <= _PRODUCTS_BEFORE_IMPORT)


def probe_factor(k: int, share: float) -> float:
    """How many times as many lists to probe for k rows when a filter allows ``share`` of all rows.

    The k-th allowed row is about the (k / share)-th of all rows, and its list is farther from the query. On vectors of
    models, a number of lists that grows with the square root of that rank keeps the recall that was measured at K.
    """
    return max(1.0, math.sqrt(k / share / K))


class VectorIndex:
    """Finds the nearest rows by cosine. Several threads may search it at once.

    Args:
        vectors: the rows, as unit vectors.
        ids: int64 ``[rows]``, ascending; default 0 to rows - 1.
        approximate: an approximate index of the rows with ids up to ``covers_to``, or a callable that loads it when it
            is first needed. None: every search compares all rows.
        calibration: the operating point of ``approximate``.
        covers_to: the highest id that ``approximate`` covers, default all. Later rows are compared one by one.
        threads: of a search, at most; default one for each processor.

    Scores are always cosines of the stored vectors.
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
        self._rows = len(vectors)
        self.ids = np.arange(len(vectors), dtype=np.int64) if ids is None else ids
        self.calibration = calibration
        self._approximate = approximate
        self._covered = len(vectors)
        if covers_to is not None:
            self._covered = int(np.searchsorted(self.ids, covers_to, side="right"))
        self._selector = Selector(self.ids)
        self._first = int(self.ids[0]) if are_consecutive(self.ids) else None
        self._threads = threads
        self._scanned = 0  # products computed because FAISS was not loaded
        self._gpu: GpuRows | None = None
        self._guard = threading.Lock()

    def __len__(self) -> int:
        """The number of rows."""
        return self._rows

    def __repr__(self) -> str:
        parts = [f"rows={len(self)}", f"dim={self.dim}", f"kind={self.kind!r}"]
        if self.recall is not None:
            rounded = {kind: round(value, 3) for kind, value in self.recall.items()}
            parts.append(f"recall={rounded}")
        if self.calibration is not None and not self.reaches_target:
            parts.append(f"below the target {self.calibration.target:g}")
        return f"VectorIndex({', '.join(parts)})"

    @property
    def dim(self) -> int:
        """Dimensions of its vectors."""
        return self.vectors.dim

    @property
    def kind(self) -> str:
        """``exact`` or ``approximate``."""
        return "exact" if self._approximate is None else "approximate"

    @property
    def recall(self) -> Mapping[str, float] | None:
        """The measured recall@10 by kind of query; None if it was not measured, as for an exact index."""
        return None if self.calibration is None else self.calibration.recall

    @property
    def reaches_target(self) -> bool:
        """Whether the measured recall reaches the target, within two standard errors; always true if it is exact."""
        return self.calibration is None or self.calibration.reached

    def search(
        self,
        queries: Float32,
        k: int,
        *,
        allowed: Mask | None = None,
        exact: bool = False,
    ) -> tuple[Float32, Positions]:
        """The k nearest rows of each query.

        Args:
            queries: float32 ``[q, dim]``, unit vectors.
            k: rows wanted.
            allowed: which rows may be found, bool ``[rows]`` by position; None for all. Mark a mask that is used
                again as read-only: what FAISS needs of it is then computed once.
            exact: compare all rows.

        Returns:
            Cosines (float32, descending) and ids (int64), both ``[q, k]``. If fewer than k rows are allowed, all of
            them are found, and the rest of a line is -inf and -1.

        Raises:
            SpaceMismatchError: queries of another dimension.
            UsageError: k below 1, or a query that is NaN, infinite or zero.
        """
        queries = checked_queries(queries, self.dim, k)
        count = self._selector.count(allowed)
        if exact or self._should_scan(len(queries), count):
            self._import_faiss_if_worth_it(len(queries) * count * self.dim)
            scores, positions = self._scan(queries, k, allowed, count)
        else:
            scores, positions = self._search_approximately(queries, k, allowed, count)
            if positions.min(initial=0) >= 0:
                return scores, positions if self._first == 0 else self.ids[positions]
            short = np.flatnonzero((positions >= 0).sum(axis=1) < min(k, count))
            if len(short):
                scores[short], positions[short] = self._scan(queries[short], k, allowed, count)
        return scores, np.where(positions >= 0, self.ids[np.maximum(positions, 0)] if len(self) else -1, -1)

    def _scan(self, queries: Float32, k: int, allowed: Mask | None, count: int) -> tuple[Float32, Positions]:
        """Compare all allowed rows; on a GPU if there is one and at least half of the rows are allowed."""
        if self._gpu is None and 2 * count >= len(self):
            self._gpu = rows_on_gpu(self.vectors)
        if self._gpu is not None and 2 * count >= len(self):
            found = self._gpu.nearest(queries, k, allowed)
            if found is not None:
                return rescore(self.vectors, queries, found, k)
        return search_exact(self.vectors, queries, k, allowed=allowed, threads=self._threads)

    def _should_scan(self, queries: int, allowed: int) -> bool:
        if self._approximate is None:
            return True
        # Fetching all rows takes longer than importing FAISS.
        loaded = not callable(self._approximate) or "faiss" in sys.modules or self.vectors.are_elsewhere
        return should_scan(len(self), allowed, queries * len(self) * self.dim + self._scanned, loaded)

    def _import_faiss_if_worth_it(self, products: int) -> None:
        """Import FAISS once numpy has computed so many products that the faster scan (`float16_scan`) pays for it."""
        if "faiss" in sys.modules:
            return
        self._scanned += products
        if self._scanned > _PRODUCTS_BEFORE_IMPORT:
            import faiss  # noqa: F401

    def _search_approximately(
        self, queries: Float32, k: int, allowed: Mask | None, count: int
    ) -> tuple[Float32, Positions]:
        probing = self.calibration.probing if self.calibration else Probing(_DEFAULT_NPROBE)
        factor = probe_factor(k, count / len(self))
        probing = probing.widened(factor) if factor > 1 else probing
        candidates = self.calibration.candidates if self.calibration else _DEFAULT_CANDIDATES
        candidates = math.ceil(candidates * max(1.0, k / K))
        positions = self._candidates(queries, candidates, probing, allowed, count)
        if self._covered < len(self):
            positions = np.concatenate([positions, self._nearest_uncovered(queries, k, allowed)], axis=1)
        return self._rescore(queries, positions, k)

    def _rescore(self, queries: Float32, positions: Positions, k: int) -> tuple[Float32, Positions]:
        """As `rescore`, by several threads where there are many queries."""
        if len(queries) < _MIN_QUERIES_FOR_THREADS:
            return rescore(self.vectors, queries, positions, k)
        from mmsearch.indexes.faiss.threads import in_threads

        parts = [slice(start, start + _RESCORED_TOGETHER) for start in range(0, len(queries), _RESCORED_TOGETHER)]
        best = in_threads(lambda some: rescore(self.vectors, queries[some], positions[some], k), parts, self._threads)
        return np.concatenate([part[0] for part in best]), np.concatenate([part[1] for part in best])

    def _candidates(
        self, queries: Float32, candidates: int, probing: Probing, allowed: Mask | None, count: int
    ) -> Positions:
        """Positions of allowed rows that the approximate index proposes: ``[q, …]``, -1 for none."""
        approximate = self.load()
        if allowed is not None and count >= BROAD_SHARE * len(self):
            more = math.ceil(candidates * len(self) / count) + K
            positions = self._positions_of(
                approximate.candidates_together(queries, more, probing, threads=self._threads)
            )
            positions = np.where((positions >= 0) & allowed[positions], positions, -1)
            if np.all((positions >= 0).sum(axis=1) >= min(candidates, count)):
                return positions
        selector = self._selector.of(allowed)
        positions = self._positions_of(
            approximate.candidates_together(queries, candidates, probing, selector, threads=self._threads)
        )
        # The allowed rows may lie in lists far from the query: probe more until as many are found as without a filter.
        while allowed is not None and probing.probe_factor < 2 * approximate.lists:
            short = np.flatnonzero((positions >= 0).sum(axis=1) < min(candidates, count))
            if not len(short):
                break
            probing = probing.widened(4)
            found = approximate.candidates(queries[short], candidates, probing, selector, threads=self._threads)
            positions[short] = self._positions_of(found)
        return positions

    def _nearest_uncovered(self, queries: Float32, k: int, allowed: Mask | None) -> Positions:
        """Positions of the nearest of the rows that the approximate index does not cover, ``[q, k]``."""
        uncovered = np.arange(len(self)) >= self._covered
        uncovered = uncovered if allowed is None else uncovered & allowed
        return search_exact(self.vectors, queries, k, allowed=uncovered, threads=self._threads)[1]

    def _positions_of(self, ids: NDArray[np.int64]) -> Positions:
        """Positions of ids; -1 for ids that no row has (any more)."""
        if self._first == 0 and ids.size and ids.view(np.uint64).max() < self._rows:  # as such, -1 is the greatest
            return ids
        if self._first is not None:
            return np.where((ids >= self._first) & (ids < self._first + len(self)), ids - self._first, -1)
        positions = np.searchsorted(self.ids, ids)
        known = (ids >= 0) & (positions < len(self.ids))
        positions = np.where(known, positions, 0)
        return np.where(known & (self.ids[positions] == ids), positions, -1)

    def load(self) -> ApproximateIndex:
        """The approximate index, loaded now if it was not yet; for measurements. Only if `kind` is ``approximate``."""
        if callable(self._approximate):
            with self._guard:
                if callable(self._approximate):
                    self._approximate = self._approximate()
        assert self._approximate is not None
        return self._approximate


def checked_queries(queries: Float32, dim: int, k: int) -> Float32:
    """Queries as contiguous float32 ``[q, dim]``; raises what `VectorIndex.search` does."""
    queries = np.ascontiguousarray(queries, np.float32)
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise SpaceMismatchError(f"queries of shape {list(queries.shape)} do not fit vectors of {dim} dimensions")
    if len(queries) == 1:
        directed = 0 < float(queries[0] @ queries[0]) < math.inf  # false for NaN too
    else:
        squares = np.einsum("ij,ij->i", queries, queries)
        directed = squares.min(initial=1) > 0 and squares.max(initial=0) < np.inf
    if not directed:
        raise UsageError("a query vector has no direction (NaN, infinite or zero)")
    return queries
