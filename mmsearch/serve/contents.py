"""What collections hold, over HTTP: status, items, passages around an item, facets; and health and metrics."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import mmsearch
from mmsearch import Collection, MMSearchError, Record
from mmsearch.serve.indexed_files import openable
from mmsearch.serve.metrics import CONTENT_TYPE, Metrics
from mmsearch.serve.passages import passages_of
from mmsearch.serve.search_request import filters_asked, wrong
from mmsearch.serve.served import Served, in_thread, served_of
from mmsearch.types import MODALITIES, printable

if TYPE_CHECKING:
    from mmsearch.scale.readers import Readers

_MOST_FOLDERS = 50
_MOST_AROUND = 50


async def status(request: Request) -> Response:
    """What is served."""
    served: Mapping[str, Served] = request.app.state.served
    found = [await in_thread(request, _status, one) for one in served.values()]
    local = bool(getattr(request.app.state, "local", False))
    return JSONResponse({"version": mmsearch.__version__, "local": local, "collections": found})


def _status(served: Served) -> dict[str, Any]:
    status = served.status()
    searched = {status.space, *status.beside}
    kinds: dict[str, dict[str, int]] = {}
    for one in status.modalities:
        if one.space in searched:
            own = kinds.setdefault(one.modality, {"rows": 0, "files": 0})
            own["rows"] += one.rows
            own["files"] = max(own["files"], one.files)  # several models embed the same files
    named = ("space", "modality", "index", "segments", "recall")
    return {
        "name": served.name,
        "path": served.collection.address,
        "generation": status.generation,
        "models": list(filter(None, [status.model, *status.beside.values()])),
        "rows": sum(own["rows"] for own in kinds.values()),
        "files": sum(root.files for root in status.roots) or sum(own["files"] for own in kinds.values()),
        "kinds": {modality: kinds[modality] for modality in MODALITIES if modality in kinds},
        "roots": [{**root.to_json()} for root in status.roots],
        "indexes": [{name: getattr(one, name) for name in named} for one in status.modalities],
        "skipped": status.skipped,
    }


async def item(request: Request) -> Response:
    """One row."""
    served, record = _record(request)
    return JSONResponse({**_record_json(record), **await in_thread(request, openable, served.collection, record.id)})


def _record(request: Request) -> tuple[Served, Record]:
    served = served_of(request)
    return served, served.collection.shown(int(request.path_params["id"]))


def _record_json(record: Record) -> dict[str, Any]:
    return {**record.to_json(), "name": os.path.basename(printable(record.path))}


async def passages(request: Request) -> Response:
    """The passages of an item's file around it, in order."""
    around = request.query_params.get("around", "3")
    if not around.isdecimal() or int(around) > _MOST_AROUND:
        raise wrong(f"around is a whole number up to {_MOST_AROUND}")
    served, record = _record(request)
    return JSONResponse({"passages": await in_thread(request, _passages, served.collection, record.id, int(around))})


def _passages(collection: Collection, row_id: int, around: int) -> list[dict[str, Any]]:
    found, place = passages_of(collection, row_id)
    chosen = found[max(0, place - around) : place + around + 1]
    return [{"id": one.id, "span": one.span.to_json() if one.span else None, "text": one.text} for one in chosen]


async def facets(request: Request) -> Response:
    """Files by kind, year, folder, camera and place, of all that the filters of the address let through."""
    served = served_of(request)
    options = filters_asked(served.collection, request.query_params)
    return JSONResponse(await in_thread(request, _facets, served.collection, options))


def _facets(collection: Collection, options: Mapping[str, Any]) -> dict[str, Any]:
    from mmsearch.serve.facets import count_facets

    found = count_facets(collection, options)
    folders = [
        {"path": path, "name": os.path.basename(path) or path, "files": files}
        for path, files in found.folders.most_common(_MOST_FOLDERS)
    ]
    return {
        "kinds": {kind: found.kinds[kind] for kind in MODALITIES if found.kinds[kind]},
        "years": _sorted(found.years),
        "folders": sorted(folders, key=lambda folder: str(folder["path"])),
        "cameras": dict(found.cameras.most_common(_MOST_FOLDERS)),
        "places": dict(found.places.most_common(_MOST_FOLDERS)),
    }


def _sorted(counter: Counter[str]) -> dict[str, int]:
    return {name: counter[name] for name in sorted(counter, reverse=True)}


async def healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Every collection can be read, and readers answer for all of its parts, or for some."""
    served: Mapping[str, Served] = request.app.state.served
    for one in served.values():
        try:
            one.refresh()
        except MMSearchError as error:
            return JSONResponse({"status": "failed", "reason": f"{one.name}: {error}"}, 503)
    readers: Readers | None = request.app.state.readers
    missing = readers.missing() if readers is not None else {}
    if readers is None or not missing:
        return JSONResponse({"status": "ok"})
    if len(missing) == readers.count:
        return JSONResponse({"status": "failed", "reason": "no reader answers", "missing_parts": missing}, 503)
    return JSONResponse({"status": "partial", "missing_parts": missing})


async def metrics(request: Request) -> Response:
    """Counters and histograms for Prometheus."""
    measured: Metrics = request.app.state.metrics
    return Response(await in_thread(request, measured.text), media_type=CONTENT_TYPE)


routes = [
    Route("/api/status", status),
    Route("/api/items/{id:int}", item),
    Route("/api/items/{id:int}/passages", passages),
    Route("/api/facets", facets),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
