"""A search as an app asks for it in JSON: checked, and turned into a `Query` with options."""

from __future__ import annotations

import base64
import binascii
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import QueryParams

from mmsearch import Collection, Query, Reading, StoredRow, read_query
from mmsearch.serve.api_errors import ApiError
from mmsearch.types import MODALITIES, Modality, modalities_named

MOST_HITS = 500
_MOST_TERMS = 64
_MOST_SECONDS = 1e7  # four months
_MOST_TEXT = 20_000  # characters of a term
_LISTS = ("terms", "minus", "like", "unlike", "phrases", "to")
_FILTERS = ("after", "before", "where", "near", "place", "camera")
_TEXTS = ("c", "line", "under", *_FILTERS, "min_level", "mode", "sort", "cursor")
_FLAGS = ("literal", "all_spans", "include_self", "exact", "copies")
_NAMES = (*_LISTS, *_TEXTS, *_FLAGS, "k", "in")
_TERM_KINDS = ("text", "id", "file", "vector")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked.

    Attributes:
        query: terms and marks.
        k: hits wanted.
        options: further keywords of `Collection.ask`.
        reading: what its line of words was understood as, if it has one.
    """

    query: Query
    k: int
    options: Mapping[str, Any]
    reading: Reading | None = None


@dataclass(slots=True)
class _OfVectors:
    """What the vectors among the terms are of: their space, and the modality of the last one."""

    space: str | None = None
    modality: Modality | None = None


def checked(data: Any) -> dict[str, Any]:
    """The members of a request, each of its type; those that are null are left out.

    Raises:
        ApiError: 400, a member is unknown or of another type.
    """
    if not isinstance(data, dict):
        raise wrong('a search is a JSON object, such as {"terms": ["a dog"]}')
    unknown = sorted(set(data) - set(_NAMES))
    if unknown:
        raise wrong(f"no member {unknown[0]!r} of a search; there are: {', '.join(_NAMES)}")
    given = {name: value for name, value in data.items() if value is not None}
    for name, value in given.items():
        if name in _LISTS and not isinstance(value, list):
            raise wrong(f"{name} is a list")
        if name in _TEXTS and not isinstance(value, str):
            raise wrong(f"{name} is a text")
        if name in _FLAGS and not isinstance(value, bool):
            raise wrong(f"{name} is true or false")
        if name in ("k", "in") and (not isinstance(value, int) or isinstance(value, bool)):
            raise wrong(f"{name} is a whole number")
        if name in ("terms", "minus", "like", "unlike") and len(value) > _MOST_TERMS:
            raise wrong(f"{name} has at most {_MOST_TERMS} entries")
    if not 1 <= given.get("k", 1) <= MOST_HITS:
        raise wrong(f"k is from 1 to {MOST_HITS}; the cursor of an answer asks for the next page")
    return given


def read_request(given: Mapping[str, Any], collection: Collection) -> SearchRequest:
    """A request that was `checked` as a query with options; uploaded files have become vectors before.

    Raises:
        ApiError: 400, a term cannot be read, or vectors of two spaces are asked for.
        MMSearchError: nothing is asked, a row is not there, or an option is wrong.
    """
    terms = _OfVectors()
    towards = [_term(term, terms) for term in given.get("terms", ())]
    away = [_term(term, terms) for term in given.get("minus", ())]
    reading = _reading(given, collection)
    if reading is not None:
        if reading.words or not (towards or given.get("like")):
            towards = [(reading.text, 1.0), *towards]
        else:
            reading = replace(reading, words="what is given")
        away = [*((one, 1.0) for one in reading.minus), *away]
    marks = {name: [_row_id(mark, name) for mark in given.get(name, ())] for name in ("like", "unlike")}
    phrases = [*(reading.phrases if reading else ()), *_words(given.get("phrases", []), "phrases")]
    if len(towards) == 1 and not away and not any(marks.values()) and not phrases and terms.modality is not None:
        query = Query.of_vector(towards[0][0], terms.modality)
    else:
        query = Query(*towards, minus=away, like=marks["like"], unlike=marks["unlike"], phrases=phrases)
    options: dict[str, Any] = dict(reading.options) if reading else {}
    named = (*_FILTERS, "min_level", "mode", "sort", *_FLAGS)
    options |= {name: given[name] for name in named if name in given and name != "literal"}
    if to := modalities_named(_words(given.get("to", []), "to")):
        options["to"] = to
    if terms.space is not None:
        options["space"] = terms.space
    if "in" in given:
        options["under"] = collection.get(given["in"]).path
    elif "under" in given:
        options["under"] = folder_asked(collection, given["under"])
    return SearchRequest(query, given.get("k", 50), options, reading)


def _reading(given: Mapping[str, Any], collection: Collection) -> Reading | None:
    """The line of words of a request, read; as it is if it is to be taken literally."""
    line = given.get("line", "")
    if not line.strip():
        return None
    if len(line) > _MOST_TEXT:
        raise wrong(f"a line has at most {_MOST_TEXT:,} characters")
    return Reading(line, line) if given.get("literal") else read_query(line, known=collection.names)


def filters_asked(collection: Collection, given: QueryParams) -> dict[str, Any]:
    """The filters of an address as keywords of `Collection.items`.

    Raises:
        MMSearchError: no such modality.
        ApiError: 400, the folder is not indexed.
    """
    options: dict[str, Any] = {name: given[name] for name in _FILTERS if name in given}
    options["to"] = modalities_named(given.getlist("to"))
    if "under" in given:
        options["under"] = folder_asked(collection, given["under"])
    return options


def folder_asked(collection: Collection, name: str) -> str:
    """The folder that a client means: only whether it is indexed is told, not whether it exists.

    Raises:
        ApiError: 400, it is not in an indexed folder, nor has one in it.
    """
    roots = collection.manifest.roots
    tops = [os.path.normpath(os.path.join(root, name)) for root in roots or ("/",)]
    known = [top for top in tops if any(_lies_in(top, root) or _lies_in(root, top) for root in roots)]
    if roots and not known:
        raise wrong(f"no folder {name} is indexed")
    return next((top for top in known if collection.count(under=top)), (known or tops)[0])


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _term(term: Any, terms: _OfVectors) -> tuple[Any, float]:
    """A term as a pair of value and weight; notes the space and modality of a vector."""
    if isinstance(term, str):
        term = {"text": term}
    if not isinstance(term, dict) or sum(kind in term for kind in _TERM_KINDS) != 1:
        raise wrong(f"a term is a text, or an object with one of: {', '.join(_TERM_KINDS)}")
    weight = term.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
        raise wrong("a weight is a number above 0; minus takes terms that push away")
    if "text" in term:
        if not isinstance(term["text"], str) or len(term["text"]) > _MOST_TEXT:
            raise wrong(f"the text of a term has at most {_MOST_TEXT:,} characters")
        return term["text"], float(weight)
    if "id" in term:
        return StoredRow(_row_id(term["id"], "id")), float(weight)
    if "file" in term:
        raise wrong(f"there is no uploaded file {term['file']!r}: send it as a field of that name, with multipart")
    return _vector(term, terms), float(weight)


def _vector(term: Mapping[str, Any], terms: _OfVectors) -> NDArray[np.float32]:
    space, modality = term.get("space"), term.get("modality")
    if space is not None and terms.space not in (None, space):
        raise wrong(f"vectors of the spaces {terms.space} and {space} cannot be asked for together")
    if modality is not None and modality not in MODALITIES:
        raise wrong(f"no modality {modality!r}; there are: {', '.join(MODALITIES)}")
    terms.space, terms.modality = space or terms.space, modality
    try:
        halves = np.frombuffer(base64.b64decode(term["vector"], validate=True), "<f2")
    except (binascii.Error, ValueError, TypeError):
        raise wrong("a vector is base64 of float16 numbers, little endian") from None
    if not len(halves) or not np.isfinite(halves).all():
        raise wrong("a vector has at least one number, and all of them are finite")
    return halves.astype(np.float32)


def vector_term(vector: NDArray[np.float32], space: str, modality: Modality | None, name: str) -> dict[str, Any]:
    """A term that asks for a vector, float32 ``[dim]``, as `read_request` reads it."""
    encoded = base64.b64encode(vector.astype("<f2").tobytes()).decode()
    return {"vector": encoded, "space": space, "modality": modality, "name": name}


def _row_id(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise wrong(f"{name} names rows by their ids, which are whole numbers")
    return value


def _words(values: Sequence[Any], name: str) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise wrong(f"{name} is a list of texts")
    return list(values)


def wrong(message: str) -> ApiError:
    """A request that cannot be read."""
    return ApiError(400, message, "BadRequest")


def seconds_asked(parameters: Mapping[str, str], name: str, usual: float) -> float:
    """A time in seconds, of a parameter of an address.

    Raises:
        ApiError: it is no such time.
    """
    try:
        seconds = float(parameters.get(name, usual))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _MOST_SECONDS:
        raise wrong(f"{name} is a time in seconds")
    return seconds
