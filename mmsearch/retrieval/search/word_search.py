"""Which rows hold the words of a query: proposals beside those of the vectors, and masks of phrases that must stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def weigh(asked: WordsAsked, searchers: Sequence[Searcher], count_pieces: CountPieces | None) -> WordsAsked:
    """The words of a query with their weights among the rows of several spaces, see `WordsAsked.weighted`."""
    indexes = [searcher.words(modality) for searcher in searchers for modality in searcher.modalities]
    counts = [sum(index.count(sought) for index in indexes) for sought in asked.wanted]
    return asked.weighted(counts, sum(map(len, indexes)), count_pieces)


def propose(
    index: LexicalIndex, asked: WordsAsked, rows: Rows, mask: Mask | None, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions of the rows that hold the most telling words of a query, the best first, and how telling they are.

    Args:
        index: of the rows.
        asked: the words, with their weights.
        rows: the rows.
        mask: which of them may answer; None for all.
        most: how many positions, at most.
    """
    found: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float32]] = []
    common: list[Sought] = []
    for sought, weight in zip(asked.wanted, asked.surprises, strict=True):
        if index.count(sought) > _MOST_ROWS:
            common.append(sought)
        else:
            found.append(index.ids(sought))
            weights.append(np.full(len(found[-1]), weight, np.float32))
    if common and not any(map(len, found)):
        found = [index.ids_with_all(common, _MOST_ROWS)]
        weights = [np.ones(len(found[0]), np.float32)]
    if not any(map(len, found)):
        return np.empty(0, np.int64), np.empty(0)
    ids, owners = np.unique(np.concatenate(found), return_inverse=True)
    sums = np.bincount(owners, np.concatenate(weights), len(ids)).astype(np.float64)
    positions = rows.live_positions_or_gaps(ids)
    alive = positions >= 0
    if mask is not None:
        alive[alive] = mask[positions[alive]]
    positions, sums = positions[alive], sums[alive]
    best = np.argsort(-sums, kind="stable")[:most]
    return positions[best], sums[best]


def phrase_mask(searcher: Searcher, modality: Modality, phrases: Sequence[Sought]) -> Mask:
    """The rows of a modality that each of some phrases lets answer, bool ``[rows]``.

    Rows that hold it, all rows of files whose name holds it, and the pictures, sounds and shots of files of which any
    row holds it: a picture by what is written in it, a film by what is said in it.
    """
    return all_of([_mask_of_phrase(searcher, modality, phrase) for phrase in phrases])


def _mask_of_phrase(searcher: Searcher, modality: Modality, phrase: Sought) -> Mask:
    rows = searcher.rows(modality)
    by_name: set[bytes] = set()
    by_text: set[bytes] = set()
    for other in searcher.modalities:
        index, others = searcher.words(other), searcher.rows(other)
        by_name |= _paths(others, index.ids(phrase, column="name"))
        if modality != "text":
            by_text |= _paths(others, index.ids(phrase, column="text"))
    own = searcher.words(modality).ids(phrase, column="text")
    mask = np.zeros(len(rows), np.bool_)
    mask[rows.live_positions_of(own)] = True
    paths = sorted(by_name | by_text)
    if paths:
        import pyarrow.compute as pc

        mask |= mask_of(pc.is_in(rows.facts(["path"])["path"], value_set=pa.array(paths, pa.binary())))
    return mask


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
