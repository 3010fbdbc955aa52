"""Looking up rows of one modality: query vectors in, judged rows out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import to_float32
from mmsearch.retrieval.encoders.level_fits import LevelFit
from mmsearch.retrieval.search.copies import copies_of, count_distinct, may_have_copies
from mmsearch.retrieval.search.found_rows import Found, FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.levels import judge
from mmsearch.retrieval.search.masks import Mask
from mmsearch.retrieval.search.moments import clock_file
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.word_search import propose
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.retrieval.search.searcher import Searcher

_WORDS_COMPARED = 1024  # rows with the words of a query whose vectors are compared
_WORDS_DEPTH = 12  # rows that words propose, at least; each may cost the reading of a row group
_ROOM_FOR_SELF = 256  # rows of the query file itself that may stand before the k that are asked for

Excluded = frozenset[bytes | int]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query as it looks among the rows of one modality: its vector, float32 ``[dim]``, level fit and words."""

    vector: NDArray[np.float32]
    fit: LevelFit | None
    found: FoundRows
    words: WordsAsked | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """What is looked up in one modality.

    Attributes:
        modality: the modality.
        scope: which rows may answer.
        mask: their positions, bool ``[rows]``; None for all.
        count: how many they are.
        k: answers that are wanted.
        depth: rows that are looked at.
    """

    modality: Modality
    scope: SearchScope
    mask: Mask | None
    count: int
    k: int
    depth: int


def find_rows(searcher: Searcher, look_up: LookUp, asked: Sequence[Asked]) -> None:
    """Add the rows of one modality to what was found for each query."""
    _RowSearch(searcher, look_up).run(asked)


class _RowSearch:
    def __init__(self, searcher: Searcher, look_up: LookUp) -> None:
        self._searcher = searcher
        self._rows = searcher.rows(look_up.modality)
        self._look_up = look_up
        room = _ROOM_FOR_SELF if any(look_up.scope.excluded) else 1  # one more shows whether the last has a copy
        self._depth = min(look_up.depth + room, max(len(self._rows), 1))

    def run(self, asked: Sequence[Asked]) -> None:
        look_up, scope = self._look_up, self._look_up.scope
        queries = np.stack([query.vector for query in asked])
        if scope.lexical:
            scores, ids = np.empty((len(asked), 1), np.float32), np.full((len(asked), 1), -1, np.int64)
        else:
            scores, ids = self._nearest(queries, look_up.mask)
        for i, (query, found) in enumerate(zip(asked, self._judged(asked, scores, ids), strict=True)):
            excluded: Excluded = frozenset(scope.excluded[i]) if i < len(scope.excluded) else frozenset()
            parts = [found] if found.rows else []
            has_copies = may_have_copies(found)
            if ids[i, -1] >= 0 and (has_copies or found.has_timed):
                parts += self._of_other_files(query, found, excluded)
            parts = [_without(part, excluded) for part in parts]
            if has_copies:
                kept = [row for part in parts for row in part.rows]
                query.found.copies.update(copies_of(self._rows, kept, look_up.mask, excluded).of_rows(kept))
            if query.words is not None:
                parts += self._by_words(query, query.words, parts, excluded)
            parts += self._best_moments(query, parts)
            query.found.parts += parts

    def _nearest(
        self, queries: NDArray[np.float32], allowed: Mask | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        index = self._searcher.index(self._look_up.modality)
        return index.search(queries, self._depth, allowed=allowed, exact=self._look_up.scope.exact)

    def _judged(self, asked: Sequence[Asked], scores: NDArray[np.float32], ids: NDArray[np.int64]) -> list[Found]:
        """What an index has found, ``[q, n]`` each, the rows of each query judged."""
        modality = self._look_up.modality
        rows = self._searcher.reader(modality).read([row_id for row_id in ids.ravel().tolist() if row_id >= 0])
        sample = self._searcher.match_sample(modality)
        vectors = np.stack([query.vector for query in asked])
        fits = [query.fit for query in asked]
        if None in fits or any(row.is_timed for row in rows):
            z_scores, spreads = sample.z_scores_of(vectors, ids, scores)
        else:  # nobody asks for z-scores
            z_scores, spreads = np.zeros_like(scores), sample.spreads_of(vectors)
        answers, odds = judge(modality, fits, spreads, self._look_up.count, scores, z_scores)
        found: list[Found] = []
        begin = 0
        for i, count in enumerate(np.count_nonzero(ids >= 0, axis=1).tolist()):
            own = rows[begin : begin + count]
            found.append(Found(own, scores[i, :count], z_scores[i, :count], answers[i, :count], odds[i, :count]))
            begin += count
        return found

    def _by_words(self, query: Asked, words: WordsAsked, known: Sequence[Found], excluded: Excluded) -> list[Found]:
        """Rows that hold the most telling words of a query, beside those that its vector has found."""
        look_up = self._look_up
        index = self._searcher.words(look_up.modality)
        positions, telling = propose(index, words, self._rows, look_up.mask, _WORDS_COMPARED)
        if not len(positions):
            return []
        scores = np.einsum("ij,j->i", to_float32(self._rows.vectors_at(positions)), query.vector)
        best = np.lexsort((-scores, -telling))[: max(_WORDS_DEPTH, self._depth)]
        ids = self._rows.ids[positions[best]]
        found = {row.id for part in known for row in part.rows}
        new = [place for place, row_id in enumerate(ids.tolist()) if row_id not in found]
        if not new:
            return []
        (judged,) = self._judged([query], scores[best[new]][None], ids[new][None])
        return [_without(judged, excluded)]

    def _of_other_files(self, query: Asked, found: Found, excluded: Excluded) -> list[Found]:
        """Rows of other files, if the first rows make fewer than k answers: a long film, or the many copies of a
        photograph, may fill any list by themselves."""
        look_up = self._look_up
        allowed: Mask | None = None
        others: list[Found] = []
        last = found
        while last.rows and self._count((found, *others), excluded) < look_up.k:
            if allowed is None:
                allowed = np.ones(len(self._rows), np.bool_) if look_up.mask is None else look_up.mask.copy()
            timed = [row.id for row in last.rows if row.is_timed]
            if timed:
                files = self._searcher.file_numbers(look_up.modality)
                taken = np.zeros(int(files.max()) + 1, np.bool_)
                taken[files[self._rows.positions(np.array(timed, np.int64))]] = True
                allowed &= ~taken[files]
            allowed[self._rows.positions(np.array([row.id for row in last.rows], np.int64))] = False
            if may_have_copies(last):
                allowed[copies_of(self._rows, last.rows, None, set()).positions] = False
            (last,) = self._judged([query], *self._nearest(query.vector[None], allowed))
            others.append(last)
        return others

    def _count(self, parts: Sequence[Found], excluded: Excluded) -> int:
        return count_distinct(row for part in parts for row in _without(part, excluded).rows)

    def _best_moments(self, query: Asked, parts: Sequence[Found]) -> list[Found]:
        """The best moment of each film or sound of which only longer rows were found: a hit shows where in the film."""
        with_moment: set[str] = set()
        longer: dict[str, int] = {}
        for part in parts:
            for row in part.rows:
                if row.is_timed and row.is_moment:
                    with_moment.add(row.path)
                elif row.is_timed:
                    longer.setdefault(row.path, row.id)
        found: list[Found] = []
        for path, row_id in longer.items():
            if path not in with_moment:
                found += self._best_moment(query, row_id)
        return found

    def _best_moment(self, query: Asked, row_id: int) -> list[Found]:
        """The best moment of the file of a row."""
        modality = self._look_up.modality
        files = self._searcher.file_numbers(modality)
        own = files == files[self._rows.positions(np.array([row_id], np.int64))[0]]
        own = own if self._rows.live is None else own & self._rows.live
        index = self._searcher.index(modality)
        scores, ids = index.search(query.vector[None], int(np.count_nonzero(own)), allowed=own)
        (found,) = self._judged([query], scores, ids)
        best = next((number for number, row in enumerate(found.rows) if row.is_moment), None)
        return [] if best is None else [found.only([best])]


def _without(found: Found, excluded: Excluded) -> Found:
    """Rows without those that may not answer."""
    if not excluded:
        return found
    return found.only([number for number, row in enumerate(found.rows) if not _is_excluded(row, excluded)])


def _is_excluded(row: Row, excluded: Excluded) -> bool:
    return not excluded.isdisjoint((row.id, os.fsencode(row.path), os.fsencode(clock_file(row.path))))
