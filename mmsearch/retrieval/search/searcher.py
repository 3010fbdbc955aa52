"""Looking up: query vectors in, judged rows out, over one snapshot and one space."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Hit
from mmsearch.indexes import (
    LexicalIndex,
    MatchSample,
    Sought,
    StoredVectors,
    VectorIndex,
    match_sample_positions,
)
from mmsearch.retrieval.encoders.level_fits import LevelFit, known_fit
from mmsearch.retrieval.search.copies import copies_of, count_distinct, may_have_copies
from mmsearch.retrieval.search.filters import Filters
from mmsearch.retrieval.search.hit_rows import hit_of_row
from mmsearch.retrieval.search.levels import Judge, Judgement
from mmsearch.retrieval.search.masks import Mask, all_of
from mmsearch.retrieval.search.moments import clock_file, is_moment, is_timed
from mmsearch.retrieval.search.query_vectors import QueryVector
from mmsearch.retrieval.search.search_scope import SearchScope, of_kinds
from mmsearch.retrieval.search.word_search import phrase_mask, propose
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.upkeep.index_files import open_index, read_match_sample
from mmsearch.retrieval.upkeep.lexical_files import OpenedWords, open_words
from mmsearch.types import Modality, Space

_MASKS = 16  # filters whose masks are kept: a byte for each row
_ROWS_PER_FILE = 4  # rows of one film or sound that are expected among the best
_WORDS_COMPARED = 1024  # rows with the words of a query whose vectors are compared
_WORDS_DEPTH = 12  # rows that words propose, at least; each may cost the reading of a row group
_ROOM_FOR_SELF = 256  # rows of the query file itself that may stand before the k that are asked for


@dataclass(slots=True)
class FoundRows:
    """The rows that were found for one query, as hits without a rank, and what is thought of each, by its id.

    The ``match`` of these hits is the z-score of their cosine (see `MatchSample`), which moments are made by.
    """

    rows: list[Hit] = field(default_factory=list)
    judged: dict[int, Judgement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One query as it looks among the rows of one modality: its vector, float32 ``[dim]``, level fit and words."""

    vector: NDArray[np.float32]
    fit: LevelFit | None
    found: FoundRows
    words: WordsAsked | None


@dataclass(frozen=True, slots=True)
class _LookUp:
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


_MaskKey = tuple[Modality, Filters | None, tuple[Modality, ...], tuple[Sought, ...]]


class Searcher:
    """Answers queries about one space of a snapshot. Indexes and samples are opened on first use; thread-safe."""

    def __init__(self, snapshot: Snapshot, space: Space) -> None:
        self.snapshot = snapshot
        self.space = space
        self._indexes: dict[Modality, VectorIndex] = {}
        self._samples: dict[Modality, MatchSample] = {}
        self._files: dict[Modality, NDArray[np.int64]] = {}
        self._words: dict[Modality, OpenedWords] = {}
        self._has_sources: bool | None = None
        self._masks: dict[_MaskKey, Mask | None] = {}
        self._guard = threading.RLock()

    @property
    def modalities(self) -> list[Modality]:
        """The modalities that the space has rows of."""
        return self.snapshot.manifest.modalities(self.space.key)

    def rows(self, modality: Modality) -> Rows:
        """The rows of a modality."""
        return self.snapshot.rows(self.space.key, modality)

    def index(self, modality: Modality) -> VectorIndex:
        """The index of a modality."""
        with self._guard:
            if modality not in self._indexes:
                self._indexes[modality] = open_index(self.snapshot, self.space, modality)
            return self._indexes[modality]

    def words(self, modality: Modality) -> LexicalIndex:
        """The lexical index of a modality."""
        return self._opened_words(modality).index

    def rows_without_words(self) -> int:
        """How many rows the lexical indexes do not cover yet."""
        return sum(self._opened_words(modality).missing for modality in self.modalities)

    def _opened_words(self, modality: Modality) -> OpenedWords:
        with self._guard:
            if modality not in self._words:
                self._words[modality] = open_words(self.snapshot, self.space.key, modality)
            return self._words[modality]

    def may_answer(self, modality: Modality, scope: SearchScope) -> bool:
        """Whether rows of a modality may answer: for pictures and sounds, texts only if some were made of them."""
        if scope.asks_for(modality) or not scope.searches(modality):
            return scope.searches(modality)
        with self._guard:
            if self._has_sources is None:
                column = self.rows("text").facts(["mms_evidence"])["mms_evidence"]
                self._has_sources = column.null_count < len(column)
            return self._has_sources

    def match_sample(self, modality: Modality) -> MatchSample:
        """The rows that hits are judged by: the stored sample, or one drawn now if none is stored yet."""
        with self._guard:
            if modality not in self._samples:
                stored = read_match_sample(self.snapshot, self.space, modality)
                self._samples[modality] = stored or self._draw(modality)
            return self._samples[modality]

    def _draw(self, modality: Modality) -> MatchSample:
        rows = self.rows(modality)
        positions = match_sample_positions(rows.ids, rows.live)
        vectors = StoredVectors(rows.vector_blocks, self.space.dim)
        return MatchSample(rows.ids[positions], vectors.take_float32(positions))

    def find(
        self,
        queries: Sequence[QueryVector],
        k: int,
        scope: SearchScope,
        *,
        depth: int | None = None,
        words: Sequence[WordsAsked | None] = (),
    ) -> list[FoundRows]:
        """The rows among which the k best answers to each query are.

        Args:
            queries: the queries.
            k: answers wanted of each; all rows of a film or sound make one answer, each row of other files makes one.
            scope: which rows may answer.
            depth: rows looked at in each modality at first; default k, for films and sounds more.
            words: of each query, weighted; None or nothing: they propose no rows.
        """
        found = [FoundRows() for _ in queries]
        for modality in self.modalities:
            if self.may_answer(modality, scope):
                rows = depth or (_ROWS_PER_FILE * k if modality in ("audio", "video") else k)
                mask = self.mask(modality, scope)
                count = len(self.rows(modality)) if mask is None else int(np.count_nonzero(mask))
                asked = [
                    _Asked(query.among(modality), self._fit(query.source, modality), own, own_words)
                    for query, own, own_words in zip(queries, found, words or [None] * len(queries), strict=True)
                ]
                self._search(_LookUp(modality, scope, mask, count, k, rows), asked)
        return found

    def _fit(self, source: Modality | None, modality: Modality) -> LevelFit | None:
        """The level fit of a direction: the collection's own, or else what was measured for the model."""
        if source is None:
            return None
        return known_fit(self.snapshot.manifest.level_fits, self.space, (source, modality))

    def cosine(self, one: Hit, other: Hit) -> float | None:
        """The cosine of the stored vectors of two rows of one modality; None if they are not both of this space."""
        if one.modality not in self.modalities:
            return None
        rows = self.rows(one.modality)
        if not (rows.has(one.id) and rows.has(other.id)):
            return None
        a, b = rows.vectors_at(rows.positions(np.array([one.id, other.id], np.int64))).astype(np.float32)
        return float(a @ b)

    def mask(self, modality: Modality, scope: SearchScope) -> Mask | None:
        """Which positions may answer, bool ``[rows]``; None for all. Kept: an app asks again with the same filter."""
        key = (modality, scope.filters or None, scope.only_from(modality), scope.phrases)
        with self._guard:
            if key not in self._masks:
                made = self._make_mask(*key)
                while len(self._masks) >= _MASKS:
                    del self._masks[next(iter(self._masks))]
                self._masks[key] = made
            return self._masks[key]

    def _make_mask(
        self, modality: Modality, filters: Filters | None, kinds: tuple[Modality, ...], phrases: tuple[Sought, ...]
    ) -> Mask | None:
        rows = self.rows(modality)
        masks = [filters.mask(rows) if filters else None, rows.live]
        if kinds:
            masks.append(of_kinds(rows, modality, kinds))
        if phrases:
            masks.append(phrase_mask(self, modality, phrases))
        given = [mask for mask in masks if mask is not None]
        if not given:
            return None
        mask = given[0] if len(given) == 1 else all_of(given)
        mask.flags.writeable = False  # so that what the index makes of it is kept too
        return mask

    def _search(self, look_up: _LookUp, asked: Sequence[_Asked]) -> None:
        """Add the rows of one modality to what was found for each query."""
        modality, scope = look_up.modality, look_up.scope
        rows = self.rows(modality)
        room = _ROOM_FOR_SELF if any(scope.excluded) else 1  # one more shows whether the last has a copy
        look_up = replace(look_up, depth=min(look_up.depth + room, max(len(rows), 1)))
        queries = np.stack([query.vector for query in asked])
        if scope.lexical:
            scores, ids = np.empty((len(asked), 1), np.float32), np.full((len(asked), 1), -1, np.int64)
        else:
            scores, ids = self.index(modality).search(queries, look_up.depth, allowed=look_up.mask, exact=scope.exact)
        for i, (query, hits) in enumerate(zip(asked, self._hits(look_up, asked, scores, ids), strict=True)):
            excluded = set(scope.excluded[i]) if i < len(scope.excluded) else set()
            has_copies = may_have_copies(hits)
            if ids[i, -1] >= 0 and (has_copies or any(map(is_timed, hits))):
                hits += self._search_other_files(look_up, query, hits, excluded)
            kept = [hit for hit in hits if not _is_excluded(hit, excluded)]
            if has_copies:
                kept = copies_of(rows, kept, look_up.mask, excluded).add_to(kept)
            kept += self._by_words(look_up, query, {hit.id for hit in kept}, excluded)
            query.found.rows += kept + self._best_moment_per_film(look_up, query, kept)

    def _by_words(self, look_up: _LookUp, query: _Asked, known: set[int], excluded: set[bytes | int]) -> list[Hit]:
        """Rows that hold the most telling words of a query, beside those that its vector has found."""
        if query.words is None:
            return []
        rows = self.rows(look_up.modality)
        index = self.words(look_up.modality)
        positions, telling = propose(index, query.words, rows, look_up.mask, _WORDS_COMPARED)
        if not len(positions):
            return []
        scores = rows.vectors_at(positions).astype(np.float32) @ query.vector
        best = np.lexsort((-scores, -telling))[: max(_WORDS_DEPTH, look_up.depth)]
        best = best[~np.isin(rows.ids[positions[best]], list(known))]
        if not len(best):
            return []
        (hits,) = self._hits(look_up, [query], scores[best][None], rows.ids[positions[best]][None])
        return [hit for hit in hits if not _is_excluded(hit, excluded)]

    def _search_other_files(
        self, look_up: _LookUp, query: _Asked, hits: list[Hit], excluded: set[bytes | int]
    ) -> list[Hit]:
        """Rows of other files, if the first rows make fewer than k answers: a long film, or the many copies of a
        photograph, may fill any list by themselves."""
        modality, mask = look_up.modality, look_up.mask
        others: list[Hit] = []
        rows = self.rows(modality)
        allowed = np.ones(len(rows), np.bool_) if mask is None else mask.copy()
        last = hits
        while last and count_distinct(h for h in (*hits, *others) if not _is_excluded(h, excluded)) < look_up.k:
            if any(map(is_timed, last)):
                files = self.file_numbers(modality)
                positions = rows.positions(np.array([h.id for h in last if is_timed(h)], np.int64))
                allowed &= ~np.isin(files, files[positions])
            allowed[rows.positions(np.array([h.id for h in last], np.int64))] = False
            if may_have_copies(last):
                allowed[copies_of(rows, last, None, set()).positions] = False
            exact = look_up.scope.exact
            scores, ids = self.index(modality).search(query.vector[None], look_up.depth, allowed=allowed, exact=exact)
            (last,) = self._hits(look_up, [query], scores, ids)
            others += last
        return others

    def file_numbers(self, modality: Modality) -> NDArray[np.int64]:
        """For each row a number that the rows of one file share; int64 ``[rows]``."""
        with self._guard:
            if modality not in self._files:
                paths = self.rows(modality).facts(["path"])["path"].combine_chunks().dictionary_encode()
                self._files[modality] = paths.indices.to_numpy().astype(np.int64)
            return self._files[modality]

    def _best_moment_per_film(self, look_up: _LookUp, query: _Asked, hits: list[Hit]) -> list[Hit]:
        """The best moment of each film or sound of which only longer rows were found: a hit shows where in the film."""
        modality = look_up.modality
        with_moment = {hit.path for hit in hits if is_timed(hit) and is_moment(hit)}
        found: list[Hit] = []
        for longer in (hit for hit in hits if is_timed(hit) and not is_moment(hit)):
            if longer.path in with_moment:
                continue
            with_moment.add(longer.path)
            files = self.file_numbers(modality)
            own = files == files[self.rows(modality).positions(np.array([longer.id], np.int64))[0]]
            live = self.rows(modality).live
            own = own if live is None else own & live
            scores, ids = self.index(modality).search(query.vector[None], int(np.count_nonzero(own)), allowed=own)
            (rows,) = self._hits(look_up, [query], scores, ids)
            found += [hit for hit in rows if is_moment(hit)][:1]
        return found

    def _hits(
        self, look_up: _LookUp, asked: Sequence[_Asked], scores: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> list[list[Hit]]:
        """What an index found, ``[q, depth]``, as hits; each is judged."""
        facts = self._facts(self.rows(look_up.modality), ids)
        sample = self.match_sample(look_up.modality)
        hits = []
        for i, query in enumerate(asked):
            kept = ids[i] >= 0
            own, cosines = ids[i][kept], scores[i][kept]
            z_scores, spread = sample.z_scores(query.vector, own, cosines)
            judge = Judge(look_up.modality, query.fit, spread, look_up.count)
            query.found.judged |= zip(own.tolist(), judge.judge(cosines, z_scores), strict=True)
            numbers = zip(own.tolist(), cosines.tolist(), z_scores.tolist(), strict=True)
            hits.append([hit_of_row(row_id, score, z, facts[row_id]) for row_id, score, z in numbers])
        return hits

    def _facts(self, rows: Rows, ids: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
        wanted = sorted({row_id for row_id in ids.ravel().tolist() if row_id >= 0})
        found = rows.facts_at(rows.positions(np.array(wanted, np.int64)), [*FACT_NAMES, *rows.own_types])
        return dict(zip(wanted, found, strict=True))


def _is_excluded(hit: Hit, excluded: set[bytes | int]) -> bool:
    if not excluded:
        return False
    return not excluded.isdisjoint((hit.id, os.fsencode(hit.path), os.fsencode(clock_file(hit.path))))
