"""What a search asks of the rows of one modality, wherever they are: here in a snapshot (`own_rows`), or in other
processes that hold a part each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.search.found_rows import Found
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.types import Modality

Ranked = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Cosines, descending, and ids of rows; -inf and -1 where there is no row."""

WORDS_COMPARED = 1024
"""Rows with the words of a query whose vectors are compared."""

NO_ROWS: Ranked = np.empty(0, np.float32), np.empty(0, np.int64)

_WORDS_DEPTH = 12  # rows that words propose, at least; each may cost the reading of a row group
_ROOM_FOR_SELF = 256  # rows of the query file itself that may stand before the k that are asked for


@dataclass(frozen=True, slots=True)
class LookUp:
    """What is looked up in one modality.

    Attributes:
        modality: the modality.
        scope: which rows may answer.
        k: answers that are wanted.
        rows: that are looked at.
    """

    modality: Modality
    scope: SearchScope
    k: int
    rows: int

    def depth(self, rows: int) -> int:
        """How many of the nearest of so many rows are looked at."""
        room = _ROOM_FOR_SELF if any(self.scope.excluded) else 1  # one more shows whether the last has a copy
        return min(self.rows + room, max(rows, 1))


def most_by_words(depth: int) -> int:
    """How many rows the words of a query propose, where the nearest ``depth`` rows are looked at."""
    return max(_WORDS_DEPTH, depth)


class Others(Protocol):
    """The rows that may answer, but for those that were found, their files and their copies."""

    def leave_out(self, found: Found, *, copies: bool) -> None:
        """Leave out rows, all rows of films and sounds among them, and with ``copies`` all rows that equal them."""

    def nearest(self, vector: NDArray[np.float32], depth: int) -> Ranked:
        """The nearest of the others to a vector, float32 ``[dim]``: both ``[1, depth]``."""


class Searchable(Protocol):
    """The rows of one modality among which those are that may answer."""

    @property
    def rows(self) -> int:
        """How many rows there are, deleted ones included."""

    @property
    def count(self) -> int:
        """How many of them may answer."""

    def nearest(self, queries: NDArray[np.float32], depth: int) -> Ranked:
        """The rows that may answer and are nearest to queries, float32 ``[q, dim]``: both ``[q, depth]``."""

    def proposed(
        self, query: int, vector: NDArray[np.float32], words: WordsAsked, known: Set[int], most: int
    ) -> Ranked:
        """The rows that hold the most telling words of a query, the best first.

        Args:
            query: its number among those that were asked for at once.
            vector: its vector, float32 ``[dim]``.
            words: its words, weighted.
            known: ids of rows that are left out.
            most: how many rows, at most.
        """

    def copies(self, found: Sequence[Row], excluded: Set[bytes | int]) -> Mapping[int, tuple[str, ...]]:
        """The paths of other files of the same content, by the row's id; but for some paths."""

    def others(self) -> Others:
        """The rows that may answer, to leave some of them out."""

    def of_files(self, vector: NDArray[np.float32], found: Sequence[Row]) -> list[Ranked]:
        """All rows of the file of each of some rows, the nearest first: ``[1, n]`` each."""
