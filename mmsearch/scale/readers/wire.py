"""What a front and its readers send each other: a JSON object, and arrays as they lie in memory. Nothing is executed.

A message is the length of its head (4 bytes, little-endian), the head, and the arrays one after another. The head is
the JSON of ``[object, [[type, shape], …]]``.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes import Sought
from mmsearch.retrieval.search.copies import CopyKeys
from mmsearch.retrieval.search.filters import Filters
from mmsearch.retrieval.search.place_filters import Circle, PlaceFilter
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.types import Modality

Arrays = list[NDArray[Any]]
PhrasePaths = Mapping[Modality, Set[bytes]]
"""By modality the files all of whose rows a phrase lets answer."""

_TYPES = ("<f4", "<f8", "<i8")
_LENGTH_BYTES = 4


def pack(about: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> bytes:
    """An object of JSON and arrays of float32, float64 or int64 as one message."""
    parts = [np.ascontiguousarray(array) for array in arrays]
    head = json.dumps([about, [[part.dtype.str, part.shape] for part in parts]]).encode()
    return b"".join([len(head).to_bytes(_LENGTH_BYTES, "little"), head, *(part.tobytes() for part in parts)])


def unpack(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """The inverse of `pack`; the arrays are views of the message.

    Raises:
        ValueError: it is no message.
    """
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    arrays: Arrays = []
    try:
        about, types = json.loads(data[_LENGTH_BYTES:start])
        for kind, shape in types:
            if kind not in _TYPES or any(side < 0 for side in shape):
                raise ValueError
            flat = np.frombuffer(data, kind, math.prod(shape), start)
            arrays.append(flat.reshape(shape))
            start += flat.nbytes
        if start != len(data) or not isinstance(about, dict):
            raise ValueError
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError("this is no message of a front or a reader") from error
    return about, arrays


def scope_to_json(scope: SearchScope, phrase_paths: Callable[[Sought], PhrasePaths]) -> dict[str, Any]:
    """Which rows may answer. What is left out of single answers is not sent: the front leaves it out.

    Args:
        scope: of the search.
        phrase_paths: the files of each phrase.
    """
    filters = scope.filters
    return {
        "to": list(scope.to),
        "filters": _filters_to_json(filters) if filters else None,
        "exact": scope.exact,
        "lexical": scope.lexical,
        "phrases": [
            {**sought_to_json(one), "paths": {kind: _paths_to_json(own) for kind, own in phrase_paths(one).items()}}
            for one in scope.phrases
        ],
    }


def scope_from_json(
    data: Mapping[str, Any], know: Callable[[Sought, PhrasePaths], None], labels: Callable[[str], Any]
) -> SearchScope:
    """The inverse of `scope_to_json`.

    Args:
        data: the object.
        know: is told the files of each phrase.
        labels: the labels of rows that a condition asks for, see `Filters`.
    """
    phrases = tuple(map(sought_from_json, data["phrases"]))
    for phrase, one in zip(phrases, data["phrases"], strict=True):
        know(phrase, {kind: paths_from_json(own) for kind, own in one["paths"].items()})
    filters = None if data["filters"] is None else _filters_from_json(data["filters"], labels)
    return SearchScope(tuple(data["to"]), filters, exact=data["exact"], phrases=phrases, lexical=data["lexical"])


def _filters_to_json(filters: Filters) -> dict[str, Any]:
    near, place = filters.near, filters.place
    return {
        "under": [os.fsdecode(path) for path in filters.under],
        "after": filters.after.isoformat() if filters.after else None,
        "before": filters.before.isoformat() if filters.before else None,
        "where": filters.where,
        "labels": sorted(filters.labels),
        "near": _circle_to_json(near),
        "place": None if place is None else [place.places, place.country, _circle_to_json(place.circle)],
        "cameras": filters.cameras,
    }


def _filters_from_json(data: Mapping[str, Any], labels: Callable[[str], Any]) -> Filters:
    place = data["place"]
    return Filters(
        under=tuple(os.fsencode(path) for path in data["under"]),
        after=dt.datetime.fromisoformat(data["after"]) if data["after"] else None,
        before=dt.datetime.fromisoformat(data["before"]) if data["before"] else None,
        where=data["where"],
        near=_circle_from_json(data["near"]),
        place=None if place is None else PlaceFilter(tuple(place[0]), place[1], _circle_from_json(place[2])),
        cameras=tuple(data["cameras"]),
        labels={name: labels(name) for name in data["labels"]},
    )


def _circle_to_json(circle: Circle | None) -> list[float] | None:
    return None if circle is None else [circle.lat, circle.lon, circle.km]


def _circle_from_json(data: Sequence[float] | None) -> Circle | None:
    return None if data is None else Circle(*data)


def sought_to_json(sought: Sought) -> dict[str, Any]:
    """A word or phrase."""
    return {"words": sought.words, "prefix": sought.prefix}


def sought_from_json(data: Mapping[str, Any]) -> Sought:
    """The inverse of `sought_to_json`."""
    return Sought(tuple(data["words"]), data["prefix"])


def words_to_json(words: WordsAsked) -> list[Any]:
    """What proposes rows of the words of a query: each with how surprising it is."""
    return [[sought_to_json(one), weight] for one, weight in zip(words.wanted, words.surprises, strict=True)]


def words_from_json(data: Sequence[Any]) -> WordsAsked:
    """The inverse of `words_to_json`."""
    return WordsAsked(
        tuple(sought_from_json(one) for one, _ in data), len(data), surprises=tuple(weight for _, weight in data)
    )


def _paths_to_json(paths: Iterable[bytes]) -> list[str]:
    return sorted(os.fsdecode(path) for path in paths)


def paths_from_json(data: Iterable[str]) -> set[bytes]:
    """Paths of files, as bytes."""
    return {os.fsencode(path) for path in data}


def paths_to_json(paths: Iterable[bytes | int]) -> list[str]:
    """The paths among some paths and ids."""
    return _paths_to_json(path for path in paths if isinstance(path, bytes))


def keys_to_json(keys: CopyKeys) -> dict[str, Any]:
    """What rows have that are equal to some."""
    return {
        "places": [[content.hex(), start] for content, start in keys.places],
        "timed": [content.hex() for content in keys.timed],
    }


def keys_from_json(data: Mapping[str, Any]) -> CopyKeys:
    """The inverse of `keys_to_json`."""
    places = {(bytes.fromhex(content), start) for content, start in data["places"]}
    return CopyKeys(places, {bytes.fromhex(content) for content in data["timed"]})
