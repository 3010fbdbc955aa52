"""Decodes a picture file to an upright 8-bit sRGB picture and its facts, within a bound on memory.

Meant for a decoding worker: while a file is decoded, Pillow's global settings are changed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import warnings
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from mmsearch.errors import DecodeError, TransientDecodeError
from mmsearch.machine import free_memory
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.metadata import metadata_of_picture, with_size
from mmsearch.retrieval.media.pictures.bit_depth import png_max_value
from mmsearch.retrieval.media.pictures.colour import is_srgb, to_srgb
from mmsearch.retrieval.media.pictures.high_bit_depth import (
    decode_16_bit_colours,
    decode_high_bit_tiff,
    decode_pfm,
    is_high_bit_tiff,
    lost_low_bits,
    pfm_size,
    tiff_kind,
    tiff_tags,
)
from mmsearch.retrieval.media.pictures.jpeg import jpeg_pixels
from mmsearch.retrieval.media.pictures.jpegxl import header_of
from mmsearch.retrieval.media.pictures.orientation import ON_ITS_SIDE, upright, upright_view
from mmsearch.retrieval.media.pictures.orientation import TAG as ORIENTATION_TAG
from mmsearch.retrieval.media.pictures.tone_mapping import hdr_coding, still_to_sdr
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.types import Facts

BYTES_PER_PIXEL = 24
"""The most memory that decoding takes per pixel: JPEG 2000 with alpha holds four 32-bit planes, the packed picture and
its RGB copy. Other formats need less."""

_MAX_MEGAPIXELS = 400
_SHARE_OF_MEMORY = 0.5

_WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG = 256, 257, 258
_PHOTOMETRIC_TAG, _SAMPLES_TAG, _SAMPLE_FORMAT_TAG = 262, 277, 339


def default_max_pixels(workers: int, memory_bytes: int | None = None) -> int:
    """The pixels of the largest picture that each of ``workers`` may decode, so that all fit into half of the memory.

    Args:
        workers: decoding processes.
        memory_bytes: the memory; None: what is free now.
    """
    if memory_bytes is None:
        memory_bytes = free_memory()
    affordable = int(memory_bytes * _SHARE_OF_MEMORY / max(workers, 1) / BYTES_PER_PIXEL)
    return min(affordable, _MAX_MEGAPIXELS * 1_000_000)


Picture = Image.Image | NDArray[np.uint8]
"""An upright RGB picture of Pillow, or its pixels as uint8 ``[height, width, 3]``."""


def decode_image(
    source: str | bytes | os.PathLike[str] | IO[bytes],
    *,
    max_pixels: int,
    target: tuple[int, int] | None = None,
    draft: float = 0.0,
    format: str | None = None,
    page: int | None = None,
) -> tuple[Image.Image, Facts]:
    """The first frame of a picture file, upright, in 8-bit sRGB, and its facts.

    A file that is cut off gives the part that could be read, and a note.

    Args:
        source: the file.
        max_pixels: of the largest picture that may be decoded.
        target: height and width that the picture will be resized to.
        draft: if above 0, a JPEG is decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 at which both sides are
            at least ``draft`` times the target.
        format: its name in `formats.FORMATS`; None: by the file's content.
        page: of a file with several pages (see `pages`), from 0; None: the first, or the primary one of a HEIC.

    Returns:
        The picture, and its facts, whose width and height are those of the whole upright picture.

    Raises:
        DecodeError: not a picture, damaged, or more than ``max_pixels`` (found before anything is decoded).
        MemoryError: decoding took more memory than the process may have.
    """
    picture, facts = decode_picture(source, max_pixels=max_pixels, target=target, draft=draft, format=format, page=page)
    return as_image(picture), facts


def as_image(picture: Picture) -> Image.Image:
    """The picture as one of Pillow's."""
    return picture if isinstance(picture, Image.Image) else Image.fromarray(picture)


def decode_picture(
    source: str | bytes | os.PathLike[str] | IO[bytes],
    *,
    max_pixels: int,
    target: tuple[int, int] | None = None,
    draft: float = 0.0,
    format: str | None = None,
    page: int | None = None,
) -> tuple[Picture, Facts]:
    """As `decode_image`, but pixels that Pillow did not decode are left as they are, as an array."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | bytes | os.PathLike):
            try:
                source = stack.enter_context(open(source, "rb"))
            except OSError as error:
                raise TransientDecodeError(f"cannot be read: {(error.strerror or '').lower()}") from None
        format = format or _format_of(source)
        try:
            return _decode(source, format, max_pixels, target, draft, page)
        except (DecodeError, MemoryError):
            raise
        except Exception as error:  # damaged files raise errors of many kinds in the decoders
            if isinstance(error, OSError) and error.errno:  # of the disk: Pillow's own errors have no number
                raise TransientDecodeError(f"cannot be read: {os.strerror(error.errno).lower()}") from None
            unknown = isinstance(error, NotImplementedError)
            raise DecodeError(_unknown_kind(format) if unknown else _damaged(format)) from None


def check_size(size: tuple[int, int], pixels: int, max_pixels: int) -> None:
    """Raise a DecodeError if the ``pixels`` that decoding a picture of ``size`` holds are too many."""
    if pixels > max_pixels:
        raise TransientDecodeError(
            f"{size[0]} x {size[1]} pixels is over the limit of {max_pixels / 1e6:.0f} megapixels "
            "that this machine's memory allows"
        )


def _format_of(source: IO[bytes]) -> str:
    source.seek(0)
    return sniff(source.read(HEAD_BYTES), b"", explicitly_requested=True).format


def _decode(
    source: IO[bytes], format: str, max_pixels: int, target: tuple[int, int] | None, draft: float, page: int | None
) -> tuple[Picture, Facts]:
    with pillow_settings():
        deep = _decode_high_bit_depth(source, format, max_pixels, page or 0)
        if deep is not None:
            return deep
        image, size = _open(source, format, max_pixels, target, draft, page)
        if format == "jpeg" and (fast := _decode_jpeg(source, image, size)) is not None:
            return fast
        note = None
        try:
            image.load()
        except (OSError, SyntaxError, EOFError):
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            image, size = _open(source, format, max_pixels, target, draft, page)
            image.load()
            note = _truncation_note(image)
        exif = exif_of(image)
        orientation = exif.get(ORIENTATION_TAG)
        stated = metadata_of_picture(image, exif, source)
        if format == "jxl" and (header := header_of(source)) and header[2]:
            note = "an animation: only its last picture is read"
        if not page and lost_low_bits(image, source):
            orientation = orientation if image.format == "PNG" else tiff_tags(source).get(ORIENTATION_TAG)
            image = decode_16_bit_colours(image, source)
        coding = hdr_coding(image, source)
        image = still_to_sdr(image, coding) if coding else _with_value_range(image, source)
        turned = upright(image, orientation)
        if format == "tiff":
            size = turned.size  # Pillow turns it upright while it loads it
        elif orientation in ON_ITS_SIDE:
            size = size[::-1]
        return to_srgb(turned), with_size(stated, size, note=note)


def _decode_jpeg(source: IO[bytes], image: Image.Image, size: tuple[int, int]) -> tuple[Picture, Facts] | None:
    """A JPEG that is neither odd nor damaged; None for those that Pillow is to decode."""
    pixels = jpeg_pixels(image, source)
    if pixels is None:
        return None
    exif = exif_of(image)
    orientation = exif.get(ORIENTATION_TAG)
    facts = with_size(metadata_of_picture(image, exif, source), size[::-1] if orientation in ON_ITS_SIDE else size)
    if not is_srgb(image):
        made = Image.fromarray(pixels if image.mode == "RGB" else pixels[..., 0])
        made.info["icc_profile"] = image.info["icc_profile"]
        return to_srgb(upright(made, orientation)), facts
    return upright_view(pixels, orientation), facts


def _decode_high_bit_depth(
    source: IO[bytes], format: str, max_pixels: int, page: int
) -> tuple[Image.Image, Facts] | None:
    """A picture with uncompressed values that Pillow reads wrongly or refuses; None for all other pictures."""
    if format == "pnm" and (size := pfm_size(source)):
        check_size(size, size[0] * size[1], max_pixels)
        return to_srgb(decode_pfm(source)), Facts(width=size[0], height=size[1])
    tags = tiff_tags(source, page) if format == "tiff" else {}
    if not tags or not is_high_bit_tiff(tags):
        return None
    size = tags[_WIDTH_TAG], tags[_HEIGHT_TAG]
    check_size(size, size[0] * size[1] * max(1, tags.get(_SAMPLES_TAG, 1) // 4), max_pixels)
    image, note = decode_high_bit_tiff(source, tags)
    turned = upright(image, tags.get(ORIENTATION_TAG))
    return to_srgb(turned), with_size(_stated_by_high_bit_tiff(source, tags), turned.size, note=note)


def _stated_by_high_bit_tiff(source: IO[bytes], tags: Any) -> Facts:
    source.seek(0)
    try:
        importlib.import_module("PIL.TiffImagePlugin")
        image: Any = Image.open(source, formats=["TIFF"])
        return metadata_of_picture(image, exif_of(image))
    except Exception:  # a kind that Pillow does not open: only its TIFF tags can be read
        return metadata_of_picture(Image.new("L", (1, 1)), tags)


def _with_value_range(image: Image.Image, source: IO[bytes]) -> Image.Image:
    """The picture with what `colour.to_srgb` needs of more than 8 bits of grey: the value of white, signed or not."""
    if image.format == "PNG" and image.mode.startswith("I"):
        image.info["maximum"] = png_max_value(source)
    elif image.format == "PPM" and image.mode == "I":
        image.info["maximum"] = 65535  # Pillow has scaled the values by what the file states
    elif image.format == "TIFF":
        return _with_tiff_value_range(image)
    return image


def _with_tiff_value_range(image: Any) -> Image.Image:
    tags = image.tag_v2
    kind, bits, white = (tags.get(tag) for tag in (_SAMPLE_FORMAT_TAG, _BITS_TAG, _PHOTOMETRIC_TAG))
    kind, bits = (value[0] if isinstance(value, tuple) else value for value in (kind, bits))
    made: Image.Image = image
    if image.mode == "L" and kind == 2:  # signed values, which Pillow takes for unsigned ones
        made = Image.fromarray(np.asarray(image) ^ np.uint8(128))
    elif image.mode == "I" and bits == 32 and kind in (None, 1):
        image.info["unsigned"] = True
    elif image.mode.startswith("I;16") and white == 0:  # Pillow inverts 8 bits, but not 16
        made = Image.fromarray(65535 - np.asarray(image).astype(np.uint16))
    if image.mode.startswith("I;16"):
        made.info["maximum"] = 4095 if bits == 12 else None
    if "icc_profile" in image.info:
        made.info["icc_profile"] = image.info["icc_profile"]
    return made


@contextlib.contextmanager
def pillow_settings() -> Iterator[None]:
    """Makes Pillow refuse truncated files, without its own size limit and without warnings; restores it at the end."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _open(
    source: IO[bytes], format: str, max_pixels: int, target: tuple[int, int] | None, draft: float, page: int | None
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, opened but not decoded, and its full size; a DecodeError if it is too large."""
    source.seek(0)
    if format not in FORMATS or FORMATS[format].kind != "image":
        raise DecodeError("not a picture")
    name = FORMATS[format].reader
    load_plugin(format)
    header = header_of(source) if format == "jxl" else None
    if header is not None:  # its plugin decodes the whole picture when it opens it
        check_size(header[:2], header[0] * header[1], max_pixels)
    source.seek(0)
    try:
        image: Image.Image = Image.open(source, formats=[name])
    except UnidentifiedImageError:
        raise DecodeError(_why_unread(source, format)) from None
    except (MemoryError, NotImplementedError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # of the disk
            raise
        if format == "jxl" or _header_is_cut_off(source, name):
            raise DecodeError(_damaged(format)) from None
        raise DecodeError(_unknown_kind(format)) from None
    if page:
        image.seek(page)
    size = image.size
    if target is not None and draft > 0:
        image.draft("RGB", (round(draft * target[1]), round(draft * target[0])))
    held = size if "progressive" in image.info else image.size  # is scaled after decoding
    check_size(size, held[0] * held[1], max_pixels)
    return image, size


def load_plugin(format: str) -> None:
    """Add a format of pictures to Pillow.

    Raises:
        DecodeError: an extra is needed that is not installed.
    """
    plugin = FORMATS[format].plugin
    assert plugin is not None
    try:
        module = importlib.import_module(plugin)
    except ImportError:
        if (extra := FORMATS[format].extra) is None:
            raise
        needs = f'a {FORMATS[format].title} picture needs an extra: pip install "mmsearch[{extra}]"'
        raise TransientDecodeError(needs) from None
    if format == "heic":
        module.register_heif_opener()


def _why_unread(source: IO[bytes], format: str) -> str:
    source.seek(0)
    head = source.read(64)
    if format == "jpeg" and b"\xff\xf7" in head:
        return "a JPEG-LS picture: not read"
    if format == "psd" and head[4:6] == b"\0\2":
        return "a Photoshop document of the large kind (PSB): not read"
    if format == "psd" and head[22:24] not in (b"\0\1", b"\0\x08"):
        return f"a Photoshop document of {int.from_bytes(head[22:24], 'big')} bits a channel: only 8 bits are read"
    if format == "tiff" and _WIDTH_TAG in (tags := tiff_tags(source)) and _BITS_TAG in tags:
        return f"a TIFF of a kind that is not read: {tiff_kind(tags)}"
    return _damaged(format)


def _damaged(format: str) -> str:
    return f"damaged or cut off: not readable as {'JPEG XL' if format == 'jxl' else FORMATS[format].reader}"


def _unknown_kind(format: str) -> str:
    return f"damaged, or a kind of {FORMATS[format].reader} that is not read"


class _EndWatcher:
    """A file that notes whether more bytes were asked of it than it has."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.ran_out = False

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.ran_out |= len(data) < size
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()


def _header_is_cut_off(source: IO[bytes], reader: str) -> bool:
    """Whether a picture that Pillow refuses to open ends within its header; else something in the header is odd."""
    watched: Any = _EndWatcher(source)
    watched.seek(0)
    with contextlib.suppress(Exception):
        Image.open(watched, formats=[reader])
    return bool(watched.ran_out)


def _truncation_note(image: Image.Image) -> str:
    """``truncated: 37 % of its rows could be read``; a DecodeError if none could.

    A decoder leaves the rows that it did not reach in one colour, so the last rows of one colour count as missing.
    """
    pixels = np.array(image)
    last = pixels[-1, -1]
    if image.format in ("JPEG", "MPO"):
        pixels[:16, :16] = last  # libjpeg invents a first block if there is none
    seen = np.flatnonzero((pixels != last).reshape(len(pixels), -1).any(axis=1))
    if not len(seen):
        raise DecodeError("cut off before any of the picture")
    share = (int(seen[-1]) + 1) * 100 // len(pixels)
    return "truncated" if share == 100 else f"truncated: {share} % of its rows could be read"


def exif_of(image: Image.Image) -> Any:
    """The EXIF tags of a picture; empty if they are broken."""
    try:
        return image.getexif()
    except Exception:  # broken metadata is no reason to lose the picture
        return {}
