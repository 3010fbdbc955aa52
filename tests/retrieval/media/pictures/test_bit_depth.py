"""Pictures of more than 8 bits look as they should: neither black, nor blown up, nor mixed up."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.pictures.bit_depth import value_range
from mmsearch.retrieval.media.pictures.image import decode_image


@pytest.fixture
def scene() -> np.ndarray:
    """RGB, uint8 ``[48, 64, 3]``: a ramp in each channel, of 0 to 255."""
    across = np.linspace(0, 255, 64).round().astype(np.uint8)
    down = np.linspace(0, 255, 48).round().astype(np.uint8)
    return np.stack(np.broadcast_arrays(across[None], down[:, None], across[None, ::-1]), axis=-1)


def decoded(data: bytes) -> np.ndarray:
    image, facts = decode_image(io.BytesIO(data), max_pixels=1_000_000)
    assert facts.note is None
    return np.asarray(image).astype(int)


def png(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG of ``[h, w]`` or ``[h, w, 3 or 4]``."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2] if values.ndim == 3 else 1]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    body += b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(values: np.ndarray, *, planar: bool = False, tile: int = 0, photometric: int = 2, **tags: int) -> bytes:
    """An uncompressed TIFF of ``[h, w, samples]``, little or big endian as the values are, in strips or tiles."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    height, width, samples = values.shape
    planes = [values[..., i : i + 1] for i in range(samples)] if planar else [values]
    blocks = []
    for plane in planes:
        rows, columns = (tile, tile) if tile else (20, width)
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                block = plane[top : top + rows, left : left + columns]
                if tile:
                    block = np.pad(block, ((0, rows - block.shape[0]), (0, columns - block.shape[1]), (0, 0)))
                blocks.append(np.ascontiguousarray(block).tobytes())
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    offsets = [8 + sum(map(len, blocks[:i])) for i in range(len(blocks))]
    entries: dict[int, list[int]] = {
        **{256: [width], 257: [height], 258: [8 * values.itemsize] * samples, 259: [1], 262: [photometric]},
        **{277: [samples], 284: [2 if planar else 1], 339: [kind] * samples},
        **({322: [tile], 323: [tile], 324: offsets} if tile else {273: offsets, 278: [20]}),
        (325 if tile else 279): list(map(len, blocks)),
        **{int(name[1:]): [value] for name, value in tags.items()},
    }
    at = 8 + sum(map(len, blocks))
    directory, extra = struct.pack(order + "H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, numbers in sorted(entries.items()):
        data = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            field = struct.pack(order + "I", behind + len(extra))
            extra += data
        else:
            field = data
        directory += struct.pack(order + "HHI", tag, 4, len(numbers)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return head + b"".join(blocks) + directory + bytes(4) + extra


def pillow(values: np.ndarray, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_a_grey_picture_of_few_bits_in_sixteen_is_not_dark(bits: int, format: str, scene: np.ndarray) -> None:
    grey = scene[..., 0].astype(np.uint16)
    data = pillow((grey.astype(float) * ((1 << bits) - 1) / 255).round().astype(np.uint16), format)
    assert np.abs(decoded(data)[..., 0] - grey).max() <= 1


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_few_bits_in_sixteen_are_not_dark(channels: int, scene: np.ndarray) -> None:
    values = (scene[..., :1] if channels == 2 else scene).astype(np.uint16) * 16
    if channels != 3:
        values = np.dstack([values, np.full(scene.shape[:2], 65535, np.uint16)])
    found = decoded(png(values))
    assert np.abs(found - (scene[..., :1] if channels == 2 else scene)).max() <= 1


@pytest.mark.parametrize("orientation", [1, 6])
def test_colours_of_few_bits_in_a_compressed_tiff_are_not_dark(orientation: int, scene: np.ndarray) -> None:
    dark = tiff(np.rot90(scene, int(orientation == 6)).astype(np.uint16) * 16, t274=orientation)
    assert np.abs(decoded(compressed(dark)) - scene).max() <= 1
    facts = decode_image(io.BytesIO(compressed(dark)), max_pixels=1_000_000)[1]
    assert (facts.width, facts.height) == (64, 48)


def compressed(data: bytes) -> bytes:
    """An uncompressed little-endian TIFF in strips, with each strip deflated where it was."""
    out = bytearray(data)
    at = int.from_bytes(data[4:8], "little")
    entries = {int.from_bytes(data[i : i + 2], "little"): i for i in range(at + 2, at + 2 + 12 * data[at], 12)}

    def field(tag: int) -> tuple[int, int]:
        count = int.from_bytes(data[entries[tag] + 4 : entries[tag] + 8], "little")
        inside = entries[tag] + 8
        return count, inside if count == 1 else int.from_bytes(data[inside : inside + 4], "little")

    (count, offsets), (_, sizes) = field(273), field(279)
    for number in range(count):
        places = offsets + 4 * number, sizes + 4 * number
        start, size = (int.from_bytes(data[place : place + 4], "little") for place in places)
        strip = zlib.compress(data[start : start + size], 9)
        out[start : start + len(strip)] = strip
        out[places[1] : places[1] + 4] = len(strip).to_bytes(4, "little")
    place = entries[259] + 8
    out[place : place + 4] = (8).to_bytes(4, "little")
    return bytes(out)


def test_a_dark_picture_of_sixteen_bits_stays_dark(scene: np.ndarray) -> None:
    dark = scene.astype(np.uint16) * 60  # 23 % of white
    for data in (pillow(dark[..., 0], "PNG"), pillow(dark[..., 0], "TIFF"), png(dark), tiff(dark)):
        assert decoded(data).max() == pytest.approx(255 * 255 * 60 / 65535, abs=1)


def test_what_a_file_states_stands_before_what_its_values_look_like(scene: np.ndarray) -> None:
    very_dark = scene[..., 0].astype(np.uint16) * 16
    assert decoded(png(very_dark, (b"sBIT", b"\x10"))).max() == 16
    assert decoded(png(very_dark, (b"sBIT", b"\x0e"))).max() == pytest.approx(255 * 4080 / 16383, abs=1)
    assert decoded(tiff(very_dark[..., None], photometric=1, t281=65535)).max() == 16
    assert decoded(tiff(very_dark[..., None], photometric=1, t281=16383)).max() == pytest.approx(64, abs=1)
    header = b"P5 64 48 4095\n"
    assert decoded(header + very_dark.astype(">u2").tobytes()).max() == pytest.approx(254, abs=1)
    assert decoded(b"P5 64 48 65535\n" + very_dark.astype(">u2").tobytes()).max() == pytest.approx(16, abs=1)


def test_ranges_of_values() -> None:
    assert value_range(0, 4095, integers=True) == (0, 4095)
    assert value_range(0, 4096, integers=True) == (0, 65535)
    assert value_range(0, 3000, integers=True, stated=65535) == (0, 65535)
    assert value_range(0, 70000, integers=True) == (0, 70000)
    assert value_range(-5, 5, integers=True) == (-5, 5)
    assert value_range(0, 0.5, integers=False) == (0, 1)
    assert value_range(0, 200.0, integers=False) == (0, 255)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("type", ["<u2", ">u2", "<i2", "<u4", ">u4", "<f2", "<f4", ">f4", "<f8"])
def test_an_uncompressed_tiff_of_any_depth_is_read_right(planar: bool, tile: int, type: str, scene: np.ndarray) -> None:
    most = {"u2": 65535, "i2": 32767, "u4": 2**32 - 1}.get(type[1:], 1.0)
    values = (scene / 255 * most).astype(type)
    assert np.abs(decoded(tiff(values, planar=planar, tile=tile)) - scene).max() <= 1


@pytest.mark.parametrize("planar", [False, True])
def test_inks_alpha_and_inverted_greys_of_sixteen_bits(planar: bool, scene: np.ndarray) -> None:
    inks = np.dstack([255 - scene, np.zeros(scene.shape[:2], np.uint8)]).astype(np.uint16) * 257
    assert np.abs(decoded(tiff(inks, planar=planar, photometric=5)) - scene).max() <= 2
    half = np.dstack([scene.astype(np.uint16) * 257, np.full(scene.shape[:2], 32768, np.uint16)])
    assert np.abs(decoded(tiff(half, planar=planar, t338=2)) - (scene.astype(int) + 255) // 2).max() <= 2
    more = np.dstack([scene.astype(np.uint16) * 257, np.zeros(scene.shape[:2], np.uint16)])
    assert np.abs(decoded(tiff(more, planar=planar, t338=0)) - scene).max() <= 1
    negative = 65535 - scene[..., :1].astype(np.uint16) * 257
    assert np.abs(decoded(tiff(negative, photometric=0))[..., :1] - scene[..., :1]).max() <= 1


def test_signed_bytes_are_not_taken_for_unsigned_ones(scene: np.ndarray) -> None:
    signed = (scene[..., :1].astype(int) - 128).astype(np.int8)
    assert np.abs(decoded(tiff(signed, photometric=1))[..., :1] - scene[..., :1]).max() <= 1


def test_a_deep_tiff_is_upright_and_dated(scene: np.ndarray) -> None:
    turned = np.rot90(scene).astype(np.uint16) * 257
    image, facts = decode_image(io.BytesIO(tiff(turned, planar=True, t274=6)), max_pixels=1_000_000)
    assert (facts.width, facts.height) == (64, 48)
    assert np.abs(np.asarray(image).astype(int) - scene).max() <= 1


def test_a_deep_tiff_that_breaks_off_says_so(scene: np.ndarray) -> None:
    half = tiff(scene.astype(np.uint16) * 257, t257=96)  # twice the rows that are there
    image, facts = decode_image(io.BytesIO(half), max_pixels=1_000_000)
    assert facts.note == "truncated: 50 % of its rows could be read"
    assert np.abs(np.asarray(image)[:48].astype(int) - scene).max() <= 1


def test_a_deep_tiff_is_measured_before_it_is_read(scene: np.ndarray) -> None:
    with pytest.raises(DecodeError, match="megapixels"):
        decode_image(io.BytesIO(tiff(scene.astype(np.uint16), planar=True)), max_pixels=1000)


def test_a_kind_of_tiff_that_is_not_read_is_named(scene: np.ndarray) -> None:
    with pytest.raises(DecodeError, match="a TIFF of a kind that is not read: 3 values of 16 bits"):
        decode_image(io.BytesIO(tiff(scene.astype(np.uint16), photometric=8)), max_pixels=1_000_000)


def test_a_float_map_in_colour_is_read(scene: np.ndarray) -> None:
    data = b"PF\n64 48\n-1.0\n" + (scene[::-1] / 255).astype("<f4").tobytes()
    assert np.abs(decoded(data) - scene).max() <= 1
