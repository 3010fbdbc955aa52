"""What was found for a query, before it is ranked: rows, and numbers for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.search.hit_rows import Row

Numbers = NDArray[np.float32]


class Found(NamedTuple):
    """Some rows that a query has found, and what is thought of each: float32 ``[rows]``, but float64 the answers.

    Attributes:
        rows: the rows.
        scores: cosines.
        z_scores: of the cosines, see `MatchSample`; moments are made by them.
        answers: log-odds that what was asked for is there; NaN where there is no fit.
        odds: log-odds that the row is what was asked for.
    """

    rows: list[Row]
    scores: Numbers
    z_scores: Numbers
    answers: NDArray[np.float64]
    odds: Numbers

    @property
    def has_timed(self) -> bool:
        """Whether any of the rows stands for a time."""
        return any(row.is_timed for row in self.rows)

    def only(self, numbers: Sequence[int]) -> Found:
        """Some of the rows, by number."""
        if len(numbers) == len(self.rows):
            return self
        at = np.array(numbers, np.intp)
        rows = [self.rows[number] for number in numbers]
        return Found(rows, self.scores[at], self.z_scores[at], self.answers[at], self.odds[at])


@dataclass(slots=True)
class FoundRows:
    """The rows that were found for one query.

    Attributes:
        parts: the rows, each once.
        copies: paths of other files of the same content, by the row's id.
        understood: whether any model can read the query; else what it finds is no answer.
    """

    parts: list[Found] = field(default_factory=list)
    copies: dict[int, tuple[str, ...]] = field(default_factory=dict)
    understood: bool = True

    def __add__(self, other: FoundRows) -> FoundRows:
        return FoundRows([*self.parts, *other.parts], self.copies | other.copies, self.understood)

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return [row for part in self.parts for row in part.rows]


class Pool:
    """The rows of several queries, one query after another.

    Attributes:
        rows: the rows.
        bounds: where the rows of each query begin, and where the last end.
        scores: and the others: see `Found`, float64 ``[rows]``.
    """

    def __init__(self, found: Sequence[FoundRows]) -> None:
        parts = [part for own in found for part in own.parts]
        self.rows = [row for part in parts for row in part.rows]
        self.bounds = [0]
        for own in found:
            self.bounds.append(self.bounds[-1] + sum(len(part.rows) for part in own.parts))
        self.scores = _joined(part.scores for part in parts)
        self.z_scores = _joined(part.z_scores for part in parts)
        self.answers = _joined(part.answers for part in parts)
        self.odds = _joined(part.odds for part in parts)
        for number, own in enumerate(found):
            if not own.understood:  # a query that no model can read finds nothing, however near
                self.answers[self.bounds[number] : self.bounds[number + 1]] = -np.inf


def _joined(arrays: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    parts = list(arrays)
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
