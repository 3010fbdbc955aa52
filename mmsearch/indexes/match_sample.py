"""How far a cosine stands out among the cosines of the same query with a random sample of rows of the same modality.

Two numbers come of the sample: the spread (standard deviation) of the query's cosines, and the z-score of a cosine. The
sample is fixed: the rows whose ids have the smallest hashes (a bottom-k sketch, uniform over the rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MATCH_SAMPLE_ROWS = 1024
"""Rows of a full sample."""

# A prior for the standard deviation: counts as this many rows with the deviation that is usual between pictures. Few
# rows, or nearly equal ones, would otherwise give a tiny deviation and huge scores.
_PRIOR_ROWS, _PRIOR_DEVIATION = 8, 0.1


@dataclass(frozen=True, slots=True)
class MatchSample:
    """A random sample of rows of a modality: ids (ascending, int64 ``[m]``) and unit vectors (float32 ``[m, dim]``)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def z_scores(
        self, query: NDArray[np.float32], ids: NDArray[np.int64], cosines: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float]:
        """The z-scores of the cosines of a unit ``query`` ``[dim]`` with rows, float32 ``[n]``; and the spread.

        A row that is in the sample does not count for its own score: in a small sample it would pull the mean towards
        itself and hide that it stands out. It does count for the spread.
        """
        z_scores, (spread,) = self.z_scores_of(query[None], ids[None], cosines[None])
        return z_scores[0], spread

    def z_scores_of(
        self, queries: NDArray[np.float32], ids: NDArray[np.int64], cosines: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], list[float]]:
        """`z_scores` for several queries.

        Args:
            queries: unit vectors, float32 ``[q, dim]``.
            ids: the rows of each, int64 ``[q, n]``.
            cosines: of the rows, float32 ``[q, n]``.

        Returns:
            The z-scores, float32 ``[q, n]``, and q spreads. Those of a query do not depend on the others.
        """
        count = len(self.ids)
        if count < 2:
            return np.zeros_like(cosines), [_PRIOR_DEVIATION] * len(queries)  # there is nothing to stand out from
        totals, squares = self._sums(queries)
        in_sample = self.ids[np.minimum(np.searchsorted(self.ids, ids), count - 1)] == ids
        others = np.where(in_sample, count - 1, count)
        mean = (totals - np.where(in_sample, cosines, 0)) / others
        square = (squares - np.where(in_sample, np.square(cosines), 0)) / others
        deviation = spread_with_prior(np.maximum(square - np.square(mean), 0), others)
        prediction = np.sqrt(1 + 1 / others)  # the mean of a small sample is uncertain: a prediction interval
        z_scores: NDArray[np.float32] = ((cosines - mean) / (deviation * prediction)).astype(np.float32)
        return z_scores, self._spreads(totals, squares)

    def spreads_of(self, queries: NDArray[np.float32]) -> list[float]:
        """The spread of each of several unit queries, float32 ``[q, dim]``, without z-scores."""
        if len(self.ids) < 2:
            return [_PRIOR_DEVIATION] * len(queries)
        return self._spreads(*self._sums(queries))

    def _sums(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The sums of each query's cosines with the sample, and of their squares, float32 ``[q, 1]``."""
        sample = np.empty((len(queries), len(self.ids)), np.float32)
        for query, line in zip(queries, sample, strict=True):
            np.einsum("ij,j->i", self.vectors, query, out=line)  # one thread: those of BLAS would mostly wait here
        return sample.sum(axis=1, keepdims=True), np.square(sample).sum(axis=1, keepdims=True)

    def _spreads(self, totals: NDArray[np.float32], squares: NDArray[np.float32]) -> list[float]:
        count = len(self.ids)
        spreads: list[float] = []
        for total, square in zip(totals[:, 0].tolist(), squares[:, 0].tolist(), strict=True):
            variance = max(square / count - (total / count) ** 2, 0.0)
            spreads.append(float(spread_with_prior(variance, count)))
        return spreads


def spread_with_prior(variance: Any, rows: Any) -> Any:
    """The standard deviation of cosines with sampled rows, from their variance, joined with the prior; any shape."""
    return np.sqrt((rows * variance + _PRIOR_ROWS * _PRIOR_DEVIATION**2) / (rows + _PRIOR_ROWS))


def match_sample_positions(
    ids: NDArray[np.int64], live: NDArray[np.bool_] | None, rows: int = MATCH_SAMPLE_ROWS
) -> NDArray[np.int64]:
    """Positions (ascending) of the live rows whose ids have the smallest hashes: the same for the same rows."""
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
