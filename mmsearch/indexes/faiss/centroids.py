"""The centroids of inverted lists, and a fast search for the nearest ones, with four bits for each value.

A query is compared with thousands of centroids. In float32 those of an index of a million rows take 8 MB, which every
query would read again, at the cost of all else in the processor's caches. With four bits a value they take 1 MB and are
compared in registers; the nearest few hundred are then compared again in float32.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Float32

# The 16 levels of the optimal quantizer for a normal distribution, in standard deviations from the mean (J. Max,
# Quantizing for minimum distortion, IRE Transactions on Information Theory 6, 1960, table 1).
_POSITIVE_LEVELS = np.array([0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], np.float32)
_LEVELS = np.concatenate([-_POSITIVE_LEVELS[::-1], _POSITIVE_LEVELS])
_ENCODED_ROWS = 256  # centroids encoded at a time, so that they stay in the cache


class Centroids:
    """The centroids of an index, searched with one query at a time."""

    def __init__(self, quantizer: Any) -> None:
        import faiss

        self.values = centroids_of(quantizer)
        self._quantizer = quantizer  # kept alive: the indexes below point into it
        self._exact = faiss.downcast_index(quantizer)
        if not isinstance(self._exact, faiss.IndexFlat):
            self._exact = faiss.IndexFlatIP(self.values.shape[1])
            self._exact.add(self.values)
        self._coarse = _four_bit_index(self.values)
        self._refined = faiss.IndexRefine(self._coarse, self._exact)

    def __len__(self) -> int:
        return len(self.values)

    def nearest(self, query: Float32, width: int) -> tuple[Float32, NDArray[np.int64]]:
        """Inner products with a query and numbers of the ``width`` nearest centroids, nearest first.

        The query is float32 ``[dim]``, contiguous. The products are exact. If fewer than all are asked for, a few of
        the last quarter may be missing.
        """
        import faiss

        index = self._refined if width < len(self) else self._exact
        width = min(width, len(self))
        nearness, numbers = np.empty(width, np.float32), np.empty(width, np.int64)
        # FAISS's Python wrapper of this call checks and copies for a fifth of its time.
        index.search_c(1, faiss.swig_ptr(query), width, faiss.swig_ptr(nearness), faiss.swig_ptr(numbers))
        return nearness, numbers

    def nearest_of_each(self, queries: Float32, width: int) -> tuple[Float32, NDArray[np.int64]]:
        """Exact inner products of queries ``[q, dim]`` and numbers of their nearest centroids, ``[q, width]``."""
        nearness, numbers = self._exact.search(queries, min(width, len(self)))
        return nearness, numbers

    def products(self, queries: Float32) -> Float32:
        """Inner products of queries ``[q, dim]`` with all centroids, float32 ``[q, lists]``.

        FAISS computes them with as many threads as `threads.faiss_threads` says. Those of numpy's BLAS spin while they
        wait, and took as much processor time again on two cores.
        """
        import faiss

        queries = np.ascontiguousarray(queries, np.float32)
        products = np.empty((len(queries), len(self)), np.float32)
        self._matrix.apply_noalloc(len(queries), faiss.swig_ptr(queries), faiss.swig_ptr(products))
        return products

    @cached_property
    def _matrix(self) -> Any:
        """The centroids as a FAISS transform, a copy: made when many queries are asked at once."""
        import faiss

        matrix = faiss.LinearTransform(self.values.shape[1], len(self), False)
        faiss.copy_array_to_vector(self.values.ravel(), matrix.A)
        matrix.is_trained = True
        return matrix


def centroids_of(quantizer: Any) -> Float32:
    """The centroids, float32 ``[lists, dim]``: a view if FAISS keeps them as such a matrix, else a copy."""
    import faiss

    flat = faiss.downcast_index(quantizer)
    if not isinstance(flat, faiss.IndexFlat):
        copy: Float32 = flat.reconstruct_n(0, flat.ntotal)
        return copy
    size = flat.ntotal * flat.d
    centroids: Float32 = faiss.rev_swig_ptr(flat.get_xb(), size).reshape(flat.ntotal, flat.d)
    return centroids


def _four_bit_index(centroids: Float32) -> Any:
    """A FAISS index (inner product, fast scan) of centroids; each value is one of 16 levels of its dimension."""
    import faiss

    dim = centroids.shape[1]
    mean, deviation = centroids.mean(axis=0), centroids.std(axis=0)
    codes = faiss.IndexPQ(dim, dim, 4, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector((mean[:, None] + deviation[:, None] * _LEVELS).ravel(), codes.pq.centroids)
    codes.is_trained = True
    for start in range(0, len(centroids), _ENCODED_ROWS):
        block = centroids[start : start + _ENCODED_ROWS]
        codes.add_sa_codes(_four_bit_codes((block - mean) / np.maximum(deviation, np.finfo(np.float32).tiny)))
    packed = faiss.IndexPQFastScan(codes)
    packed.orig_codes = None  # it points into `codes`, which are freed on return
    return packed


def _four_bit_codes(values: Float32) -> NDArray[np.uint8]:
    """The number of the level nearest to each value ``[n, dim]``, two in a byte: uint8 ``[n, ceil(dim / 2)]``."""
    rows, dim = values.shape
    nearest = np.zeros((rows, dim + dim % 2), np.uint8)
    for bound in (_LEVELS[1:] + _LEVELS[:-1]) / 2:
        nearest[:, :dim] += values > bound
    return np.ascontiguousarray(nearest[:, ::2] | nearest[:, 1::2] << 4)
