"""Fitting the two logistics of a `LevelFit` on vectors of queries and rows.

The rows are asked in parts of several sizes, so that the fit learns how the best cosine grows with the number of rows.
Each part holds the right rows of the query that asks it, so a query has an answer in all of them.

*Row*: right rows against the wrong rows that come nearest. *Answer*: the best row where there is an answer, against the
best row where there is none. For the latter either queries for things that no row shows are given, or each query asks
the half of the rows that is least like its right rows: as if nothing of the kind were in the collection. Such searches
are easier to tell apart than real ones, so that less is learned from them: the threshold, and a gentler slope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import MATCH_SAMPLE_ROWS, spread_with_prior
from mmsearch.retrieval.encoders.level_fits import FitSource, LevelFit, Logistic, best_of

ANSWERED_SHARE = 0.6
"""Of searches, how many have an answer; a fit is for this share. People mostly look for what they know to be there."""

PARTS = (1, 4, 16, 64)
"""Sizes of the parts that are learned from: all rows, a quarter of them, …"""

_LEAST_ROWS = 8  # of a part
_NEAREST = 30  # rows of each query that the row logistic is fitted on
_SPREAD_RATIOS = (0.0, 1.0, 2.0)
_RIDGE = 1e-3
_STEPS = 50

# Where no absent things are known, by `benchmarks/calibration.py`: the threshold rises by this share of the spread for
# each step of `best_of`, and the slope is this share of the fitted one.
_RISE = 0.4
_GENTLER = 0.8
_AT_ONCE = 4_000_000  # cosines that are held

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Positions = Sequence[NDArray[np.int64]]


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
    def of(
        cls, features: Sequence[Sequence[float] | Floats], right: bool | Sequence[bool], weight: float = 1.0
    ) -> Examples:
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
    sample = rows[np.random.default_rng(0).permutation(len(rows))[:MATCH_SAMPLE_ROWS]]
    return _spread_of(queries @ sample.T)


def _spread_of(cosines: Vectors) -> Floats:
    """The spread of cosines with a sample, which are the last axis."""
    spread: Floats = spread_with_prior(cosines.astype(np.float64).var(axis=-1), cosines.shape[-1])
    return spread


def best_rows(queries: Vectors, rows: Vectors) -> Floats:
    """The features of each query's best row, float64 ``[q, 3]``."""
    best = (queries @ rows.T).max(axis=1)
    return np.column_stack([best, spreads(queries, rows), np.full(len(queries), np.log(len(rows)))]).astype(np.float64)


def fit_row(examples: Examples) -> Logistic:
    """The row logistic. More rows never make a row likelier: if they seem to, their number is left out."""
    (cosine, spread, log_rows, intercept), _ = _fit(examples.features, examples)
    if log_rows > 0:
        (cosine, spread, intercept), _ = _fit(examples.features[:, :2], examples)
        log_rows = 0.0
    return _rounded(cosine, spread, log_rows, intercept)


def fit_answer(examples: Examples) -> Logistic:
    """The answer logistic. The spread's coefficient is one of a few multiples of the cosine's, the likeliest.

    If it were free it would tell long queries from short ones, where the two kinds of examples differ by that. Few
    examples may say that more rows make an answer likelier; then the threshold rises as it usually does.
    """
    fits = []
    for ratio in _SPREAD_RATIOS:
        joined = examples.features[:, 0] + ratio * examples.features[:, 1]
        growth = best_of(examples.features[:, 2])
        (cosine, rows, intercept), likelihood = _fit(np.column_stack([joined, growth]), examples)
        fits.append((likelihood, ratio, (cosine, ratio * cosine, rows, intercept)))
    _, ratio, fitted = max(fits)
    return _rounded(*fitted) if fitted[2] <= 0 else _rounded(*_fit_usual_rise(examples, ratio))


def fit_answer_to_guesses(examples: Examples) -> Logistic:
    """The answer logistic where what has no answer was guessed, see the top of this module."""
    return _rounded(*(_GENTLER * value for value in _fit_usual_rise(examples, 0.0)))


def _fit_usual_rise(examples: Examples, ratio: float) -> tuple[float, float, float, float]:
    """The coefficients with those of the spread and of the number of rows given by that of the cosine."""
    cosine, spread, log_rows = examples.features.T
    usual = float(np.mean(spread[log_rows > log_rows.max() - 1]))  # of small parts it is not known well
    shifted = cosine + ratio * spread - _RISE * usual * best_of(log_rows)
    (slope, intercept), _ = _fit(shifted[:, None], examples)
    return float(slope), float(ratio * slope), float(-_RISE * usual * slope), float(intercept)


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


def row_examples(
    queries: Vectors,
    rows: Vectors,
    right: Positions,
    *,
    own: Positions = (),
    shares: Sequence[int] = PARTS,
    seed: int = 0,
) -> Examples:
    """The nearest rows of each query in parts of several sizes, right and wrong ones.

    Args:
        queries: unit vectors, float32 ``[q, dim]``.
        rows: unit vectors, float32 ``[n, dim]``.
        right: of each query the positions of its right rows.
        own: of each query the positions of rows that cannot answer it, as they are of the file that asks; may be empty.
        shares: which parts are asked: 1 is all rows, 4 a quarter of them.
        seed: of the parts.
    """
    features: list[Floats] = []
    truth: list[bool] = []
    for part in _parts(queries, rows, right, own, shares, seed):
        nearest = np.argpartition(-part.cosines, min(_NEAREST, len(part.cosines)) - 1)[:_NEAREST]
        features += [part.features(cosine) for cosine in part.cosines[nearest]]
        truth += np.isin(part.positions[nearest], right[part.query]).tolist()
    return Examples.of(features, truth)


def answered_examples(
    queries: Vectors,
    rows: Vectors,
    right: Positions,
    *,
    own: Positions = (),
    shares: Sequence[int] = PARTS,
    seed: int = 0,
) -> Examples:
    """The best row of each query in parts of several sizes that hold its answer. The arguments: see `row_examples`."""
    parts = _parts(queries, rows, right, own, shares, seed)
    return Examples.of([part.features(part.cosines.max()) for part in parts], True, ANSWERED_SHARE)


def unanswered_examples(
    queries: Vectors, rows: Vectors, *, own: Positions = (), shares: Sequence[int] = PARTS, seed: int = 0
) -> Examples:
    """The best row of each query, for which no row is right, in parts of several sizes."""
    none = [np.empty(0, np.int64)] * len(queries)
    parts = _parts(queries, rows, none, own, shares, seed)
    return Examples.of([part.features(part.cosines.max()) for part in parts], False, 1 - ANSWERED_SHARE)


def unlike_examples(
    queries: Vectors,
    rows: Vectors,
    right: Positions,
    *,
    own: Positions = (),
    shares: Sequence[int] = PARTS,
    seed: int = 0,
) -> Examples:
    """The best row of each query among the half of the rows of a part that is least like its first right row."""
    found = []
    for part in _parts(queries, rows, right, own, shares, seed):
        alike = part.alike[part.positions]
        far = alike <= np.median(alike)
        found.append(part.features(part.cosines[far].max(), int(np.count_nonzero(far))))
    return Examples.of(found, False, 1 - ANSWERED_SHARE)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the rows that a query asks, which holds its right rows.

    Attributes:
        query: the number of the query.
        positions: of the rows, int64 ``[p]``.
        cosines: of the query with them, float32 ``[p]``.
        alike: the cosines of all rows with the first right row, float32 ``[n]``; empty if no row is right.
        spread: the standard deviation of the query's cosines with a sample of the part.
    """

    query: int
    positions: NDArray[np.int64]
    cosines: Vectors
    alike: Vectors
    spread: float

    def features(self, cosine: float, rows: int | None = None) -> Floats:
        """The features of a row with that cosine, as one of all rows of the part, or of so many."""
        return np.array([cosine, self.spread, np.log(len(self.positions) if rows is None else rows)], np.float64)


def _parts(
    queries: Vectors, rows: Vectors, right: Positions, own: Positions, shares: Sequence[int], seed: int
) -> Iterator[_Part]:
    """Each query with parts of the rows."""
    rng = np.random.default_rng(seed)
    sizes = dict.fromkeys(max(len(rows) // share, min(_LEAST_ROWS, len(rows))) for share in shares)
    sample = rng.permutation(len(rows))[:MATCH_SAMPLE_ROWS]
    chosen = np.zeros(len(rows), np.bool_)
    step = max(1, _AT_ONCE // len(rows))
    for start in range(0, len(queries), step):
        numbers = range(start, min(start + step, len(queries)))
        cosines = queries[start : start + step] @ rows.T
        first = [right[number][0] for number in numbers if len(right[number])]
        likeness = iter(rows[first] @ rows.T)
        for number, among_all in zip(numbers, cosines, strict=True):
            alike = next(likeness) if len(right[number]) else among_all[:0]
            for size in sizes:
                drawn = rng.choice(len(rows), size, replace=False) if size < len(rows) else sample
                chosen[:] = size == len(rows)
                chosen[drawn] = chosen[right[number]] = True
                if len(own):
                    chosen[own[number]] = False
                part = np.flatnonzero(chosen)
                if len(part):
                    spread = _spread_of(among_all[drawn[:MATCH_SAMPLE_ROWS]])
                    yield _Part(number, part, among_all[part], alike, float(spread))


def fit_levels(
    queries: Vectors,
    rows: Vectors,
    right: Positions,
    absent: Vectors | None = None,
    *,
    source: FitSource,
    measured: LevelFit | None = None,
    own: Positions = (),
    absent_own: Positions = (),
    seed: int = 0,
) -> LevelFit:
    """Fit both logistics of one direction.

    Args:
        queries: unit vectors of queries that have an answer, float32 ``[q, dim]``.
        rows: unit vectors, float32 ``[n, dim]``.
        right: of each query the positions of its right rows, at least one.
        absent: unit vectors of queries for which no row is right; None if none are known.
        source: what the numbers are said to come from.
        measured: of the model; without absent queries its answer logistic is better than one that is fitted to guesses.
        own: of each query the positions of rows that cannot answer it; may be empty.
        absent_own: the same of absent queries.
        seed: of the parts that are drawn.
    """
    answered = answered_examples(queries, rows, right, own=own, seed=seed)
    if absent is not None:
        answer = fit_answer(answered + unanswered_examples(absent, rows, own=absent_own, seed=seed))
    elif measured is not None:
        answer = measured.answer
    else:
        answer = fit_answer_to_guesses(answered + unlike_examples(queries, rows, right, own=own, seed=seed))
    return LevelFit(answer, fit_row(row_examples(queries, rows, right, own=own, seed=seed)), source)
