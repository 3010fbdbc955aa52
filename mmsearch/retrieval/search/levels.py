"""How far a hit can be believed: its level, and its match, which orders hits of several kinds in one list.

Two questions are asked of a row, each answered by a logistic that was fitted for the model and the direction
(`LevelFit`):

- Is what was asked for there at all? The *answer* logistic was fitted on the best rows of searches that have an answer
  and of searches that have none. Its probability gives the level. It depends on the row by its cosine alone.
- Is it this very row? The *row* logistic was fitted on right and wrong rows of searches that have an answer. Its
  log-odds are the match.

The more rows there are, the higher the best cosine is by chance: both fall with the number of rows. Lists are ordered
by level, then by match. Decision 29 has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Hit
from mmsearch.retrieval.encoders.level_fits import LevelFit, best_of
from mmsearch.types import LEVELS, Level, Modality

LEAST_PROBABILITY: dict[Level, float] = {"strong": 0.9, "likely": 0.6, "weak": 0.25, "nothing": 0.0}
"""The probability from which on a hit has a level."""

LEAST_LOGITS = {level: math.log(p / (1 - p)) if p else -math.inf for level, p in LEAST_PROBABILITY.items()}
"""The same as log-odds."""

PRIOR: dict[Modality, float] = {"image": 0.0, "text": -5.0, "audio": -5.0, "video": -5.0}
"""Log-odds, before anything is compared, that a row of a kind is what was asked for rather than a picture.

Whoever describes a scene wants its picture more often than a text that says the same, though texts are nearer to it.
"""

# Of the match in a direction without a fit: log-odds for each standard deviation, and the number of rows below which a
# z-score is taken for chance.
_Z_SLOPE, _LEAST_ROWS = 2.5, 100


def judge(
    modality: Modality,
    fits: Sequence[LevelFit | None],
    spreads: Sequence[float],
    rows: int,
    cosines: NDArray[np.float32],
    z_scores: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Judge the rows that several queries have found in one modality.

    Args:
        modality: of the rows.
        fits: for each query, the fit of the model and direction; None where none is known.
        spreads: for each query, the standard deviation of its cosines with a sample of the rows.
        rows: how many rows may answer.
        cosines: of the rows that were found, float32 ``[queries, n]``.
        z_scores: of these (see `MatchSample`), float32 ``[queries, n]``.

    Returns:
        Log-odds that what was asked for is there, if the row is the best one, NaN where there is no fit; and log-odds
        that the row is what was asked for. Both ``[queries, n]``.
    """
    prior = PRIOR[modality]
    log_rows = math.log(max(rows, 1))
    growth = float(best_of(log_rows))
    first = fits[0]
    if first is not None and all(fit is first for fit in fits):  # as in nearly every batch
        spread = np.array(spreads)[:, None]
        answers = np.float32(first.answer.cosine) * cosines + first.answer.offset(spread, growth)
        offsets = first.row.offset(spread, log_rows).astype(np.float32)
        return answers, np.float32(first.row.cosine) * cosines + offsets + prior
    matches = _Z_SLOPE * z_scores - math.log(max(rows, _LEAST_ROWS)) + prior
    answers = np.full(cosines.shape, np.nan)
    for number, (fit, own_spread) in enumerate(zip(fits, spreads, strict=True)):
        if fit is not None:
            own = cosines[number]
            answers[number] = np.float32(fit.answer.cosine) * own + np.float64(fit.answer.offset(own_spread, growth))
            offset = np.float32(fit.row.offset(own_spread, log_rows))
            matches[number] = np.float32(fit.row.cosine) * own + offset + prior
    return answers, matches


def level_of(answer: float) -> Level | None:
    """The level of a hit by the log-odds that what was asked for is there; None if they are NaN: not known."""
    if math.isnan(answer):
        return None
    return next(level for level in LEVELS if answer >= LEAST_LOGITS[level])


def level_numbers(answers: NDArray[np.float64]) -> NDArray[np.intp]:
    """The numbers of levels, 0 for ``strong``, by log-odds; 0 where these are NaN."""
    numbers: NDArray[np.intp] = np.zeros(len(answers), np.intp)
    for level in LEVELS[:-1]:
        numbers += answers < LEAST_LOGITS[level]
    return numbers


def best_level(hits: Sequence[Hit]) -> Level | None:
    """The level of an answer: that of its best hit, *nothing* if there is none; None if no hit has a level."""
    levels = [hit.level for hit in hits]
    return min((level for level in levels if level), key=LEVELS.index, default=None) if levels else "nothing"
