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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Hit
from mmsearch.retrieval.encoders.level_fits import LevelFit
from mmsearch.types import LEVELS, Level, Modality

LEAST_PROBABILITY: dict[Level, float] = {"strong": 0.9, "likely": 0.6, "weak": 0.25, "nothing": 0.0}
"""The probability from which on a hit has a level."""

_LEAST_LOGIT = {level: math.log(p / (1 - p)) if p else -math.inf for level, p in LEAST_PROBABILITY.items()}

PRIOR: dict[Modality, float] = {"image": 0.0, "text": -5.0, "audio": -5.0, "video": -5.0}
"""Log-odds, before anything is compared, that a row of a kind is what was asked for rather than a picture.

Whoever describes a scene wants its picture more often than a text that says the same, though texts are nearer to it.
"""

# Of the match in a direction without a fit: log-odds for each standard deviation, and the number of rows below which a
# z-score is taken for chance.
_Z_SLOPE, _LEAST_ROWS = 2.5, 100


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of one row.

    Attributes:
        answer: log-odds that what was asked for is there, if this row is the best one; None if there is no fit.
        match: log-odds that the row is what was asked for.
    """

    answer: float | None
    match: float


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the rows of one modality for one query.

    Attributes:
        modality: of the rows.
        fit: of the model and direction; None where none is known.
        spread: standard deviation of the query's cosines with a sample of the rows.
        rows: how many rows may answer.
    """

    modality: Modality
    fit: LevelFit | None
    spread: float
    rows: int

    def judge(self, cosines: NDArray[np.float32], z_scores: NDArray[np.float32]) -> list[Judgement]:
        """Judge rows by their cosines and z-scores (see `MatchSample`), float32 ``[n]`` each."""
        prior = PRIOR[self.modality]
        if self.fit is None:
            match = _Z_SLOPE * z_scores - math.log(max(self.rows, _LEAST_ROWS)) + prior
            return [Judgement(None, one) for one in match.tolist()]
        log_rows = math.log(max(self.rows, 1))
        match = self.fit.row_logits(cosines, self.spread, log_rows) + prior
        answer = self.fit.answer_logits(cosines, self.spread, log_rows)
        return [Judgement(*both) for both in zip(answer.tolist(), match.tolist(), strict=True)]


def level_of(answer: float | None) -> Level | None:
    """The level of a hit by the log-odds of its `Judgement`; None if they are not known."""
    if answer is None:
        return None
    return next(level for level in LEVELS if answer >= _LEAST_LOGIT[level])


def fuse_judgements(judged: Mapping[int, Judgement], ids: Sequence[int]) -> Judgement:
    """One judgement of several rows that speak for one moment: the best answer; the odds of the rows are added."""
    own = [judged[row_id] for row_id in ids]
    answers = [judgement.answer for judgement in own if judgement.answer is not None]
    greatest = max(judgement.match for judgement in own)
    match = greatest + math.log(sum(math.exp(judgement.match - greatest) for judgement in own))
    return Judgement(max(answers, default=None), match)


def best_level(hits: Sequence[Hit]) -> Level | None:
    """The level of an answer: that of its best hit, *nothing* if there is none; None if no hit has a level."""
    levels = [hit.level for hit in hits]
    return min((level for level in levels if level), key=LEVELS.index, default=None) if levels else "nothing"
