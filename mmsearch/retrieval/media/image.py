"""Pictures: a file's bytes to an upright 8-bit sRGB picture and its facts, within a bound on memory.

Meant for a decoding worker: while a file is decoded, Pillow's module-wide switches are set for it alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import warnings
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from mmsearch.errors import DecodeError, TransientDecodeError
from mmsearch.retrieval.media.colour import to_srgb
from mmsearch.retrieval.media.dates import date_of_picture, dated
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.types import Facts

BYTES_PER_PIXEL = 24
"""The most memory that decoding takes for each pixel: JPEG 2000 with alpha holds four 32-bit planes, the packed
picture and its RGB copy; the other formats need less."""

_MAX_MEGAPIXELS = 400
_SHARE_OF_MEMORY = 0.5

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def default_max_pixels(workers: int, memory_bytes: int | None = None) -> int:
    """The largest picture, in pixels, that each of ``workers`` may decode at once in half of the free memory.

    ``memory_bytes`` stands in for the memory that is free now.
    """
    if memory_bytes is None:
        import psutil

        memory_bytes = psutil.virtual_memory().available
    affordable = int(memory_bytes * _SHARE_OF_MEMORY / max(workers, 1) / BYTES_PER_PIXEL)
    return min(affordable, _MAX_MEGAPIXELS * 1_000_000)


def decode_image(
    source: str | bytes | os.PathLike[str] | IO[bytes],
    *,
    max_pixels: int,
    target: tuple[int, int] | None = None,
    draft: float = 0.0,
    format: str | None = None,
) -> tuple[Image.Image, Facts]:
    """The first frame of a picture file, upright, in 8-bit sRGB, and its facts.

    ``format``, as `sniff` names it, is found by the file's content where it is None.

    With ``target`` (height, width) and ``draft`` > 0 a JPEG is decoded at the smallest of the scales 1, 1/2, 1/4
    and 1/8 that leaves both sides at least ``draft`` times the target. Width and height among the facts
    are those of the whole upright picture. A file that is cut off gives the part that is there and a note.

    Raises:
        DecodeError: not a picture, damaged, or more than ``max_pixels`` (found before anything is decoded).
        MemoryError: decoding took more memory than the process may have.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | bytes | os.PathLike):
            try:
                source = stack.enter_context(open(source, "rb"))
            except OSError as error:
                raise TransientDecodeError(f"cannot be read: {error.strerror}") from None
        try:
            return _decode(source, format or _format_of(source), max_pixels, target, draft)
        except (DecodeError, MemoryError):
            raise
        except Exception as error:  # strangers' bytes bring out many kinds of error in the decoders
            raise DecodeError(f"damaged or cut off: {_one_line(error)}") from None


def guard_size(size: tuple[int, int], pixels: int, max_pixels: int) -> None:
    """Raise DecodeError where ``pixels`` to be held for a picture of ``size`` are too many."""
    if pixels > max_pixels:
        raise TransientDecodeError(
            f"{size[0]} x {size[1]} pixels is over the limit of {max_pixels / 1e6:.0f} megapixels "
            "that this machine's memory allows"
        )


def _format_of(source: IO[bytes]) -> str:
    source.seek(0)
    return sniff(source.read(HEAD_BYTES), b"", named=True).format


def _decode(
    source: IO[bytes], format: str, max_pixels: int, target: tuple[int, int] | None, draft: float
) -> tuple[Image.Image, Facts]:
    with pillow_settings():
        image, size = _open(source, format, max_pixels, target, draft)
        note = None
        try:
            image.load()
        except (OSError, SyntaxError, EOFError):
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            image, size = _open(source, format, max_pixels, target, draft)
            image.load()
            note = _truncation_note(image)
        exif = tags_of(image)
        orientation = exif.get(_ORIENTATION_TAG)
        taken = date_of_picture(image, exif, source)
        if image.format == "TIFF":
            size = image.size  # has turned itself upright while it was loaded
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        if orientation in (5, 6, 7, 8):
            size = size[::-1]
        facts = dated(Facts(width=size[0], height=size[1], note=note), taken)
        return to_srgb(upright), facts


@contextlib.contextmanager
def pillow_settings() -> Iterator[None]:
    """Pillow strict at first, its own size limit off (ours comes first), no warnings; all put back after."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _open(
    source: IO[bytes], format: str, max_pixels: int, target: tuple[int, int] | None, draft: float
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, opened but not decoded, and its full size; DecodeError where it is too large."""
    source.seek(0)
    if format not in FORMATS or FORMATS[format].kind != "image":
        raise DecodeError("not a picture")
    name = FORMATS[format].reader
    load_plugin(format)
    try:
        image: Image.Image = Image.open(source, formats=[name])
    except UnidentifiedImageError:
        raise DecodeError(_why_unread(source, format)) from None
    size = image.size
    if target is not None and draft > 0:
        image.draft("RGB", (round(draft * target[1]), round(draft * target[0])))
    held = size if "progressive" in image.info else image.size  # a progressive file is held whole to be scaled
    guard_size(size, held[0] * held[1], max_pixels)
    return image, size


def load_plugin(format: str) -> None:
    """Have Pillow know a format of pictures.

    Raises:
        DecodeError: an extra is needed that is not installed.
    """
    if format == "heic":
        import pi_heif

        pi_heif.register_heif_opener()
    elif format == "jxl":
        try:
            importlib.import_module("pillow_jxl")
        except ImportError:
            raise TransientDecodeError('a JPEG XL picture needs an extra: pip install "mmsearch[jxl]"') from None
    else:
        plugin = FORMATS[format].plugin
        assert plugin is not None
        importlib.import_module(plugin)


def _why_unread(source: IO[bytes], format: str) -> str:
    source.seek(0)
    head = source.read(26)
    if format == "jpeg" and head[3:4] == b"\xf7":
        return "a JPEG-LS picture: not read"
    if format == "psd" and head[4:6] == b"\0\2":
        return "a Photoshop document of the large kind (PSB): not read"
    if format == "psd" and head[22:24] not in (b"\0\1", b"\0\x08"):
        return f"a Photoshop document of {int.from_bytes(head[22:24], 'big')} bits a channel: only 8 bits are read"
    return f"damaged or cut off: not readable as {FORMATS[format].reader}"


def _truncation_note(image: Image.Image) -> str:
    """``truncated: 37 % of its rows could be read``; DecodeError where there is nothing to see.

    What a decoder did not reach is left in one colour, so the last rows that are all of one colour count as missing.
    """
    pixels = np.array(image)
    last = pixels[-1, -1]
    if image.format in ("JPEG", "MPO"):
        pixels[:16, :16] = last  # libjpeg makes up a first block where there is none
    seen = np.flatnonzero((pixels != last).reshape(len(pixels), -1).any(axis=1))
    if not len(seen):
        raise DecodeError("cut off before any of the picture")
    share = (int(seen[-1]) + 1) * 100 // len(pixels)
    return "truncated" if share == 100 else f"truncated: {share} % of its rows could be read"


def tags_of(image: Image.Image) -> Any:
    """The EXIF tags of a picture; none where they are broken."""
    try:
        return image.getexif()
    except Exception:  # a broken block of facts is no reason to lose the picture
        return {}


def _one_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return (lines[0] if lines and lines[0] else type(error).__name__)[:200]
