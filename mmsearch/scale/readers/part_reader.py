"""Answers what a front asks of one part of a collection: calls in, scores and ids of rows out.

A request names the manifest that it is about. Another one has other rows, so it is refused. Calls are independent:

- ``nearest``: the nearest rows in a modality to queries, and the rows that their words propose;
- ``others``: the nearest ones but for some rows, files and copies;
- ``files``: all rows of some files, the nearest first;
- ``copies``: the paths of files of the same content as some.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mmsearch
from mmsearch.errors import MMSearchError
from mmsearch.retrieval.search.copies import copies_of
from mmsearch.retrieval.search.own_rows import OtherRows, OwnRows
from mmsearch.retrieval.search.row_tags import read_row_labels
from mmsearch.retrieval.search.searchable import WORDS_COMPARED, Ranked
from mmsearch.retrieval.search.word_search import holds_a_telling_word, propose
from mmsearch.retrieval.store.remote import collection_root
from mmsearch.scale.readers import wire
from mmsearch.scale.readers.part import Part
from mmsearch.scale.readers.part_session import PartSearcher, PartSession
from mmsearch.types import Modality


class OtherManifestError(MMSearchError):
    """A reader has another manifest than it is asked about.

    Attributes:
        generation: that of the reader.
    """

    def __init__(self, message: str, generation: int) -> None:
        super().__init__(message)
        self.generation = generation


class PartReader:
    """One part of a collection, opened for look-ups. Several threads may ask at once.

    Args:
        path: the collection's folder, or its address in a bucket.
        part: the part.

    Raises:
        MMSearchError: the collection cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], part: Part) -> None:
        self.part = part
        self._session = PartSession(collection_root(path), part)
        self._is_warm = threading.Event()

    @property
    def root(self) -> Path:
        """The collection's folder."""
        return self._session.root

    def close(self) -> None:
        """Let go of mapped files."""
        self._session.close()

    def warm(self) -> None:
        """Open indexes, so that the first query does not wait for them."""
        try:
            self._session.retrying(self._open_all)
        finally:
            self._is_warm.set()  # what is wrong is said to who asks

    def _open_all(self) -> None:
        for space in self._session.spaces:
            searcher = self._session.searcher(space)
            for modality in searcher.modalities:
                index = searcher.index(modality)
                if index.kind == "approximate":
                    index.load()
                searcher.words(modality)

    def about(self) -> dict[str, Any]:
        """What is read here, as JSON; ``digest`` is that of the manifest, ``ready`` says whether indexes are open."""
        self._session.reopen()
        snapshot = self._session.part_snapshot
        return {
            "version": mmsearch.__version__,
            "part": str(self.part),
            "generation": snapshot.manifest.generation,
            "digest": snapshot.digest,
            "spaces": sorted(snapshot.manifest.spaces),
            "rows": snapshot.all_part_rows,
            "ready": self._is_warm.is_set(),
        }

    def answer(self, request: bytes) -> bytes:
        """The answer to a request.

        Raises:
            OtherManifestError: it is about another manifest.
            MMSearchError: it cannot be answered.
            ValueError, KeyError, TypeError: it is no request.
        """
        about, arrays = wire.unpack(request)
        self._session.reopen()
        found = self._session.retrying(lambda: _Look(self._searcher(about), about, arrays).answers())
        return wire.pack({"answers": found[0]}, found[1])

    def _searcher(self, about: Mapping[str, Any]) -> PartSearcher:
        snapshot = self._session.part_snapshot
        manifest = snapshot.manifest
        if about["digest"] != snapshot.digest:
            raise OtherManifestError(
                f"it reads generation {manifest.generation}, not {about['generation']}", manifest.generation
            )
        searcher = self._session.searcher(manifest.spaces[about["space"]])
        assert isinstance(searcher, PartSearcher)
        return searcher


class _Look:
    """The calls of one request."""

    def __init__(self, searcher: PartSearcher, about: Mapping[str, Any], arrays: wire.Arrays) -> None:
        self._searcher = searcher
        self._calls, self._arrays = about["calls"], arrays
        self._found: wire.Arrays = []
        self._scope = wire.scope_from_json(
            about["scope"], searcher.know_phrase, lambda name: read_row_labels(searcher.snapshot, name)
        )

    def answers(self) -> tuple[list[dict[str, Any]], wire.Arrays]:
        do = {"nearest": self._nearest, "others": self._others, "files": self._files, "copies": self._copies}
        answers = [do[call["do"]](call, OwnRows(self._searcher, call["modality"], self._scope)) for call in self._calls]
        return answers, self._found

    def _add(self, array: NDArray[Any]) -> int:
        self._found.append(array)
        return len(self._found) - 1

    def _ranked(self, ranked: Ranked) -> list[int]:
        return [self._add(array) for array in ranked]

    def _nearest(self, call: Mapping[str, Any], rows: OwnRows) -> dict[str, Any]:
        queries = self._arrays[call["queries"]]
        answer: dict[str, Any] = {"count": rows.count, "ranked": None}
        if not rows.rows:
            return {**answer, "proposed": [None] * len(queries)}
        if not self._scope.lexical:
            answer["ranked"] = self._ranked(rows.nearest(queries, call["depth"]))
        proposed = [
            None if words is None else self._proposed(rows, call["modality"], query, words)
            for query, words in zip(queries, call["words"], strict=True)
        ]
        return {**answer, "proposed": proposed}

    def _proposed(
        self, rows: OwnRows, modality: Modality, query: NDArray[np.float32], words: list[Any]
    ) -> dict[str, Any] | None:
        """The rows that words propose: how telling their words are, their scores and ids."""
        index, asked = self._searcher.word_rows(modality), wire.words_from_json(words)
        positions, telling = propose(index, asked, rows.mask, WORDS_COMPARED)
        is_telling = holds_a_telling_word(index, asked)
        if not len(positions):
            return {"telling": is_telling, "rows": None}
        found = telling, rows.cosines(positions, query), self._searcher.rows(modality).ids[positions]
        return {"telling": is_telling, "rows": [self._add(array) for array in found]}

    def _others(self, call: Mapping[str, Any], rows: OwnRows) -> dict[str, Any]:
        if not rows.rows:
            return {"ranked": None}
        modality: Modality = call["modality"]
        others: OtherRows = rows.others()
        own = self._searcher.rows(modality)
        if call["files"]:
            numbers = self._searcher.numbers_of(modality, wire.paths_from_json(call["files"]))
            if len(numbers):
                others.leave_out_files(numbers)
        places = own.live_positions_or_gaps(self._arrays[call["ids"]])
        others.leave_out_positions(places[places >= 0])
        if call["keys"] is not None:
            others.leave_out_positions(copies_of(own, wire.keys_from_json(call["keys"]), None, set()).positions)
        return {"ranked": self._ranked(others.nearest(self._arrays[call["query"]], call["depth"]))}

    def _files(self, call: Mapping[str, Any], rows: OwnRows) -> dict[str, Any]:
        if not rows.rows:
            return {"ranked": [None] * len(call["files"])}
        found: list[list[int] | None] = []
        for path in call["files"]:
            numbers = self._searcher.numbers_of(call["modality"], wire.paths_from_json([path]))
            ranked = rows.of_file(self._arrays[call["query"]], int(numbers[0])) if len(numbers) else None
            found.append(None if ranked is None else self._ranked(ranked))
        return {"ranked": found}

    def _copies(self, call: Mapping[str, Any], rows: OwnRows) -> dict[str, Any]:
        if not rows.rows:
            return {"paths": {}}
        own = self._searcher.rows(call["modality"])
        excluded: set[bytes | int] = {*wire.paths_from_json(call["excluded"])}
        found = copies_of(own, wire.keys_from_json(call["keys"]), rows.mask, excluded)
        return {"paths": {content.hex(): paths for content, paths in found.paths.items()}}
