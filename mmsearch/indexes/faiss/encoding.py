"""From rows to codes in the lists of a FAISS index: what it learns, which list a row is put into, and its code.

FAISS does all of it for its own indexes. For those with weighted codes (`weights`) rows and queries are transformed
differently: the index has the transform of queries, so that FAISS searches it as it is, and rows are encoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mmsearch.indexes.faiss import query_weighting
from mmsearch.indexes.faiss.centroids import centroids_of
from mmsearch.indexes.faiss.factory import ivf_of, matrix_of, transformed, weighting_of
from mmsearch.indexes.faiss.threads import bounded_threads
from mmsearch.indexes.gpu import flat_on_gpu
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors

_BLOCK = 65_536
_CODED = 65_536  # rows that codes are learned from: FAISS takes 256 for each of up to 256 values of a part


def train(index: Any, sample: Floats, queries: Sequence[Floats]) -> None:
    """Let an index learn from rows ``[n, dim]``; with them, ``queries`` of other kinds say what weighted codes keep."""
    import faiss

    ivf, weighting = ivf_of(index), weighting_of(index)
    if ivf is None:
        index.train(sample)
        return
    # What centroids are compared by while they are learned, most of the work: on a GPU where FAISS sees one.
    clustering = flat_on_gpu(faiss.IndexFlatIP(ivf.d), len(sample) * ivf.nlist * ivf.d * ivf.cp.niter)
    ivf.clustering_index = clustering
    clustering.thisown = True  # SWIG gives it up as it is assigned, and FAISS does not take it over
    if weighting is None:
        index.train(sample)
    else:
        _train_weighted(index, ivf, weighting, sample, queries)
    ivf.clustering_index = None


def _train_weighted(index: Any, ivf: Any, weighting: Any, sample: Floats, queries: Sequence[Floats]) -> None:
    import faiss

    ivf.train_q1(len(sample), faiss.swig_ptr(sample), False, faiss.METRIC_INNER_PRODUCT)
    centroids = centroids_of(ivf.quantizer).copy()
    some = np.ascontiguousarray(sample[:: -(-len(sample) // _CODED)])
    rests = some - centroids[ivf.quantizer.search(some, 1)[1][:, 0]]
    of_rows, of_queries = query_weighting.learned(rests, [some, *queries], ivf.pq.M)
    ivf.quantizer.reset()
    ivf.quantizer.add(centroids @ of_rows.T)
    ivf.pq.train(rests @ of_rows.T)
    faiss.copy_array_to_vector(of_queries.ravel(), weighting.A)
    weighting.is_trained = ivf.is_trained = index.is_trained = True


def nearest_list(index: Any, rows: Floats) -> tuple[Floats, Positions]:
    """Inner product with the centroid of the list that each of ``rows`` ``[n, dim]`` is put into, and its number."""
    weighted = weighting_of(index) is not None
    nearness, lists = _lists(index, len(rows)).search(rows if weighted else transformed(index, rows), 1)
    return nearness[:, 0], lists[:, 0]


def _lists(index: Any, rows: int) -> Any:
    """The FAISS index of centroids by which so many rows are put into lists; on a GPU where that pays."""
    import faiss

    ivf, weighting = ivf_of(index), weighting_of(index)
    lists = faiss.downcast_index(ivf.quantizer)
    if weighting is not None:
        lists = faiss.IndexFlatIP(index.d)
        lists.add(centroids_of(ivf.quantizer) @ matrix_of(weighting))  # as they were before they were weighted
    return flat_on_gpu(lists, rows * ivf.nlist * ivf.d) if isinstance(lists, faiss.IndexFlat) else lists


def add(index: Any, vectors: StoredVectors, ids: Positions, start: int = 0, *, threads: int | None = None) -> None:
    """Add the rows from position ``start`` on, block by block; ``ids`` are those of all positions."""
    import faiss

    stretches = vectors.stretches(start, len(vectors), _BLOCK)
    blocks = ((ids[first : first + len(rows)], rows) for first, rows in stretches)
    ivf, weighting = ivf_of(index), weighting_of(index)
    with bounded_threads(threads):
        if ivf is None:
            for some, rows in blocks:
                index.add_with_ids(rows, some)
        elif weighting is None and isinstance(ivf, faiss.IndexIVFFastScan):
            for some, rows in blocks:
                ivf.add_with_ids(transformed(index, rows), some)
        else:
            _add_to_lists(index, ivf, weighting, blocks, _lists(index, len(vectors) - start))
    if ivf is not None:
        index.ntotal = ivf.ntotal  # what wraps the inverted file counts for itself


def _add_to_lists(index: Any, ivf: Any, weighting: Any, blocks: Iterator[tuple[Positions, Floats]], lists: Any) -> None:
    """FAISS encodes rows that were put into lists before, but not into those for fast scan: they are packed at last."""
    import faiss

    fast = isinstance(ivf, faiss.IndexIVFPQFastScan)
    plain = faiss.IndexIVFPQ(ivf.quantizer, ivf.d, ivf.nlist, ivf.pq.M, ivf.pq.nbits, ivf.metric_type) if fast else ivf
    if fast:
        plain.pq, plain.is_trained = ivf.pq, True
    of_rows = None if weighting is None else _of_rows(weighting)
    for ids, rows in blocks:
        coded = transformed(index, rows) if of_rows is None else rows @ of_rows.T
        numbers = lists.search(coded if of_rows is None else rows, 1)[1]
        plain.add_core(len(rows), *(faiss.swig_ptr(array) for array in (coded, ids, numbers)))
    if fast:
        ivf.merge_from(faiss.IndexIVFPQFastScan(plain), 0)


def _of_rows(weighting: Any) -> Floats:
    """What rows are multiplied by where queries are multiplied by ``weighting``."""
    return np.linalg.inv(matrix_of(weighting).astype(np.float64)).T.astype(np.float32)
