"""Fitting the two logistics of a `LevelFit` on vectors of queries and rows.

The rows are asked in parts of several sizes, so that the fit learns how the best cosine grows with the number of rows.
Each part holds the right rows of the query that asks it, so a query has an answer in all of them.

*Row*: right rows against the wrong rows that come nearest. *Answer*: the best row where there is an answer, against the
best row where there is none. For the latter either queries for things that no row shows are given, or each query asks
the half of the rows that is least like its right rows: as if nothing of the kind were in the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.level_fits import FitSource, LevelFit, Logistic

ANSWERED_SHARE = 2 / 3
"""Of searches, how many have an answer; a fit is for this share. People mostly look for what they know to be there."""

_PARTS = (1, 4, 16, 64)  # sizes of the parts: all rows, a quarter of them, …
_LEAST_ROWS = 8  # of a part
_NEAREST = 30  # rows of each query that the row logistic is fitted on
_SAMPLE_ROWS = 1024  # as many as a match sample has
_PRIOR_ROWS, _PRIOR_DEVIATION = 8, 0.1  # as in `MatchSample`
_SPREAD_RATIOS = (0.0, 1.0, 2.0)
_RIDGE = 1e-3
_STEPS = 50

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of a logistic.

    Attributes:
        features: cosine, spread and logarithm of the number of rows, float64 ``[n, 3]``.
        right: what is to be predicted, 0 or 1, float64 ``[n]``.
        weight: of each example, float64 ``[n]``.
    """

    features: Floats
    right: Floats
    weight: Floats

    @classmethod
    def of(cls, features: Sequence[Sequence[float]], right: bool | Sequence[bool], weight: float = 1.0) -> Examples:
        """Examples that weigh ``weight`` together."""
        found = np.array(features, np.float64).reshape(-1, 3)
        truth = np.broadcast_to(np.asarray(right, np.float64), len(found)).copy()
        return cls(found, truth, np.full(len(found), weight / max(len(found), 1)))

    def __add__(self, other: Examples) -> Examples:
        return Examples(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("features", "right", "weight"))
        )


def spreads(queries: Vectors, rows: Vectors) -> Floats:
    """The standard deviation of each query's cosines with a sample of the rows, as `MatchSample` has it, ``[q]``."""
    sample = rows[np.random.default_rng(0).permutation(len(rows))[:_SAMPLE_ROWS]]
    variance = (queries @ sample.T).astype(np.float64).var(axis=1)
    count = len(sample)
    spread: Floats = np.sqrt((count * variance + _PRIOR_ROWS * _PRIOR_DEVIATION**2) / (count + _PRIOR_ROWS))
    return spread


def best_rows(queries: Vectors, rows: Vectors) -> Floats:
    """The features of each query's best row, float64 ``[q, 3]``."""
    best = (queries @ rows.T).max(axis=1)
    return np.column_stack([best, spreads(queries, rows), np.full(len(queries), np.log(len(rows)))]).astype(np.float64)


def fit_row(examples: Examples) -> Logistic:
    """The row logistic."""
    fitted, _ = _fit(examples.features, examples)
    return _rounded(*fitted)


def fit_answer(examples: Examples) -> Logistic:
    """The answer logistic. The spread's coefficient is one of a few multiples of the cosine's, the likeliest.

    If it were free it would tell long queries from short ones, where the two kinds of examples differ by that.
    """
    fits = []
    for ratio in _SPREAD_RATIOS:
        joined = examples.features[:, 0] + ratio * examples.features[:, 1]
        (cosine, log_rows, intercept), likelihood = _fit(np.column_stack([joined, examples.features[:, 2]]), examples)
        fits.append((likelihood, ratio, (cosine, ratio * cosine, log_rows, intercept)))
    return _rounded(*max(fits)[2])


def _rounded(*coefficients: float) -> Logistic:
    return Logistic(*(float(round(value, 4)) for value in coefficients))


def _fit(features: Floats, examples: Examples) -> tuple[Floats, float]:
    """The logistic of most likelihood, by Newton's method with a small ridge; and its mean log-likelihood.

    Args:
        features: float64 ``[n, f]``.
        examples: what is to be predicted, and the weights.

    Returns:
        The coefficients and the intercept, float64 ``[f + 1]``.
    """
    x = np.column_stack([features, np.ones(len(features))])
    y, weight = examples.right, examples.weight * len(features) / examples.weight.sum()
    ridge = _RIDGE * np.diag([*np.ones(features.shape[1]), 0.0])
    fitted = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ fitted, -40, 40)))
        gradient = x.T @ (weight * (y - p)) - ridge @ fitted
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(len(fitted))
        step = np.linalg.solve(curvature, gradient)
        fitted = fitted + step * min(1.0, 5 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    signed = (2 * y - 1) * (x @ fitted)
    return fitted, float(-np.average(np.logaddexp(0, -signed), weights=weight))


def row_examples(queries: Vectors, rows: Vectors, right: Sequence[NDArray[np.int64]], *, seed: int = 0) -> Examples:
    """The nearest rows of each query in parts of several sizes, right and wrong ones.

    Args:
        queries: unit vectors, float32 ``[q, dim]``.
        rows: unit vectors, float32 ``[n, dim]``.
        right: the positions of each query's right rows.
        seed: of the parts.
    """
    features: list[tuple[float, float, float]] = []
    truth: list[bool] = []
    for query, own, part in _parts(queries, rows, right, seed):
        cosines = rows[part] @ query
        spread = float(spreads(query[None], rows[part])[0])
        nearest = np.argsort(-cosines)[:_NEAREST]
        is_right = np.isin(part[nearest], own)
        features += [(float(c), spread, float(np.log(len(part)))) for c in cosines[nearest]]
        truth += is_right.tolist()
    return Examples.of(features, truth)


def answered_examples(
    queries: Vectors, rows: Vectors, right: Sequence[NDArray[np.int64]], *, seed: int = 0
) -> Examples:
    """The best row of each query in parts of several sizes that hold its answer."""
    found = [best_rows(query[None], rows[part])[0] for query, _, part in _parts(queries, rows, right, seed)]
    return Examples.of(found, True, ANSWERED_SHARE)


def unanswered_examples(queries: Vectors, rows: Vectors, *, seed: int = 0) -> Examples:
    """The best row of each query, for which no row is right, in parts of several sizes."""
    none = [np.empty(0, np.int64)] * len(queries)
    found = [best_rows(query[None], rows[part])[0] for query, _, part in _parts(queries, rows, none, seed)]
    return Examples.of(found, False, 1 - ANSWERED_SHARE)


def unlike_examples(queries: Vectors, rows: Vectors, right: Sequence[NDArray[np.int64]], *, seed: int = 0) -> Examples:
    """The best row of each query among the half of the rows of a part that is least like its first right row."""
    found = []
    for query, own, part in _parts(queries, rows, right, seed):
        alike = rows[part] @ rows[own[0]]
        found.append(best_rows(query[None], rows[part[alike <= np.median(alike)]])[0])
    return Examples.of(found, False, 1 - ANSWERED_SHARE)


def _parts(
    queries: Vectors, rows: Vectors, right: Sequence[NDArray[np.int64]], seed: int
) -> list[tuple[Vectors, NDArray[np.int64], NDArray[np.int64]]]:
    """Each query with its right rows and the positions of a part of the rows, which holds all of these."""
    rng = np.random.default_rng(seed)
    sizes = [max(len(rows) // share, min(_LEAST_ROWS, len(rows))) for share in _PARTS]
    made = []
    for query, own in zip(queries, right, strict=True):
        for size in dict.fromkeys(sizes):
            drawn = rng.permutation(len(rows))[:size]
            made.append((query, own, np.union1d(drawn, own).astype(np.int64)))
    return made


def fit_levels(
    queries: Vectors,
    rows: Vectors,
    right: Sequence[NDArray[np.int64]],
    absent: Vectors | None = None,
    *,
    source: FitSource,
    seed: int = 0,
) -> LevelFit:
    """Fit both logistics of one direction.

    Args:
        queries: unit vectors of queries that have an answer, float32 ``[q, dim]``.
        rows: unit vectors, float32 ``[n, dim]``.
        right: the positions of each query's right rows, at least one.
        absent: unit vectors of queries for which no row is right; None if none are known.
        source: what the numbers are said to come from.
        seed: of the parts that are drawn.
    """
    answered = answered_examples(queries, rows, right, seed=seed)
    none = (
        unlike_examples(queries, rows, right, seed=seed)
        if absent is None
        else unanswered_examples(absent, rows, seed=seed)
    )
    return LevelFit(fit_answer(answered + none), fit_row(row_examples(queries, rows, right, seed=seed)), source)
