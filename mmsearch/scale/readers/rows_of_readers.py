"""The rows of one modality, of which several readers hold a part each, as a search asks for them (see `searchable`).

The readers are in order of their parts, and so of the ids of their rows. What they find is merged in the order that one
process would have found it in: by score, then by id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import Sought
from mmsearch.retrieval.search.copies import Copies, CopyKeys, copy_keys
from mmsearch.retrieval.search.found_rows import Found
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.searchable import NO_ROWS, WORDS_COMPARED, LookUp, Others, Ranked, Searchable
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.scale.readers import wire
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.retrieval.search.row_search import Asked

Answer = tuple[dict[str, Any], wire.Arrays]
"""What a reader answers to one call, and the arrays that it names."""


@dataclass(slots=True)
class Asking:
    """Asks all readers, about one manifest and one scope.

    Attributes:
        about: the manifest and the space.
        scope: which rows may answer.
        phrase_files: the files of a phrase, see `phrase_mask`.
        send: sends a request to all of them, and returns their answers.
    """

    about: Mapping[str, Any]
    scope: SearchScope
    phrase_files: Callable[[Sought], wire.PhrasePaths]
    send: Callable[[bytes], list[bytes]]
    _scope_json: dict[str, Any] | None = None

    def ask(self, calls: Sequence[Mapping[str, Any]], arrays: Sequence[NDArray[Any]]) -> list[list[Answer]]:
        """The answers to each call, one of each reader."""
        if self._scope_json is None:
            self._scope_json = wire.scope_to_json(self.scope, self.phrase_files)
        request = {**self.about, "scope": self._scope_json, "calls": calls}
        replies = [wire.unpack(reply) for reply in self.send(wire.pack(request, arrays))]
        return [[(reply["answers"][i], found) for reply, found in replies] for i in range(len(calls))]

    def ask_one(self, call: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> list[Answer]:
        """The answers of all readers to one call."""
        return self.ask([call], arrays)[0]


def rows_of_readers(
    asking: Asking, looked: Sequence[tuple[LookUp, Sequence[Asked]]], rows: Sequence[int]
) -> list[Searchable]:
    """The rows of several modalities, all of them looked up by one request to each reader.

    Args:
        asking: asks the readers.
        looked: what is looked up, and the queries.
        rows: how many rows each modality has, deleted ones included.
    """
    calls: list[dict[str, Any]] = []
    queries: list[NDArray[np.float32]] = []
    for number, ((look_up, asked), count) in enumerate(zip(looked, rows, strict=True)):
        words = [None if query.words is None else wire.words_to_json(query.words) for query in asked]
        call = {"do": "nearest", "modality": look_up.modality, "depth": look_up.depth(count), "queries": number}
        calls.append({**call, "words": words})
        queries.append(np.stack([query.vector for query in asked]))
    answers = asking.ask(calls, queries)
    return [
        RowsOfReaders(asking, look_up.modality, count, own)
        for (look_up, _), count, own in zip(looked, rows, answers, strict=True)
    ]


class RowsOfReaders:
    """The rows of a modality that readers hold.

    Args:
        asking: asks the readers.
        modality: the modality.
        rows: how many rows it has, deleted ones included.
        first: what each reader answered to the call for the nearest rows.
    """

    def __init__(self, asking: Asking, modality: Modality, rows: int, first: Sequence[Answer]) -> None:
        self._asking = asking
        self._modality = modality
        self._rows = rows
        self._first = first

    @property
    def rows(self) -> int:
        """How many rows there are, deleted ones included."""
        return self._rows

    @property
    def count(self) -> int:
        """How many of them may answer."""
        return sum(answer["count"] for answer, _ in self._first)

    def nearest(self, queries: NDArray[np.float32], depth: int) -> Ranked:
        """The rows that may answer and are nearest to queries."""
        parts = [_ranked(answer["ranked"], found) for answer, found in self._first if answer["ranked"] is not None]
        return merged(parts, len(queries), depth)

    def proposed(
        self, query: int, vector: NDArray[np.float32], words: WordsAsked, known: Set[int], most: int
    ) -> Ranked:
        """The rows that hold the most telling words of a query, the best first."""
        own = [(answer["proposed"][query], found) for answer, found in self._first]
        answers = [(one, found) for one, found in own if one is not None]
        if any(one["telling"] for one, _ in answers):  # then words that very many rows hold propose none
            answers = [(one, found) for one, found in answers if one["telling"]]
        parts = [[found[place] for place in one["rows"]] for one, found in answers if one["rows"] is not None]
        if not parts:
            return NO_ROWS
        telling, scores, ids = (np.concatenate(side) for side in zip(*parts, strict=True))
        compared = np.argsort(-telling, kind="stable")[:WORDS_COMPARED]
        telling, scores, ids = telling[compared], scores[compared], ids[compared]
        best = np.lexsort((-scores, -telling))[:most]
        new = [place for place, row_id in enumerate(ids[best].tolist()) if row_id not in known]
        return scores[best[new]], ids[best[new]]

    def copies(self, found: Sequence[Row], excluded: Set[bytes | int]) -> Mapping[int, tuple[str, ...]]:
        """The paths of other files of the same content, by the row's id."""
        call = {"do": "copies", "keys": wire.keys_to_json(copy_keys(found)), "excluded": wire.paths_to_json(excluded)}
        paths: dict[bytes, dict[str, None]] = {}
        for answer, _ in self._asking.ask_one({**call, "modality": self._modality}, []):
            for content, own in answer["paths"].items():
                paths.setdefault(bytes.fromhex(content), {}).update(dict.fromkeys(own))
        known = {content: list(own) for content, own in paths.items()}
        return Copies(np.empty(0, np.int64), known).of_rows(found)

    def others(self) -> Others:
        """The rows that may answer, to leave some of them out."""
        return _OthersOfReaders(self._asking, self._modality)

    def of_files(self, vector: NDArray[np.float32], found: Sequence[Row]) -> list[Ranked]:
        """All rows of the file of each of some rows, the nearest first."""
        call = {"do": "files", "modality": self._modality, "files": [row.path for row in found], "query": 0}
        answers = self._asking.ask_one(call, [vector])
        merged_rows: list[Ranked] = []
        for number in range(len(found)):
            own = [(answer["ranked"][number], arrays) for answer, arrays in answers]
            parts = [_ranked(one, arrays) for one, arrays in own if one is not None]
            merged_rows.append(merged(parts, 1, sum(part[1].shape[1] for part in parts)))
        return merged_rows


@dataclass(slots=True)
class _OthersOfReaders:
    """The rows that may answer, but for those that were found, their files and their copies."""

    asking: Asking
    modality: Modality
    files: set[bytes] = field(default_factory=set)
    ids: list[int] = field(default_factory=list)
    keys: CopyKeys | None = None

    def leave_out(self, found: Found, *, copies: bool) -> None:
        """Leave out rows, all rows of films and sounds among them, and with ``copies`` all rows that equal them."""
        self.files |= {os.fsencode(row.path) for row in found.rows if row.is_timed}
        self.ids += [row.id for row in found.rows]
        if copies:
            keys = copy_keys(found.rows)
            before = self.keys or CopyKeys(set(), set())
            self.keys = CopyKeys(before.places | keys.places, before.timed | keys.timed)

    def nearest(self, vector: NDArray[np.float32], depth: int) -> Ranked:
        """The nearest of the others to a vector."""
        call = {
            "do": "others",
            "modality": self.modality,
            "depth": depth,
            "query": 0,
            "ids": 1,
            "files": wire.paths_to_json(self.files),
            "keys": None if self.keys is None else wire.keys_to_json(self.keys),
        }
        answers = self.asking.ask_one(call, [vector, np.array(self.ids, np.int64)])
        parts = [_ranked(answer["ranked"], found) for answer, found in answers if answer["ranked"] is not None]
        return merged(parts, 1, depth)


def _ranked(places: Sequence[int], found: wire.Arrays) -> Ranked:
    scores, ids = (found[place] for place in places)
    return scores, ids


def merged(parts: Sequence[Ranked], queries: int, k: int) -> Ranked:
    """The k best rows of each query among those of several parts: by score, and those of one score by id.

    Args:
        parts: scores and ids of each part, ``[q, n]``, -inf and -1 where there is no row.
        queries: how many.
        k: how many rows; the rest of a line is -inf and -1.
    """
    scores = np.concatenate([np.full((queries, k), -np.inf, np.float32), *(part[0] for part in parts)], axis=1)
    ids = np.concatenate([np.full((queries, k), -1, np.int64), *(part[1] for part in parts)], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
