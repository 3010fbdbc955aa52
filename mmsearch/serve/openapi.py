"""``GET /openapi.json``: the HTTP interface as an OpenAPI document, written by hand. Tests hold it against answers."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmsearch import __version__
from mmsearch.serve.openapi_schemas import LEVEL, MODALITY, NUMBER, SCHEMAS, SORT, TEXT, WHOLE, Schema, list_of, ref

_C = {"name": "c", "in": "query", "schema": TEXT, "description": "the collection; default the first"}
_ID = {"name": "id", "in": "path", "required": True, "schema": WHOLE, "description": "of a row: `id` of a hit"}
_K = {"name": "k", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}}
_CURSOR = {"name": "cursor", "in": "query", "schema": TEXT, "description": "that of the page before"}
_TO = {
    "name": "to",
    "in": "query",
    "schema": list_of(MODALITY),
    "description": "what may answer; repeatable, default all",
}
_FILTERS = [
    _TO,
    {"name": "under", "in": "query", "schema": TEXT, "description": "only files in this folder"},
    {"name": "after", "in": "query", "schema": TEXT, "description": "only what was made from this date on"},
    {"name": "before", "in": "query", "schema": TEXT, "description": "only what was made before this date"},
    {"name": "where", "in": "query", "schema": TEXT, "description": "a condition, such as: width > 1000"},
    {"name": "near", "in": "query", "schema": TEXT, "description": "only what was made near 38.7,-9.1,10km"},
    {"name": "place", "in": "query", "schema": TEXT, "description": "only what was made in this town or country"},
    {"name": "camera", "in": "query", "schema": TEXT, "description": "only what was made with this camera"},
]
_SEARCH_FILTERS = [
    *_FILTERS,
    {"name": "min_level", "in": "query", "schema": LEVEL, "description": "leave out hits of a lower level"},
    {"name": "sort", "in": "query", "schema": SORT, "description": "the order of hits"},
    {"name": "in", "in": "query", "schema": WHOLE, "description": "only the file of this row"},
]
_TIME = {"name": "t", "in": "query", "schema": NUMBER, "description": "seconds from the start; default that of the row"}
_WIDTH = {"name": "w", "in": "query", "schema": WHOLE, "description": "the most pixels along a side"}
_DOWNLOAD = {"name": "download", "in": "query", "schema": {"enum": ["1"]}, "description": "send it as an attachment"}
_BYTES: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}

_ERRORS = {
    400: "what is asked cannot be read",
    401: "the token is missing",
    403: "the request comes from a page of another site, or may not be made here",
    404: "no such row or collection",
    409: "the file has changed since it was indexed",
    410: "the file is gone",
    413: "the body is too long",
    416: "the range is not in the file",
    421: "the server does not have this name",
    422: "a file cannot be decoded",
    429: "too much is asked at once",
    501: "this machine has no file manager",
    503: "a model or collection is not there now",
}
_ALWAYS = (401, 403, 421)  # of the guards


def _operation(
    summary: str,
    answer: dict[str, Any],
    *parameters: dict[str, Any],
    errors: tuple[int, ...] = (),
    status: int = 200,
    body: dict[str, Any] | None = None,
    error: str = "Error",
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An operation: what it does, what it answers, and the statuses of its errors."""
    failures = {
        str(code): {"description": _ERRORS[code], "content": _json(error)} for code in sorted({*errors, *_ALWAYS})
    }
    found: dict[str, Any] = {"summary": summary, "responses": {str(status): answer, **(more or {}), **failures}}
    if parameters:
        found["parameters"] = list(parameters)
    if body:
        found["requestBody"] = {"required": True, "content": body}
    return found


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": ref(name)}}


def _answer(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": _json(name)}


def _file(description: str, *media_types: str) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": _BYTES} for kind in media_types}}


_UPLOAD = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": ref("Search"),
                    "description": "the search; its terms name the other fields",
                }
            },
            "additionalProperties": _BYTES,
        }
    }
}
_READ = (400, 404)
_OF_FILES = (400, 404, 409, 410, 422, 429)
_CLIP_HEADERS = {
    "Clip-Start": {"schema": NUMBER, "description": "the second of the film at which it starts: that of a key frame"},
    "Clip-End": {"schema": NUMBER, "description": "the second at which it ends"},
}
_NOT_MODIFIED = {"304": {"description": "the client has it"}}

PATHS: dict[str, Any] = {
    "/api/status": {"get": _operation("What is served", _answer("Status", "the collections"), errors=(429,))},
    "/api/search": {
        "post": _operation(
            "Search by words, files, rows and vectors",
            _answer("Answer", "a page of hits"),
            body={**_json("Search"), **_UPLOAD},
            errors=(400, 404, 413, 422, 429, 503),
        )
    },
    "/api/items": {
        "get": _operation(
            "The files, the newest first",
            _answer("Items", "a page of them, by a row of each"),
            _C,
            *_FILTERS,
            _K,
            _CURSOR,
            errors=(400, 404, 429),
        )
    },
    "/api/items/{id}": {"get": _operation("A row", _answer("Item", "the row and its file"), _C, _ID, errors=_READ)},
    "/api/items/{id}/similar": {
        "get": _operation(
            "What is like a row",
            _answer("Answer", "a page of hits"),
            _C,
            _ID,
            *_SEARCH_FILTERS,
            _K,
            _CURSOR,
            errors=(400, 404, 429, 503),
        )
    },
    "/api/items/{id}/passages": {
        "get": _operation(
            "The passages around a row: of its text, or the subtitles of its film",
            _answer("Passages", "passages of one file"),
            _C,
            _ID,
            {"name": "around", "in": "query", "schema": {**WHOLE, "maximum": 50, "default": 3}},
            errors=(400, 404, 429),
        )
    },
    "/api/items/{id}/reveal": {
        "post": _operation(
            "Show the file in the file manager of the server's machine",
            {"description": "done"},
            _C,
            _ID,
            status=204,
            errors=(404, 409, 410, 501),
        )
    },
    "/api/facets": {
        "get": _operation(
            "How many files there are of each kind, year, folder, camera and place",
            _answer("Facets", "counts"),
            _C,
            *_FILTERS,
            errors=(400, 404, 429),
        )
    },
    "/thumb/{id}": {
        "get": _operation(
            "A small picture of a row",
            _file("the picture", "image/webp"),
            _C,
            _ID,
            _WIDTH,
            errors=_OF_FILES,
            more=_NOT_MODIFIED,
        )
    },
    "/media/{id}": {
        method: _operation(
            "The file of a row",
            _file("the file", "*/*"),
            _C,
            _ID,
            _DOWNLOAD,
            errors=(400, 404, 409, 410, 416),
            more={"206": _file("the part of it that the header Range asks for", "*/*"), **_NOT_MODIFIED},
        )
        for method in ("get", "head")
    },
    "/frame/{id}": {
        "get": _operation(
            "The frame of a film at a time",
            _file("the frame", "image/jpeg"),
            _C,
            _ID,
            _TIME,
            _WIDTH,
            errors=_OF_FILES,
            more=_NOT_MODIFIED,
        )
    },
    "/clip/{id}": {
        method: _operation(
            "A part of a film or sound that browsers play",
            {**_file("fragmented MP4", "video/mp4", "audio/mp4"), "headers": _CLIP_HEADERS},
            _C,
            _ID,
            {"name": "from", "in": "query", "schema": NUMBER, "description": "seconds from the start"},
            {
                "name": "to",
                "in": "query",
                "schema": NUMBER,
                "description": "seconds from the start; default a minute on",
            },
            errors=(*_OF_FILES, 416),
            more={"206": _file("a part of a clip that was made quickly", "video/mp4", "audio/mp4"), **_NOT_MODIFIED},
        )
        for method in ("get", "head")
    },
    "/v1/embeddings": {
        "post": _operation(
            "Vectors of texts and pictures, as OpenAI's interface gives them",
            _answer("Embeddings", "the vectors, in the order of what was given"),
            body=_json("EmbeddingsRequest"),
            errors=(400, 404, 413, 422, 429, 503),
            error="OpenAIError",
        )
    },
    "/metrics": {"get": _operation("Counters for Prometheus", _file("Prometheus' text format", "text/plain"))},
    "/healthz": {"get": _operation("Whether the process answers", _answer("Health", "it does"))},
    "/readyz": {
        "get": _operation(
            "Whether every collection can be read, and readers answer for its parts",
            _answer("Health", "they can, as a whole or in part"),
            more={"503": _answer("Health", "one cannot, or no reader answers")},
        )
    },
    "/openapi.json": {
        "get": _operation(
            "This document",
            {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
        )
    },
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "mmsearch",
        "version": __version__,
        "summary": "Search your own pictures, films, sounds and texts by words or by example",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "only where the server is open to other machines; it prints the token when it starts",
            }
        },
    },
    "security": [{}, {"token": []}],
}


async def openapi(request: Request) -> Response:
    """The document."""
    return JSONResponse(DOCUMENT)


routes = [Route("/openapi.json", openapi)]
