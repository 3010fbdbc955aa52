"""``POST /v1/embeddings``: texts and pictures as vectors, in the shape of OpenAI's interface."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmsearch import Collection, MMSearchError, Space
from mmsearch.serve.api_errors import ApiError, as_api_error
from mmsearch.serve.served import Served, in_thread

MOST_INPUTS = 256
_MOST_CHARACTERS = 20_000  # of a text
_NAMES = ("model", "input", "messages", "modality", "encoding_format", "dimensions", "user")
_FORMATS = ("float", "base64")
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}

Value = str | bytes
"""A text, or the bytes of a picture's file."""


async def embeddings(request: Request) -> Response:
    """Embed texts and pictures."""
    try:
        answer = await in_thread(request, _answer, request.app.state.served, await request.body())
    except ApiError as error:
        return _error(error)
    except MMSearchError as error:
        return _error(as_api_error(error))
    return Response(answer, media_type="application/json")


def _answer(served: Mapping[str, Served], body: bytes) -> bytes:
    """The answer to a request, as JSON."""
    given = _checked(_json(body))
    collection, space = _space(served, given["model"])
    if given.get("dimensions", space.dim) != space.dim:
        raise _wrong(f"{given['model']} makes vectors of {space.dim} numbers, and of no other length")
    vectors = collection.encode(_values(given), space=space)
    as_text = given.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _base64(vector) if as_text else vector.tolist()}
        for i, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}  # clients expect them; tokens are not counted
    return json.dumps({"object": "list", "data": data, "model": given["model"], "usage": usage}).encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _wrong("the body is no JSON") from None


def _checked(given: Any) -> dict[str, Any]:
    """The members of a request; those that are null are left out."""
    if not isinstance(given, dict):
        raise _wrong('a request is a JSON object, such as {"model": "mini", "input": "a dog"}')
    if unknown := [name for name in given if name not in _NAMES]:
        raise _wrong(f"no member {unknown[0]!r}; there are: {', '.join(_NAMES)}")
    checked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not isinstance(checked.get("model"), str):
        raise _wrong("name the model")
    if checked.get("encoding_format", "float") not in _FORMATS:
        raise _wrong(f"encoding_format is one of: {', '.join(_FORMATS)}")
    if checked.get("modality", "text") not in ("text", "image"):
        raise _wrong("modality is text or image")
    if ("input" in checked) == ("messages" in checked):
        raise _wrong("give input: a text, a picture, or a list of them")
    return checked


def _space(served: Mapping[str, Served], name: str) -> tuple[Collection, Space]:
    """The space whose model has a name, and a collection that has it."""
    known: list[str] = []
    for one in served.values():
        one.refresh()
        for space in one.collection.spaces:
            if space.has_model and name in (space.model, space.key):
                return one.collection, space
            known += [space.model] if space.has_model else []
    listed = f"there are: {', '.join(dict.fromkeys(known))}" if known else "no collection has a model"
    raise ApiError(404, f"no model {name!r}; {listed}", "NoSuchModel")


def _values(given: Mapping[str, Any]) -> list[Value]:
    """The texts and pictures of a request."""
    if "messages" in given:
        return [_of_messages(given["messages"])]
    inputs = given["input"] if isinstance(given["input"], list) else [given["input"]]
    if not 1 <= len(inputs) <= MOST_INPUTS:
        raise _wrong(f"input has from 1 to {MOST_INPUTS} entries, not {len(inputs)}")
    are_pictures = given.get("modality") == "image"
    return [_picture(one) if are_pictures and isinstance(one, str) else _value(one) for one in inputs]


def _of_messages(messages: Any) -> Value:
    """The one text or picture of a conversation, as vLLM is asked for pictures."""
    contents = [one.get("content") if isinstance(one, dict) else None for one in _listed(messages, "messages")]
    parts = [part for content in contents for part in ([content] if isinstance(content, str) else _listed(content))]
    found = [value for value in map(_value, parts) if value]
    if len(found) != 1:
        raise _wrong("messages become one vector: give one text or one picture in them")
    return found[0]


def _listed(value: Any, name: str = "content") -> Sequence[Any]:
    if not isinstance(value, list):
        raise _wrong(f"{name} is a list")
    return value


def _value(part: Any) -> Value:
    """A text as it is, or what an object with ``text`` or ``image_url`` holds."""
    if isinstance(part, dict):
        if "image_url" in part:
            url = part["image_url"]
            return _picture(url.get("url") if isinstance(url, dict) else url)
        part = part.get("text")
    if not isinstance(part, str):
        raise _wrong('an entry is a text, or a picture: {"image_url": {"url": "data:image/jpeg;base64,…"}}')
    if len(part) > _MOST_CHARACTERS:
        raise _wrong(f"a text has at most {_MOST_CHARACTERS:,} characters")
    return part


def _picture(url: Any) -> bytes:
    """The bytes of a picture in a data URL."""
    if not isinstance(url, str) or not url.startswith("data:"):
        raise _wrong("no address is fetched: send the picture in a data URL, data:image/jpeg;base64,…")
    kind, _, coded = url.partition(",")
    if not (kind.startswith("data:image/") and kind.endswith(";base64")):
        raise _wrong("a data URL of a picture begins with its type: data:image/jpeg;base64,…")
    try:
        data = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("what follows the comma of a data URL is not base64") from None
    if not data:
        raise _wrong("a picture is empty")
    return data


def _base64(vector: NDArray[np.float32]) -> str:
    """The numbers as float32, little endian, in base64."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _wrong(message: str) -> ApiError:
    return ApiError(400, message, "BadRequest")


def _error(error: ApiError) -> Response:
    """An error in the shape of OpenAI's, with the kind that our other routes have."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    code = "model_not_found" if error.kind == "NoSuchModel" else None
    about = {"message": error.message, "type": kind, "param": None, "code": code, "kind": error.kind}
    return JSONResponse({"error": about}, error.status, headers=error.headers)


routes = [Route("/v1/embeddings", embeddings, methods=["POST"])]
