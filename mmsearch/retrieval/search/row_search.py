"""Looking up rows of one modality: query vectors in, judged rows out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.level_fits import LevelFit
from mmsearch.retrieval.search.copies import count_distinct, may_have_copies
from mmsearch.retrieval.search.found_rows import Found, FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.levels import judge
from mmsearch.retrieval.search.moments import clock_file
from mmsearch.retrieval.search.searchable import NO_ROWS, LookUp, Ranked, Searchable, most_by_words
from mmsearch.retrieval.search.words_asked import WordsAsked

if TYPE_CHECKING:
    from mmsearch.retrieval.search.searcher import Searcher

Excluded = frozenset[bytes | int]

_NOTHING: Excluded = frozenset()


class Asked(NamedTuple):
    """One query as it looks among the rows of one modality: its vector, float32 ``[dim]``, level fit and words."""

    vector: NDArray[np.float32]
    fit: LevelFit | None
    found: FoundRows
    words: WordsAsked | None


def find_rows(searcher: Searcher, source: Searchable, look_up: LookUp, asked: Sequence[Asked]) -> None:
    """Add the rows of one modality to what was found for each query.

    Args:
        searcher: has the facts of rows and the sample that they are judged by.
        source: finds rows.
        look_up: what is looked up.
        asked: the queries.
    """
    _RowSearch(searcher, source, look_up).run(asked)


class _RowSearch:
    def __init__(self, searcher: Searcher, source: Searchable, look_up: LookUp) -> None:
        self._searcher = searcher
        self._source = source
        self._look_up = look_up
        self._depth = look_up.depth(source.rows)

    def run(self, asked: Sequence[Asked]) -> None:
        scope = self._look_up.scope
        queries = np.stack([query.vector for query in asked])
        if scope.lexical:
            scores, ids = np.empty((len(asked), 1), np.float32), np.full((len(asked), 1), -1, np.int64)
        else:
            scores, ids = self._source.nearest(queries, self._depth)
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
            query.found.copies.update(self._source.copies(kept, excluded))
        return parts

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
        answers, odds = judge(modality, fits, spreads, self._source.count, scores, z_scores)
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
                scores, ids = self._proposed(number, query.vector, query.words, parts)
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

    def _proposed(self, number: int, vector: NDArray[np.float32], words: WordsAsked, parts: Sequence[Found]) -> Ranked:
        """The scores and ids of new rows that hold words of a query, by its number, the best first."""
        known = {row.id for part in parts for row in part.rows}
        if len(known) >= self._source.count:
            return NO_ROWS
        return self._source.proposed(number, vector, words, known, most_by_words(self._depth))

    def _of_other_files(self, query: Asked, found: Found, excluded: Excluded) -> list[Found]:
        """Rows of other files, if the first rows make fewer than k answers: a long film, or the many copies of a
        photograph, may fill any list by themselves."""
        others = self._source.others()
        parts: list[Found] = []
        last = found
        while last.rows and self._count((found, *parts), excluded) < self._look_up.k:
            others.leave_out(last, copies=may_have_copies(last))
            (last,) = self._judged([query], *others.nearest(query.vector, self._depth))
            parts.append(last)
        return parts

    def _count(self, parts: Sequence[Found], excluded: Excluded) -> int:
        return count_distinct(row for part in parts for row in _without(part, excluded).rows)

    def _best_moments(self, query: Asked, parts: Sequence[Found]) -> list[Found]:
        """The best moment of each film or sound of which only longer rows were found: a hit shows where in the film."""
        longer: dict[str, Row] = {}
        for part in parts:
            for row in part.rows:
                if row.is_timed and not row.is_moment:
                    longer.setdefault(row.path, row)
        if not longer:
            return []
        with_moment = {row.path for part in parts for row in part.rows if row.is_timed and row.is_moment}
        alone = [row for path, row in longer.items() if path not in with_moment]
        best = [self._best_moment(query, *own) for own in self._source.of_files(query.vector, alone)] if alone else []
        return [found for found in best if found is not None]

    def _best_moment(self, query: Asked, scores: NDArray[np.float32], ids: NDArray[np.int64]) -> Found | None:
        """The first moment among all rows of a file."""
        (found,) = self._judged([query], scores, ids)
        best = next((number for number, row in enumerate(found.rows) if row.is_moment), None)
        return None if best is None else found.only([best])


def _without(found: Found, excluded: Excluded) -> Found:
    """Rows without those that may not answer."""
    if not excluded:
        return found
    return found.only([number for number, row in enumerate(found.rows) if not _is_excluded(row, excluded)])


def _is_excluded(row: Row, excluded: Excluded) -> bool:
    return not excluded.isdisjoint((row.id, os.fsencode(row.path), os.fsencode(clock_file(row.path))))
