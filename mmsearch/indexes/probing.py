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

from mmsearch.indexes.blocks import Floats

NEAREST = 10
"""The list that distances are counted from: the first few lie near by chance."""


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


def chosen_lists(quantizer: Any, queries: Floats, probing: Probing) -> tuple[Floats, NDArray[np.int64]]:
    """Inner products with the centroids, and numbers, of the lists to probe, ``[q, most]``, nearest first, -1 for none.

    ``quantizer`` holds the centroids, in FAISS. Each query is multiplied by itself, so that what it looks into does
    not depend on what else is asked.
    """
    lists = int(quantizer.ntotal)
    centroids = _centroids(quantizer)
    if probing.reach is None or centroids is None:
        nprobe = min(math.ceil(probing.nprobe * probing.wider), lists)
        nearness, numbers = quantizer.search(queries, nprobe)
        return nearness, numbers
    rows = [_within(centroids @ query, probing.reach, probing.wider) for query in queries]
    most = max(len(row[1]) for row in rows)
    near = np.full((len(queries), most), -np.inf, np.float32)
    chosen = np.full((len(queries), most), -1, np.int64)
    for place, (nearness, numbers) in enumerate(rows):
        near[place, : len(numbers)], chosen[place, : len(numbers)] = nearness, numbers
    return near, chosen


def _within(nearness: Floats, reach: float, wider: float) -> tuple[Floats, NDArray[np.int64]]:
    behind = max(len(nearness) - NEAREST, 0)
    least = min(np.partition(nearness, behind)[behind] - np.float32(reach), nearness.max())
    numbers = np.flatnonzero(nearness >= least)
    if wider > 1:
        count = min(math.ceil(len(numbers) * wider), len(nearness))
        numbers = np.argpartition(-nearness, count - 1)[:count]
    numbers = numbers[np.argsort(-nearness[numbers], kind="stable")]
    return nearness[numbers], numbers


def gaps(quantizer: Any, queries: Floats) -> Floats:
    """How far each list lies behind the tenth nearest of each query, ``[q, lists]``; below zero for the nearer ones."""
    nearness: Floats
    centroids = _centroids(quantizer)
    if centroids is None:
        nearness = quantizer.search(queries, int(quantizer.ntotal))[0]
    else:
        nearness = queries @ centroids.T
    behind = max(nearness.shape[1] - NEAREST, 0)
    return np.partition(nearness, behind, axis=1)[:, behind, None] - nearness


def _centroids(quantizer: Any) -> Floats | None:
    """The centroids where FAISS keeps them, float32 ``[lists, dim]``; None where it keeps them otherwise."""
    import faiss

    flat = faiss.downcast_index(quantizer)
    if not isinstance(flat, faiss.IndexFlat) or not flat.ntotal:
        return None
    size = flat.ntotal * flat.d
    centroids: Floats = faiss.rev_swig_ptr(flat.get_xb(), size).reshape(flat.ntotal, flat.d)
    return centroids
