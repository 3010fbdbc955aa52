"""Recall@k, MRR and mAP from the ranks of relevant files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.notices import Notice
from mmsearch.retrieval.evaluation.level_scores import LevelScores

RECALL_AT = (1, 5, 10)
_TIE = 1e-6  # cosines closer than float32 arithmetic can tell apart


@dataclass(frozen=True, slots=True)
class DirectionScores:
    """Scores of one direction and one way of looking up.

    Attributes:
        direction: what is asked and what answers, such as ``text → image``.
        via: ``brute force`` or ``index``.
        recall: the share of queries with an answer among the first k, by k.
        mrr: mean reciprocal rank of the first answer.
        map: mean average precision.
        queries: how many there were.
        pool: files, or moments, that were ranked.
        model: whose vectors were compared.
    """

    direction: str
    via: str
    recall: dict[int, float]
    mrr: float
    map: float
    queries: int
    pool: int
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """The scores as a JSON object; recall under ``R@1`` and so on."""
        recall = {f"R@{k}": round(value, 6) for k, value in self.recall.items()}
        rest = {"MRR": round(self.mrr, 6), "mAP": round(self.map, 6), "queries": self.queries, "pool": self.pool}
        return {"direction": self.direction, "model": self.model, "via": self.via, **recall, **rest}


@dataclass(frozen=True, slots=True)
class Scores:
    """What `Collection.evaluate` measured.

    Attributes:
        space: the key of the primary space.
        directions: the scores of each direction, by brute force and through the index.
        notices: pairs that could not be scored.
        levels: how good the levels are, for each direction in which pairs name absent things.
    """

    space: str
    directions: tuple[DirectionScores, ...]
    notices: tuple[Notice, ...] = ()
    levels: tuple[LevelScores, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``mmsearch eval --json``."""
        rows = [scores.to_json() for scores in self.directions]
        notices = [str(notice) for notice in self.notices]
        levels = [scores.to_json() for scores in self.levels]
        return {"space": self.space, "scores": rows, "notices": notices, "levels": levels}


def ranks_of(
    scores: NDArray[np.float32], owners: NDArray[np.int64], relevant: Iterable[int], own: int = -1
) -> NDArray[np.int64]:
    """Ranks (from 1, ascending) of the relevant files in a list of rows by descending score.

    A file has the rank of its best row. Other files of the same score come before a relevant one.

    Args:
        scores: of the rows, descending, float32 ``[rows]``.
        owners: the file of each row, int64 ``[rows]``.
        relevant: the files whose ranks are wanted.
        own: a file that does not count, or -1.
    """
    keep = owners != own
    owners, scores = owners[keep], scores[keep]
    _, best = np.unique(owners, return_index=True)
    best.sort()
    owners, scores = owners[best], scores[best]
    right = np.isin(owners, np.fromiter(relevant, np.int64))
    wrong_scores = -scores[~right]
    before = np.searchsorted(wrong_scores, -scores[right] + _TIE, side="right")
    ranks: NDArray[np.int64] = before + np.arange(1, len(before) + 1)
    return ranks


def direction_scores(
    direction: str,
    via: str,
    shallow: Sequence[NDArray[np.int64]],
    deep: Sequence[NDArray[np.int64]],
    wanted: Sequence[int],
    pool: int,
) -> DirectionScores:
    """The scores of one direction.

    Args:
        direction: what is asked and what answers.
        via: ``brute force`` or ``index``.
        shallow: of each query the ranks of its answers, ascending, in a search for as many rows as recall needs.
        deep: the same in a deeper search, for MRR and mAP.
        wanted: the number of answers to each query.
        pool: the number of files that were ranked.
    """
    recall = {k: float(np.mean(_first_ranks(shallow) <= k)) for k in RECALL_AT}
    precision = [float(np.sum(np.arange(1, len(r) + 1) / r)) / n for r, n in zip(deep, wanted, strict=True)]
    reciprocal = float(np.mean(1 / _first_ranks(deep)))
    return DirectionScores(direction, via, recall, reciprocal, float(np.mean(precision)), len(deep), pool)


def _first_ranks(ranks: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The rank of each query's first answer, infinite where none was found."""
    return np.array([r[0] if len(r) else np.inf for r in ranks])
