"""Camera RAW: the embedded preview where it is large enough, else the sensor's own data, both upright."""

from __future__ import annotations

import datetime as dt
import io
import struct
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.pictures.raw import decode_raw
from mmsearch.types import Facts

Scene = Callable[..., Image.Image]
Encode = Callable[..., bytes]

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SRATIONAL: 8}
_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "II", SRATIONAL: "ii"}


def directory(offset: int, tags: dict[int, tuple[int, list[int]]]) -> bytes:
    """A TIFF directory at ``offset`` with the values that do not fit into it behind it (TIFF 6.0, section 2)."""
    entries, behind = b"", b""
    end = offset + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        per_value = len(_CODES[kind])
        packed = struct.pack("<" + _CODES[kind] * (len(values) // per_value), *values)
        if len(packed) > 4:
            packed, behind = struct.pack("<I", end + len(behind)), behind + packed + bytes(len(packed) % 2)
        entries += struct.pack("<HHI", tag, kind, len(values) // per_value) + packed.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + behind


def dng(scene: Image.Image, orientation: int, preview: bytes = b"", preview_size: tuple[int, int] = (0, 0)) -> bytes:
    """A raw file as a camera might write it: one 16-bit sample a pixel behind red, green and blue filters."""
    pixels = np.asarray(scene).astype(np.uint16) * 257
    height, width = pixels.shape[:2]
    sensor = pixels[..., 1].copy()
    sensor[0::2, 0::2], sensor[1::2, 1::2] = pixels[0::2, 0::2, 0], pixels[1::2, 1::2, 2]
    whole = sensor.astype("<u2").tobytes()
    tags = {
        254: (LONG, [0]),
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [16]),
        259: (SHORT, [1]),
        262: (SHORT, [32803]),
        271: (ASCII, list(b"Nobody\0")),
        272: (ASCII, list(b"Camera\0")),
        273: (LONG, [8]),
        274: (SHORT, [orientation]),
        277: (SHORT, [1]),
        278: (LONG, [height]),
        279: (LONG, [len(whole)]),
        33421: (SHORT, [2, 2]),
        33422: (BYTE, [0, 1, 1, 2]),
        34665: (LONG, [8 + len(whole)]),
        50706: (BYTE, [1, 4, 0, 0]),
        50708: (ASCII, list(b"Nobody Camera\0")),
        50717: (LONG, [65535]),
        50721: (
            SRATIONAL,
            [v for n in (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570) for v in (n, 10000)],
        ),
        50728: (RATIONAL, [1, 1, 1, 1, 1, 1]),
        50778: (SHORT, [21]),
    }
    facts = directory(8 + len(whole), {36867: (ASCII, list(b"2023:07:14 18:30:05\0"))})
    body = whole + facts + preview + bytes(len(preview) % 2)
    if preview:
        smaller = {
            254: (LONG, [1]),
            256: (LONG, [preview_size[0]]),
            257: (LONG, [preview_size[1]]),
            258: (SHORT, [8, 8, 8]),
            259: (SHORT, [7]),
            262: (SHORT, [6]),
            273: (LONG, [8 + len(whole) + len(facts)]),
            277: (SHORT, [3]),
            278: (LONG, [preview_size[1]]),
            279: (LONG, [len(preview)]),
        }
        tags[330] = (LONG, [8 + len(body)])
        body += directory(8 + len(body), smaller)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory(8 + len(body), tags)


STORED = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def hues(image: Image.Image) -> list[int]:
    """Which channel is the strongest in the middle of each of the first three quarters."""
    width, height = image.size
    places = [(width // 4, height // 4), (3 * width // 4, height // 4), (width // 4, 3 * height // 4)]
    return [int(np.argmax(image.getpixel(place))) for place in places]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_sensors_data_gives_an_upright_picture(orientation: int, scene: Scene) -> None:
    pytest.importorskip("rawpy", reason="camera RAW needs the extra raw: pip install 'mmsearch[raw]'")
    turn = STORED[orientation]
    stored = scene(96, 64) if turn is None else scene(96, 64).transpose(turn)
    image, facts = decode_raw(io.BytesIO(dng(stored, orientation)), max_pixels=10**8, target=(32, 32))
    assert hues(image) == [0, 1, 2]
    assert facts == Facts(width=96, height=64, taken_at=dt.datetime(2023, 7, 14, 18, 30, 5))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("tagged", [True, False])
def test_a_large_enough_preview_is_used_and_turned_upright_once(
    orientation: int, tagged: bool, scene: Scene, encoded: Encode
) -> None:
    pytest.importorskip("rawpy", reason="camera RAW needs the extra raw: pip install 'mmsearch[raw]'")
    turn = STORED[orientation]
    exif = Image.Exif()
    if tagged:
        exif[0x0112] = orientation
    picture = scene(48, 40) if turn is None else scene(48, 40).transpose(turn)
    preview = encoded(picture, "JPEG", quality=95, exif=exif)
    grey = Image.new("RGB", (96, 64) if orientation in (1, 3) else (64, 96), (99, 99, 99))
    data = dng(grey, orientation, preview, picture.size)
    image, facts = decode_raw(io.BytesIO(data), max_pixels=10**8, target=(32, 32))
    assert image.size == (48, 40)
    assert hues(image) == [0, 1, 2]
    assert (facts.width, facts.height) == (96, 64)


def test_a_preview_that_is_too_small_is_passed_over(scene: Scene, encoded: Encode) -> None:
    pytest.importorskip("rawpy", reason="camera RAW needs the extra raw: pip install 'mmsearch[raw]'")
    preview = encoded(Image.new("RGB", (24, 16), (99, 99, 99)), "JPEG")
    data = dng(scene(96, 64), 1, preview, (24, 16))
    image, _ = decode_raw(io.BytesIO(data), max_pixels=10**8, target=(32, 32))
    assert hues(image) == [0, 1, 2]


def test_a_raw_picture_over_the_limit_is_refused(scene: Scene) -> None:
    pytest.importorskip("rawpy", reason="camera RAW needs the extra raw: pip install 'mmsearch[raw]'")
    with pytest.raises(DecodeError, match="96 x 64 pixels is over the limit"):
        decode_raw(io.BytesIO(dng(scene(96, 64), 1)), max_pixels=1000)


def test_a_damaged_raw_file_is_refused() -> None:
    pytest.importorskip("rawpy", reason="camera RAW needs the extra raw: pip install 'mmsearch[raw]'")
    with pytest.raises(DecodeError) as caught:
        decode_raw(io.BytesIO(b"II*\0" + bytes(1000)), max_pixels=1000)
    assert str(caught.value) == "damaged, or of a camera that LibRaw does not know"


def test_without_the_extra_the_reason_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(DecodeError) as caught:
        decode_raw(io.BytesIO(b"II*\0"), max_pixels=1000)
    assert str(caught.value) == 'camera RAW needs an extra: pip install "mmsearch[raw]"'
