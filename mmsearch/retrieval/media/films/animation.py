"""Animated pictures (GIF, WebP, APNG, AVIF) as films, frame by frame with Pillow."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import IO

from PIL import Image, ImageFile

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.films.frame import StillFrame
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.metadata import metadata_of_picture
from mmsearch.retrieval.media.pictures.colour import to_srgb
from mmsearch.retrieval.media.pictures.image import check_size, exif_of, load_plugin, pillow_settings

ANIMATED_FORMATS = ("gif", "webp", "png", "avif")
"""Formats of pictures that may be animations."""

_BOX = struct.Struct(">I4s")

_MIN_FRAME_S, _USUAL_FRAME_S = 0.011, 0.1
"""Browsers show a frame of 10 ms or less for 100 ms, and files are made for that."""


def is_animated(source: IO[bytes], format: str) -> bool:
    """Whether a picture of one of `ANIMATED_FORMATS` has several frames, by its blocks; nothing is decoded."""
    source.seek(0)
    if format == "webp":
        head = source.read(21)
        return head[12:16] == b"VP8X" and len(head) == 21 and bool(head[20] & 0x02)
    if format == "png":
        head = source.read(4096)
        return 0 < head.find(b"acTL") < (head.find(b"IDAT") + 1 or len(head))
    if format == "avif":
        return has_track(source)
    return format == "gif" and _gif_frames(source, 2) == 2


def has_track(source: IO[bytes]) -> bool:
    """Whether an AVIF or HEIC has a video track beside its pictures: a box *moov* at the top level."""
    at, end = 0, source.seek(0, os.SEEK_END)
    while at + _BOX.size <= end:
        source.seek(at)
        size, name = _BOX.unpack(source.read(_BOX.size))
        if name == b"moov":
            return True
        if size == 1:
            size = int.from_bytes(source.read(8), "big")
        if size < _BOX.size:
            return False
        at += size
    return False


def _gif_frames(source: IO[bytes], enough: int) -> int:
    """The number of pictures in a GIF, counted up to ``enough`` by walking its blocks (GIF89a, appendix A)."""
    header = source.read(13)
    if len(header) == 13 and header[10] & 0x80:
        source.seek(3 << ((header[10] & 7) + 1), 1)
    count = 0
    while count < enough:
        kind = source.read(1)
        if kind == b"\x21":
            source.seek(1, 1)
        elif kind == b"\x2c":
            descriptor = source.read(9)
            if len(descriptor) < 9:
                break
            if descriptor[8] & 0x80:
                source.seek(3 << ((descriptor[8] & 7) + 1), 1)
            source.seek(1, 1)
            count += 1
        else:
            break
        while length := source.read(1):
            if length == b"\0":
                break
            source.seek(length[0], 1)
    return count


class Animation:
    """The frames of an animated picture, decoded one at a time.

    Attributes:
        size: width and height in pixels.
        stated: what its metadata states, such as when it was taken.
        note: after the last frame, whether the file breaks off.

    Raises:
        DecodeError: not readable, or more than ``max_pixels``.
    """

    def __init__(self, source: IO[bytes], format: str, max_pixels: int) -> None:
        load_plugin(format)
        source.seek(0)
        with pillow_settings():
            try:
                self._image: ImageFile.ImageFile = Image.open(source, formats=[FORMATS[format].reader])
            except MemoryError:
                raise
            except Exception:
                raise DecodeError("damaged or cut off: its header cannot be read") from None
        self.size = self._image.size
        check_size(self.size, self.size[0] * self.size[1], max_pixels)
        self.stated = metadata_of_picture(self._image, exif_of(self._image), source)
        self.note: str | None = None

    def frames(self) -> Iterator[StillFrame]:
        """The frames as they are shown, transparent parts over white."""
        time, index = 0.0, 0
        while True:
            with pillow_settings():
                try:
                    self._image.seek(index)
                    self._image.load()
                    shown = to_srgb(self._image.copy())
                except EOFError:
                    return
                except MemoryError:
                    raise
                except Exception:
                    self.note = "truncated: the rest of the animation could not be read"
                    return
            duration = float(self._image.info.get("duration") or 0) / 1000
            duration = duration if duration >= _MIN_FRAME_S else _USUAL_FRAME_S
            yield StillFrame(time, duration, shown)
            time, index = time + duration, index + 1
