"""Small pictures of rows, and frames of films: made by a few threads, the small ones kept on the disk."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from mmsearch import Collection, Extractor, Record
from mmsearch.extracts import has_picture
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.byte_ranges import Version
from mmsearch.serve.client_left import ClientLeftError, unless_client_leaves
from mmsearch.serve.indexed_files import opened
from mmsearch.serve.picture_cache import PictureCache
from mmsearch.serve.picture_maker import Make, PictureMaker
from mmsearch.serve.search_request import seconds_asked, wrong
from mmsearch.serve.served import served_of

SIDES = (160, 320, 640, 1280)
"""The most pixels along a side of a small picture: a wanted width is rounded up to one of these."""

_USUAL_SIDE, _MOST_SIDE = 320, 4096
_MADE_AS = "1"
"""Changes when small pictures are made in another way, so that those on the disk are made again."""

_HEADERS = {"Cache-Control": "private, no-cache"}  # ids are used again by a collection that is made anew
_CLIENT_LEFT = 499


class Pictures:
    """What makes and keeps the pictures of one app."""

    def __init__(self) -> None:
        self.maker = PictureMaker()
        self.cache = PictureCache(cache_folder())

    def close(self) -> None:
        """End the threads."""
        self.maker.close()


def cache_folder() -> Path:
    """Where small pictures are kept, for all collections of a user."""
    return Path(platformdirs.user_cache_path("mmsearch", appauthor=False)) / "pictures"


@dataclass(frozen=True, slots=True)
class _Small:
    """A small picture: of which row, how large, and its bytes if they are on the disk."""

    row_id: int
    side: int
    key: str
    kept: bytes | None


async def thumb(request: Request) -> Response:
    """A small picture of a row as WebP: the picture, the page, or the frame in the middle of a film's moment."""
    collection = served_of(request).collection
    side = _side_asked(request, _USUAL_SIDE)
    side = next((one for one in SIDES if one >= side), SIDES[-1])
    pictures: Pictures = request.app.state.pictures
    small = await to_thread.run_sync(_find_small, collection, int(request.path_params["id"]), side, pictures.cache)
    version = Version(f'"{small.key}"')
    if version.is_known(request.headers):
        return Response(status_code=304, headers={**version.headers, **_HEADERS})
    data = small.kept
    if data is None:
        data = await _made(request, small.key, partial(_make_small, collection, small, pictures.cache))
    return _answer(data, "image/webp", version)


async def frame(request: Request) -> Response:
    """The frame that a film shows at a time, as JPEG; without a time, in the middle of the moment."""
    collection, row_id = served_of(request).collection, int(request.path_params["id"])
    side = _side_asked(request, _MOST_SIDE)
    time_s = seconds_asked(request.query_params, "t", 0.0) if "t" in request.query_params else None
    record = await to_thread.run_sync(collection.shown, row_id)
    if record.modality != "video":
        raise ApiError(404, f"row {row_id} is no film: it has no frames", "NoFilm")
    key = _key(collection, record, f"frame {time_s} {side}")
    version = Version(f'"{key}"')
    if version.is_known(request.headers):
        return Response(status_code=304, headers={**version.headers, **_HEADERS})
    data = await _made(request, key, partial(_make_frame, collection, row_id, time_s, side))
    return _answer(data, "image/jpeg", version)


def _answer(data: bytes | None, media_type: str, version: Version) -> Response:
    if data is None:
        return Response(status_code=_CLIENT_LEFT)
    return Response(data, media_type=media_type, headers={**version.headers, **_HEADERS})


async def _made(request: Request, key: str, make: Make) -> bytes | None:
    """A picture that one of the threads makes; None if the client left before."""
    pictures: Pictures = request.app.state.pictures
    waiting = asyncio.wrap_future(pictures.maker.ask(key, make))
    waiting.add_done_callback(_take_error)
    try:
        return await unless_client_leaves(request.receive, asyncio.shield(waiting))
    except ClientLeftError:
        return None
    finally:
        pictures.maker.leave(key)


def _take_error(made: asyncio.Future[bytes]) -> None:
    """Take the error of a picture that nobody waits for any more: asyncio would print it."""
    if not made.cancelled():
        made.exception()


def _find_small(collection: Collection, row_id: int, side: int, cache: PictureCache) -> _Small:
    record = collection.shown(row_id)
    if not has_picture(record):
        raise ApiError(404, f"row {row_id} has no picture: it is {_NOUNS[record.modality]}", "NoPicture")
    key = _key(collection, record, f"small {side} {_MADE_AS}")
    return _Small(row_id, side, key, cache.read(key))


_NOUNS = {"text": "a text", "audio": "a sound"}


def _key(collection: Collection, record: Record, what: str) -> str:
    """A hash of what a picture shows: the content of the file, the part of it, how it is made."""
    content = record.content_hash.hex() or f"{collection.root} {record.id}"
    span = None if record.span is None else (record.span.start, record.span.end, record.span.unit)
    seen = repr((content, record.modality, span, what))
    return hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _make_small(collection: Collection, small: _Small, cache: PictureCache, extractor: Extractor) -> bytes:
    with opened(collection, small.row_id) as file:
        data = extractor.picture(file, side=small.side).data
    cache.write(small.key, data)
    return data


def _make_frame(collection: Collection, row_id: int, time_s: float | None, side: int, extractor: Extractor) -> bytes:
    with opened(collection, row_id) as file:
        return extractor.picture(file, side=side, coding="jpeg", at=time_s).data


def _side_asked(request: Request, usual: int) -> int:
    asked = request.query_params.get("w")
    if asked is None:
        return usual
    if not asked.isascii() or not asked.isdecimal() or not int(asked[:6]) > 0 or len(asked) > 6:
        raise wrong("w is a number of pixels")
    return min(int(asked), _MOST_SIDE)
