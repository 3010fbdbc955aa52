"""Parts of films and sounds as MP4 that browsers play: made whole if that is quick, else sent while they are made."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from mmsearch import Clip, Collection, Extractor
from mmsearch.serve.api_errors import ApiError, busy
from mmsearch.serve.client_left import ClientLeftError, StreamedResponse, unless_client_leaves
from mmsearch.serve.indexed_files import answer_in_parts, opened
from mmsearch.serve.kept_clips import MOST_BYTES, KeptClip, KeptClips
from mmsearch.serve.search_request import seconds_asked, wrong
from mmsearch.serve.served import served_of

MOST_S = 600.0
"""A clip is at most so long, in seconds."""

_USUAL_S = 60.0
_AT_ONCE = 4
_PATIENCE_S = 10.0
"""So long a clip waits until another one ends."""

_PIECE_BYTES = 256 * 1024
_CLIENT_LEFT = 499


_COLLECTED_S = 0.5
"""A clip that is whole so soon is kept, and a player can jump in it. Any other is sent while it is made."""


class Clips:
    """The clips of one app.

    Attributes:
        kept: those that were made whole.
    """

    def __init__(self) -> None:
        self.kept = KeptClips()
        self._room = asyncio.Semaphore(_AT_ONCE)  # each has a process of its own, for as long as it is sent

    async def enter(self) -> None:
        """Take a place, or wait for one.

        Raises:
            ApiError: 429, none became free.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):  # not `wait_for`, which may lose a cancellation and keep the room
                await self._room.acquire()
        except TimeoutError:
            raise busy() from None

    def leave(self) -> None:
        """Give the place back."""
        self._room.release()


class _Work:
    """One clip while it is made, and all that it holds: a process, a place among the clips. `end` gives them back.

    Attributes:
        begun: what of it was made before anything was sent.
        is_whole: that is all.
    """

    def __init__(self, clips: Clips) -> None:
        self._clips = clips
        self._extractor = Extractor()
        self._clip: Clip | None = None
        self._pieces: Iterator[bytes] = iter(())
        self.begun: KeptClip | None = None
        self.is_whole = False

    def begin(self, wanted: _Wanted, start_only: bool) -> dict[str, str]:
        """Start the process, and make what can be made at once; returns what is said of the clip."""
        if wanted.collection.shown(wanted.row_id).modality not in ("video", "audio"):
            raise ApiError(404, f"row {wanted.row_id} is no film or sound", "NoFilm")
        with opened(wanted.collection, wanted.row_id) as file:
            made = self._extractor.clip(file, wanted.start_s, wanted.end_s, start_only=start_only)
            self._clip, self._pieces = made, iter(made)
        said = {"Clip-Start": f"{made.start_s:.6f}", "Clip-End": f"{made.end_s:.6f}", "Content-Type": made.media_type}
        if not start_only:
            self.begun = KeptClip(said)
            self._collect(self.begun)
        return said

    def _collect(self, begun: KeptClip) -> None:
        deadline = time.monotonic() + _COLLECTED_S
        while not self.is_whole and begun.size < MOST_BYTES and time.monotonic() < deadline:
            piece = self.next_piece()
            self.is_whole = piece is None
            begun.add(piece or b"")

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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A part of the file of a row, in seconds."""

    collection: Collection
    row_id: int
    start_s: float
    end_s: float

    @property
    def key(self) -> Hashable:
        return self.collection.root, self.row_id, self.start_s, self.end_s


async def clip(request: Request) -> Response:
    """A part of a film or sound. ``Clip-Start`` says where it really starts, ``Clip-End`` where it ends, in seconds."""
    collection, row_id = served_of(request).collection, int(request.path_params["id"])
    start_s = seconds_asked(request.query_params, "from", 0.0)
    end_s = seconds_asked(request.query_params, "to", start_s + _USUAL_S)
    if end_s <= start_s:
        raise wrong("a clip ends after it starts: `to` is later than `from`")
    wanted = _Wanted(collection, row_id, start_s, min(end_s, start_s + MOST_S))
    clips: Clips = request.app.state.clips
    kept = clips.kept.find(wanted.key)
    if kept is not None:
        (await to_thread.run_sync(opened, collection, row_id)).close()  # it still is what was indexed
        return _whole(kept, request)
    await clips.enter()
    work = _Work(clips)
    try:
        begin = to_thread.run_sync(work.begin, wanted, request.method == "HEAD")
        said = await unless_client_leaves(request.receive, begin, work.give_up)
    except ClientLeftError:
        await work.end()
        return Response(status_code=_CLIENT_LEFT)
    except BaseException:
        await work.end()
        raise
    if work.begun is not None and work.is_whole:
        await work.end()
        clips.kept.keep(wanted.key, work.begun)
        return _whole(work.begun, request)
    return _ClipResponse(work, {**said, "Accept-Ranges": "none", "Cache-Control": "private, no-cache"})


def _whole(clip: KeptClip, request: Request) -> Response:
    return answer_in_parts(
        clip.reader(), clip.size, clip.version, request.headers, method=request.method, said=clip.headers
    )


class _ClipResponse(StreamedResponse):
    """Sends a clip piece by piece, and ends the work on it whatever happens."""

    def __init__(self, work: _Work, headers: dict[str, str]) -> None:
        super().__init__(200, headers)
        self._work = work

    async def end(self) -> None:
        """End the work on it."""
        await self._work.end()

    async def send_body(self, send: Send) -> None:
        """Send what was begun, then the rest as it is made."""
        begun = self._work.begun.reader() if self._work.begun is not None else io.BytesIO()
        while data := await to_thread.run_sync(begun.read, _PIECE_BYTES):
            await send({"type": "http.response.body", "body": data, "more_body": True})
        while (piece := await to_thread.run_sync(self._work.next_piece)) is not None:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
