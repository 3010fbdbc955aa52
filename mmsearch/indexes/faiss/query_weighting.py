"""Codes that are exact where queries look: rows are stretched along what queries tell them apart by, before coding.

A code is as good as the inner products with it are. The usual codes keep each row as near to itself as they can, which
spends their bits on directions in which rows differ much and queries hardly look. What ought to be small is the error
of a product, (q · (x - x̂))², on average over queries: (x - x̂)ᵀ M (x - x̂), where M is the second moment of the
queries. That is a squared distance once rows are multiplied by the root of M, and products stay what they are if
queries are multiplied by its inverse. (R. Guo et al., Quantization based fast inner product search, AISTATS 2016, learn
codes by this distance; here it is a transform, so that any product quantizer can be used.)

Then the directions are found in which weighted rows vary most, and dealt out to the parts of a code so that each has as
much to say as the others (as T. Ge et al. do by eigenvalue allocation, Optimized product quantization, CVPR 2013).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Floats

_EVENLY = 0.05  # weight of directions as such, beside that of the queries: those that are asked later will differ
_TINY = float(np.finfo(np.float32).tiny)

Doubles = NDArray[np.float64]


def learned(rows: Floats, queries: Sequence[Floats], parts: int) -> tuple[Floats, Floats]:
    """The matrices that rows and queries are multiplied by before rows are coded.

    Args:
        rows: what is to be coded, around its mean: float32 ``[n, dim]``.
        queries: float32 ``[q, dim]`` for each kind of query. Kinds count alike: the error of each is measured by how
            much its products vary.
        parts: of a code; divides ``dim``.

    Returns:
        For rows and for queries, float32 ``[dim, dim]``: ``(queries @ b.T) @ (rows @ a.T).T`` are the products.
    """
    root, inverse, spread = _weighted(rows, queries)
    variances, directions = np.linalg.eigh(spread)
    turned = directions[:, dealt(variances, parts)].T
    return (turned @ root).astype(np.float32), (turned @ inverse).astype(np.float32)


def lost(rows: Floats, queries: Sequence[Floats], bits: int) -> float:
    """The least share of what products vary by that codes of so many bits lose of normally distributed rows.

    Args:
        rows: around their mean, float32 ``[n, dim]``.
        queries: as for `learned`.
        bits: of the code of a row. They are spread over directions by reverse water-filling (T. Cover and J. Thomas,
            Elements of information theory, 10.3.3).
    """
    variances = np.sort(np.maximum(np.linalg.eigvalsh(_weighted(rows, queries)[2]), _TINY))[::-1]
    filled = np.cumsum(np.log2(variances)) - 2 * bits
    levels = 2.0 ** (filled / np.arange(1, len(variances) + 1))  # if that many directions get bits
    level = levels[np.flatnonzero(levels <= variances)[-1]]
    return float(np.sum(np.minimum(variances, level)) / np.sum(variances))


def _weighted(rows: Floats, queries: Sequence[Floats]) -> tuple[Doubles, Doubles, Doubles]:
    """The root of what queries ask for, its inverse, and the second moment of rows multiplied by that root."""
    spread = _second_moment(rows)
    moments = [_second_moment(kind) for kind in queries if len(kind)]
    asked = sum(
        (moment / max(np.sum(moment * spread), _TINY) for moment in moments),
        start=_EVENLY * len(moments) * np.eye(len(spread)) / max(np.trace(spread), _TINY),
    )
    values, axes = np.linalg.eigh(asked)
    root, inverse = ((axes * values**power) @ axes.T for power in (0.5, -0.5))
    return root, inverse, root @ spread @ root


def dealt(variances: Doubles, parts: int) -> NDArray[np.int64]:
    """Directions in an order in which each of ``parts`` equal stretches has about the same product of variances."""
    room = len(variances) // parts
    logs = np.log(np.maximum(variances, _TINY))
    logs -= logs.min()  # none below zero: a part does not get lighter by what it is dealt
    hands: list[list[int]] = [[] for _ in range(parts)]
    weight = np.zeros(parts)
    for direction in np.argsort(-logs, kind="stable"):
        part = int(np.argmin(weight))
        hands[part].append(int(direction))
        weight[part] = np.inf if len(hands[part]) == room else weight[part] + logs[direction]
    return np.array(hands, np.int64).ravel()


def _second_moment(rows: Floats) -> Doubles:
    rows = np.asarray(rows, np.float32)
    moment: Doubles = (rows.T @ rows).astype(np.float64) / max(len(rows), 1)
    return moment
