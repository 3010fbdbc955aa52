"""How probable it is that a label fits a row, by its vector alone.

A row is compared with what a model says of it to many labels (the background, some of the built-in vocabulary): its
cosine with a label is turned into a z-score among its cosines with the background. So rows of a model whose cosines
are all great, and rows that are near to everything, gain nothing. Mean and deviation of these cosines come from the
mean and the covariance of the background, so that no row is compared with all of it.

A logistic gives the probability, by that z-score and by how widely the z-scores of the label spread over the rows of
the collection: a label that fits some rows spreads them. Labels do not compete, so none may be given at all. Decision
47 has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.tagging.labels import Label
from mmsearch.types import Modality
from mmsearch.unit import normalize_rows

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]
"""Texts as unit vectors, float32 ``[n, dim]``."""

TEMPLATES: dict[Modality, tuple[str, ...]] = {
    "image": ("{article} {label}", "a photo of {article} {label}"),
    "video": ("{article} {label}", "a photo of {article} {label}"),
    "audio": ("{label}", "we hear {label}", "a recording of {label}"),
}
"""What a model is asked for a label that has no prompts of its own."""

_PRIOR_ROWS = 32
"""Few rows tell little of a spread: it is joined with the usual one, which counts as this many rows."""

_SHRINKAGE = 0.1
"""How much of the covariance is taken to be the same in all directions: there may be fewer labels than directions."""

_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, slots=True)
class LabelFit:
    """Log-odds = ``z`` · z-score + ``spread`` · spread + ``intercept``; ``usual`` is the usual spread."""

    z: float
    spread: float
    intercept: float
    usual: float


# Measured by `benchmarks/tags.py --fits` with `mini`. Films are judged as pictures: their rows are frames.
_SEEN, _HEARD = LabelFit(1.22, 5.94, -12.77, 0.95), LabelFit(1.94, 6.53, -16.41, 0.82)
OF_MANY = -1.5
"""Log-odds that a label loses if it is one of many: more of thousands of labels fit by chance. So chosen that labels
which were judged by eye are right as often as their probabilities say."""

FITS: dict[Modality, LabelFit] = {"image": _SEEN, "video": _SEEN, "audio": _HEARD}
"""By what is labelled."""


def label_vectors(labels: Sequence[Label], modality: Modality, embed: Embed) -> Floats:
    """Each label as the mean of its prompts at length 1, float32 ``[labels, dim]``."""
    prompts = [label.prompts or _from_templates(label.name, modality) for label in labels]
    flat = embed([prompt for own in prompts for prompt in own])
    starts = np.cumsum([0, *(len(own) for own in prompts)])[:-1]
    return normalize_rows(np.add.reduceat(flat, starts, axis=0, dtype=np.float32))


def _from_templates(name: str, modality: Modality) -> tuple[str, ...]:
    article = "an" if name[0].lower() in "aeiou" else "a"
    return tuple(template.format(label=name, article=article) for template in TEMPLATES[modality])


class Background:
    """Mean and covariance of the vectors of many labels, with which rows become z-scores."""

    def __init__(self, vectors: Floats) -> None:
        self._mean = vectors.mean(axis=0)
        covariance = np.cov(vectors.T, bias=True).reshape(2 * [vectors.shape[1]])
        even = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self._covariance = ((1 - _SHRINKAGE) * covariance + _SHRINKAGE * even).astype(np.float32)

    def scaled(self, rows: Floats) -> Floats:
        """Rows such that their product with `weights` of labels is the z-score; float32 ``[n, dim + 1]``."""
        variance = np.einsum("ij,ij->i", rows @ self._covariance, rows)
        deviation = np.sqrt(np.maximum(variance, _LEAST_DEVIATION**2))[:, None]
        scaled: Floats = np.concatenate([rows, (rows @ self._mean)[:, None]], axis=1) / deviation
        return scaled

    @staticmethod
    def weights(labels: Floats) -> Floats:
        """The vectors of labels for a product with `scaled` rows, float32 ``[labels, dim + 1]``."""
        return np.concatenate([labels, np.full((len(labels), 1), -1, np.float32)], axis=1)


class Spreads:
    """How widely the z-scores of labels spread over rows, without a product of all labels and all rows."""

    def __init__(self, width: int) -> None:
        self.rows = 0
        self._total = np.zeros(width)
        self._products = np.zeros((width, width))

    def add(self, scaled: Floats) -> None:
        """Take note of some rows, as `Background.scaled` gives them."""
        self.rows += len(scaled)
        self._total += scaled.sum(axis=0)
        self._products += scaled.T @ scaled

    def of(self, weights: Floats, usual: float) -> NDArray[np.float64]:
        """The spread of each label, float64 ``[labels]``; ``usual`` is the one that is expected."""
        if not self.rows:
            return np.full(len(weights), usual)
        mean = self._total / self.rows
        covariance = self._products / self.rows - np.outer(mean, mean)
        variance = np.maximum(np.einsum("ij,ij->i", weights @ covariance, weights), 0)
        spread: NDArray[np.float64] = np.sqrt(
            (self.rows * variance + _PRIOR_ROWS * usual**2) / (self.rows + _PRIOR_ROWS)
        )
        return spread


def log_odds(probabilities: Sequence[float]) -> NDArray[np.float64]:
    """The log-odds of probabilities, float64 ``[n]``; great ones for 0 and 1."""
    bounded = np.clip(np.array(probabilities, np.float64), 1e-9, 1 - 1e-9)
    odds: NDArray[np.float64] = np.log(bounded / (1 - bounded))
    return odds


def fitting(
    scaled: Floats,
    weights: Floats,
    spreads: NDArray[np.float64],
    least: Sequence[float],
    fit: LabelFit,
    *,
    many: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The labels that fit rows with at least their probability.

    Args:
        scaled: rows, see `Background.scaled`.
        weights: of labels, see `Background.weights`.
        spreads: of the labels, see `Spreads.of`.
        least: the probability from which on each label is given.
        fit: of what is labelled.
        many: the labels are some of many, see `OF_MANY`.

    Returns:
        Numbers of rows and of labels, int64 ``[n]`` each, and the probabilities, float32 ``[n]``; by row.
    """
    bounds = log_odds(least)
    offsets = (fit.spread * spreads + fit.intercept + (OF_MANY if many else 0) - bounds).astype(np.float32)
    above = scaled @ (np.float32(fit.z) * weights).T
    above += offsets
    places = np.flatnonzero(above > 0)  # much faster than `nonzero` in two dimensions
    rows, labels = np.divmod(places, max(len(weights), 1))
    odds = above[rows, labels] + bounds[labels]
    return rows, labels, (1 / (1 + np.exp(-odds))).astype(np.float32)
