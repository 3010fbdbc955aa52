"""Which rows hold the words of a query: proposals beside those of the vectors, and masks of phrases that must stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.indexes import LexicalIndex, Sought
from mmsearch.retrieval.search.masks import Mask, all_of, mask_of
from mmsearch.retrieval.search.words_asked import CountPieces, WordsAsked
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.retrieval.search.searcher import Searcher

_MOST_ROWS = 50_000
"""Rows of one word that are looked at; a word of more says too little to propose rows by it alone."""

_MOST_KEPT, _FEW_ROWS = 4096, 128
"""Words of a modality whose rows are kept, if they are so few: 4 MB."""

Positions = NDArray[np.int64]


class WordRows:
    """Which rows of a modality hold a word. Queries ask for the same words again and again, so answers are kept.

    Args:
        index: of the rows.
        rows: the rows.
    """

    def __init__(self, index: LexicalIndex, rows: Rows) -> None:
        self._index, self._rows = index, rows
        self._counts: dict[Sought, int] = {}
        self._positions: dict[Sought, Positions] = {}

    def __len__(self) -> int:
        """How many rows have any words."""
        return len(self._index)

    def count(self, sought: Sought) -> int:
        """How many rows hold a word or phrase, dead ones included."""
        count = self._counts.get(sought)
        if count is None:
            count = self._index.count(sought)
            _keep(self._counts, sought, count)
        return count

    def positions(self, sought: Sought) -> Positions:
        """The positions of the rows that hold a word or phrase and are not deleted, ascending."""
        found = self._positions.get(sought)
        if found is None:
            found = self._rows.live_positions_of(self._index.ids(sought))
            if len(found) <= _FEW_ROWS:
                _keep(self._positions, sought, found)
        return found

    def positions_of_all(self, all_sought: Sequence[Sought]) -> Positions:
        """The same for the first rows that hold each of several words and phrases."""
        return self._rows.live_positions_of(self._index.ids_with_all(all_sought, _MOST_ROWS))


def _keep(kept: dict[Sought, Any], sought: Sought, answer: Any) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[sought] = answer


def weigh(asked: WordsAsked, searchers: Sequence[Searcher], count_pieces: CountPieces | None) -> WordsAsked:
    """The words of a query with their weights among the rows of several spaces, see `WordsAsked.weighted`."""
    indexes = [searcher.word_rows(modality) for searcher in searchers for modality in searcher.modalities]
    counts = [sum([index.count(sought) for index in indexes]) for sought in asked.wanted]
    return asked.weighted(counts, sum(map(len, indexes)), count_pieces)


def propose(index: WordRows, asked: WordsAsked, mask: Mask | None, most: int) -> tuple[Positions, NDArray[np.float64]]:
    """Positions of the rows that hold the most telling words of a query, the best first, and how telling they are.

    Args:
        index: of the rows.
        asked: the words, with their weights.
        mask: which rows may answer; None for all.
        most: how many positions, at most.
    """
    found: list[Positions] = []
    weights: list[float] = []
    common: list[Sought] = []
    for sought, weight in zip(asked.wanted, asked.surprises, strict=True):
        count = index.count(sought)
        if count > _MOST_ROWS:
            common.append(sought)
        elif count:
            found.append(index.positions(sought))
            weights.append(weight)
    if common and not any(map(len, found)):
        found, weights = [index.positions_of_all(common)], [1.0]
    if not any(map(len, found)):
        return np.empty(0, np.int64), np.empty(0)
    positions, owners = np.unique(np.concatenate(found), return_inverse=True)
    each = np.repeat(np.array(weights, np.float32), [len(own) for own in found])
    sums = np.bincount(owners, each, len(positions)).astype(np.float64, copy=False)
    if mask is not None:
        positions, sums = positions[mask[positions]], sums[mask[positions]]
    best = np.argsort(-sums, kind="stable")[:most]
    return positions[best], sums[best]


def holds_a_telling_word(index: WordRows, asked: WordsAsked) -> bool:
    """Whether any live row holds a word of a query that is rare enough to propose rows by itself."""
    return any(0 < index.count(sought) <= _MOST_ROWS and len(index.positions(sought)) for sought in asked.wanted)


def phrase_mask(searcher: Searcher, modality: Modality, phrases: Sequence[Sought]) -> Mask:
    """The rows of a modality that each of some phrases lets answer, bool ``[rows]``.

    Rows that hold it, all rows of files whose name holds it, and the pictures, sounds and shots of files of which any
    row holds it: a picture by what is written in it, a film by what is said in it.
    """
    return all_of([_mask_of_phrase(searcher, modality, phrase) for phrase in phrases])


def _mask_of_phrase(searcher: Searcher, modality: Modality, phrase: Sought) -> Mask:
    rows = searcher.rows(modality)
    own = searcher.words(modality).ids(phrase, column="text")
    mask = np.zeros(len(rows), np.bool_)
    mask[rows.live_positions_of(own)] = True
    paths = sorted(searcher.phrase_paths(modality, phrase))
    if paths:
        import pyarrow.compute as pc

        mask |= mask_of(pc.is_in(rows.facts(["path"])["path"], value_set=pa.array(paths, pa.binary())))
    return mask


def paths_of_phrase(searcher: Searcher, modality: Modality, phrase: Sought) -> set[bytes]:
    """The paths of files whose name holds a phrase and, but for texts, of files of which any row holds it."""
    found: set[bytes] = set()
    for other in searcher.modalities:
        index, others = searcher.words(other), searcher.rows(other)
        found |= _paths(others, index.ids(phrase, column="name"))
        if modality != "text":
            found |= _paths(others, index.ids(phrase, column="text"))
    return found


def files_that_hold(searchers: Sequence[Searcher], all_sought: Sequence[Sought]) -> set[bytes]:
    """The paths of files of which a row, or the name, holds any of some words."""
    found: set[bytes] = set()
    for searcher in searchers:
        for modality in searcher.modalities:
            for sought in all_sought:
                ids = searcher.words(modality).ids(sought, most=_MOST_ROWS)
                found |= _paths(searcher.rows(modality), ids)
    return found


def _paths(rows: Rows, ids: NDArray[np.int64]) -> set[bytes]:
    return {row["path"] for row in rows.facts_at(rows.live_positions_of(ids), ["path"])}
