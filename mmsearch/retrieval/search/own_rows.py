"""The rows of one modality of a snapshot, as a search asks for them (see `searchable`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import to_float32
from mmsearch.retrieval.search.copies import copies_of, copy_keys
from mmsearch.retrieval.search.found_rows import Found
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.masks import Mask
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.searchable import NO_ROWS, WORDS_COMPARED, Ranked
from mmsearch.retrieval.search.word_search import propose
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.retrieval.search.searcher import Searcher


class OwnRows:
    """The rows of a modality that a searcher has.

    Attributes:
        mask: which of them may answer, bool ``[rows]`` by position; None for all.
    """

    def __init__(self, searcher: Searcher, modality: Modality, scope: SearchScope) -> None:
        self._searcher = searcher
        self._modality = modality
        self._exact = scope.exact
        self._rows = searcher.rows(modality)
        self.mask = searcher.mask(modality, scope)
        self._count = len(self._rows) if self.mask is None else int(np.count_nonzero(self.mask))

    @property
    def rows(self) -> int:
        """How many rows there are, deleted ones included."""
        return len(self._rows)

    @property
    def count(self) -> int:
        """How many of them may answer."""
        return self._count

    def nearest(self, queries: NDArray[np.float32], depth: int) -> Ranked:
        """The rows that may answer and are nearest to queries."""
        return self.nearest_allowed(queries, depth, self.mask)

    def nearest_allowed(self, queries: NDArray[np.float32], depth: int, allowed: Mask | None) -> Ranked:
        """The nearest of the rows that a mask allows; None for all."""
        return self._searcher.index(self._modality).search(queries, depth, allowed=allowed, exact=self._exact)

    def proposed(
        self, query: int, vector: NDArray[np.float32], words: WordsAsked, known: Set[int], most: int
    ) -> Ranked:
        """The rows that hold the most telling words of a query, the best first."""
        rows = self._rows
        positions, telling = propose(self._searcher.word_rows(self._modality), words, self.mask, WORDS_COMPARED)
        if 0 < len(positions) <= most:
            new = [place for place, row_id in enumerate(rows.ids[positions].tolist()) if row_id not in known]
            positions, telling = positions[new], telling[new]
        if not len(positions):
            return NO_ROWS
        scores = self.cosines(positions, vector)
        best = np.lexsort((-scores, -telling))[:most]
        ids = rows.ids[positions[best]]
        new = [place for place, row_id in enumerate(ids.tolist()) if row_id not in known]
        return scores[best[new]], ids[new]

    def cosines(self, positions: NDArray[np.int64], vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosines of some rows with a vector."""
        found: NDArray[np.float32] = np.einsum("ij,j->i", to_float32(self._rows.vectors_at(positions)), vector)
        return found

    def copies(self, found: Sequence[Row], excluded: Set[bytes | int]) -> Mapping[int, tuple[str, ...]]:
        """The paths of other files of the same content, by the row's id."""
        return copies_of(self._rows, copy_keys(found), self.mask, excluded).of_rows(found)

    def others(self) -> OtherRows:
        """The rows that may answer, to leave some of them out."""
        return OtherRows(self, self._searcher, self._modality)

    def of_files(self, vector: NDArray[np.float32], found: Sequence[Row]) -> list[Ranked]:
        """All rows of the file of each of some rows, the nearest first."""
        files = self._searcher.file_numbers(self._modality)
        numbers = files[self._rows.positions(np.array([row.id for row in found], np.int64))]
        return [self.of_file(vector, number) for number in numbers.tolist()]

    def of_file(self, vector: NDArray[np.float32], number: int) -> Ranked:
        """All rows of a file, by its number, the nearest first."""
        own = self._searcher.file_numbers(self._modality) == number
        own = own if self._rows.live is None else own & self._rows.live
        index = self._searcher.index(self._modality)
        return index.search(vector[None], int(np.count_nonzero(own)), allowed=own)


class OtherRows:
    """The rows that may answer, but for those that were found, their files and their copies."""

    def __init__(self, own: OwnRows, searcher: Searcher, modality: Modality) -> None:
        self._own, self._searcher, self._modality = own, searcher, modality
        self._rows = searcher.rows(modality)
        self._allowed = np.ones(len(self._rows), np.bool_) if own.mask is None else own.mask.copy()

    def leave_out(self, found: Found, *, copies: bool) -> None:
        """Leave out rows, all rows of films and sounds among them, and with ``copies`` all rows that equal them."""
        timed = [row.id for row in found.rows if row.is_timed]
        if timed:
            files = self._searcher.file_numbers(self._modality)
            self.leave_out_files(files[self._rows.positions(np.array(timed, np.int64))])
        self._allowed[self._rows.positions(np.array([row.id for row in found.rows], np.int64))] = False
        if copies:
            self._allowed[copies_of(self._rows, copy_keys(found.rows), None, set()).positions] = False

    def leave_out_files(self, numbers: NDArray[np.int64]) -> None:
        """Leave out all rows of some files, by their numbers; at least one."""
        files = self._searcher.file_numbers(self._modality)
        taken = np.zeros(int(files.max()) + 1, np.bool_)
        taken[numbers] = True
        self._allowed &= ~taken[files]

    def leave_out_positions(self, positions: NDArray[np.int64]) -> None:
        """Leave out some rows."""
        self._allowed[positions] = False

    def nearest(self, vector: NDArray[np.float32], depth: int) -> Ranked:
        """The nearest of the others to a vector."""
        return self._own.nearest_allowed(vector[None], depth, self._allowed)
