"""Inner products with float16 rows in place, by FAISS, once this process has imported it.

numpy has to convert float16 to float32 first and write the result to memory; FAISS multiplies in registers, some seven
times as fast. It sums in another order, so that its scores differ from the exact cosine in the last bits: they serve to
choose rows, which are then rescored.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss.threads import faiss_threads
from mmsearch.indexes.vectors import Float16, Float32, Positions

MAX_QUERIES = 32
"""Queries up to which this is faster than converting each row to float32 once."""


def is_available() -> bool:
    """Whether this process has imported FAISS: to answer one query on few rows takes less time than the import."""
    return "faiss" in sys.modules


def nearest(
    rows: Float16, queries: Float32, k: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[Float32, Positions]:
    """The k rows with the highest inner product with each query, on the calling thread.

    Args:
        rows: float16 ``[n, dim]``, n at least 1; aligned or not.
        queries: float32 ``[q, dim]``.
        k: rows wanted, at most n.
        allowed: which rows may be found, bool ``[n]``; None for all.

    Returns:
        Scores (float32, descending) and row numbers (int64), both ``[q, k]``; -1 if fewer rows are allowed.
    """
    import faiss

    assert rows.dtype == np.float16
    queries = np.ascontiguousarray(queries, np.float32)
    scores, numbers = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    index, kept_alive = _index_of(rows)
    parameters = None
    if allowed is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = faiss.SearchParameters(sel=selector)
    with faiss_threads(1):
        pointer = faiss.swig_ptr
        index.search_c(len(queries), pointer(queries), k, pointer(scores), pointer(numbers), parameters)
    del kept_alive
    return scores, numbers


def products(rows: Float16, query: Float32) -> Float32:
    """Inner products of all ``rows`` ``[n, dim]`` with a query ``[dim]``, float32 ``[n]``."""
    scores, numbers = nearest(rows, query[None], len(rows))
    by_row = np.empty(len(rows), np.float32)
    by_row[numbers[0]] = scores[0]
    return by_row


class _Kept(threading.local):
    """An index of each dimension without rows, for the scans of a thread: to make one takes as long as a short scan.

    Beside it stands the owner of no vector: FAISS does not free codes that have it.
    """

    def __init__(self) -> None:
        self.empty: dict[int, tuple[Any, Any]] = {}


_KEPT = _Kept()


def _index_of(rows: Float16) -> tuple[Any, Any]:
    """A FAISS index of ``rows``, not copied, that holds until the next scan of this thread; and what it points at."""
    import faiss

    rows = np.ascontiguousarray(rows)
    codes = rows.view(np.uint8)
    kept = _KEPT.empty.get(rows.shape[1])
    try:
        if kept is None:
            index = _empty_index(rows.shape[1])
            kept = _KEPT.empty[rows.shape[1]] = index, index.codes.owner
        index, no_owner = kept
        view = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, no_owner)
        # FAISS's own __setattr__ reads what is there first: for this alone a query would take 5 µs more.
        object.__setattr__(index, "codes", view)
        object.__setattr__(index, "ntotal", len(rows))
    except (AttributeError, TypeError):  # FAISS does not promise this interface: copy, which takes twice the time
        index = _empty_index(rows.shape[1])
        index.add_sa_codes(codes, None)
    return index, codes


def _empty_index(dim: int) -> Any:
    import faiss

    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
