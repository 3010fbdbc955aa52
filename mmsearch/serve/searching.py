"""``POST /api/search`` and ``GET /api/items/{id}/similar``: queries by words, files, rows and vectors, page by page."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mmsearch import Answer, CannotEmbedError, Collection, Hits, UsageError
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.paging import ResultList, key_of, make_cursor, read_cursor
from mmsearch.serve.search_request import SearchRequest, checked, read_request, vector_term, wrong
from mmsearch.serve.served import Served, find_served, in_thread
from mmsearch.types import MODALITIES, Modality

_MOST_FILES = 8
_LONG = 2_000  # hits: a longer list is made in a thread of its own, so that short queries do not wait for it
_SORTED = 200  # hits that are put in order of date; the pages of a list are cut from one order
_DEEPEST = 100_000
"""Hits of one query that can be paged through."""


async def search(request: Request) -> Response:
    """Answer a query."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _search_with_files(request)
    return await _answer(request, checked(await _json(await request.body())))


async def similar(request: Request) -> Response:
    """Answer a query by a stored row, with the filters of the address."""
    asked: dict[str, Any] = {"terms": [{"id": int(request.path_params["id"])}]}
    for name, value in request.query_params.multi_items():
        if name == "to":
            asked.setdefault("to", []).append(value)
        elif name in ("k", "in"):
            asked[name] = _number(value, name)
        else:
            asked[name] = value
    return await _answer(request, checked(asked))


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise wrong(f"{name} is a whole number") from None


async def _json(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise wrong("the body is no JSON") from None


async def _search_with_files(request: Request) -> Response:
    """A multipart request: the field ``query`` is the search in JSON, other fields are files that its terms name."""
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FILES + 1) as form:
        query = form.get("query")
        given = checked(await _json(query)) if isinstance(query, str) else {}
        served = find_served(request, given.get("c"))
        files = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
        if not given.get("terms") and files:
            given["terms"] = [{"file": name} for name in files]
        for side in ("terms", "minus"):
            if side in given:
                given[side] = [await _uploaded(request, term, files, served.collection) for term in given[side]]
    return await _answer(request, given)


async def _uploaded(request: Request, term: Any, files: Mapping[str, UploadFile], collection: Collection) -> Any:
    """The term, with the vector of the uploaded file in its place if it names one."""
    upload = files.get(str(term["file"])) if isinstance(term, dict) and "file" in term else None
    if upload is None:
        return term
    data = await upload.read()
    name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    if not data:
        raise wrong(f"the file {name} is empty")
    made = await in_thread(request, _vector_of, collection, data, name, upload.content_type)
    return made | {name: value for name, value in term.items() if name != "file"}


def _vector_of(collection: Collection, data: bytes, name: str, content_type: str | None) -> dict[str, Any]:
    """A file's bytes as a vector term of the first space whose model embeds such files; decoded in a worker."""
    spaces = [space for space in collection.spaces if space.has_model]
    if not spaces:
        raise UsageError("this collection has no model: its vectors were made elsewhere, and it is searched by vectors")
    for space in spaces:
        try:
            (vector,) = collection.encode([data], space=space)
        except CannotEmbedError:
            if space == spaces[-1]:
                raise
        else:
            return vector_term(vector, space.key, _modality(name, content_type), name)
    raise AssertionError


def _modality(name: str, content_type: str | None) -> Modality | None:
    """What a file is, as far as its name and type tell."""
    said = (content_type or mimetypes.guess_type(name)[0] or "").partition("/")[0]
    return next((modality for modality in MODALITIES if modality == said), None)


async def _answer(request: Request, given: dict[str, Any]) -> Response:
    served = find_served(request, given.get("c"))
    key = key_of(given)
    start = read_cursor(given.get("cursor"), key)
    if "line" in given:  # names in it are looked up in files
        asked = await asyncio.to_thread(read_request, given, served.collection)
    else:
        asked = read_request(given, served.collection)
    if start + asked.k > _DEEPEST:
        raise ApiError(400, f"only the best {_DEEPEST:,} hits can be paged through: ask more narrowly", "TooDeep")
    generation = served.generation
    results = served.lists.get(key, generation) or ResultList(generation)
    stop = start + asked.k
    if asked.options.get("sort", "relevance") != "relevance":
        stop = max(stop, _SORTED)
    if not start or not (results.is_whole or len(results.hits) >= stop):
        wanted = stop if not start else min(max(2 * start, stop), _DEEPEST)
        answer = await _ask(request, served, asked, wanted)
        read = asked.reading
        if read is not None:
            answer = read.explain(answer)
        if not start:
            results = ResultList(generation)  # the first page is always asked anew
        results.extend(answer.hits, wanted)
        about = replace(answer, hits=Hits()).to_json()
        results.about = {name: value for name, value in about.items() if name != "hits"}
        if read is not None and not read.is_plain:
            results.about["reading"] = read.to_json()
        served.lists.put(key, results)
    return _page(served, given, results, key, start, asked.k)


async def _ask(request: Request, served: Served, asked: SearchRequest, wanted: int) -> Answer:
    if wanted > _LONG:
        return await in_thread(request, served.collection.ask, asked.query, wanted, **asked.options)
    return await served.batcher.ask(asked.query, wanted, asked.options)


def _page(served: Served, given: Mapping[str, Any], results: ResultList, key: str, start: int, k: int) -> Response:
    hits = results.page(start, k)
    stop = start + len(hits)
    more = stop < len(results.hits) or (not results.is_whole and len(hits) == k and stop < _DEEPEST)
    about = {
        **results.about,
        "collection": served.name,
        "generation": results.generation,
        "cursor": make_cursor(key, stop) if more else None,
        "asked": {name: value for name, value in given.items() if name != "cursor"},
    }
    head = json.dumps(about, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(head[:-1] + b', "hits": [' + b", ".join(hits) + b"]}", media_type="application/json")


routes = [
    Route("/api/search", search, methods=["POST"]),
    Route("/api/items/{id:int}/similar", similar),
]
