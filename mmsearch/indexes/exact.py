"""Brute force: every row is compared. The oracle of all other indexes, and the fastest for few rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.blocks import Floats, Positions, Vectors

_CHUNK_SCORES = 1 << 22  # scores held at a time by a thread: 16 MB
_WORTH_THREADS = 1 << 22  # products below which starting threads costs more than it saves
_SELECTIVE = 0.25  # share of rows below which gathering them beats scanning all
_GATHERED = 1 << 16  # rows gathered at a time by a thread: 128 MB at 512 dimensions
_SLACK = 1e-5  # what the cosine of one row may differ by when BLAS sums it in another order


def search_exact(
    vectors: Vectors,
    queries: Floats,
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> tuple[Floats, Positions]:
    """The k rows of the highest inner product with each query.

    Args:
        vectors: float16 rows.
        queries: float32 ``[q, dim]``.
        k: rows wanted.
        allowed: which positions may answer, bool ``[rows]``; None for all.
        threads: at most so many; default one for each processor.

    Returns:
        Scores (float32, descending) and positions (int64), both ``[q, k]``; ties stand by ascending position,
        places that no row fills hold -inf and -1.
    """
    survivors = None
    if allowed is not None and np.count_nonzero(allowed) < _SELECTIVE * len(allowed):
        survivors, allowed = np.flatnonzero(allowed), None
    rows = len(vectors) if survivors is None else len(survivors)
    step = max(1, min(rows, _CHUNK_SCORES // max(len(queries), 1)))
    workers = min(threads or os.cpu_count() or 1, -(-rows // step) if rows else 1)
    if rows * vectors.dim >= _WORTH_THREADS and workers == 1 and (threads is None or threads > 1):
        workers = min(threads or os.cpu_count() or 1, 16)
        step = -(-rows // workers)
    chunks = [(start, min(start + step, rows)) for start in range(0, rows, step)]
    slack = _SLACK * np.linalg.norm(queries, axis=1)

    def best_of(chunk: tuple[int, int]) -> tuple[Floats, Positions]:
        scores, positions = _scores(vectors, queries, chunk, survivors)
        if allowed is not None:
            scores[:, ~allowed[chunk[0] : chunk[1]]] = -np.inf
        return _shortlist(scores, np.broadcast_to(positions, scores.shape), k, slack)

    found = list(_run(best_of, chunks, workers))
    if not found:
        found = [(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))]
    scores = np.concatenate([part[0] for part in found], axis=1)
    positions = np.concatenate([part[1] for part in found], axis=1)
    return rescored(vectors, queries, _shortlist(scores, positions, k, slack)[1], k)


def rescored(vectors: Vectors, queries: Floats, positions: Positions, k: int) -> tuple[Floats, Positions]:
    """The k best of candidate ``positions`` ``[q, c]`` (-1 for none) by the exact cosine of the stored vectors.

    Each row is summed by itself, so that a score does not depend on what else was asked or found.
    """
    return _best(cosines_of(vectors, queries, positions), positions, k)


def cosines_of(vectors: Vectors, queries: Floats, positions: Positions) -> Floats:
    """The inner product of each query with its own candidates' stored vectors, ``[q, c]``; -inf where there is none."""
    scores = np.full(positions.shape, -np.inf, np.float32)
    for row, candidates in enumerate(positions):
        there = np.flatnonzero(candidates >= 0)
        scores[row, there] = np.einsum("ij,j->i", vectors.take(candidates[there]), queries[row])
    return scores


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
    vectors: Vectors, queries: Floats, chunk: tuple[int, int], survivors: Positions | None
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
        scores[:, place] = queries @ block.astype(np.float32).T
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


def _best(scores: Floats, positions: Positions, k: int) -> tuple[Floats, Positions]:
    """The k highest of each row, descending, ties by position; padded with -inf and -1."""
    top = np.full((len(scores), k), -np.inf, np.float32)
    where = np.full((len(scores), k), -1, np.int64)
    for row, line in enumerate(scores):
        chosen = np.flatnonzero((line >= _kth(line, k)) & (line > -np.inf))
        order = np.lexsort((positions[row][chosen], -line[chosen]))[:k]
        chosen = chosen[order]
        top[row, : len(chosen)] = line[chosen]
        where[row, : len(chosen)] = positions[row][chosen]
    return top, where


def _kth(line: Floats, k: int) -> np.float32:
    """The k-th highest; -inf where there are no more than k."""
    if len(line) <= k:
        return np.float32(-np.inf)
    return np.float32(np.partition(line, len(line) - k)[len(line) - k])
