"""How good levels are: whether they tell searches that have an answer from searches that have none.

AUROC is the probability that the best hit of a search with an answer has a higher level than that of one without
(Fawcett 2006, "An introduction to ROC analysis"); ties count half. The expected calibration error (ECE) is the mean
difference of the stated probability and the share that has an answer, over ten equal bins of the probability (Naeini
et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"). Searches with an answer weigh six tenths
together, those without four tenths, however many there are: fits are for these shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.level_fits import FitSource, LevelFit, direction_name, known_fit
from mmsearch.retrieval.evaluation.level_fitting import ANSWERED_SHARE, Examples
from mmsearch.retrieval.evaluation.questions import Queries, Questions
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.types import Modality

_BINS = 10
_BATCH = 256
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelQuality:
    """How well stated probabilities fit.

    Attributes:
        auroc: area under the ROC curve, 0.5 for guesses, 1 if all searches with an answer are told from all without.
        ece: expected calibration error.
    """

    auroc: float
    ece: float

    def to_json(self) -> dict[str, float]:
        """The fields as a JSON object."""
        return {"auroc": round(self.auroc, 6), "ece": round(self.ece, 6)}


@dataclass(frozen=True, slots=True)
class LevelScores:
    """How good the levels of one direction are, on pairs that name absent things.

    Attributes:
        direction: what is asked and what answers, such as ``text → image``.
        model: whose vectors were compared.
        source: where the levels come from: ``catalogue``, ``pairs`` or ``contents``; None if none are known.
        answerable: queries that have an answer.
        absent: queries that have none.
        quality: None if no levels are known.
    """

    direction: str
    model: str
    source: FitSource | None
    answerable: int
    absent: int
    quality: LevelQuality | None

    def to_json(self) -> dict[str, Any]:
        """The scores as a JSON object; ``auroc`` and ``ece`` are null if no levels are known."""
        quality = self.quality.to_json() if self.quality else {"auroc": None, "ece": None}
        counts = {"answerable": self.answerable, "absent": self.absent}
        return {"direction": self.direction, "model": self.model, "source": self.source, **counts, **quality}


def score_levels(searcher: Searcher, questions: Questions) -> LevelScores:
    """Score the levels of one direction as a search states them."""
    name, model = direction_name(questions.direction), searcher.space.model
    counts = len(questions.answerable), len(questions.absent)
    fit = known_fit(searcher.snapshot.manifest.level_fits, searcher.space, questions.direction)
    if fit is None:
        return LevelScores(name, model, None, *counts, None)
    examples = _asked(searcher, questions)
    return LevelScores(name, model, fit.source, *counts, quality_of(probabilities(fit, examples), examples))


def probabilities(fit: LevelFit, examples: Examples) -> Floats:
    """The stated probability that there is an answer, float64 ``[n]``."""
    logits = fit.answer_logits(*examples.features.T)
    stated: Floats = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
    return stated


def quality_of(stated: Floats, examples: Examples) -> LevelQuality:
    """AUROC and ECE of stated probabilities, float64 ``[n]``; both kinds of examples are needed."""
    return LevelQuality(auroc(stated, examples), calibration_error(stated, examples))


def auroc(values: Floats, examples: Examples) -> float:
    """The chance that the value of a right example is above that of a wrong one, by their weights; ties count half."""
    right = examples.right > 0
    order = np.argsort(values[~right])
    ranked = values[~right][order]
    below = np.concatenate([[0.0], np.cumsum(examples.weight[~right][order])])
    under, up_to = (below[np.searchsorted(ranked, values[right], side=side)] for side in ("left", "right"))
    return float(np.average((under + up_to) / 2, weights=examples.weight[right]) / below[-1])


def calibration_error(stated: Floats, examples: Examples) -> float:
    """ECE of stated probabilities, by the weights of the examples."""
    bins = np.minimum((stated * _BINS).astype(np.int64), _BINS - 1)
    excess = np.bincount(bins, examples.weight * (stated - examples.right), _BINS)
    return float(np.abs(excess).sum() / examples.weight.sum())


def _asked(searcher: Searcher, questions: Questions) -> Examples:
    """The best row of each query, as a search finds it."""
    _, modality = questions.direction
    answered = _best_rows(searcher, modality, questions.answerable)
    absent = _best_rows(searcher, modality, questions.absent)
    return Examples.of(answered, True, ANSWERED_SHARE) + Examples.of(absent, False, 1 - ANSWERED_SHARE)


def _best_rows(searcher: Searcher, modality: Modality, queries: Queries) -> list[tuple[float, float, float]]:
    """Cosine, spread and logarithm of the number of rows, of each query that any row may answer."""
    rows, sample, index = searcher.rows(modality), searcher.match_sample(modality), searcher.index(modality)
    features = []
    for numbers in _batches(queries):
        depth = max(len(queries.own[number]) for number in numbers) + 1
        scores, ids = index.search(queries.vectors[numbers], depth, allowed=rows.live, exact=True)
        for number, own_scores, own_ids in zip(numbers, scores, ids, strict=True):
            there = (own_ids >= 0) & ~np.isin(own_ids, rows.ids[queries.own[number]])
            if there.any():
                best = np.flatnonzero(there)[:1]
                _, spread = sample.z_scores(queries.vectors[number], own_ids[best], own_scores[best])
                features.append((float(own_scores[best[0]]), spread, float(np.log(rows.live_count))))
    return features


def _batches(queries: Queries) -> list[NDArray[np.int64]]:
    """The numbers of queries that are looked up together. Those with rows of their own need more rows and go alone."""
    alone = np.array([len(own) > 0 for own in queries.own], np.bool_)
    together = np.flatnonzero(~alone)
    batches = [together[start : start + _BATCH] for start in range(0, len(together), _BATCH)]
    return [*batches, *np.flatnonzero(alone)[:, None]]
