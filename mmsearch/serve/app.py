"""The routes of the server, as one ASGI app."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mmsearch import Collection, MMSearchError
from mmsearch.serve import browsing, contents, embeddings, files, openapi, pages, searching
from mmsearch.serve.api_errors import ApiError, as_api_error
from mmsearch.serve.clips import Clips
from mmsearch.serve.guards import Access, Guards
from mmsearch.serve.metrics import Metrics
from mmsearch.serve.served import Served, SlowWork, default_threads
from mmsearch.serve.thumbnails import Pictures

if TYPE_CHECKING:
    from mmsearch.scale.readers import Readers
    from mmsearch.serve.mcp_server import MountedMCP

_ENDPOINTS = (contents, browsing, searching, files, embeddings, openapi, pages)


def make_app(
    collections: Mapping[str, Collection],
    access: Access,
    *,
    local: bool,
    mcp: bool,
    readers: Readers | None = None,
) -> Starlette:
    """The app that serves collections by their names.

    Args:
        collections: by name.
        access: who may ask.
        local: only this machine reaches the server: it may show files in the file manager.
        mcp: serve agents, too.
        readers: what looks up the rows of the collection, if this process does not; they are closed at the end.
    """
    slow_work, metrics = SlowWork(default_threads(), waiting=64), Metrics()
    served = {name: Served(name, collection, metrics) for name, collection in collections.items()}
    metrics.watch(served)
    if readers is not None:
        metrics.watch_readers(readers)
    pictures = Pictures()
    tools = _tools(collections, slow_work, access) if mcp else None

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with tools.lifespan() if tools else contextlib.nullcontext():
            yield
        slow_work.close()
        pictures.close()
        for one in served.values():
            one.batcher.close()
        if readers is not None:
            readers.close()

    routes: list[BaseRoute] = [route for endpoints in _ENDPOINTS for route in endpoints.routes]
    routes += tools.routes if tools else ()
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=HANDLERS)
    app.add_middleware(Guards, access=access, metrics=metrics)
    app.state.local = local
    app.state.pictures, app.state.clips = pictures, Clips()
    app.state.readers = readers
    app.state.folders = {name: collection.address for name, collection in collections.items()}
    app.state.warming = [one.warm for one in served.values()]
    app.state.served, app.state.slow_work, app.state.metrics = served, slow_work, metrics
    return app


def _tools(collections: Mapping[str, Collection], slow_work: SlowWork, access: Access) -> MountedMCP:
    from mmsearch.serve.mcp_server import mcp_over_http  # takes two seconds to import

    return mcp_over_http(collections, slow_work, access)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _library_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MMSearchError)
    return as_api_error(error).response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return ApiError(error.status_code, error.detail, "HttpError", error.headers).response()


async def _failure(request: Request, error: Exception) -> Response:
    return ApiError(500, "this went wrong in the server; its log says why", "ServerError").response()


HANDLERS = {ApiError: _api_error, MMSearchError: _library_error, HTTPException: _http_error, Exception: _failure}
