"""High bit depths that Pillow reads wrongly or not at all: uncompressed TIFF of 16 bits, dark 16-bit PNG, PFM."""

from __future__ import annotations

import re
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.pictures.bit_depth import as_bytes, png_max_value

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_ROWS, _STRIP_BYTES, _PLANAR, _MAXIMUM, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 278, 279, 284, 281, 322, 323, 324
_TILE_BYTES, _EXTRA, _FORMAT, _ICC = 325, 338, 339, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_KINDS = {1: "u", 2: "i", 3: "f"}
_COLOURS = {_WHITE_IS_ZERO: ("L", 1), _BLACK_IS_ZERO: ("L", 1), _RGB: ("RGB", 3), _CMYK: ("CMYK", 4)}
_ALPHA = (1, 2)
_DARK = 16
"""If a picture uses 12 of 16 bits, its 8-bit copy has no value above this."""
_PFM = re.compile(rb"PF\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)\s")


def tiff_tags(source: IO[bytes], page: int = 0) -> Any:
    """The tags of a page of a TIFF; empty if they cannot be read."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    source.seek(0)
    header = source.read(8)
    big = header[2:3] == b"\x2b" or header[3:4] == b"\x2b"
    try:
        header += source.read(8) if big else b""
        tags = ImageFileDirectory_v2(header)
        for _ in range(page + 1):
            following = tags.next
            tags = ImageFileDirectory_v2(header)
            source.seek(following)
            tags.load(source)
        dict(tags)  # reads all tags, so that broken ones raise here
    except Exception:  # broken tags: Pillow says what is wrong when it opens the file
        return {}
    return tags


def is_high_bit_tiff(tags: Any) -> bool:
    """Whether a TIFF holds uncompressed values of over 8 bits, which Pillow reads wrongly and this module reads."""
    bits = _tuple(tags.get(_BITS))
    return (
        tags.get(_COMPRESSION, 1) == 1
        and len(set(bits)) == 1
        and bits[0] in (16, 32, 64)
        and tags.get(_PHOTOMETRIC) in _COLOURS
        and all(tag in tags for tag in (_WIDTH, _HEIGHT))
        and (_STRIPS in tags or _TILES in tags)
    )


def tiff_kind(tags: Any) -> str:
    """A description of a TIFF that cannot be read, such as *3 values of 32 bits, compression 8*."""
    bits = _tuple(tags.get(_BITS)) or (1,)
    kind = {2: "signed ", 3: "float "}.get(_tuple(tags.get(_FORMAT, (1,)))[0], "")
    return f"{len(bits)} {kind}values of {bits[0]} bits, compression {tags.get(_COMPRESSION, 1)}"


def decode_high_bit_tiff(source: IO[bytes], tags: Any) -> tuple[Image.Image, str | None]:
    """The picture of a TIFF (see `is_high_bit_tiff`) in 8 bits, not turned upright, and a note if it is cut off."""
    mode, needed = _COLOURS[tags[_PHOTOMETRIC]]
    values, share = _tiff_values(source, tags)
    if values.shape[2] < needed:
        raise DecodeError("damaged or cut off: too few values a pixel")
    extra = _tuple(tags.get(_EXTRA))
    if mode in ("L", "RGB") and values.shape[2] > needed and extra and extra[0] in _ALPHA:
        mode, needed = ("LA", 2) if mode == "L" else ("RGBA", 4)
    stated = _tuple(tags.get(_MAXIMUM))
    depth = stated[0] if stated and stated[0] > 255 and stated[0] & (stated[0] + 1) == 0 else None
    has_alpha = mode in ("LA", "RGBA")
    pixels = as_bytes(values[..., : needed - has_alpha], stated=depth)
    if has_alpha:
        pixels = np.dstack([pixels, as_bytes(values[..., needed - 1 : needed], stated=_most(values))])
    if tags[_PHOTOMETRIC] == _WHITE_IS_ZERO:
        pixels = 255 - pixels
    image = Image.fromarray(pixels[..., 0] if needed == 1 else pixels, mode)
    if tags.get(_ICC):
        image.info["icc_profile"] = bytes(tags[_ICC])
    return image, None if share == 100 else f"truncated: {share} % of its rows could be read"


def _most(values: NDArray[Any]) -> int | None:
    """The value of an opaque pixel."""
    return None if values.dtype.kind == "f" else int(min(np.iinfo(values.dtype).max, 65535))


def _tiff_values(source: IO[bytes], tags: Any) -> tuple[NDArray[Any], int]:
    """Values ``[height, width, samples]``, 0 where the file is cut off, and the percentage that could be read."""
    width, height, samples = tags[_WIDTH], tags[_HEIGHT], tags.get(_SAMPLES, 1)
    order = "<" if tags.prefix == b"II" else ">"
    kind = _KINDS.get(_tuple(tags.get(_FORMAT, (1,)))[0], "u")
    dtype = np.dtype(f"{order}{kind}{_tuple(tags[_BITS])[0] // 8}")
    planes = samples if tags.get(_PLANAR, 1) == 2 else 1
    across = samples // planes
    tiled = _TILES in tags
    block = (tags[_TILE_HEIGHT], tags[_TILE_WIDTH]) if tiled else (min(tags.get(_ROWS, height), height), width)
    offsets = _tuple(tags[_TILES if tiled else _STRIPS])
    down, right = -(-height // block[0]), -(-width // block[1])
    out = np.zeros((height, width, samples), dtype.newbyteorder("="))
    read = 0
    for number, offset in enumerate(offsets[: planes * down * right]):
        plane, place = divmod(number, down * right)
        top, left = place // right * block[0], place % right * block[1]
        rows = block[0] if tiled else min(block[0], height - top)
        source.seek(offset)
        data = source.read(rows * block[1] * across * dtype.itemsize)
        read += len(data)
        flat = np.zeros(rows * block[1] * across, dtype)
        whole = len(data) // dtype.itemsize
        flat[:whole] = np.frombuffer(data[: whole * dtype.itemsize], dtype)
        part = flat.reshape(rows, block[1], across)[: height - top, : width - left]
        target = out[top : top + part.shape[0], left : left + part.shape[1]]
        if planes > 1:
            target[..., plane] = part[..., 0]
        else:
            target[...] = part
    if not read:
        raise DecodeError("cut off before any of the picture")
    wanted = planes * down * right * block[0] * block[1] * across * dtype.itemsize if tiled else out.nbytes
    return out, min(100, 100 * read // wanted)


def _tuple(value: Any) -> tuple[Any, ...]:
    return () if value is None else tuple(value) if isinstance(value, tuple | list) else (value,)


def lost_low_bits(image: Image.Image, source: IO[bytes]) -> bool:
    """Whether Pillow's 8-bit copy of 16-bit colours may have lost most of the picture: it drops the lower bytes."""
    source.seek(24)
    if image.format == "PNG":
        deep = source.read(1) == b"\x10"
    else:
        deep = image.format == "TIFF" and set(_tuple(tiff_tags(source).get(_BITS))) == {16}
    if not deep or image.mode not in ("RGB", "RGBA", "LA"):
        return False
    colours: Any = image.convert("RGB").getextrema()
    return bool(max(high for _, high in colours) < _DARK)


def decode_16_bit_colours(image: Image.Image, source: IO[bytes]) -> Image.Image:
    """A 16-bit PNG or TIFF, scaled to 8 bits from the full values that FFmpeg gives and Pillow (``image``) does not."""
    from mmsearch.retrieval.media.container import first_frame

    is_png = image.format == "PNG"
    frame = first_frame(source, "png_pipe" if is_png else "tiff_pipe")
    has_alpha = frame.format.name.startswith(("rgba", "ya"))
    values = frame.reformat(format="rgba64le").to_ndarray()
    pixels = as_bytes(values[..., :3], stated=png_max_value(source) if is_png else None)
    if has_alpha:
        pixels = np.dstack([pixels, (values[..., 3] >> 8).astype(np.uint8)])
    made = Image.fromarray(pixels)
    if "icc_profile" in image.info:
        made.info["icc_profile"] = image.info["icc_profile"]
    return made


def pfm_size(source: IO[bytes]) -> tuple[int, int] | None:
    """Width and height of a portable float map in colour; None for other files."""
    source.seek(0)
    found = _PFM.match(source.read(256))
    return (int(found[1]), int(found[2])) if found else None


def decode_pfm(source: IO[bytes]) -> Image.Image:
    """The picture of a portable float map in colour; its rows are stored from the bottom to the top."""
    source.seek(0)
    found = _PFM.match(source.read(256))
    assert found is not None
    width, height = int(found[1]), int(found[2])
    source.seek(found.end())
    data = source.read(width * height * 12)
    if len(data) < width * height * 12:
        raise DecodeError("cut off")
    values = np.frombuffer(data, "<f4" if float(found[3]) < 0 else ">f4").reshape(height, width, 3)
    return Image.fromarray(as_bytes(values[::-1]))
