"""Indexes for other programs: files that FAISS opens alone, made of vectors and nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink

PLAIN_EXACT_ROWS = 200_000
"""Up to so many rows a plain index compares every vector: some 20 ms for 512 dimensions."""

_BLOCK = 65_536
_TRAINING_ROWS_PER_LIST = 64
_SHARE_OF_LISTS = 16


def write_plain_index(vectors: NDArray[np.float16] | NDArray[np.float32], sink: Sink) -> str:
    """Write a FAISS index of inner products over the rows of an array; positions are its ids.

    Args:
        vectors: ``[n, dim]``, maybe mapped from a file. float16 is kept as float16, so that no value changes.
        sink: where to.

    Returns:
        The factory string of the index: ``Flat`` or ``SQfp16``, for more than 200,000 rows with ``IVF…,`` before it.
    """
    import faiss

    rows, dim = vectors.shape
    halves = vectors.dtype == np.float16
    codes = "SQfp16" if halves else "Flat"
    lists = int(4 * rows**0.5) if rows > PLAIN_EXACT_ROWS else 0
    factory = f"IVF{lists},{codes}" if lists else codes
    index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    if lists:
        faiss.downcast_index(faiss.extract_index_ivf(index)).by_residual = False  # or float16 holds other numbers
    if not index.is_trained:
        count = min(rows, max(1024, lists * _TRAINING_ROWS_PER_LIST))
        chosen = np.sort(np.random.default_rng(0).choice(rows, count, replace=False))
        index.train(np.ascontiguousarray(vectors[chosen], np.float32))
    for start in range(0, rows, _BLOCK):
        index.add(np.ascontiguousarray(vectors[start : start + _BLOCK], np.float32))
    if lists:
        faiss.extract_index_ivf(index).nprobe = max(1, lists // _SHARE_OF_LISTS)
    faiss.write_index(index, faiss.PyCallbackIOWriter(sink.write))
    return factory


def read_plain_index(path: Path) -> PlainIndex:
    """Open a file that `write_plain_index` has written."""
    import faiss

    return PlainIndex(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))


class PlainIndex:
    """An index as FAISS opens it."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self.rows = int(index.ntotal)
        self.dim = int(index.d)

    def vectors_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors at positions, float32 ``[len(positions), dim]``."""
        if hasattr(self._index, "make_direct_map"):
            self._index.make_direct_map()
        found: NDArray[np.float32] = self._index.reconstruct_batch(positions)
        return found
