"""FAISS factory strings: which can be used here, how many rows they need, how they are set up to train."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmsearch.errors import HintKind, UsageError
from mmsearch.indexes.vectors import Floats

WEIGHTED = "QW,"
"""Stands before a factory string whose codes are weighted by what queries ask (`weights`)."""

_OPQ_CENTROIDS = 256  # OPQ learns its rotation with codes of 8 bits, whatever codes the index has


def untrained(factory: str, dim: int) -> Any:
    """The FAISS index (inner product) that a factory string describes; after `WEIGHTED`, one with weighted codes.

    Raises:
        UsageError: FAISS cannot read the string, or such an index cannot propose candidates under a filter.
    """
    import faiss

    if factory.startswith(WEIGHTED):
        return _weighted(factory, dim)
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
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    filterable = (faiss.IndexFlat, faiss.IndexScalarQuantizer, faiss.IndexHNSW)
    if ivf_of(index) is None and not isinstance(inner, filterable):
        raise UsageError(
            f"the index {factory!r} cannot be filtered; use an IVF, HNSW, SQ or Flat one", hint=HintKind.INDEX_KINDS
        )
    return index


def _weighted(factory: str, dim: int) -> Any:
    import faiss

    index = untrained(factory.removeprefix(WEIGHTED), dim)
    kinds = (faiss.IndexIVFPQFastScan, faiss.IndexIVFPQ)
    if not isinstance(index, kinds) or not isinstance(faiss.downcast_index(index.quantizer), faiss.IndexFlat):
        raise UsageError(f"{factory!r}: only the codes of IVF…,PQ… can be weighted, for example QW,IVF1024,PQ64x4fsr")
    index.by_residual = True
    return faiss.IndexPreTransform(faiss.LinearTransform(dim, dim, False), index)


def weighting_of(index: Any) -> Any:
    """What queries are multiplied by in an index with weighted codes; None in others.

    FAISS reads the rotations that it has learned itself as linear transforms too (and 1.15.1 takes any that it
    reads for orthonormal): their rows are of length 1.
    """
    import faiss

    transforms = _transforms(index)
    if len(transforms) != 1 or type(transforms[0]) is not faiss.LinearTransform:
        return None
    matrix = matrix_of(transforms[0])
    turns = len(matrix) > 0 and np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-4)
    return None if turns else transforms[0]


def matrix_of(transform: Any) -> Floats:
    """What a linear transform multiplies by, float32 ``[d_out, d_in]``; no rows before it has learned."""
    import faiss

    matrix: Floats = faiss.vector_to_array(transform.A).reshape(-1, transform.d_in)
    return matrix


def ivf_of(index: Any) -> Any:
    """The inverted file inside an index; None where there is none."""
    import faiss

    try:
        ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    except RuntimeError:
        return None
    ivf.referenced_objects = [
        *getattr(ivf, "referenced_objects", []),
        index,
    ]  # a bare pointer into it: keep the whole alive
    return ivf


def least_rows(index: Any) -> int:
    """Rows needed to train an index: one for each centroid of its lists, its codes and its rotation."""
    ivf = ivf_of(index)
    if ivf is None:
        return 1
    codes = int(ivf.pq.ksub) if hasattr(ivf, "pq") else 1
    transforms = _transforms(index) if weighting_of(index) is None else []
    rotation = max((_OPQ_CENTROIDS if hasattr(t, "pq") else int(t.d_out) for t in transforms), default=1)
    return max(int(ivf.nlist), codes, rotation)


def prepare(index: Any, seed: int) -> list[Any]:
    """Seed the clusterings, and keep FAISS from printing about samples that are as large as the data is.

    Returns what must be kept alive until the index is trained.
    """
    import faiss

    ivf = ivf_of(index)
    quantizers = [ivf.pq] if hasattr(ivf, "pq") else []
    if hasattr(ivf, "do_polysemous_training"):
        ivf.do_polysemous_training = False  # minutes spent on an order of codes that only Hamming search uses
    for rotation in _transforms(index):
        if hasattr(rotation, "pq"):
            quantizer = faiss.ProductQuantizer(rotation.d_out, rotation.M, 8)
            rotation.pq = quantizer  # a bare pointer: FAISS does not own it
            quantizers.append(quantizer)
    for owner in [ivf, *quantizers]:
        if owner is not None:
            owner.cp.min_points_per_centroid = 1
            owner.cp.seed = seed + 1234
    return quantizers


def transformed(index: Any, rows: Any) -> Any:
    """Queries as the inverted file inside an index sees them: rotated, reduced or weighted by what stands before it.

    Rows it sees in the same way, but not where codes are weighted (`encoding`).
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
