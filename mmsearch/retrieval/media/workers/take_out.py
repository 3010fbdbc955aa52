"""Jobs that take something out of a file in a decoding worker: pictures and clips as coded bytes, or as new files."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.read import page_picture
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.pictures.pages import pages_of
from mmsearch.retrieval.media.pictures.raw import decode_raw
from mmsearch.retrieval.media.sniff import Sniffed
from mmsearch.retrieval.media.workers.channel import WorkerChannel
from mmsearch.retrieval.media.workers.jobs import Decoded, Extract, Job, Output, PartFacts
from mmsearch.retrieval.media.workers.messages import Extent
from mmsearch.types import Facts

if TYPE_CHECKING:
    from PIL import Image

_CODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "webp": ("WEBP", {"quality": 80, "method": 2}),  # 4 takes twice as long for 3 % less
    "jpeg": ("JPEG", {"quality": 90}),
}
"""Pillow's name of a coding, and how it is written."""

_LARGEST_PAGE = 4096
"""The most pixels along a side of a drawn page."""

_JPEG_DRAFT = 1.0
"""A JPEG is decoded at a scale at which both sides are at least so many times the wanted ones."""


def take_out(
    file: IO[bytes],
    sniffed: Sniffed,
    extract: Extract,
    max_pixels: int,
    channel: WorkerChannel,
    memory: NDArray[np.uint8],
) -> Decoded:
    """Send a picture or a clip as coded bytes, in parts that fit into ``memory``.

    Raises:
        DecodeError: there is no such picture or clip in the file.
    """
    if sniffed.reason is not None:
        raise DecodeError(sniffed.reason)

    def send(facts: PartFacts, data: bytes) -> None:
        coded = np.frombuffer(data, np.uint8)
        for at in range(0, max(len(coded), 1), len(memory)):
            channel.send_part(memory, facts, coded[at : at + len(memory)])

    if extract.what == "clip":
        _send_clip(as_film_if_animated(file, sniffed), file, extract, max_pixels, channel, send)
        return Decoded(b"", "decoded")
    picture, time_s = _picture(file, sniffed, extract, max_pixels)
    picture.thumbnail((extract.side, extract.side), reducing_gap=3.0)
    coder, options = _CODINGS[extract.what]
    coded = io.BytesIO()
    picture.save(coded, coder, **options)
    facts = PartFacts(kind="coded", start_s=time_s, end_s=time_s, media_type=f"image/{extract.what}")
    send(facts, coded.getvalue())
    return Decoded(b"", "decoded", facts=Facts(width=picture.width, height=picture.height))


def _send_clip(
    sniffed: Sniffed, file: IO[bytes], extract: Extract, max_pixels: int, channel: WorkerChannel, send: Any
) -> None:
    from mmsearch.retrieval.media.films.browser_clip import ClipFacts, write_browser_clip

    if sniffed.kind not in ("audio", "video"):
        raise DecodeError("no film or sound")
    assert extract.start_s is not None
    channel.send(Extent(duration_s=extract.end_s - extract.start_s))

    def send_piece(clip: ClipFacts, data: bytes) -> None:
        send(PartFacts(kind="coded", start_s=clip.start_s, end_s=clip.end_s, media_type=clip.media_type), data)

    bounds: dict[str, Any] = {"max_pixels": max_pixels, "start_only": extract.start_only}
    file.seek(0)
    clip = write_browser_clip(file, sniffed.format, extract.start_s, extract.end_s, send_piece, **bounds)
    if extract.start_only:
        send_piece(clip, b"")


def _picture(file: IO[bytes], sniffed: Sniffed, extract: Extract, max_pixels: int) -> tuple[Image.Image, float]:
    """The picture, perhaps larger than wanted, and of a film the time at which it is shown."""
    if extract.start_s is not None:
        return _frame(file, as_film_if_animated(file, sniffed), extract.start_s, extract.side, max_pixels)
    bounds: dict[str, Any] = {"max_pixels": max_pixels, "target": (extract.side, extract.side), "draft": _JPEG_DRAFT}
    file.seek(0)
    if sniffed.kind == "raw":
        return decode_raw(file, **bounds)[0], 0.0
    if sniffed.kind == "document":
        return page_picture(file, sniffed.format, extract.page or 0, min(extract.side, _LARGEST_PAGE)), 0.0
    if sniffed.kind != "image":
        raise DecodeError("no picture")
    page = pages_of(file, sniffed.format)[0] if extract.page is None else extract.page
    return decode_image(file, **bounds, format=sniffed.format, page=page or None)[0], 0.0


def _frame(file: IO[bytes], sniffed: Sniffed, time_s: float, side: int, max_pixels: int) -> tuple[Image.Image, float]:
    from mmsearch.retrieval.media.films.film import shown_at
    from mmsearch.retrieval.media.films.frames import open_film

    if sniffed.kind != "video":
        raise DecodeError("no film")
    file.seek(0)
    reader = open_film(file, sniffed.format, max_pixels)
    frame = next(shown_at(reader, [time_s]))
    picture = frame.picture((side, side))
    reader.close()
    return picture, frame.time


def write_output(
    file: IO[bytes], sniffed: Sniffed, job: Job, output: Output, max_pixels: int, channel: WorkerChannel
) -> Decoded:
    """Put a frame or a clip of a film or sound into a file of its own."""
    from mmsearch.retrieval.media.films.extract import cut_clip, save_frame

    sniffed = as_film_if_animated(file, sniffed)
    if sniffed.kind not in ("audio", "video"):
        raise DecodeError("no film or sound")
    assert job.moment is not None
    target = os.fsdecode(output.path)
    start, end = job.moment
    file.seek(0)
    decoded = Decoded(job.path, "decoded", sniffed.kind)
    if output.what == "frame":
        return replace(decoded, saved=save_frame(file, sniffed.format, start, target, max_pixels=max_pixels))
    assert end is not None
    channel.send(Extent(duration_s=end - start))
    return replace(decoded, saved=cut_clip(file, sniffed.format, start, end, target, max_pixels=max_pixels))


def as_film_if_animated(file: IO[bytes], sniffed: Sniffed) -> Sniffed:
    """An animated picture as a film; FFmpeg reads the track of a HEIC, which Pillow does not."""
    from mmsearch.retrieval.media.films.animation import ANIMATED_FORMATS, has_track, is_animated

    if sniffed.format == "heic" and has_track(file):
        return replace(sniffed, kind="video", format="mov")
    if sniffed.format not in ANIMATED_FORMATS:
        return sniffed
    file.seek(0)
    return replace(sniffed, kind="video") if is_animated(file, sniffed.format) else sniffed
