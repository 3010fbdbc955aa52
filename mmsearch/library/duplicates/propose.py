"""Pairs of rows whose vectors are near: the first of two tests, which costs no look at a file.

Up to some ten thousand rows are compared one with the other. More are first put into lists, as an inverted file does:
each row into those of its nearest centroids, and rows of one list are compared. Memory stays bounded: vectors are read
list by list, and of each row only its nearest few are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.duplicates.files import Ints

_COMPARED_AT_ONCE = 1 << 22  # cosines
_DIRECT = 4e8  # pairs that are compared without lists
_ROWS_PER_LIST = 500
_MOST_LISTS = 4096
_SAMPLED_PER_LIST = 24
_ROUNDS = 6
_LISTS_OF_ROW = 3
_BLOCK = 8192
_SAMPLE = 1024

Floats32 = NDArray[np.float32]
Told = Callable[[float], None]


class Vectors(Protocol):
    """Unit vectors that are read as they are needed."""

    dim: int

    def __len__(self) -> int: ...

    def take(self, places: Ints) -> NDArray[np.float32]:
        """The vectors at some places, float32 ``[n, dim]``."""
        ...


class Near:
    """For each row the nearest few of those that are near: places int32 and cosines float32 ``[rows, most]``."""

    def __init__(self, count: int, most: int, files: Ints | None) -> None:
        self.files = files
        self.places = np.full((count, most), -1, np.int32)
        self.cosines = np.full((count, most), -2.0, np.float32)

    def add(self, rows: Ints, places: NDArray[np.int32], cosines: NDArray[np.float32]) -> None:
        """Add candidates ``[n, some]`` of rows; -1 stands for none."""
        both = np.concatenate([self.places[rows], places], axis=1)
        scores = np.concatenate([self.cosines[rows], cosines], axis=1)
        # The same place twice: only the first counts.
        order = np.argsort(both, axis=1, kind="stable")
        ordered = np.take_along_axis(both, order, axis=1)
        again = np.zeros_like(ordered, np.bool_)
        again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        repeated = np.zeros_like(again)
        np.put_along_axis(repeated, order, again, axis=1)
        scores[repeated | (both < 0)] = -2.0
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.places.shape[1]]
        self.places[rows] = np.take_along_axis(both, best, axis=1)
        self.cosines[rows] = np.take_along_axis(scores, best, axis=1)

    def pairs(self) -> tuple[Ints, Ints, NDArray[np.float32]]:
        """Each pair once, the smaller place first, and its cosine."""
        rows, columns = np.nonzero(self.cosines > -2.0)
        others = self.places[rows, columns].astype(np.int64)
        cosines = self.cosines[rows, columns]
        one, other = np.minimum(rows, others), np.maximum(rows, others)
        _, first = np.unique(one * len(self.places) + other, return_index=True)
        return one[first], other[first], cosines[first]


def near_pairs(
    vectors: Vectors,
    new: NDArray[np.bool_],
    least: float,
    most: int,
    told: Told = lambda share: None,
    *,
    files: Ints | None = None,
) -> tuple[Ints, Ints, NDArray[np.float32]]:
    """Pairs of places whose vectors are near and of which at least one is new, each once, with their cosines.

    Args:
        vectors: unit vectors.
        new: which of them are compared with all; others were compared with one another before.
        least: the least cosine.
        most: of each row the nearest so many alone.
        told: called with the share of the work that is done.
        files: the file of each: those of one file are no pair. None: each is a file of its own.
    """
    count = len(vectors)
    near = Near(count, most, files)
    asked = np.flatnonzero(new)
    if count < 2 or not len(asked):
        return near.pairs()
    if float(len(asked)) * count <= _DIRECT:
        _compare(vectors, asked, np.arange(count), least, near, told)
    else:
        _compare_in_lists(vectors, new, least, near, told)
    return near.pairs()


def _compare(vectors: Vectors, asked: Ints, others: Ints, least: float, near: Near, told: Told) -> None:
    """Compare some rows with others, block by block."""
    for begin in range(0, len(others), _BLOCK):
        block = others[begin : begin + _BLOCK]
        _compare_blocks(vectors, asked, block, vectors.take(block), least, near)
        told(min(1.0, (begin + _BLOCK) / len(others)))


def _compare_blocks(
    vectors: Vectors, asked: Ints, block: Ints, values: NDArray[np.float32], least: float, near: Near
) -> None:
    at_once = max(1, _COMPARED_AT_ONCE // max(1, len(block)))
    for begin in range(0, len(asked), at_once):
        rows = asked[begin : begin + at_once]
        _keep_near(vectors.take(rows) @ values.T, rows, block, least, near)


def _keep_near(cosines: NDArray[np.float32], rows: Ints, columns: Ints, least: float, near: Near) -> None:
    """Keep the near ones of a table of cosines. ``columns`` ascend; a row is not its own neighbour."""
    at = np.searchsorted(columns, rows)
    own = at < len(columns)
    own[own] = columns[at[own]] == rows[own]
    cosines[np.flatnonzero(own), at[own]] = -2.0
    if near.files is not None:
        cosines[near.files[rows][:, None] == near.files[columns][None, :]] = -2.0
    some = np.flatnonzero(cosines.max(axis=1) >= least) if cosines.shape[1] else np.empty(0, np.int64)
    if not len(some):
        return
    most = min(near.places.shape[1], cosines.shape[1])
    found = cosines[some]
    best = np.argpartition(-found, most - 1, axis=1)[:, :most]
    scores = np.take_along_axis(found, best, axis=1)
    places = columns[best].astype(np.int32)
    places[scores < least] = -1
    near.add(rows[some], places, scores)


def _compare_in_lists(vectors: Vectors, new: NDArray[np.bool_], least: float, near: Near, told: Told) -> None:
    count = len(vectors)
    lists = int(min(_MOST_LISTS, max(2, count // _ROWS_PER_LIST)))
    centroids = _centroids(vectors, lists)
    members = np.empty((count, _LISTS_OF_ROW), np.int16)
    for begin in range(0, count, _BLOCK):
        block = np.arange(begin, min(count, begin + _BLOCK))
        scores = vectors.take(block) @ centroids.T
        best = np.argpartition(-scores, min(_LISTS_OF_ROW, lists - 1), axis=1)[:, :_LISTS_OF_ROW]
        members[block] = best.astype(np.int16)
        told(0.5 * min(1.0, (begin + _BLOCK) / count))
    order = np.argsort(members.reshape(-1), kind="stable")
    bounds = np.searchsorted(members.reshape(-1)[order], np.arange(lists + 1))
    for number, (first, last) in enumerate(pairwise(bounds.tolist())):
        rows = np.unique(order[first:last] // _LISTS_OF_ROW)
        asked = rows[new[rows]]
        if len(rows) > 1 and len(asked):
            for begin in range(0, len(rows), _BLOCK):
                block = rows[begin : begin + _BLOCK]
                _compare_blocks(vectors, asked, block, vectors.take(block), least, near)
        told(0.5 + 0.5 * (number + 1) / lists)


def _centroids(vectors: Vectors, lists: int) -> NDArray[np.float32]:
    """Centroids of length 1, by k-means on a sample; float32 ``[lists, dim]``."""
    random = np.random.default_rng(0)
    size = min(len(vectors), lists * _SAMPLED_PER_LIST)
    sample = vectors.take(np.sort(random.choice(len(vectors), size, replace=False)))
    centroids = sample[random.choice(size, lists, replace=False)].copy()
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centroids)
        counts = np.zeros(lists, np.int64)
        for begin in range(0, size, _BLOCK):
            block = sample[begin : begin + _BLOCK]
            nearest = np.argmax(block @ centroids.T, axis=1)
            order = np.argsort(nearest, kind="stable")
            starts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
            found = nearest[order][starts]
            sums[found] += np.add.reduceat(block[order], starts, axis=0)
            counts[found] += np.diff(np.append(starts, len(block)))
        empty = counts == 0
        sums[empty] = sample[random.choice(size, int(empty.sum()))]
        centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centroids


def usual_cosine(vectors: Vectors) -> float:
    """The mean cosine of two of the rows."""
    if len(vectors) < 2:
        return 0.0
    size = min(len(vectors), _SAMPLE)
    places = np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))
    total = vectors.take(places).sum(axis=0, dtype=np.float64)
    return float((total @ total - size) / (size * (size - 1)))


def in_runs(one: Ints, other: Ints, most: int, nearest: Floats32 | None = None) -> Iterator[Ints]:
    """Pairs in runs with at most about ``most`` different rows each, so that what is read of rows is read once.

    Pairs that hang together come together.

    Args:
        one: a row of each pair.
        other: the other.
        most: rows in a run.
        nearest: of each pair the cosine: within what hangs together, the nearest come first.

    Yields:
        Places of pairs.
    """
    roots = components(np.concatenate([one, other]), one, other)
    order = np.lexsort((other, one, np.zeros(len(one)) if nearest is None else -nearest, roots[: len(one)]))
    run: list[int] = []
    rows: set[int] = set()
    for place in order.tolist():
        pair = {int(one[place]), int(other[place])}
        if run and len(rows | pair) > most:
            yield np.array(run)
            run, rows = [], set()
        run.append(place)
        rows |= pair
    if run:
        yield np.array(run)


class Joined:
    """Which rows hang together by pairs that are joined (union-find)."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def root(self, row: int) -> int:
        """The smallest row that a row hangs together with."""
        above = self._above
        while (up := above.get(row, row)) != row:
            above[row] = above.get(up, up)
            row = up
        return row

    def join(self, one: int, other: int) -> None:
        """Join two rows."""
        a, b = self.root(one), self.root(other)
        if a != b:
            self._above[max(a, b)] = min(a, b)

    def are(self, one: int, other: int) -> bool:
        """Whether two rows hang together."""
        return self.root(one) == self.root(other)


def components(nodes: Ints, one: Ints, other: Ints) -> Ints:
    """For each node the smallest node that pairs connect it with."""
    joined = Joined()
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        joined.join(a, b)
    return np.array([joined.root(node) for node in nodes.tolist()], np.int64)
