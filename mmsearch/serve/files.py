"""Routes to what files hold: the files themselves, small pictures, frames, clips. Addresses have ids, never paths."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mmsearch.serve.clips import clip
from mmsearch.serve.indexed_files import file_answer, opened
from mmsearch.serve.reveal import reveal
from mmsearch.serve.served import served_of
from mmsearch.serve.thumbnails import frame, thumb


async def media(request: Request) -> Response:
    """The file of a row, if it still is what was indexed."""
    collection = served_of(request).collection
    file = await to_thread.run_sync(opened, collection, int(request.path_params["id"]))
    download = request.query_params.get("download", "0") not in ("", "0")
    return file_answer(file, request.headers, method=request.method, download=download)


routes = [
    Route("/media/{id:int}", media),
    Route("/thumb/{id:int}", thumb),
    Route("/frame/{id:int}", frame),
    Route("/clip/{id:int}", clip),
    Route("/api/items/{id:int}/reveal", reveal, methods=["POST"]),
]
