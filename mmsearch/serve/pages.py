"""The page to look at: its HTML, styles and modules, as they lie in the folder ``page``."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Browsers run a module only under its type, which some systems do not know."""


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


async def index(request: Request) -> Response:
    """The page."""
    return _answer(request, "index.html")


async def static(request: Request) -> Response:
    """A style sheet, module or symbol of the page."""
    return _answer(request, request.path_params["name"])


def _answer(request: Request, name: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise HTTPException(404, f"the page has no file {name}")
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}  # kept, and asked for again: a new version may be there
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@functools.cache
def _files() -> Mapping[str, _File]:
    """All files of the page by their names: what is not among them cannot be asked for."""
    paths = [path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _TYPES]
    return {path.relative_to(_FOLDER).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"')


routes = [Route("/", index), Route("/static/{name:path}", static)]
