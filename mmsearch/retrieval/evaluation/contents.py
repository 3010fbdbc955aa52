"""Queries with answers, made of a collection as it lies: its texts, or probe texts, and the rows that they fit best.

A text and a row that are each other's nearest are taken for a query and its answer; among texts, those of different
files. Of probe texts, which describe nothing of the collection on purpose, the better half of such pairs is taken.
`benchmarks/calibration.py` measures what this is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.query_vectors import embed_all
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.upkeep.probe_texts import make_probe_texts
from mmsearch.types import Modality
from mmsearch.unit import normalize_rows

LEAST_TEXTS = 50
"""With fewer texts in the collection, probe texts ask."""

_MOST_TEXTS = 5_000
_PROBE_TEXTS = 2_000
_COPY = 0.9995  # the cosine from which on two texts are one: float16 rounds
_AT_ONCE = 4_000_000  # cosines that are held

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GuessedPairs:
    """Queries and the rows that are taken for their answers.

    Attributes:
        queries: unit vectors, float32 ``[q, dim]``.
        right: the position of each query's answer, int64 ``[q]``.
        own: of each query the positions of rows of its own file, and of copies of it; they cannot answer it.
        texts: how many texts they were chosen from.
        are_probes: whether these were probe texts.
    """

    queries: Vectors
    right: NDArray[np.int64]
    own: list[NDArray[np.int64]]
    texts: int
    are_probes: bool


def guess_pairs(
    searcher: Searcher, encoder: Callable[[], Encoder | None], modality: Modality, positions: NDArray[np.int64]
) -> GuessedPairs:
    """Pairs of texts and rows of a modality, maybe none.

    Args:
        searcher: of the space.
        encoder: gives its model, which embeds probe texts; it is asked only if these are needed.
        modality: of the rows.
        positions: of the rows, int64 ``[n]``.
    """
    rows = np.asarray(searcher.rows(modality).vectors_at(positions), np.float32)
    texts, files = _stored_texts(searcher)
    are_probes = len(texts) < LEAST_TEXTS
    if are_probes:
        texts = _probe_texts(searcher, encoder, modality)
    own = [np.empty(0, np.int64)] * len(texts)
    if modality == "text" and not are_probes:
        own = _own_rows(texts, files, rows, searcher.file_numbers("text")[positions])
    chosen, right, cosines = mutual_nearest(texts, rows, own)
    if are_probes:
        better = np.sort(np.argsort(-cosines)[: len(chosen) // 2])
        chosen, right = chosen[better], right[better]
    return GuessedPairs(texts[chosen], positions[right], [positions[own[i]] for i in chosen], len(texts), are_probes)


def mutual_nearest(
    texts: Vectors, rows: Vectors, own: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The positions of texts and rows that are each other's nearest, int64 ``[p]`` each, and their cosines.

    ``own``: of each text the positions of rows that make no pair with it.
    """
    nearest_row = np.zeros(len(texts), np.int64)
    cosine = np.full(len(texts), -2, np.float32)
    nearest_text = np.zeros(len(rows), np.int64)
    highest = np.full(len(rows), -2, np.float32)
    for start, cosines in _cosines(texts, rows):
        for row, excluded in zip(cosines, own[start : start + len(cosines)], strict=True):
            row[excluded] = -2
        part = slice(start, start + len(cosines))
        nearest_row[part] = cosines.argmax(axis=1)
        cosine[part] = cosines.max(axis=1)
        nearer = cosines.max(axis=0) > highest
        nearest_text[nearer] = start + cosines.argmax(axis=0)[nearer]
        highest = np.maximum(highest, cosines.max(axis=0))
    mutual = np.flatnonzero((nearest_text[nearest_row] == np.arange(len(texts))) & (cosine > -2))
    return mutual, nearest_row[mutual], cosine[mutual]


def _own_rows(
    texts: Vectors, files: NDArray[np.int64], rows: Vectors, row_files: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Of each text the positions of rows of its own file, and of rows that say the same."""
    return [
        np.flatnonzero((row_files == files[start + i]) | (among_rows > _COPY))
        for start, cosines in _cosines(texts, rows)
        for i, among_rows in enumerate(cosines)
    ]


def _cosines(texts: Vectors, rows: Vectors) -> Iterator[tuple[int, Vectors]]:
    """The cosines of texts with all rows, float32 ``[t, n]``, in blocks, each with the number of its first text."""
    step = max(1, _AT_ONCE // max(len(rows), 1))
    for start in range(0, len(texts), step):
        yield start, texts[start : start + step] @ rows.T


def _stored_texts(searcher: Searcher) -> tuple[Vectors, NDArray[np.int64]]:
    """Vectors of texts that lie here, each once, `_MOST_TEXTS` at most, drawn by chance; and their files' numbers."""
    if "text" not in searcher.modalities:
        return np.empty((0, searcher.space.dim), np.float32), np.empty(0, np.int64)
    rows = searcher.rows("text")
    drawn = np.sort(np.random.default_rng(0).permutation(rows.live_positions)[:_MOST_TEXTS])
    vectors, first = np.unique(np.asarray(rows.vectors_at(drawn), np.float32), axis=0, return_index=True)
    return normalize_rows(vectors), searcher.file_numbers("text")[drawn[first]]


def _probe_texts(searcher: Searcher, encoder: Callable[[], Encoder | None], modality: Modality) -> Vectors:
    """Vectors of probe texts; none if there is no model that embeds them."""
    none = np.empty((0, searcher.space.dim), np.float32)
    try:
        loaded = encoder()
    except MMSearchError:  # it is not on this machine
        return none
    if not isinstance(loaded, TextEncoder):
        return none
    vectors, _ = embed_all([Query(text) for text in make_probe_texts(_PROBE_TEXTS)], searcher.space, loaded)
    return np.stack([vector.among(modality) for vector in vectors.values()]) if vectors else none
