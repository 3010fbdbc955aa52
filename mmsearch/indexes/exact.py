"""Exact search: a query is compared with every row. Ground truth for other indexes, and the fastest for few rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss import float16_scan
from mmsearch.indexes.vectors import Float16, Float32, Positions, StoredVectors, to_float32
from mmsearch.machine import usable_cpus

COSINE_ERROR = 1e-5
"""How far two float32 sums of one cosine, made in different orders, may lie apart."""

_CHUNK_SCORES = 1 << 22  # scores that a thread holds at a time: 16 MB
_MIN_PRODUCTS_FOR_THREADS = 1 << 22  # below, starting threads costs more than it saves
_FEW_PRODUCTS = 1 << 18  # of one query: below, a thread alone takes no longer than several
_SELECTIVE = 0.25  # share of allowed rows below which copying them out beats scanning all rows
_COPIED_ROWS = 1 << 16  # rows that a thread copies out at a time: 128 MB at 512 dimensions
_SCANNED_ROWS = 1 << 16  # rows that are compared in place at a time
_RANKED_QUERIES = 16  # whose last candidates are scored together
_EXTRA_ROWS = 16  # rows looked at beyond k, to notice near ties with the k-th

Chunk = tuple[int, int]
Ranked = tuple[Float32, Positions]
"""Scores and positions, both ``[q, …]``; -inf and -1 where there is no row."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """One exact search.

    ``survivors`` are the positions (ascending) that are compared, None for all; ``allowed`` is a mask over all rows,
    None if there is no filter or if ``survivors`` holds its rows. ``error`` is how far each query's scores may be off.
    """

    vectors: StoredVectors
    queries: Float32
    k: int
    survivors: Positions | None
    allowed: NDArray[np.bool_] | None
    error: Float32

    def __len__(self) -> int:
        return len(self.vectors) if self.survivors is None else len(self.survivors)


def search_exact(
    vectors: StoredVectors,
    queries: Float32,
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    release_pages: bool = False,
) -> Ranked:
    """The k rows with the highest inner product with each query.

    Args:
        vectors: float16 rows.
        queries: float32 ``[q, dim]``.
        k: rows wanted.
        allowed: which rows may be found, bool ``[rows]``; None for all.
        threads: at most this many; default one for each processor.
        release_pages: release memory-mapped pages once they are compared; for a pass that is not repeated soon.

    Returns:
        Scores (float32, descending) and positions (int64), both ``[q, k]``. Ties are ordered by position. If fewer
        than k rows are allowed, the rest of a line is -inf and -1.
    """
    survivors = None
    if allowed is not None and np.count_nonzero(allowed) < _SELECTIVE * len(allowed):
        survivors, allowed = np.flatnonzero(allowed), None
    scan = _Scan(vectors, queries, k, survivors, allowed, COSINE_ERROR * np.linalg.norm(queries, axis=1))
    chunks, workers = _split(scan, threads)
    in_place = float16_scan.is_available() and len(queries) <= float16_scan.MAX_QUERIES

    def search_chunk(chunk: Chunk) -> Ranked:
        found = _search_in_place(scan, chunk) if in_place else None
        if found is None:
            found = _search_converted(scan, chunk)
        if release_pages and survivors is None:
            vectors.release_pages(*chunk)
        return found

    parts = list(_map(search_chunk, chunks, workers))
    if not parts:
        parts = [(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))]
    candidates = _shortlist(*_concatenate(parts), k, scan.error)[1]
    best = rescore(vectors, queries, candidates, k)
    if release_pages:
        vectors.release_pages()
    return best


def rescore(vectors: StoredVectors, queries: Float32, positions: Positions, k: int) -> Ranked:
    """The k best of candidate ``positions`` ``[q, c]`` (-1 for none) by the cosine of the stored vectors.

    Each row is summed by itself: a score depends neither on the other queries nor on the other candidates.
    """
    scores = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(queries), _RANKED_QUERIES):
        some = slice(start, start + _RANKED_QUERIES)
        asked = queries[some]
        kept = [_contenders(vectors, query, line, k) for query, line in zip(asked, positions[some], strict=True)]
        if len(kept) == 1:
            candidates, rows = kept[0]
            cosines = np.einsum("ij,j->i", to_float32(rows), asked[0])
            best = np.lexsort((candidates, -cosines))[:k]
            scores[start, : len(best)], found[start, : len(best)] = cosines[best], candidates[best]
            continue
        candidates, rows = (np.concatenate([one[side] for one in kept]) for side in (0, 1))
        counts = np.array([len(one[0]) for one in kept])
        owners = np.repeat(np.arange(len(kept)), counts)
        cosines = np.einsum("ij,ij->i", to_float32(rows), asked[owners])
        order = np.lexsort((candidates, -cosines, owners))  # owners stay as they are
        ranks = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        best = np.flatnonzero(ranks < k)
        lines, columns, chosen = owners[best], ranks[best], order[best]
        scores[some][lines, columns], found[some][lines, columns] = cosines[chosen], candidates[chosen]
    return scores, found


def _contenders(vectors: StoredVectors, query: Float32, line: Positions, k: int) -> tuple[Positions, Float16]:
    """Of the candidates of one query those that may be among its k best, and their rows."""
    candidates = line if line.min(initial=0) >= 0 else line[line >= 0]
    rows = vectors.take_float16(candidates)
    kept = _prefilter(rows, query, k)
    return (candidates, rows) if kept is None else (candidates[kept], rows[kept])


def candidate_cosines(vectors: StoredVectors, queries: Float32, positions: Positions) -> Float32:
    """Cosine of each query and each of its own candidates, ``[q, c]``, within `COSINE_ERROR`; -inf for no candidate."""
    scores = np.full(positions.shape, -np.inf, np.float32)
    for row, candidates in enumerate(positions):
        filled = np.flatnonzero(candidates >= 0)
        if len(filled):
            scores[row, filled] = float16_scan.products(vectors.take_float16(candidates[filled]), queries[row])
    return scores


def cuts_ties(scores: Float32, positions: Positions, k: int, error: Float32 | np.floating[Any]) -> bool:
    """Whether rows that are not among those found, ``[q, more than k]``, may be as near as the k-th."""
    return bool(np.any((positions[:, -1] >= 0) & (scores[:, -1] >= scores[:, k - 1] - 2 * error)))


def _split(scan: _Scan, threads: int | None) -> tuple[list[Chunk], int]:
    """The rows in chunks, and how many threads share them."""
    rows = len(scan)
    step = max(1, min(rows, _CHUNK_SCORES // max(len(scan.queries), 1)))
    workers = min(threads or usable_cpus(), -(-rows // step) if rows else 1)
    if rows * scan.vectors.dim >= _MIN_PRODUCTS_FOR_THREADS and workers == 1 and (threads is None or threads > 1):
        workers = min(threads or usable_cpus(), 16)
        step = -(-rows // workers)
    return [(start, min(start + step, rows)) for start in range(0, rows, step)], workers


def _map(work: Callable[[Chunk], Ranked], chunks: list[Chunk], workers: int) -> Iterator[Ranked]:
    if workers == 1:
        yield from map(work, chunks)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, chunks)


def _concatenate(parts: list[Ranked]) -> Ranked:
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)


def _prefilter(rows: Float16, query: Float32, k: int) -> Positions | None:
    """Which of ``rows`` may be the k nearest; None for all, if they are few or if that cannot be computed cheaply."""
    width = k + _EXTRA_ROWS
    if len(rows) <= width or not float16_scan.is_available():
        return None
    (scores,), (numbers,) = float16_scan.nearest(rows, query[None], width)
    least = scores[k - 1] - 2 * COSINE_ERROR * math.sqrt(query @ query)
    return None if scores[-1] >= least else numbers[: np.count_nonzero(scores >= least)]


def _search_in_place(scan: _Scan, chunk: Chunk) -> Ranked | None:
    """The nearest rows of a chunk (some more than k), compared as float16; None if ties with the k-th are cut off."""
    found: list[Ranked] = []
    for positions, rows in _iter_rows(scan, chunk):
        width = min(scan.k + _EXTRA_ROWS, len(rows))
        mask = None if scan.allowed is None else scan.allowed[positions[0] : positions[-1] + 1]
        scores, numbers = float16_scan.nearest(rows, scan.queries, width, mask)
        if width < len(rows) and cuts_ties(scores, numbers, scan.k, scan.error):
            return None
        filled = numbers >= 0
        found.append((np.where(filled, scores, -np.inf).astype(np.float32), np.where(filled, positions[numbers], -1)))
    return _concatenate(found)


def _iter_rows(scan: _Scan, chunk: Chunk) -> Iterator[tuple[Positions, Float16]]:
    """The rows of a chunk with their positions: views of the blocks, or copies of the survivors."""
    if scan.survivors is None:
        for first, block in scan.vectors.iter_float16(*chunk, _SCANNED_ROWS):
            yield np.arange(first, first + len(block)), block
        return
    for begin in range(chunk[0], chunk[1], _COPIED_ROWS):
        positions = scan.survivors[begin : min(begin + _COPIED_ROWS, chunk[1])]
        yield positions, scan.vectors.take_float16(positions)


def _search_converted(scan: _Scan, chunk: Chunk) -> Ranked:
    """The nearest rows of a chunk (all that may be among the k), converted to float32 and multiplied by numpy."""
    scores, positions = _all_scores(scan, chunk)
    if scan.allowed is not None:
        scores[:, ~scan.allowed[chunk[0] : chunk[1]]] = -np.inf
    return _shortlist(scores, np.broadcast_to(positions, scores.shape), scan.k, scan.error)


def _all_scores(scan: _Scan, chunk: Chunk) -> Ranked:
    """Scores of all rows of a chunk, ``[q, rows]``, and their positions, ``[rows]``."""
    start, stop = chunk
    scores = np.empty((len(scan.queries), stop - start), np.float32)
    if scan.survivors is not None:
        positions = scan.survivors[start:stop]
        for begin in range(0, len(positions), _COPIED_ROWS):
            some = slice(begin, begin + _COPIED_ROWS)
            scores[:, some] = scan.queries @ scan.vectors.take_float32(positions[some]).T
        return scores, positions
    few = len(scan.queries) == 1 and scores.size * scan.vectors.dim <= _FEW_PRODUCTS
    for first, block in scan.vectors.iter_float16(start, stop):
        own = scores[:, first - start : first - start + len(block)]
        own[:] = _products_alone(scan.queries, block) if few else scan.queries @ to_float32(block).T
    return scores, np.arange(start, stop, dtype=np.int64)


def _products_alone(queries: Float32, block: Float16) -> Float32:
    """The inner products of one query, on the calling thread. Threads of BLAS go on spinning for milliseconds."""
    products: Float32 = np.einsum("ij,j->i", to_float32(block), queries[0])[None]
    return products


def _shortlist(scores: Float32, positions: Positions, k: int, error: Float32) -> Ranked:
    """All that may be among the k best of each line once it is rescored, ``[q, c]`` padded with -inf and -1.

    Equal vectors get scores that differ in the last bits, depending on where they lie in a block. To cut at the k-th
    score would break such ties at random.
    """
    chosen = [
        np.flatnonzero((line >= _kth_highest(line, k) - near) & (line > -np.inf))
        for line, near in zip(scores, error, strict=True)
    ]
    width = max(map(len, chosen), default=0)
    top = np.full((len(scores), width), -np.inf, np.float32)
    found = np.full((len(scores), width), -1, np.int64)
    for row, columns in enumerate(chosen):
        top[row, : len(columns)] = scores[row, columns]
        found[row, : len(columns)] = positions[row, columns]
    return top, found


def _kth_highest(line: Float32, k: int) -> np.float32:
    """The k-th highest score; -inf if there are no more than k."""
    if len(line) <= k:
        return np.float32(-np.inf)
    return np.float32(np.partition(line, len(line) - k)[len(line) - k])
