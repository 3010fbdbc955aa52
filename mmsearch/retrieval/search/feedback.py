"""Relevance feedback: a query vector moved towards rows that a person likes, and a little away from those not liked.

That is Rocchio's formula (J. J. Rocchio 1971, "Relevance feedback in information retrieval") with two additions. The
mean of its modality is taken away from each mark, so that the gap between modalities is not what moves the query. And
vectors are weighed by how much their cosines differ between rows: the cosines of words with pictures differ far less
than those of pictures with pictures, how much less depends on the model. Decision 28 has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.unit import Vector, normalize_rows

Vectors = NDArray[np.float32]
"""Vectors of one space, float32 ``[n, dim]``."""

LIKED = 1.0
"""What one liked row weighs relative to the query; the weight grows with the square root of their number."""

UNLIKED = 0.05
"""What all rows that are not liked weigh together: little, as they mostly show what was asked for, too."""

_PRIOR_ROWS, _PRIOR_DEVIATION = 8, 0.1  # what a few rows tell of mean and spread counts for less


def refine(
    query: Vector | None,
    liked: Vectors,
    unliked: Vectors,
    samples: Sequence[Vectors],
    weights: tuple[float, float] = (LIKED, UNLIKED),
) -> Vector:
    """A query moved by marks.

    Args:
        query: what was asked, float32 ``[dim]``; None if only marks are given.
        liked: unit vectors of the rows to move towards, float32 ``[n, dim]``.
        unliked: those to move away from, float32 ``[m, dim]``.
        samples: random rows of each modality of the space, float32 ``[rows, dim]``.
        weights: of what is liked and what is not, which the benchmark of this module compares.

    Returns:
        Float32 ``[dim]`` of any length; 0 if the marks cancel out.
    """
    marks = np.concatenate([liked, unliked])
    means = _means(samples, marks.shape[1])
    nearest = (marks @ normalize_rows(means).T).argmax(axis=1)
    marks = marks - means[nearest]
    present = np.unique(nearest)
    none = np.empty((0, marks.shape[1]), np.float32)
    rows: Vectors = np.concatenate([none, *(samples[i] - means[i] for i in present if samples)])
    count = len(liked)
    refined = np.zeros(marks.shape[1], np.float32)
    if query is not None:
        refined += query / _spread(query, rows)
    if count:
        towards = marks[:count].mean(axis=0)
        refined += weights[0] * np.sqrt(count) * towards / _spread(towards, rows)
    if len(unliked):
        away = marks[count:].mean(axis=0)
        refined -= weights[1] * away / _spread(away, rows)
    return refined


def _means(samples: Sequence[Vectors], dim: int) -> Vectors:
    """The mean of each sample, nearer to 0 the fewer rows it has; float32 ``[max(samples, 1), dim]``."""
    if not samples:
        return np.zeros((1, dim), np.float32)
    return np.stack([sample.sum(axis=0) / (len(sample) + _PRIOR_ROWS) for sample in samples])


def _spread(vector: Vector, rows: Vectors) -> float:
    """The standard deviation of a vector's inner products with rows whose mean is about 0."""
    prior = _PRIOR_ROWS * _PRIOR_DEVIATION**2 * float(vector @ vector)
    total = float(np.square(rows @ vector).sum()) + prior
    return max(float(np.sqrt(total / (len(rows) + _PRIOR_ROWS))), 1e-12)
