"""Pictures made on the spot: a scene of four colours in any format, and two containers that nothing here can write."""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

RED, GREEN, BLUE, PALE = (220, 40, 40), (40, 180, 40), (40, 40, 220), (230, 230, 230)


def four_colours(width: int = 64, height: int = 64) -> Image.Image:
    """Red, green; blue, pale: any turn or flip of it shows."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, PALE
    return Image.fromarray(pixels)


@pytest.fixture(scope="session")
def scene() -> Callable[..., Image.Image]:
    return four_colours


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    def encode(image: Image.Image, format: str, **options: object) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def noise() -> Callable[[int, int], Image.Image]:
    """Smooth random pictures: what resizing does to them depends on every pixel."""

    def make(width: int, height: int) -> Image.Image:
        random = np.random.default_rng(width * 1000 + height)
        coarse = random.integers(0, 256, (max(2, height // 7), max(2, width // 7), 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)

    return make


@pytest.fixture(scope="session")
def huge_png() -> bytes:
    """A few bytes whose header promises 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full_box(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + body)


@pytest.fixture(scope="session")
def heic() -> bytes:
    """The four-colour scene, 64 × 64, as HEIC. Its HEVC units (VPS, SPS, PPS, slice) were made once with x265."""
    units = [
        bytes.fromhex(unit)
        for unit in (
            "40010c01ffff0408000003009fa800000300001eba0240",
            "4201010408000003009fa800000300001ea020810596ea4932b9a02000000300200000030321",
            "4401c172b02240",
            "2801af09e0155f47ffc819fff322e87c41ebb7f95e25af360c07ebf5d57d378a90367ab75b4a552c34f050e8a03bc1c689472281"
            "a5b5a7deea7cf47ffc8a06ff0ba26030b47f7dddb63e1dbac064830b282b14399ffb0ef5e5fff03a0af053bcac66abd266caa2c0"
            "3555f8",
        )
    ]
    arrays = b"".join(struct.pack(">BHH", 0x80 | unit[0] >> 1, 1, len(unit)) + unit for unit in units[:3])
    profile = bytes([1, 4, 8, 0, 0, 0, 0x9F, 0xA8, 0, 0, 0, 0, 30, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 3])
    properties = _box(b"hvcC", profile + arrays) + _full_box(b"ispe", struct.pack(">II", 64, 64))
    picture = struct.pack(">I", len(units[3])) + units[3]
    file_type = _box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(offset: int) -> bytes:
        item = _full_box(b"infe", struct.pack(">HH", 1, 0) + b"hvc1\0", version=2)
        return _full_box(
            b"meta",
            _full_box(b"hdlr", b"\0\0\0\0pict" + bytes(13))
            + _full_box(b"pitm", struct.pack(">H", 1))
            + _full_box(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(picture)))
            + _full_box(b"iinf", struct.pack(">H", 1) + item)
            + _box(
                b"iprp",
                _box(b"ipco", properties) + _full_box(b"ipma", struct.pack(">IHB", 1, 1, 2) + bytes([0x81, 0x02])),
            ),
        )

    offset = len(file_type) + len(meta(0)) + 8
    return file_type + meta(offset) + _box(b"mdat", picture)


@pytest.fixture(scope="session")
def shared() -> Path:
    default = Path(__file__).parents[3].parent / "shared"
    folder = Path(os.environ.get("MMSEARCH_SHARED", default))
    if not folder.is_dir():
        pytest.skip("the evaluation data is not here: set MMSEARCH_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def films() -> ModuleType:
    """`films.py` beside this file, which makes sounds and films."""
    spec = importlib.util.spec_from_file_location("films", Path(__file__).with_name("films.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
