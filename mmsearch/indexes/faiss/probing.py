"""Which inverted lists a query probes: all whose centroids are nearly as near as its nearest ones.

A picture as a query is close to a few centroids and far from the others. A text query is about equally far from many,
and its neighbours are scattered over their lists. A fixed nprobe is too small for texts or too large for pictures. A
margin suits both: probe all lists whose inner product with the query is at most ``probe_margin`` below that of the
tenth nearest list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss.centroids import Centroids
from mmsearch.indexes.vectors import Float32

REFERENCE_LIST = 10
"""Margins are counted from the list of this rank: how near the first few are varies by chance."""

# A text wants up to twice as many lists as queries do on average. To look up more centroids at once costs less than to
# look a second time.
_WIDTH_FACTOR, _EXTRA_LISTS = 2.5, 24  # centroids looked up, for each list that is probed on average, and beyond
_WIDER = 2  # times as many are looked up if some may be missing
_COMPLETE_SHARE = 0.75  # share of the centroids looked up of which none is missing (see `Centroids.nearest`)


@dataclass(frozen=True, slots=True)
class Probing:
    """Which lists are probed.

    Attributes:
        nprobe: the number of lists, for every query; on average, if there is a margin.
        probe_margin: probe all lists whose inner product with the query is at most this below that of the tenth nearest
            list; negative for fewer than ten lists. None: probe ``nprobe``.
        probe_factor: probe this many times as many lists, for searches with a filter or a large k.
    """

    nprobe: int
    probe_margin: float | None = None
    probe_factor: float = 1.0

    def widened(self, factor: float) -> Probing:
        """The same with ``factor`` times as many lists."""
        return replace(self, probe_factor=self.probe_factor * factor)


def nearest_lists(centroids: Centroids, queries: Float32, probing: Probing) -> tuple[Float32, NDArray[np.int64]]:
    """Inner products with the centroids and numbers of the ``nprobe`` nearest lists, both ``[q, nprobe]``."""
    return centroids.nearest_of_each(queries, math.ceil(probing.nprobe * probing.probe_factor))


def lists_within(centroids: Centroids, query: Float32, probing: Probing) -> tuple[Float32, NDArray[np.int64]]:
    """Inner products with the centroids and numbers of the lists within a query's margin, nearest first, ``[n]``."""
    assert probing.probe_margin is not None
    factor = max(probing.probe_factor, 1.0)
    width = math.ceil(_WIDTH_FACTOR * probing.nprobe * factor) + _EXTRA_LISTS
    while True:
        nearness, numbers = centroids.nearest(query, width)
        reference = nearness[min(REFERENCE_LIST, len(nearness)) - 1]
        least = min(reference - np.float32(probing.probe_margin), nearness[0])  # at least the nearest list
        wanted = math.ceil(np.count_nonzero(nearness >= least) * factor)
        if wanted <= _COMPLETE_SHARE * len(nearness) or len(nearness) == len(centroids):
            return nearness[:wanted], numbers[:wanted]
        width *= _WIDER


def lists_wanted(nearness: Float32, probing: Probing) -> NDArray[np.int64]:
    """How many lists `lists_within` finds for each query, int64 ``[q]``.

    Args:
        nearness: inner products of queries with all centroids, float32 ``[q, lists]``.
        probing: with a margin.
    """
    assert probing.probe_margin is not None
    rank = max(nearness.shape[1] - REFERENCE_LIST, 0)
    reference = np.partition(nearness, rank, axis=1)[:, rank]
    least = np.minimum(reference - np.float32(probing.probe_margin), nearness.max(axis=1))
    wanted = np.ceil(np.count_nonzero(nearness >= least[:, None], axis=1) * max(probing.probe_factor, 1.0))
    lists: NDArray[np.int64] = np.minimum(wanted, nearness.shape[1]).astype(np.int64)
    return lists


def nearest_of(nearness: Float32, width: int) -> tuple[Float32, NDArray[np.int64]]:
    """The ``width`` highest of each line of ``nearness`` ``[q, lists]`` and their numbers, in no order."""
    lists = np.ascontiguousarray(np.argpartition(nearness, nearness.shape[1] - width, axis=1)[:, -width:])
    return np.take_along_axis(nearness, lists, axis=1), lists


def centroid_margins(centroids: Float32, queries: Float32) -> Float32:
    """The margin at which each query would probe each list, float32 ``[q, lists]``: negative for the nearest nine.

    Args:
        centroids: float32 ``[lists, dim]``.
        queries: float32 ``[q, dim]``.
    """
    nearness = queries @ centroids.T
    rank = max(nearness.shape[1] - REFERENCE_LIST, 0)
    margins: Float32 = np.partition(nearness, rank, axis=1)[:, rank, None] - nearness
    return margins
