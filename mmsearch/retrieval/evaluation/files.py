"""The files of a collection in one space, and the queries of pairs as vectors of it."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.evaluation.pairs import Pair
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.query_vectors import embed_all, embed_query
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.types import Modality

Floats = NDArray[np.float32]


class FilesOfSpace:
    """The collection's files in one space: modality and rows of each, by path.

    A film with rows of several modalities counts as video. ``elsewhere`` are files that only other spaces have.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self.elsewhere: set[bytes] = set()
        self.modality: dict[bytes, Modality] = {}
        self.number: dict[Modality, dict[bytes, int]] = {}
        self.owner: dict[Modality, NDArray[np.int64]] = {}
        for modality in searcher.modalities:
            rows = searcher.rows(modality)
            paths = rows.facts(["path"])["path"].to_pylist()
            numbers: dict[bytes, int] = {}
            self.owner[modality] = np.array([numbers.setdefault(p, len(numbers)) for p in paths], np.int64)
            self.number[modality] = numbers
            live = rows.live
            found = {p: modality for i, p in enumerate(paths) if live is None or live[i]}
            if modality == "text":  # a picture with text in it, or with a caption, is a picture
                made_of = rows.facts(["mms_evidence"])["mms_evidence"].is_valid().to_pylist()
                own = {p for p, of_other in zip(paths, made_of, strict=True) if not of_other}
                found = {p: modality for p in found if p in own or p not in self.modality}
            self.modality |= found

    def may_be(self, path: bytes, modality: Modality) -> bool:
        """Whether a file is of a modality. One that is not in the collection counts in every modality, as missed."""
        return path not in self.elsewhere and self.modality.get(path, modality) == modality

    def positions(self, path: bytes, modality: Modality) -> NDArray[np.int64]:
        """The positions of a file's live rows of a modality, int64 ``[n]``."""
        rows = self.searcher.rows(modality)
        own = self.owner[modality] == self.number[modality].get(path, -1)
        return np.flatnonzero(own if rows.live is None else own & rows.live)

    def vector(self, path: bytes) -> Floats | None:
        """The stored vector of a file's first row."""
        modality = self.modality.get(path)
        if modality is None:
            return None
        rows = self.searcher.rows(modality)
        return np.asarray(rows.vectors_at(self.positions(path, modality)[:1])[0], np.float32)


def embed_pairs(encoder: Encoder | None, files: FilesOfSpace, pairs: Sequence[Pair], modality: Modality) -> Floats:
    """A unit vector for each pair's query, as it looks among rows of a modality, float32 ``[pairs, dim]``.

    Files of the collection are not decoded again.
    """
    if pairs[0].query is not None:
        if encoder is None:
            raise UsageError(f"space {files.searcher.space.key} has no model here that could embed the pairs' words")
        vectors, failures = embed_all([Query(pair.query) for pair in pairs], files.searcher.space, encoder)
        if failures:
            raise next(iter(failures.values()))
        return np.stack([vector.among(modality) for vector in vectors.values()])
    known = [files.vector(pair.query_file or b"") for pair in pairs]
    return np.stack(
        [
            stored
            if stored is not None
            else embed_query(Query(Path(os.fsdecode(pair.query_file or b""))), files.searcher.space, encoder).media
            for stored, pair in zip(known, pairs, strict=True)
        ]
    )


def not_indexed(pairs: Sequence[Pair], known: Set[bytes]) -> list[Notice]:
    """A notice if relevant files of the pairs are not in the collection. ``known``: its files."""
    unknown = {name for pair in pairs for name in pair.relevant if name not in known}
    if not unknown:
        return []
    example = os.fsdecode(min(unknown))
    return [Notice(NoticeKind.PAIRS_NOT_INDEXED, {"files": len(unknown), "example": example})]
