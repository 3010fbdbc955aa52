"""Which inverted lists a query looks into: those nearly as near as its nearest ones, so that each takes what it needs.

A picture lies close to a few centroids and far from the rest; words lie about equally far from many, and their
neighbours are scattered over these. A fixed number of lists is too few for words or too many for pictures. What holds
for both is a distance: all lists whose inner product with the query is at most ``reach`` below that of its tenth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss.centroids import Centroids
from mmsearch.indexes.vectors import Floats

NEAREST = 10
"""The list that distances are counted from: the first few lie near by chance."""

_MORE = 32  # lists that are looked at beyond twice as many as are probed on average
_SURE = 0.75  # share of those looked at up to which none is missing


@dataclass(frozen=True, slots=True)
class Probing:
    """How many lists are probed: ``nprobe`` for every query, or all within ``reach`` of its tenth (less than zero for
    fewer than ten); ``wider`` times so many for a search that must look further."""

    nprobe: int
    reach: float | None = None
    wider: float = 1.0

    def widened(self, factor: float) -> Probing:
        """The same with more lists."""
        return replace(self, wider=self.wider * factor)


def nearest_lists(quantizer: Any, queries: Floats, probing: Probing) -> tuple[Floats, NDArray[np.int64]]:
    """Inner products with the centroids, and numbers, of the ``nprobe`` nearest lists, ``[q, nprobe]``."""
    nprobe = min(math.ceil(probing.nprobe * probing.wider), int(quantizer.ntotal))
    nearness, numbers = quantizer.search(queries, nprobe)
    return nearness, numbers


def lists_within(centroids: Centroids, query: Floats, probing: Probing) -> tuple[Floats, NDArray[np.int64]]:
    """Inner products with the centroids, and numbers, of the lists within reach of a query ``[dim]``, nearest first."""
    assert probing.reach is not None
    wider = max(probing.wider, 1.0)
    width = 2 * math.ceil(probing.nprobe * wider) + _MORE
    while True:
        nearness, numbers = centroids.nearest(query, width)
        least = min(nearness[min(NEAREST, len(nearness)) - 1] - np.float32(probing.reach), nearness[0])
        wanted = math.ceil(np.count_nonzero(nearness >= least) * wider)
        if wanted <= _SURE * len(nearness) or len(nearness) == len(centroids):
            return nearness[:wanted], numbers[:wanted]
        width *= 4


def gaps(centroids: Floats, queries: Floats) -> Floats:
    """How far each list lies behind the tenth nearest of each query, ``[q, lists]``; below zero for the nearer ones."""
    nearness = queries @ centroids.T
    behind = max(nearness.shape[1] - NEAREST, 0)
    gap: Floats = np.partition(nearness, behind, axis=1)[:, behind, None] - nearness
    return gap
