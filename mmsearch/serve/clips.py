"""Parts of films and sounds as MP4 that browsers play, sent while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mmsearch import Clip, Collection, Extractor
from mmsearch.serve.api_errors import ApiError, busy
from mmsearch.serve.client_left import ClientLeftError, send_unless_client_leaves, unless_client_leaves
from mmsearch.serve.indexed_files import opened
from mmsearch.serve.search_request import seconds_asked, wrong
from mmsearch.serve.served import served_of

MOST_S = 600.0
"""A clip is at most so long, in seconds."""

_USUAL_S = 60.0
_AT_ONCE = 4
_PATIENCE_S = 10.0
"""So long a clip waits until another one ends."""

_CLIENT_LEFT = 499


class Clips:
    """Bounds the clips that one app makes at once: each has a process of its own, for as long as it is sent."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def enter(self) -> None:
        """Take a place, or wait for one.

        Raises:
            ApiError: 429, none became free.
        """
        try:
            await asyncio.wait_for(self._room.acquire(), _PATIENCE_S)
        except TimeoutError:
            raise busy() from None

    def leave(self) -> None:
        """Give the place back."""
        self._room.release()


class _Work:
    """One clip and all that it holds: the file, the process, a place among the clips. `end` gives them back."""

    def __init__(self, clips: Clips) -> None:
        self._clips = clips
        self._extractor = Extractor()
        self._clip: Clip | None = None
        self._pieces: Iterator[bytes] = iter(())

    def begin(self, collection: Collection, row_id: int, start_s: float, end_s: float, start_only: bool) -> Clip:
        """Start the process; returns when the start of the clip is known."""
        if collection.shown(row_id).modality not in ("video", "audio"):
            raise ApiError(404, f"row {row_id} is no film or sound", "NoFilm")
        with opened(collection, row_id) as file:
            clip = self._clip = self._extractor.clip(file, start_s, end_s, start_only=start_only)
        self._pieces = iter(clip)
        return clip

    def next_piece(self) -> bytes | None:
        """The next bytes, or none while nothing is ready; None at the end."""
        return next(self._pieces, None)

    def give_up(self) -> None:
        """Have a call of another thread end soon."""
        self._extractor.cancel()

    async def end(self) -> None:
        """End the process, and give the place back."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close)
        self._clips.leave()

    def _close(self) -> None:
        if self._clip is not None:
            self._clip.close()
        self._extractor.close()


async def clip(request: Request) -> Response:
    """A part of a film or sound. ``Clip-Start`` says where it really starts, ``Clip-End`` where it ends, in seconds."""
    collection, row_id = served_of(request).collection, int(request.path_params["id"])
    start_s = seconds_asked(request.query_params, "from", 0.0)
    end_s = seconds_asked(request.query_params, "to", start_s + _USUAL_S)
    if end_s <= start_s:
        raise wrong("a clip ends after it starts: `to` is later than `from`")
    clips: Clips = request.app.state.clips
    await clips.enter()
    work = _Work(clips)
    is_head = request.method == "HEAD"
    begin = partial(work.begin, collection, row_id, start_s, min(end_s, start_s + MOST_S), is_head)
    try:
        made = await unless_client_leaves(request.receive, to_thread.run_sync(begin), work.give_up)
    except ClientLeftError:
        await work.end()
        return Response(status_code=_CLIENT_LEFT)
    except BaseException:
        await work.end()
        raise
    headers = {
        "Content-Type": made.media_type,
        "Clip-Start": f"{made.start_s:.6f}",
        "Clip-End": f"{made.end_s:.6f}",
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-cache",
    }
    return _ClipResponse(work, headers)


class _ClipResponse(Response):
    """Sends a clip piece by piece, and ends the work on it whatever happens."""

    def __init__(self, work: _Work, headers: dict[str, str]) -> None:
        self._work = work
        self.status_code, self.background, self.body = 200, None, b""
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_unless_client_leaves(receive, partial(self._send_body, send))
        finally:
            await self._work.end()

    async def _send_body(self, send: Send) -> None:
        while (piece := await to_thread.run_sync(self._work.next_piece)) is not None:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
