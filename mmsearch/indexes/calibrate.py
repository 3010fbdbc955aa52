"""Quality by measurement: how many lists to probe and candidates to re-score for a recall target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mmsearch.indexes.approximate import Approximate
from mmsearch.indexes.blocks import Floats, Positions, Vectors
from mmsearch.indexes.exact import rescored, search_exact

K = 10
ROWS = "row"
"""The kind of queries that are rows of the corpus itself."""

QUERIES = 256
_ALONE = 4  # lists probed for each that rows need, where there are only rows to measure with
_CANDIDATES = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The chosen operating point and what was measured there: recall@10 by kind of query.

    ``curve`` holds every point that was tried: nprobe, candidates and the recall of each kind.
    """

    nprobe: int
    candidates: int
    target: float
    recall: dict[str, float]
    queries: dict[str, int]
    curve: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        """Whether every kind of query reaches the target."""
        return all(value >= self.target for value in self.recall.values())

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        return cls(**data)


def calibrate(
    approximate: Approximate,
    vectors: Vectors,
    ids: Positions,
    queries: Mapping[str, Floats],
    *,
    target: float,
) -> Calibration:
    """Find the fewest probes, then the fewest candidates, with which every kind of query reaches ``target``.

    Queries of another modality lie farther from the rows, and their neighbours in more lists. Where there are
    none to measure with, the probes that rows need are therefore multiplied.

    Args:
        approximate: covers all of ``vectors``.
        vectors: the stored rows.
        ids: their ids, ascending.
        queries: unit vectors float32 ``[q, dim]`` by kind, for example `ROWS` and ``text``. A row that
            equals its query does not count as an answer.
        target: recall@10 against exact search.
    """
    kinds = {kind: part for kind, part in queries.items() if len(part)}
    truth = {kind: _truth(vectors, part) for kind, part in kinds.items()}
    curve: list[dict[str, Any]] = []

    def measure(nprobe: int, candidates: int) -> dict[str, float]:
        recall = {
            kind: _recall(approximate, vectors, ids, part, truth[kind], nprobe, candidates)
            for kind, part in kinds.items()
        }
        curve.append({"nprobe": nprobe, "candidates": candidates, **recall})
        return recall

    def enough(recall: Mapping[str, float]) -> bool:
        return all(value >= target for value in recall.values())

    most = _CANDIDATES[-1]
    nprobe = 1
    while not enough(recall := measure(nprobe, most)) and nprobe < approximate.lists:
        nprobe = min(2 * nprobe, approximate.lists)
    candidates = most
    if enough(recall):
        if list(kinds) == [ROWS]:
            nprobe = min(_ALONE * nprobe, approximate.lists)
        for fewer in _CANDIDATES:
            if enough(tried := measure(nprobe, fewer)):
                candidates, recall = fewer, tried
                break
    return Calibration(nprobe, candidates, target, recall, {kind: len(part) for kind, part in kinds.items()}, curve)


def corpus_queries(vectors: Vectors, *, seed: int, count: int = QUERIES) -> Floats:
    """Rows of the corpus itself as queries, drawn with a seed."""
    rng = np.random.default_rng(seed)
    positions = rng.choice(len(vectors), min(count, len(vectors)), replace=False)
    return vectors.take(np.sort(positions).astype(np.int64))


def _truth(vectors: Vectors, queries: Floats) -> Floats:
    """The scores of the k nearest that are not the query itself, ``[q, K]``: any row of such a score is right."""
    scores, _ = search_exact(vectors, queries, K + 1)
    return _without_self(scores)


def _without_self(scores: Floats) -> Floats:
    own = (scores[:, :1] > _SELF).astype(np.int64)
    return np.take_along_axis(scores, own + np.arange(K), axis=1)


_SELF = 0.9995  # the cosine of a float16 row with itself


def _recall(
    approximate: Approximate,
    vectors: Vectors,
    ids: Positions,
    queries: Floats,
    truth: Floats,
    nprobe: int,
    candidates: int,
) -> float:
    found = approximate.candidates(queries, candidates, nprobe)
    positions = np.where(found >= 0, np.searchsorted(ids, found), -1)
    scores = _without_self(rescored(vectors, queries, positions, K + 1)[0])
    # Any row that scores as high as the last true neighbour is right: rows of equal score are as good.
    there = truth > -np.inf
    least: Floats = np.min(truth, axis=1, keepdims=True, where=there, initial=np.inf)
    return int(np.count_nonzero(scores >= least - 1e-6)) / max(int(np.count_nonzero(there)), 1)
