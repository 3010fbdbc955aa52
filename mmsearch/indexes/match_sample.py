"""`match`: a cosine standardised within its modality, so that lists of several modalities can be merged.

Cosines of a query of words to texts lie far above those to pictures, whatever the words. What can be compared
is how far a cosine stands out among the query's cosines to a random sample of the same modality: the z-score.
The sample is fixed: the rows whose ids have the smallest hash (a bottom-k sketch, uniform over the rows).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 1024
_PRIOR_ROWS, _PRIOR_DEVIATION = 8, 0.1
"""A handful of rows tell little of how cosines scatter, and near-equal ones would blow up every difference: so many
rows of that deviation, usual between pictures, are thought in."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows drawn from a modality: ids (ascending, int64 ``[m]``) and unit vectors (float32 ``[m, dim]``)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def match(
        self, query: NDArray[np.float32], ids: NDArray[np.int64], cosines: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosines of rows ``ids`` to a unit ``query`` ``[dim]``, each less the sample's mean, over its deviation.

        A row that is in the sample is left out of its own measure: among few rows it would move the mean
        towards itself and hide that it stands out.
        """
        count = len(self.ids)
        if count < 2:
            return np.zeros_like(cosines)  # nothing to stand out from
        sample = np.einsum("ij,j->i", self.vectors, query)  # the threads of BLAS would wait for one another
        own = self.ids[np.minimum(np.searchsorted(self.ids, ids), count - 1)] == ids
        left = np.where(own, count - 1, count)
        mean = (sample.sum() - np.where(own, cosines, 0)) / left
        square = (np.square(sample).sum() - np.where(own, np.square(cosines), 0)) / left
        variance = np.maximum(square - np.square(mean), 0)
        deviation = np.sqrt((left * variance + _PRIOR_ROWS * _PRIOR_DEVIATION**2) / (left + _PRIOR_ROWS))
        unsure = np.sqrt(1 + 1 / left)  # the mean of few is itself uncertain: the deviation of a prediction by it
        match: NDArray[np.float32] = ((cosines - mean) / (deviation * unsure)).astype(np.float32)
        return match


def draw(ids: NDArray[np.int64], live: NDArray[np.bool_] | None, rows: int = SAMPLE_ROWS) -> NDArray[np.int64]:
    """Positions (ascending) of the live rows with the smallest hashes: the same rows, whoever draws."""
    positions = np.arange(len(ids)) if live is None else np.flatnonzero(live)
    if len(positions) > rows:
        hashes = _splitmix64(ids[positions].astype(np.uint64))
        positions = positions[np.argpartition(hashes, rows)[:rows]]
    return np.sort(positions).astype(np.int64)


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators")."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
