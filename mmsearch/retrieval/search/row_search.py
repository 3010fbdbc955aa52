"""Looking up rows of one modality: query vectors in, judged rows out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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

_NOTHING: Excluded = frozenset()
_NO_ROWS = np.empty(0, np.float32), np.empty(0, np.int64)


class Asked(NamedTuple):
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
        scope = self._look_up.scope
        queries = np.stack([query.vector for query in asked])
        if scope.lexical:
            scores, ids = np.empty((len(asked), 1), np.float32), np.full((len(asked), 1), -1, np.int64)
        else:
            scores, ids = self._nearest(queries, self._look_up.mask)
        leaves_out = [frozenset(own) for own in scope.excluded] if any(scope.excluded) else [_NOTHING] * len(asked)
        searched = [
            self._by_vector(query, found, is_full, excluded)
            for query, found, is_full, excluded in zip(
                asked, self._judged(asked, scores, ids), (ids[:, -1] >= 0).tolist(), leaves_out, strict=True
            )
        ]
        self._add_by_words(asked, searched, leaves_out)
        for query, parts in zip(asked, searched, strict=True):
            parts += self._best_moments(query, parts)
            query.found.parts += parts

    def _by_vector(self, query: Asked, found: Found, is_full: bool, excluded: Excluded) -> list[Found]:
        """What the vector of a query finds; ``found``: the nearest rows, ``is_full``: as many as were wanted."""
        parts = [found] if found.rows else []
        has_copies = may_have_copies(found)
        if is_full and (has_copies or found.has_timed):
            parts += self._of_other_files(query, found, excluded)
        parts = [_without(part, excluded) for part in parts] if excluded else parts
        if has_copies:
            kept = [row for part in parts for row in part.rows]
            query.found.copies.update(copies_of(self._rows, kept, self._look_up.mask, excluded).of_rows(kept))
        return parts

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

    def _add_by_words(
        self, asked: Sequence[Asked], searched: Sequence[list[Found]], leaves_out: Sequence[Excluded]
    ) -> None:
        """Add rows that hold the most telling words of the queries, beside those that their vectors have found."""
        proposed: list[tuple[int, NDArray[np.float32], NDArray[np.int64]]] = []
        for number, (query, parts) in enumerate(zip(asked, searched, strict=True)):
            if query.words is not None:
                scores, ids = self._proposed(query.vector, query.words, parts)
                if len(ids):
                    proposed.append((number, scores, ids))
        if not proposed:
            return
        longest = max(len(ids) for _, _, ids in proposed)
        all_scores = np.zeros((len(proposed), longest), np.float32)
        all_ids = np.full((len(proposed), longest), -1, np.int64)
        for line, (_, scores, ids) in enumerate(proposed):
            all_scores[line, : len(scores)], all_ids[line, : len(ids)] = scores, ids
        judged = self._judged([asked[number] for number, _, _ in proposed], all_scores, all_ids)
        for (number, _, _), found in zip(proposed, judged, strict=True):
            searched[number].append(_without(found, leaves_out[number]))

    def _proposed(
        self, vector: NDArray[np.float32], words: WordsAsked, known: Sequence[Found]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The scores and ids of new rows that hold words of a query, the best first."""
        look_up, rows = self._look_up, self._rows
        found = {row.id for part in known for row in part.rows}
        if len(found) >= look_up.count:
            return _NO_ROWS
        positions, telling = propose(self._searcher.word_rows(look_up.modality), words, look_up.mask, _WORDS_COMPARED)
        most = max(_WORDS_DEPTH, self._depth)
        if 0 < len(positions) <= most:
            new = [place for place, row_id in enumerate(rows.ids[positions].tolist()) if row_id not in found]
            positions, telling = positions[new], telling[new]
        if not len(positions):
            return _NO_ROWS
        scores = np.einsum("ij,j->i", to_float32(rows.vectors_at(positions)), vector)
        best = np.lexsort((-scores, -telling))[:most]
        ids = rows.ids[positions[best]]
        new = [place for place, row_id in enumerate(ids.tolist()) if row_id not in found]
        return scores[best[new]], ids[new]

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
        longer: dict[str, int] = {}
        for part in parts:
            for row in part.rows:
                if row.is_timed and not row.is_moment:
                    longer.setdefault(row.path, row.id)
        if not longer:
            return []
        with_moment = {row.path for part in parts for row in part.rows if row.is_timed and row.is_moment}
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
