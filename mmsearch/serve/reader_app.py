"""The app of a reader: look-ups in one part of a collection for a front, behind the guards of any server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmsearch import MMSearchError
from mmsearch.scale.readers import OtherManifestError, Part, PartReader
from mmsearch.scale.readers.connections import ABOUT, LOOK_UP
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.app import HANDLERS
from mmsearch.serve.guards import Access, Guards
from mmsearch.serve.metrics import CONTENT_TYPE, Metrics
from mmsearch.serve.served import SlowWork, default_threads, in_thread


def make_reader_app(named: tuple[str, str | os.PathLike[str]], part: str, access: Access) -> Starlette:
    """The app that answers for a part of a collection.

    Args:
        named: the name of the collection, or nothing, and its folder or address.
        part: such as ``3/8``.
        access: who may ask.

    Raises:
        MMSearchError: it is no part, or the collection cannot be opened.
    """
    name, path = named
    reader = PartReader(path, Part.read(part))
    slow_work, metrics = SlowWork(default_threads(), waiting=64), Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(warm())
        yield
        warming.cancel()
        slow_work.close()
        reader.close()

    async def warm() -> None:
        with contextlib.suppress(Exception):  # who asks is told what is wrong
            await asyncio.to_thread(reader.warm)

    app = Starlette(routes=_ROUTES, lifespan=lifespan, exception_handlers=HANDLERS)
    app.add_middleware(Guards, access=access, metrics=metrics)
    app.state.reader, app.state.slow_work, app.state.metrics = reader, slow_work, metrics
    app.state.served = {}
    app.state.folders = {f"part {reader.part} of {name or reader.root.stem}": str(reader.root)}
    app.state.warming = []
    return app


async def _look_up(request: Request) -> Response:
    """Answer a front."""
    reader: PartReader = request.app.state.reader
    body = await request.body()
    try:
        answer = await in_thread(request, reader.answer, body)
    except OtherManifestError as error:
        about = {"message": str(error), "kind": type(error).__name__, "generation": error.generation}
        return JSONResponse({"error": about}, 409)
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(422, "this is no request of a front of this version", "NoRequest") from error
    return Response(answer, media_type="application/octet-stream")


async def _about(request: Request) -> Response:
    """What is read here."""
    reader: PartReader = request.app.state.reader
    return JSONResponse(await in_thread(request, reader.about))


async def _healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """The part can be read, and its indexes are open."""
    reader: PartReader = request.app.state.reader
    try:
        about = await in_thread(request, reader.about)
    except MMSearchError as error:
        return JSONResponse({"status": "failed", "reason": str(error)}, 503)
    if not about["ready"]:
        return JSONResponse({"status": "failed", "reason": "indexes are being opened"}, 503)
    return JSONResponse({"status": "ok"})


async def _metrics(request: Request) -> Response:
    """Counters and histograms for Prometheus."""
    measured: Metrics = request.app.state.metrics
    return Response(await in_thread(request, measured.text), media_type=CONTENT_TYPE)


_ROUTES = [
    Route(LOOK_UP, _look_up, methods=["POST"]),
    Route(ABOUT, _about, methods=["POST"]),
    Route("/healthz", _healthz),
    Route("/readyz", _readyz),
    Route("/metrics", _metrics),
]
