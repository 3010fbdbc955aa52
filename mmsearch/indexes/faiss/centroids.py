"""The centroids of inverted lists, thousands of which a query is compared with in registers, at four bits a value.

At full precision those of a million rows are 8 MB, which each query would read anew and which push everything else out
of the processor's caches. At four bits they are 1 MB, and say well enough which few hundred are worth a second look.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Floats

# The 16 values that lose the least of a normally distributed one, in deviations from its mean (J. Max, Quantizing for
# minimum distortion, IRE Transactions on Information Theory 6, 1960, table 1).
_ABOVE = np.array([0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], np.float32)
_LEVELS = np.concatenate([-_ABOVE[::-1], _ABOVE])
_BLOCK = 256  # centroids that are encoded at a time: they stay in the cache


class Centroids:
    """The centroids of an index, to be compared with one query after another."""

    def __init__(self, quantizer: Any) -> None:
        import faiss

        self.values = centroids_of(quantizer)
        self._quantizer = quantizer  # keeps alive what the two below point at
        self._exact = faiss.downcast_index(quantizer)
        if not isinstance(self._exact, faiss.IndexFlat):
            self._exact = faiss.IndexFlatIP(self.values.shape[1])
            self._exact.add(self.values)
        self._coarse = _at_four_bits(self.values)
        self._refined = faiss.IndexRefine(self._coarse, self._exact)

    def __len__(self) -> int:
        return len(self.values)

    def nearest(self, query: Floats, width: int) -> tuple[Floats, NDArray[np.int64]]:
        """Inner products with a query ``[dim]``, and numbers, of the ``width`` nearest, nearest first.

        The products are exact. Of the last quarter a few may be missing where fewer than all are asked for.
        """
        index = self._refined if width < len(self) else self._exact
        nearness, numbers = index.search(query[None], min(width, len(self)))
        return nearness[0], numbers[0]


def centroids_of(quantizer: Any) -> Floats:
    """The centroids, float32 ``[lists, dim]``: where FAISS keeps them, or a copy where it keeps them otherwise."""
    import faiss

    flat = faiss.downcast_index(quantizer)
    if not isinstance(flat, faiss.IndexFlat):
        copy: Floats = flat.reconstruct_n(0, flat.ntotal)
        return copy
    size = flat.ntotal * flat.d
    centroids: Floats = faiss.rev_swig_ptr(flat.get_xb(), size).reshape(flat.ntotal, flat.d)
    return centroids


def _at_four_bits(centroids: Floats) -> Any:
    """A FAISS index (inner product, fast scan) of centroids, each value at one of 16 levels of its dimension."""
    import faiss

    dim = centroids.shape[1]
    mean, deviation = centroids.mean(axis=0), centroids.std(axis=0)
    codes = faiss.IndexPQ(dim, dim, 4, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector((mean[:, None] + deviation[:, None] * _LEVELS).ravel(), codes.pq.centroids)
    codes.is_trained = True
    for start in range(0, len(centroids), _BLOCK):
        block = centroids[start : start + _BLOCK]
        codes.add_sa_codes(_packed((block - mean) / np.maximum(deviation, np.finfo(np.float32).tiny)))
    packed = faiss.IndexPQFastScan(codes)
    packed.orig_codes = None  # it would point into `codes`, which end here
    return packed


def _packed(values: Floats) -> NDArray[np.uint8]:
    """The number of the level that is nearest to each value, two to a byte."""
    rows, dim = values.shape
    nearest = np.zeros((rows, dim + dim % 2), np.uint8)
    for bound in (_LEVELS[1:] + _LEVELS[:-1]) / 2:
        nearest[:, :dim] += values > bound
    return np.ascontiguousarray(nearest[:, ::2] | nearest[:, 1::2] << 4)
