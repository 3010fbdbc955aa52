"""Inner products with float16 rows where they lie, by FAISS where it is loaded.

numpy must turn halves into floats first, and write them to memory; FAISS multiplies them in registers, some seven times
as fast. What it sums in another order than the exact cosine differs in the last bits: this picks rows, and scores none.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.faiss.threads import bounded_threads
from mmsearch.indexes.vectors import Floats, Half, Positions

FEW_QUERIES = 32
"""Queries up to which comparing halves is the faster; with more, turning each row into floats once pays."""


def can_compare() -> bool:
    """Whether this process has FAISS loaded: a single query of a small collection is answered before it would be."""
    return "faiss" in sys.modules


def nearest(rows: Half, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Floats, Positions]:
    """The k rows of the highest inner product with each query, on the calling thread.

    Args:
        rows: float16 ``[n, dim]``, n at least 1; aligned or not.
        queries: float32 ``[q, dim]``.
        k: rows wanted, at most n.
        allowed: which rows may answer, bool ``[n]``; None for all.

    Returns:
        Scores (float32, descending) and row numbers (int64), both ``[q, k]``; -1 where fewer may answer.
    """
    import faiss

    assert rows.dtype == np.float16
    index = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    held = _lend(index, rows)
    parameters = None
    if allowed is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = faiss.SearchParameters(sel=selector)
    with bounded_threads(1):
        scores, places = index.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
    del held
    return scores, places


def products(rows: Half, query: Floats) -> Floats:
    """Inner products of all ``rows`` ``[n, dim]`` with a query ``[dim]``, float32 ``[n]``."""
    scores, places = nearest(rows, query[None], len(rows))
    by_row = np.empty(len(rows), np.float32)
    by_row[places[0]] = scores[0]
    return by_row


def _lend(index: Any, rows: Half) -> Any:
    """Let an empty index search ``rows`` in place; returns what must be kept alive as long as it does."""
    import faiss

    rows = np.ascontiguousarray(rows)
    codes = rows.view(np.uint8)
    try:
        # The owner of no vector: FAISS takes it for a view of memory that others keep.
        index.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, index.codes.owner)
        index.ntotal = len(rows)
    except (AttributeError, TypeError):  # not an interface that FAISS promises: copy, which takes twice the time
        index.add_sa_codes(codes, None)
    return codes
