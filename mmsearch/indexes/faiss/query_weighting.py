"""Query-weighted codes: linear transforms of rows and queries that make product quantization fit the queries.

Product quantization minimises the distance between a row x and its code x̂. That spends bits on directions in which
rows differ much but queries little. What should be small is the error of the inner product, (q · (x - x̂))², averaged
over queries: (x - x̂)ᵀ M (x - x̂), where M is the second moment of the queries. This is a squared distance once rows
are multiplied by the square root of M; inner products stay the same if queries are multiplied by its inverse. (R. Guo
et al., Quantization based fast inner product search, AISTATS 2016, learn codes by this distance. Here it is a
transform, so that any product quantizer can be used.)

The weighted rows are then rotated to their principal directions, and these are allocated to the sub-quantizers so that
each gets about the same product of variances (eigenvalue allocation: T. Ge et al., Optimized product quantization, CVPR
2013).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Float32

_UNIFORM_WEIGHT = 0.05  # of all directions alike, beside those of the queries: later queries will differ
_TINY = float(np.finfo(np.float32).tiny)

Float64 = NDArray[np.float64]


def fit_transforms(rows: Float32, queries: Sequence[Float32], parts: int) -> tuple[Float32, Float32]:
    """The matrices that rows and queries are multiplied by before rows are encoded.

    Args:
        rows: the vectors to encode, with their mean subtracted: float32 ``[n, dim]``.
        queries: float32 ``[q, dim]`` for each kind of query. All kinds have the same weight, however much their inner
            products vary.
        parts: sub-quantizers of the code; divides ``dim``.

    Returns:
        Matrices a for rows and b for queries, float32 ``[dim, dim]``, that keep inner products:
        ``(queries @ b.T) @ (rows @ a.T).T == queries @ rows.T``.
    """
    root, inverse, covariance = _weighting(rows, queries)
    variances, directions = np.linalg.eigh(covariance)
    rotation = directions[:, allocate_dimensions(variances, parts)].T
    return (rotation @ root).astype(np.float32), (rotation @ inverse).astype(np.float32)


def distortion_bound(rows: Float32, queries: Sequence[Float32], bits: int) -> float:
    """A lower bound for the share of the variance of inner products that a code loses, from 0 to 1.

    It is the rate-distortion bound of normally distributed rows, by reverse water-filling over the principal directions
    (T. Cover and J. Thomas, Elements of information theory, 10.3.3).

    Args:
        rows: with their mean subtracted, float32 ``[n, dim]``.
        queries: as for `fit_transforms`.
        bits: of the code of a row.
    """
    variances = np.sort(np.maximum(np.linalg.eigvalsh(_weighting(rows, queries)[2]), _TINY))[::-1]
    filled = np.cumsum(np.log2(variances)) - 2 * bits
    levels = 2.0 ** (filled / np.arange(1, len(variances) + 1))  # the water level if 1, 2, … directions get bits
    level = levels[np.flatnonzero(levels <= variances)[-1]]
    return float(np.sum(np.minimum(variances, level)) / np.sum(variances))


def _weighting(rows: Float32, queries: Sequence[Float32]) -> tuple[Float64, Float64, Float64]:
    """The square root of the second moment of the queries, its inverse, and the second moment of the weighted rows."""
    of_rows = _second_moment(rows)
    moments = [_second_moment(kind) for kind in queries if len(kind)]
    of_queries = sum(
        (moment / max(np.sum(moment * of_rows), _TINY) for moment in moments),
        start=_UNIFORM_WEIGHT * len(moments) * np.eye(len(of_rows)) / max(np.trace(of_rows), _TINY),
    )
    values, axes = np.linalg.eigh(of_queries)
    root, inverse = ((axes * values**power) @ axes.T for power in (0.5, -0.5))
    return root, inverse, root @ of_rows @ root


def allocate_dimensions(variances: Float64, parts: int) -> NDArray[np.int64]:
    """An order of the dimensions in which each of ``parts`` equal runs has about the same product of variances.

    Greedy: the dimension with the largest variance goes to the part with the smallest product so far.
    """
    capacity = len(variances) // parts
    logs = np.log(np.maximum(variances, _TINY))
    logs -= logs.min()  # none is negative: no dimension makes the product of its part smaller
    allocated: list[list[int]] = [[] for _ in range(parts)]
    log_product = np.zeros(parts)
    for dimension in np.argsort(-logs, kind="stable"):
        part = int(np.argmin(log_product))
        allocated[part].append(int(dimension))
        full = len(allocated[part]) == capacity
        log_product[part] = np.inf if full else log_product[part] + logs[dimension]
    return np.array(allocated, np.int64).ravel()


def _second_moment(rows: Float32) -> Float64:
    rows = np.asarray(rows, np.float32)
    moment: Float64 = (rows.T @ rows).astype(np.float64) / max(len(rows), 1)
    return moment
