"""Training a FAISS index and adding rows to it: lists, codes, and the query-weighted codes that FAISS does not have.

FAISS trains and fills its own kinds of indexes. With query-weighted codes (`query_weighting`) rows and queries go
through different transforms: the FAISS index holds the transform of queries, so that FAISS can search it, and rows are
apply_transforms and encoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mmsearch.indexes.faiss import query_weighting
from mmsearch.indexes.faiss.centroids import centroids_of
from mmsearch.indexes.faiss.factory import apply_transforms, ivf_of, matrix_of, weighting_of
from mmsearch.indexes.faiss.threads import faiss_threads
from mmsearch.indexes.faiss.two_level import TwoLevels, is_two_level
from mmsearch.indexes.gpu import faiss_gpus, flat_on_gpu
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors

_BLOCK_ROWS = 65_536
_CODE_TRAINING_ROWS = 65_536  # FAISS uses 256 rows for each of up to 256 centroids of a sub-quantizer


def train(index: Any, sample: Float32, queries: Sequence[Float32], seed: int = 0) -> None:
    """Train an index on rows float32 ``[n, dim]``.

    Query-weighted codes also learn from ``queries``: float32 ``[q, dim]`` for each kind of query beside rows. ``seed``
    is that of centroids in two levels.
    """
    import faiss

    ivf, weighting = ivf_of(index), weighting_of(index)
    if ivf is None:
        index.train(sample)
        return
    if is_two_level(ivf.quantizer):
        groups = faiss.downcast_index(ivf.quantizer).nlist
        levels = TwoLevels.train(sample, ivf.nlist, groups, seed)
        if weighting is None:
            levels.store(ivf.quantizer)  # FAISS trains only the codes then
            index.train(sample)
        else:
            _train_codes(index, ivf, weighting, sample, queries, levels)
        return
    # Most of the work is the comparison of rows with centroids: it runs on a GPU if FAISS sees one.
    clustering = flat_on_gpu(faiss.IndexFlatIP(ivf.d), len(sample) * ivf.nlist * ivf.d * ivf.cp.niter)
    ivf.clustering_index = clustering
    clustering.thisown = True  # SWIG disowns it on assignment, and FAISS does not take ownership
    if weighting is None:
        index.train(sample)
    else:
        _train_weighted(index, ivf, weighting, sample, queries)
    ivf.clustering_index = None


def _train_weighted(index: Any, ivf: Any, weighting: Any, sample: Float32, queries: Sequence[Float32]) -> None:
    import faiss

    ivf.train_q1(len(sample), faiss.swig_ptr(sample), False, faiss.METRIC_INNER_PRODUCT)
    _train_codes(index, ivf, weighting, sample, queries, None)


def _train_codes(
    index: Any, ivf: Any, weighting: Any, sample: Float32, queries: Sequence[Float32], levels: TwoLevels | None
) -> None:
    """Train query-weighted codes for centroids in two ``levels``, or for those in the coarse quantizer."""
    import faiss

    centroids = centroids_of(ivf.quantizer).copy() if levels is None else levels.centroids
    lists = ivf.quantizer if levels is None else levels.assigner()
    rows = np.ascontiguousarray(sample[:: -(-len(sample) // _CODE_TRAINING_ROWS)])
    residuals = rows - centroids[lists.search(rows, 1)[1][:, 0]]
    row_transform, query_transform = query_weighting.fit_transforms(residuals, [rows, *queries], ivf.pq.M)
    if levels is None:
        ivf.quantizer.reset()
        ivf.quantizer.add(centroids @ row_transform.T)
    else:
        levels.transformed(row_transform).store(ivf.quantizer)
    ivf.pq.train(residuals @ row_transform.T)
    faiss.copy_array_to_vector(query_transform.ravel(), weighting.A)
    weighting.is_trained = ivf.is_trained = index.is_trained = True


def nearest_list(index: Any, rows: Float32) -> tuple[Float32, Positions]:
    """For each of ``rows`` ``[n, dim]`` the inner product with its nearest centroid and that list's number, ``[n]``."""
    weighted = weighting_of(index) is not None
    nearness, lists = _assignment_index(index, len(rows)).search(rows if weighted else apply_transforms(index, rows), 1)
    return nearness[:, 0], lists[:, 0]


def _assignment_index(index: Any, rows: int) -> Any:
    """What assigns ``rows`` rows to lists, with the ``search`` of a FAISS index; on a GPU if that is worth it."""
    import faiss

    ivf, weighting = ivf_of(index), weighting_of(index)
    lists = faiss.downcast_index(ivf.quantizer)
    if is_two_level(lists) and not faiss_gpus():
        levels = TwoLevels.of(lists)
        return (levels if weighting is None else levels.transformed(matrix_of(weighting).T)).assigner()
    if weighting is not None or is_two_level(lists):
        centroids = centroids_of(lists)
        lists = faiss.IndexFlatIP(ivf.d)
        lists.add(centroids if weighting is None else centroids @ matrix_of(weighting))  # undoes the weighting
    return flat_on_gpu(lists, rows * ivf.nlist * ivf.d) if isinstance(lists, faiss.IndexFlat) else lists


def add(index: Any, vectors: StoredVectors, ids: Positions, start: int = 0, *, threads: int | None = None) -> None:
    """Add the rows from position ``start`` on, block by block; ``ids`` are those of all ``vectors``."""
    import faiss

    blocks = (
        (ids[first : first + len(rows)], rows) for first, rows in vectors.iter_float32(start, len(vectors), _BLOCK_ROWS)
    )
    ivf, weighting = ivf_of(index), weighting_of(index)
    with faiss_threads(threads):
        if ivf is None:
            for block_ids, rows in blocks:
                index.add_with_ids(rows, block_ids)
        elif weighting is None and isinstance(ivf, faiss.IndexIVFFastScan):
            for block_ids, rows in blocks:
                ivf.add_with_ids(apply_transforms(index, rows), block_ids)
        else:
            _add_to_lists(index, ivf, weighting, blocks, _assignment_index(index, len(vectors) - start))
    if ivf is not None:
        index.ntotal = ivf.ntotal  # the wrapper around the inverted file has a count of its own


def _add_to_lists(
    index: Any, ivf: Any, weighting: Any, blocks: Iterator[tuple[Positions, Float32]], lists: Any
) -> None:
    """Assign rows to lists, then encode them.

    FAISS encodes rows with given lists only into plain lists; for fast scan these are then packed.
    """
    import faiss

    fast = isinstance(ivf, faiss.IndexIVFPQFastScan)
    plain = faiss.IndexIVFPQ(ivf.quantizer, ivf.d, ivf.nlist, ivf.pq.M, ivf.pq.nbits, ivf.metric_type) if fast else ivf
    if fast:
        plain.pq, plain.is_trained = ivf.pq, True
    matrix = None if weighting is None else _row_transform(weighting)
    for ids, rows in blocks:
        transformed = apply_transforms(index, rows) if matrix is None else rows @ matrix.T
        numbers = lists.search(transformed if matrix is None else rows, 1)[1]
        plain.add_core(len(rows), *(faiss.swig_ptr(array) for array in (transformed, ids, numbers)))
    if fast:
        ivf.merge_from(faiss.IndexIVFPQFastScan(plain), 0)


def _row_transform(weighting: Any) -> Float32:
    """The matrix that rows are multiplied by, from the transform of queries: its inverse, transposed."""
    return np.linalg.inv(matrix_of(weighting).astype(np.float64)).T.astype(np.float32)
