"""Groups of vectors: a graph of nearest neighbours, split by modularity (as PhenoGraph does, Levine and others, 2015).

Many vectors become a few thousand centres first, by k-means on a sample; then the graph is one of centres. Measured in
decision 48: k-means must be told how many groups there are, and HDBSCAN leaves half of ordinary photographs out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.groups.louvain import communities
from mmsearch.unit import normalize_rows, row_lengths

Floats = NDArray[np.float32]

MOST_POINTS = 4096
"""Nodes of the graph: so many vectors are compared as they are; of more, so many centres are made."""

NEIGHBOURS = 6
_POWER = 4
"""Edges weigh as the cosine to this power: the near ones count, in loose surroundings and in tight ones."""
LEAST_FIT = 0.2
"""A cosine to the middle of the group, collection's mean taken off: what fits less belongs to no group."""

_JOINED = 0.9
"""Groups are joined whose middles are so near, as a share of how near vectors are to the middle of their group."""

_USUAL = 1.15
"""So much nearer, or less near, are the middles of groups taken to be that were one or two before."""

_SAME = 0.02
"""Vectors that are all so near to their mean are of one thing: what sets them apart is rounding."""

_ROUNDS = 6  # of k-means
_BLOCK = 4096  # rows that are compared at once


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """How vectors fall into groups.

    Attributes:
        mean: of all vectors, which is taken off each before it is compared; float32 ``[dim]``.
        points: unit vectors ``[p, dim]``: all vectors that were clustered, or centres of them.
        group_of_point: the group of each point, int64 ``[p]``; -1 for none.
        middles: the unit vector in the middle of each group, float32 ``[groups, dim]``.
        by_point: whether points are centres of many vectors each.
    """

    mean: Floats
    points: Floats
    group_of_point: NDArray[np.int64]
    middles: Floats
    by_point: bool

    def assign(self, vectors: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The group of each vector, by its nearest point, and how well it fits: the cosine to the group's middle.

        Vectors that do not fit have group -1.
        """
        centred = normalize_rows(vectors - self.mean)
        groups = self.group_of_point[nearest(centred, self.points)]
        return self._fitting(centred, groups)

    def of_points(self) -> tuple[NDArray[np.int64], Floats]:
        """The same of the clustered vectors themselves, if they are the points."""
        return self._fitting(self.points, self.group_of_point)

    def _fitting(self, centred: Floats, groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        if not len(self.middles):
            return np.full(len(centred), -1), np.zeros(len(centred), np.float32)
        fits = np.einsum("ij,ij->i", centred, self.middles[np.maximum(groups, 0)]).astype(np.float32)
        return np.where(fits >= LEAST_FIT, groups, -1), fits


def cluster(
    vectors: Floats,
    *,
    detail: float = 1.0,
    start: NDArray[np.int64] | None = None,
    most_points: int = MOST_POINTS,
) -> Clustering:
    """Find groups of vectors.

    Args:
        vectors: of files, or of a sample of them, float32 ``[n, dim]``, n > 0.
        detail: above 1 for more and smaller groups, below 1 for fewer.
        start: the group that an earlier run put each vector in, int64 ``[n]``, -1 for none. Groups that still hold
            together stay what they were.
        most_points: the most points of the graph.
    """
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if len(vectors) > 1 and row_lengths(vectors - mean).max() < _SAME:
        middle = normalize_rows(mean[None])
        return Clustering(np.zeros_like(mean), middle, np.zeros(1, np.int64), middle, by_point=True)
    centred = normalize_rows(vectors - mean)
    by_point = len(centred) > most_points
    points = _centres(centred, most_points) if by_point else centred
    owners = nearest(centred, points) if by_point else np.arange(len(points))
    if by_point and start is not None:
        start = _commonest(owners, start, len(points))
    found = communities(*neighbour_graph(points), len(points), resolution=detail, start=start)
    sums = sums_by(centred, found[owners], int(found.max()) + 1)
    marks = np.full(len(sums), -1, np.int64) if start is None else _commonest(found, start, len(sums))
    joined, sums = joined_groups(sums, np.bincount(found[owners], minlength=len(sums)), marks, _JOINED * detail)
    return Clustering(mean, points, joined[found], normalize_rows(sums), by_point)


def joined_groups(
    sums: Floats, sizes: NDArray[np.int64], marks: NDArray[np.int64], least: float
) -> tuple[NDArray[np.int64], Floats]:
    """Join groups that only the graph divides: their middles are about as near to one another as to their own vectors.

    Modularity divides even what has no parts, once there is much of it.

    Args:
        sums: of the unit vectors of each group, ``[groups, dim]``.
        sizes: how many they are, ``[groups]``.
        marks: the earlier group that most of them were in, ``[groups]``, -1 for none. What was one group before is more
            readily one now, and what was two is less.
        least: the cosine of two middles, over the mean cosine of vectors to their middles, from which on they are one.

    Returns:
        The number of the group that each became, int64 ``[groups]``, and the sums of these.
    """
    number = np.arange(len(sums))
    sums, sizes, products = sums.copy(), np.maximum(sizes, 1), sums @ sums.T
    while len(sums) > 1:
        lengths = np.maximum(row_lengths(sums), 1e-6)
        scales = lengths * np.sqrt(lengths / sizes)
        nearness = products / (scales[:, None] * scales)
        known = (marks[:, None] >= 0) & (marks >= 0)
        nearness *= np.where(known, np.where(marks[:, None] == marks, _USUAL, 1 / _USUAL), 1)
        np.fill_diagonal(nearness, -np.inf)
        one, other = sorted(int(place) for place in np.unravel_index(nearness.argmax(), nearness.shape))
        if nearness[one, other] < least:
            break
        sums[one] += sums[other]
        sizes[one] += sizes[other]
        products[one] += products[other]
        products[:, one] += products[:, other]
        products = np.delete(np.delete(products, other, axis=0), other, axis=1)
        if sizes[other] > sizes[one] - sizes[other]:
            marks[one] = marks[other]
        sums, sizes, marks = np.delete(sums, other, axis=0), np.delete(sizes, other), np.delete(marks, other)
        number[number == other] = one
        number[number > other] -= 1
    return number, sums


def neighbour_graph(
    points: Floats, neighbours: int = NEIGHBOURS
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The edges between unit vectors and their nearest neighbours: both ends, the first before the second, and weights.

    Each edge is there once, if one of its ends is among the nearest of the other, and their cosine is above 0.
    """
    count = len(points)
    wanted = min(neighbours, max(2, count // 3), count - 1)
    if wanted < 1:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    heads, tails, cosines = [], [], []
    for start in range(0, count, _BLOCK):
        products = points[start : start + _BLOCK] @ points.T
        own = np.arange(len(products))
        products[own, start + own] = -2
        near = np.argpartition(products, -wanted, axis=1)[:, -wanted:]
        heads.append(np.repeat(start + own, wanted))
        tails.append(near.reshape(-1))
        cosines.append(np.take_along_axis(products, near, axis=1).reshape(-1))
    head, tail, cosine = np.concatenate(heads), np.concatenate(tails), np.concatenate(cosines)
    first, second = np.minimum(head, tail), np.maximum(head, tail)
    _, once = np.unique(first * count + second, return_index=True)
    kept = once[cosine[once] > 1e-3]
    return first[kept], second[kept], cosine[kept] ** _POWER


def nearest(vectors: Floats, points: Floats) -> NDArray[np.int64]:
    """The nearest point of each vector, by inner product."""
    parts = [np.argmax(vectors[start : start + _BLOCK] @ points.T, axis=1) for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def sums_by(vectors: Floats, groups: NDArray[np.int64], count: int) -> Floats:
    """The sum of the vectors of each group, float32 ``[count, dim]``; those of group -1 are left out."""
    order = np.argsort(groups, kind="stable")
    order = order[np.searchsorted(groups[order], 0) :]
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    if len(order):
        numbers, starts = np.unique(groups[order], return_index=True)
        sums[numbers] = np.add.reduceat(vectors[order], starts, axis=0)
    return sums


def _centres(vectors: Floats, count: int, seed: int = 0) -> Floats:
    """Centres of vectors by k-means on the sphere; those that no vector is nearest to are left out."""
    random = np.random.default_rng(seed)
    centres = vectors[np.sort(random.choice(len(vectors), count, replace=False))]
    for _ in range(_ROUNDS):
        owners = nearest(vectors, centres)
        centres = normalize_rows(sums_by(vectors, owners, len(centres)))
        centres = centres[np.bincount(owners, minlength=len(centres)) > 0]
    return centres


def _commonest(owners: NDArray[np.int64], marks: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The mark that most vectors of each point have, int64 ``[count]``; -1 where none has one."""
    found = np.full(count, -1, np.int64)
    marked = marks >= 0
    pairs, times = np.unique(np.stack([owners[marked], marks[marked]]), axis=1, return_counts=True)
    order = np.argsort(times, kind="stable")  # the most frequent pair of a point comes last, and stays
    found[pairs[0][order]] = pairs[1][order]
    return found
