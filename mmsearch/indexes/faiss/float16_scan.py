"""Inner products with float16 rows in place, by FAISS, once this process has imported it.

numpy has to convert float16 to float32 first and write the result to memory; FAISS multiplies in registers, some seven
times as fast. It sums in another order, so that its scores differ from the exact cosine in the last bits: they serve to
choose rows, which are then rescored.
"""

from __future__ import annotations

import sys
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
    index = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    kept_alive = _set_codes(index, rows)
    parameters = None
    if allowed is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = faiss.SearchParameters(sel=selector)
    with faiss_threads(1):
        scores, numbers = index.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
    del kept_alive
    return scores, numbers


def products(rows: Float16, query: Float32) -> Float32:
    """Inner products of all ``rows`` ``[n, dim]`` with a query ``[dim]``, float32 ``[n]``."""
    scores, numbers = nearest(rows, query[None], len(rows))
    by_row = np.empty(len(rows), np.float32)
    by_row[numbers[0]] = scores[0]
    return by_row


def _set_codes(index: Any, rows: Float16) -> Any:
    """Make ``rows`` the codes of an empty index without copying; returns what must be kept alive as long as it is."""
    import faiss

    rows = np.ascontiguousarray(rows)
    codes = rows.view(np.uint8)
    try:
        # The (empty) owner of no vector: FAISS takes the codes for a view of memory that it does not own.
        index.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, index.codes.owner)
        index.ntotal = len(rows)
    except (AttributeError, TypeError):  # FAISS does not promise this interface: copy, which takes twice the time
        index.add_sa_codes(codes, None)
    return codes
