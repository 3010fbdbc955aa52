"""Looking up: query vectors in, judged rows out, over one snapshot and one space."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import (
    LexicalIndex,
    MatchSample,
    Sought,
    StoredVectors,
    VectorIndex,
    match_sample_positions,
)
from mmsearch.retrieval.encoders.level_fits import Direction, LevelFit, known_fit
from mmsearch.retrieval.search.filters import Filters
from mmsearch.retrieval.search.found_rows import FoundRows
from mmsearch.retrieval.search.hit_rows import Row, RowReader
from mmsearch.retrieval.search.masks import Mask, all_of
from mmsearch.retrieval.search.query_vectors import QueryVector
from mmsearch.retrieval.search.search_scope import SearchScope, of_kinds
from mmsearch.retrieval.search.searchable import LookUp, Searchable
from mmsearch.retrieval.search.word_search import WordRows, paths_of_phrase, phrase_mask
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.upkeep.index_files import open_index, read_match_sample
from mmsearch.retrieval.upkeep.lexical_files import OpenedWords, open_words
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.retrieval.search.row_search import Asked

_MASKS = 16  # filters whose masks are kept: a byte for each row
_ROWS_PER_FILE = 4  # rows of one film or sound that are expected among the best


_MaskKey = tuple[Modality, Filters | None, tuple[Modality, ...], tuple[Sought, ...]]


class Searcher:
    """Answers queries about one space of a snapshot. Indexes and samples are opened on first use; thread-safe."""

    def __init__(self, snapshot: Snapshot, space: Space) -> None:
        self.snapshot = snapshot
        self.space = space
        self._indexes: dict[Modality, VectorIndex] = {}
        self._readers: dict[Modality, RowReader] = {}
        self._samples: dict[Modality, MatchSample] = {}
        self._files: dict[Modality, NDArray[np.int64]] = {}
        self._words: dict[Modality, OpenedWords] = {}
        self._word_rows: dict[Modality, WordRows] = {}
        self._fits: dict[Direction, LevelFit | None] = {}
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

    def reader(self, modality: Modality) -> RowReader:
        """What reads the facts of rows of a modality, and keeps them."""
        with self._guard:
            if modality not in self._readers:
                self._readers[modality] = RowReader(self.rows(modality), self.snapshot.manifest.roots)
            return self._readers[modality]

    def index(self, modality: Modality) -> VectorIndex:
        """The index of a modality."""
        with self._guard:
            if modality not in self._indexes:
                self._indexes[modality] = self._open_index(modality)
            return self._indexes[modality]

    def _open_index(self, modality: Modality) -> VectorIndex:
        return open_index(self.snapshot, self.space, modality)

    def words(self, modality: Modality) -> LexicalIndex:
        """The lexical index of a modality."""
        return self._opened_words(modality).index

    def word_rows(self, modality: Modality) -> WordRows:
        """Which rows of a modality hold a word."""
        found = self._word_rows.get(modality)
        if found is None:
            found = self._word_rows[modality] = WordRows(self.words(modality), self.rows(modality))
        return found

    def rows_without_words(self) -> int:
        """How many rows the lexical indexes do not cover yet."""
        return sum(self._opened_words(modality).missing for modality in self.modalities)

    def _opened_words(self, modality: Modality) -> OpenedWords:
        with self._guard:
            if modality not in self._words:
                self._words[modality] = self._open_words(modality)
            return self._words[modality]

    def _open_words(self, modality: Modality) -> OpenedWords:
        return open_words(self.snapshot, self.space.key, modality)

    def phrase_paths(self, modality: Modality, phrase: Sought) -> Set[bytes]:
        """The paths of files all of whose rows of a modality a phrase lets answer, see `phrase_mask`."""
        return paths_of_phrase(self, modality, phrase)

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
        from mmsearch.retrieval.search.row_search import Asked, find_rows

        found = [FoundRows() for _ in queries]
        looked: list[tuple[LookUp, list[Asked]]] = []
        for modality in self.modalities:
            if self.may_answer(modality, scope):
                rows = depth or (_ROWS_PER_FILE * k if modality in ("audio", "video") else k)
                asked = [
                    Asked(query.among(modality), self.fit(query.source, modality), own, own_words)
                    for query, own, own_words in zip(queries, found, words or [None] * len(queries), strict=True)
                ]
                looked.append((LookUp(modality, scope, k, rows), asked))
        for (look_up, asked), source in zip(looked, self.sources(looked), strict=True):
            find_rows(self, source, look_up, asked)
        return found

    def sources(self, looked: Sequence[tuple[LookUp, Sequence[Asked]]]) -> Iterable[Searchable]:
        """The rows of each modality that is looked up, as the search asks for them."""
        from mmsearch.retrieval.search.own_rows import OwnRows

        return (OwnRows(self, look_up.modality, look_up.scope) for look_up, _ in looked)

    def fit(self, source: Modality | None, modality: Modality) -> LevelFit | None:
        """The level fit of a direction: the collection's own, or else what was measured for the model."""
        if source is None:
            return None
        direction = (source, modality)
        if direction not in self._fits:
            self._fits[direction] = known_fit(self.snapshot.manifest.level_fits, self.space, direction)
        return self._fits[direction]

    def cosine(self, one: Row, other: Row) -> float | None:
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

    def file_numbers(self, modality: Modality) -> NDArray[np.int64]:
        """For each row a number that the rows of one file share; int64 ``[rows]``."""
        with self._guard:
            if modality not in self._files:
                paths = self.rows(modality).facts(["path"])["path"].combine_chunks().dictionary_encode()
                self._files[modality] = paths.indices.to_numpy().astype(np.int64)
            return self._files[modality]
