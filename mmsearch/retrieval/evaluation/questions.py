"""The queries of pairs by direction, as vectors, with the rows that answer them; and queries that nothing answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError
from mmsearch.retrieval.encoders.level_fits import Direction
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.evaluation.files import FilesOfSpace, Floats, embed_pairs
from mmsearch.retrieval.evaluation.pairs import Pair
from mmsearch.retrieval.search.query import modality_of_value
from mmsearch.types import Modality

Positions = Sequence[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries to the rows of one modality.

    Attributes:
        vectors: unit vectors, float32 ``[q, dim]``.
        right: of each query the positions of the live rows that answer it; none for a query that nothing answers.
        own: of each query the positions of the rows of its own file, which cannot answer it.
    """

    vectors: Floats
    right: Positions
    own: Positions

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, chosen: NDArray[np.int64]) -> Queries:
        return Queries(self.vectors[chosen], [self.right[i] for i in chosen], [self.own[i] for i in chosen])


@dataclass(frozen=True, slots=True)
class Questions:
    """The queries of one direction: those that have an answer, and those that have none."""

    direction: Direction
    answerable: Queries
    absent: Queries


def questions_of(
    files: FilesOfSpace, encoder: Encoder | None, pairs: Sequence[Pair], failures: list[CannotEmbedError]
) -> list[Questions]:
    """The questions of every direction that the pairs allow in a space.

    Pairs whose files are not in the collection are left out. ``failures`` collects why the model cannot embed others.

    Raises:
        UsageError: words are asked for, and there is no model.
    """
    sources = {pair: _source_of(files, pair) for pair in pairs}
    found = []
    for modality in files.searcher.modalities:
        answered = [p for p in pairs if any(files.modality.get(name) == modality for name in p.relevant)]
        for source in dict.fromkeys(sources[pair] for pair in answered):
            if source is None:
                continue
            asked = [p for p in answered if sources[p] == source]
            nothing = [p for p in pairs if not p.relevant and sources[p] == source]
            answerable, absent = (_queries(files, encoder, own, modality, failures) for own in (asked, nothing))
            if len(answerable):
                found.append(Questions((source, modality), answerable, absent))
    return found


def _source_of(files: FilesOfSpace, pair: Pair) -> Modality | None:
    if pair.query_file is None:
        return "text"
    return files.modality.get(pair.query_file) or modality_of_value(Path(os.fsdecode(pair.query_file)))


def _queries(
    files: FilesOfSpace,
    encoder: Encoder | None,
    pairs: Sequence[Pair],
    modality: Modality,
    failures: list[CannotEmbedError],
) -> Queries:
    vectors: list[Floats] = [np.empty((0, files.searcher.space.dim), np.float32)]
    kept: list[Pair] = []
    for group in ([p for p in pairs if p.query is not None], [p for p in pairs if p.query is None]):
        if group:
            try:
                vectors.append(embed_pairs(encoder, files, group, modality))
                kept += group
            except CannotEmbedError as failure:
                failures.append(failure)
    none = np.empty(0, np.int64)
    right = [[files.positions(name, modality) for name in p.relevant if files.may_be(name, modality)] for p in kept]
    own = [none if p.query_file is None else files.positions(p.query_file, modality) for p in kept]
    return Queries(np.concatenate(vectors), [np.concatenate([none, *rows]) for rows in right], own)
