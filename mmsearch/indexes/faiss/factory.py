"""FAISS factory strings: which can be used here, how many rows they need to train, and how they are set up for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmsearch.errors import HintKind, UsageError
from mmsearch.indexes.vectors import Float32

QUERY_WEIGHTED = "QW,"
"""Prefix of a factory string whose codes are weighted by queries (`query_weighting`); FAISS does not know it."""

_OPQ_CENTROIDS = 256  # OPQ learns its rotation with 8-bit codes, whatever codes the index has


def untrained_index(factory: str, dim: int) -> Any:
    """The FAISS index (inner product) that a factory string describes, untrained and without rows.

    Raises:
        UsageError: FAISS cannot read the string, or the index cannot be searched with a filter.
    """
    import faiss

    if factory.startswith(QUERY_WEIGHTED):
        return _untrained_weighted(factory, dim)
    try:
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError:
        raise UsageError(
            f"FAISS cannot read the index {factory!r} for {dim} dimensions", hint=HintKind.INDEX_KINDS
        ) from None
    if isinstance(index, faiss.IndexRefine):
        raise UsageError(
            f"leave the refine step out of {factory!r}: candidates are re-scored anyway", hint=HintKind.INDEX_KINDS
        )
    ivf = ivf_of(index)
    two_levels = ivf is not None and isinstance(faiss.downcast_index(ivf.quantizer), faiss.IndexIVF)
    if two_levels and isinstance(index, faiss.IndexPreTransform):
        raise UsageError(
            f"the index {factory!r} both transforms rows and has centroids in two levels; leave out one of them",
            hint=HintKind.INDEX_KINDS,
        )
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    filterable = (faiss.IndexFlat, faiss.IndexScalarQuantizer, faiss.IndexHNSW)
    if ivf is None and not isinstance(inner, filterable):
        raise UsageError(
            f"the index {factory!r} cannot be filtered; use an IVF, HNSW, SQ or Flat one", hint=HintKind.INDEX_KINDS
        )
    return index


def _untrained_weighted(factory: str, dim: int) -> Any:
    import faiss

    index = untrained_index(factory.removeprefix(QUERY_WEIGHTED), dim)
    kinds, quantizers = (faiss.IndexIVFPQFastScan, faiss.IndexIVFPQ), (faiss.IndexFlat, faiss.IndexIVFFlat)
    if not isinstance(index, kinds) or not isinstance(faiss.downcast_index(index.quantizer), quantizers):
        raise UsageError(f"{factory!r}: only the codes of IVF…,PQ… can be weighted, for example QW,IVF1024,PQ64x4fsr")
    index.by_residual = True
    return faiss.IndexPreTransform(faiss.LinearTransform(dim, dim, False), index)


def weighting_of(index: Any) -> Any:
    """The linear transform of queries in an index with query-weighted codes; None for other indexes.

    FAISS reads the rotations that it learns itself as linear transforms too (version 1.15.1 takes every transform that
    it reads for orthonormal). They are told apart by their rows, which have length 1.
    """
    import faiss

    transforms = _transforms(index)
    if len(transforms) != 1 or type(transforms[0]) is not faiss.LinearTransform:
        return None
    matrix = matrix_of(transforms[0])
    is_rotation = len(matrix) > 0 and np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-4)
    return None if is_rotation else transforms[0]


def matrix_of(transform: Any) -> Float32:
    """The matrix of a linear transform, float32 ``[d_out, d_in]``; ``[0, d_in]`` before it is trained."""
    import faiss

    matrix: Float32 = faiss.vector_to_array(transform.A).reshape(-1, transform.d_in)
    return matrix


def ivf_of(index: Any) -> Any:
    """The inverted file (IVF) inside an index; None if it has none."""
    import faiss

    try:
        ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    except RuntimeError:
        return None
    # `ivf` is a bare pointer into `index`, which must stay alive as long as it is used.
    ivf.referenced_objects = [*getattr(ivf, "referenced_objects", []), index]
    return ivf


def min_training_rows(index: Any) -> int:
    """Rows that an index needs to be trained: as many as the most centroids or dimensions that a part of it learns."""
    ivf = ivf_of(index)
    if ivf is None:
        return 1
    codes = int(ivf.pq.ksub) if hasattr(ivf, "pq") else 1
    transforms = _transforms(index) if weighting_of(index) is None else []
    rotation = max((_OPQ_CENTROIDS if hasattr(t, "pq") else int(t.d_out) for t in transforms), default=1)
    return max(int(ivf.nlist), codes, rotation)


def prepare_training(index: Any, seed: int) -> list[Any]:
    """Seed all clusterings, and keep FAISS from warning about small samples.

    Returns what must be kept alive until the index is trained.
    """
    import faiss

    ivf = ivf_of(index)
    quantizers = [ivf.pq] if hasattr(ivf, "pq") else []
    if hasattr(ivf, "do_polysemous_training"):
        ivf.do_polysemous_training = False  # takes minutes, and only Hamming search uses it
    for rotation in _transforms(index):
        if hasattr(rotation, "pq"):
            quantizer = faiss.ProductQuantizer(rotation.d_out, rotation.M, 8)
            rotation.pq = quantizer  # a bare pointer: must be kept alive
            quantizers.append(quantizer)
    for owner in [ivf, *quantizers]:
        if owner is not None:
            owner.cp.min_points_per_centroid = 1
            owner.cp.seed = seed + 1234
    return quantizers


def apply_transforms(index: Any, rows: Any) -> Any:
    """Queries after the transforms (rotation, reduction, weighting) in front of the inverted file of an index.

    Rows go through the same transforms, except in an index with query-weighted codes (`encoding`).
    """
    rows = np.ascontiguousarray(rows, np.float32)
    for transform in _transforms(index):
        rows = transform.apply(rows)
    return rows


def _transforms(index: Any) -> list[Any]:
    import faiss

    if not isinstance(index, faiss.IndexPreTransform):
        return []
    return [faiss.downcast_VectorTransform(index.chain.at(i)) for i in range(index.chain.size())]
