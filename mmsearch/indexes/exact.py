"""Brute force: every row is compared. The oracle of all other indexes, and the fastest for few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss import float16_scan
from mmsearch.indexes.vectors import Floats, Half, Positions, StoredVectors, as_floats
from mmsearch.machine import usable_cpus

SLACK = 1e-5
"""What the cosine of one row may differ by when it is summed in another order."""

_CHUNK_SCORES = 1 << 22  # scores held at a time by a thread: 16 MB
_WORTH_THREADS = 1 << 22  # products below which starting threads costs more than it saves
_SELECTIVE = 0.25  # share of rows below which gathering them beats scanning all
_GATHERED = 1 << 16  # rows gathered at a time by a thread: 128 MB at 512 dimensions
_SPARE = 16  # rows looked at beyond k, so that those of nearly equal cosines are seen
_SCANNED = 1 << 16  # rows compared in place at a time


def search_exact(
    vectors: StoredVectors,
    queries: Floats,
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    passing: bool = False,
) -> tuple[Floats, Positions]:
    """The k rows of the highest inner product with each query.

    Args:
        vectors: float16 rows.
        queries: float32 ``[q, dim]``.
        k: rows wanted.
        allowed: which positions may answer, bool ``[rows]``; None for all.
        threads: at most so many; default one for each processor.
        passing: hand mapped rows back to the system once they are compared: for a pass over many that is not repeated.

    Returns:
        Scores (float32, descending) and positions (int64), both ``[q, k]``; ties stand by ascending position,
        places that no row fills hold -inf and -1.
    """
    survivors = None
    if allowed is not None and np.count_nonzero(allowed) < _SELECTIVE * len(allowed):
        survivors, allowed = np.flatnonzero(allowed), None
    rows = len(vectors) if survivors is None else len(survivors)
    step = max(1, min(rows, _CHUNK_SCORES // max(len(queries), 1)))
    workers = min(threads or usable_cpus(), -(-rows // step) if rows else 1)
    if rows * vectors.dim >= _WORTH_THREADS and workers == 1 and (threads is None or threads > 1):
        workers = min(threads or usable_cpus(), 16)
        step = -(-rows // workers)
    chunks = [(start, min(start + step, rows)) for start in range(0, rows, step)]
    slack = SLACK * np.linalg.norm(queries, axis=1)
    in_place = float16_scan.can_compare() and len(queries) <= float16_scan.FEW_QUERIES

    def best_of(chunk: tuple[int, int]) -> tuple[Floats, Positions]:
        found = _compared_in_place(vectors, queries, k, chunk, survivors, allowed, slack) if in_place else None
        if found is None:
            scores, positions = _scores(vectors, queries, chunk, survivors)
            if allowed is not None:
                scores[:, ~allowed[chunk[0] : chunk[1]]] = -np.inf
            found = _shortlist(scores, np.broadcast_to(positions, scores.shape), k, slack)
        if passing and survivors is None:
            vectors.release(*chunk)
        return found

    parts = list(_run(best_of, chunks, workers))
    if not parts:
        parts = [(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))]
    scores = np.concatenate([part[0] for part in parts], axis=1)
    positions = np.concatenate([part[1] for part in parts], axis=1)
    best = rescored(vectors, queries, _shortlist(scores, positions, k, slack)[1], k)
    if passing:
        vectors.release()
    return best


def rescored(vectors: StoredVectors, queries: Floats, positions: Positions, k: int) -> tuple[Floats, Positions]:
    """The k best of candidate ``positions`` ``[q, c]`` (-1 for none) by the exact cosine of the stored vectors.

    Each row is summed by itself, so that a score does not depend on what else was asked or found.
    """
    scores = np.full((len(queries), k), -np.inf, np.float32)
    where = np.full((len(queries), k), -1, np.int64)
    for row, proposed in enumerate(positions):
        candidates = proposed[proposed >= 0]
        rows = vectors.gathered(candidates)
        likely = _likely(rows, queries[row], k)
        candidates, cosines = candidates[likely], np.einsum("ij,j->i", as_floats(rows[likely]), queries[row])
        best = np.lexsort((candidates, -cosines))[:k]
        scores[row, : len(best)], where[row, : len(best)] = cosines[best], candidates[best]
    return scores, where


def cosines_of(vectors: StoredVectors, queries: Floats, positions: Positions) -> Floats:
    """Cosines of each query and its own candidates, ``[q, c]``, to the last bits but one; -inf where there is none."""
    scores = np.full(positions.shape, -np.inf, np.float32)
    for row, candidates in enumerate(positions):
        there = np.flatnonzero(candidates >= 0)
        if len(there):
            scores[row, there] = float16_scan.products(vectors.gathered(candidates[there]), queries[row])
    return scores


def _likely(rows: Half, query: Floats, k: int) -> Positions | slice:
    """Which of ``rows`` may be the k nearest: all of them where there are few, or where it cannot be told cheaply."""
    width = k + _SPARE
    if len(rows) <= width or not float16_scan.can_compare():
        return slice(None)
    scores, places = float16_scan.nearest(rows, query[None], width)
    return slice(None) if cuts_ties(scores, places, k, SLACK * np.linalg.norm(query)) else places[0]


def cuts_ties(scores: Floats, places: Positions, k: int, slack: Floats | np.floating[Any]) -> bool:
    """Whether rows beyond the last of those found, ``[q, k + spare]``, may be as near as the k-th."""
    return bool(np.any((places[:, -1] >= 0) & (scores[:, -1] >= scores[:, k - 1] - 2 * slack)))


def _compared_in_place(
    vectors: StoredVectors,
    queries: Floats,
    k: int,
    chunk: tuple[int, int],
    survivors: Positions | None,
    allowed: NDArray[np.bool_] | None,
    slack: Floats,
) -> tuple[Floats, Positions] | None:
    """Scores and positions ``[q, …]`` among which the k nearest of a chunk are; None where equal rows hide them."""
    found: list[tuple[Floats, Positions]] = []
    for positions, rows in _parts(vectors, chunk, survivors):
        width = min(k + _SPARE, len(rows))
        may = None if allowed is None else allowed[positions[0] : positions[-1] + 1]
        scores, places = float16_scan.nearest(rows, queries, width, may)
        if width < len(rows) and cuts_ties(scores, places, k, slack):
            return None
        found.append((np.where(places >= 0, scores, -np.inf), np.where(places >= 0, positions[places], -1)))
    scores, positions = (np.concatenate([part[side] for part in found], axis=1) for side in (0, 1))
    return scores.astype(np.float32), positions


def _parts(
    vectors: StoredVectors, chunk: tuple[int, int], survivors: Positions | None
) -> Iterator[tuple[Positions, Half]]:
    """The rows of a chunk, where they lie or gathered, with their positions."""
    if survivors is None:
        for first, block in vectors.slices(*chunk, _SCANNED):
            yield np.arange(first, first + len(block)), block
        return
    for begin in range(chunk[0], chunk[1], _GATHERED):
        positions = survivors[begin : min(begin + _GATHERED, chunk[1])]
        yield positions, vectors.gathered(positions)


def _run(
    work: Callable[[tuple[int, int]], tuple[Floats, Positions]], chunks: list[tuple[int, int]], workers: int
) -> Iterator[tuple[Floats, Positions]]:
    if workers == 1:
        yield from map(work, chunks)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, chunks)


def _scores(
    vectors: StoredVectors, queries: Floats, chunk: tuple[int, int], survivors: Positions | None
) -> tuple[Floats, Positions]:
    start, stop = chunk
    scores = np.empty((len(queries), stop - start), np.float32)
    if survivors is not None:
        positions = survivors[start:stop]
        for begin in range(0, len(positions), _GATHERED):
            place = slice(begin, begin + _GATHERED)
            scores[:, place] = queries @ vectors.take(positions[place]).T
        return scores, positions
    for first, block in vectors.slices(start, stop):
        place = slice(first - start, first - start + len(block))
        scores[:, place] = queries @ as_floats(block).T
    return scores, np.arange(start, stop, dtype=np.int64)


def _shortlist(scores: Floats, positions: Positions, k: int, slack: Floats) -> tuple[Floats, Positions]:
    """All that may be among the k best of each row once `rescored`, ``[q, c]`` padded with -inf and -1.

    Equal vectors get scores that differ in the last bits, by where they lie in a block: cutting at the k-th of
    those would break ties by chance.
    """
    chosen = [
        np.flatnonzero((line >= _kth(line, k) - near) & (line > -np.inf))
        for line, near in zip(scores, slack, strict=True)
    ]
    width = max(map(len, chosen), default=0)
    top = np.full((len(scores), width), -np.inf, np.float32)
    where = np.full((len(scores), width), -1, np.int64)
    for row, columns in enumerate(chosen):
        top[row, : len(columns)] = scores[row, columns]
        where[row, : len(columns)] = positions[row, columns]
    return top, where


def _kth(line: Floats, k: int) -> np.float32:
    """The k-th highest; -inf where there are no more than k."""
    if len(line) <= k:
        return np.float32(-np.inf)
    return np.float32(np.partition(line, len(line) - k)[len(line) - k])
