"""Whatever a file stores, what comes out is 8-bit sRGB: the colours a viewer would show."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from mmsearch.retrieval.media.pictures.colour import to_srgb
from mmsearch.retrieval.media.pictures.image import decode_image

Scene = Callable[..., Image.Image]
Encode = Callable[..., bytes]


def decode(data: bytes) -> np.ndarray:
    image, _ = decode_image(io.BytesIO(data), max_pixels=1_000_000)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def assert_near(pixels: np.ndarray, expected: object, levels: int) -> None:
    assert np.abs(pixels - np.asarray(expected, dtype=int)).max() <= levels


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_moves_colours_to_srgb(format: str, swapped_profile: bytes, encoded: Encode) -> None:
    pixels = decode(encoded(Image.new("RGB", (32, 32), (200, 0, 0)), format, icc_profile=swapped_profile))
    assert_near(pixels[16, 16], (0, 200, 0), 8)


def test_a_profile_that_is_srgb_leaves_every_pixel_alone(noise: Scene, encoded: Encode) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = noise(64, 64)
    assert_near(decode(encoded(picture, "PNG", icc_profile=profile)), picture, 0)


@pytest.mark.parametrize("profile", [b"not a profile", bytes(200)])
def test_a_broken_profile_is_ignored(profile: bytes, scene: Scene, encoded: Encode) -> None:
    assert_near(decode(encoded(scene(), "PNG", icc_profile=profile)), scene(), 0)


def test_a_profile_for_another_kind_of_colour_is_ignored(swapped_profile: bytes, encoded: Encode) -> None:
    assert_near(decode(encoded(Image.new("L", (8, 8), 90), "PNG", icc_profile=swapped_profile)), 90, 0)


def test_a_profile_applies_below_transparency_too(swapped_profile: bytes, encoded: Encode) -> None:
    pixels = decode(encoded(Image.new("RGBA", (8, 8), (200, 0, 0, 255)), "PNG", icc_profile=swapped_profile))
    assert_near(pixels, (0, 200, 0), 3)


def test_cmyk_jpegs_come_out_right(encoded: Encode) -> None:
    """Pillow writes them inverted with an Adobe marker, as Photoshop does."""
    ink = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    data = encoded(ink, "JPEG", quality=95)
    assert b"Adobe" in data
    assert_near(decode(data), (0, 255, 255), 8)


def test_cmyk_tiffs_come_out_right(encoded: Encode) -> None:
    assert_near(decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")), (255, 0, 0), 0)


def test_lab_comes_out_right(encoded: Encode) -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = to_lab.apply(Image.new("RGB", (8, 8), (200, 60, 30)))
    assert_near(decode(encoded(lab, "TIFF")), (200, 60, 30), 4)


def test_ycbcr_comes_out_right(encoded: Encode) -> None:
    ycbcr = Image.new("RGB", (8, 8), (200, 60, 30)).convert("YCbCr")
    assert_near(decode(encoded(ycbcr, "TIFF")), (200, 60, 30), 2)


RAMP = np.linspace(0, 1, 64).reshape(1, 64).repeat(4, axis=0)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_sixteen_bit_grey_is_scaled_not_clipped(format: str, encoded: Encode) -> None:
    sixteen = Image.fromarray((RAMP * 65535).astype(np.uint16))
    assert_near(decode(encoded(sixteen, format))[..., 0], (RAMP * 255).round(), 1)


@pytest.mark.parametrize("scale", [1.0, 255.0, 40_000.0])
def test_floats_are_scaled_by_their_range(scale: float, encoded: Encode) -> None:
    floats = Image.fromarray((RAMP * scale).astype(np.float32))
    assert_near(decode(encoded(floats, "TIFF"))[..., 0], (RAMP * 255).round(), 1)


def test_values_of_any_range_are_stretched() -> None:
    wide = Image.fromarray(((RAMP - 0.5) * 2_000_000).astype(np.int32))
    assert_near(np.asarray(to_srgb(wide)).astype(int)[..., 0], (RAMP * 255).round(), 1)
    broken = Image.fromarray(np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32))
    assert np.asarray(to_srgb(broken)).max() <= 128
    flat = Image.fromarray(np.full((4, 4), -7, np.int32))
    assert_near(np.asarray(to_srgb(flat)), 0, 0)


def sixteen_bit_png(channels: int, values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads but does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((51400, 25700, 0), (200, 100, 0)),
        ((51400, 25700, 0, 65535), (200, 100, 0)),
        ((0, 0, 0, 32896), (127, 127, 127)),
        ((0, 0), (255, 255, 255)),
        ((0, 65535), (0, 0, 0)),
    ],
)
def test_sixteen_bit_png_keeps_its_colours_and_its_transparency(
    values: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    pixels = np.tile(np.array(values, np.uint16), (4, 4, 1))
    assert_near(decode(sixteen_bit_png(len(values), pixels)), expected, 1)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (255, 0, 0, 128)), ("LA", (0, 128))])
def test_transparency_lies_over_white(mode: str, colour: tuple[int, ...], encoded: Encode) -> None:
    expected = (255, 127, 127) if mode == "RGBA" else (127, 127, 127)
    assert_near(decode(encoded(Image.new(mode, (8, 8), colour), "PNG")), expected, 1)


@pytest.mark.parametrize("mode", ["PA", "RGBa"])
def test_rarer_modes_with_alpha_lie_over_white_too(mode: str) -> None:
    assert_near(np.asarray(to_srgb(Image.new("RGBA", (8, 8)).convert(mode))), 255, 0)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_palettes_keep_their_colours_and_their_transparency(format: str, scene: Scene, encoded: Encode) -> None:
    palette = scene().quantize(4)
    assert_near(decode(encoded(palette, format)), scene(), 4)
    red = palette.getpixel((8, 8))
    pixels = decode(encoded(palette, format, transparency=red))
    assert_near(pixels[8, 8], 255, 0)
    assert_near(pixels[8, 56], (40, 180, 40), 4)


def test_a_palette_with_many_levels_of_transparency_lies_over_white(scene: Scene, encoded: Encode) -> None:
    palette = scene().quantize(4)
    pixels = decode(encoded(palette, "PNG", transparency=bytes([128] * 4)))
    assert_near(pixels, np.asarray(scene()).astype(int) * 128 / 255 + 127, 4)


def test_a_colour_declared_transparent_becomes_white(scene: Scene, encoded: Encode) -> None:
    pixels = decode(encoded(scene(), "PNG", transparency=(220, 40, 40)))
    assert_near(pixels[8, 8], 255, 0)
    assert_near(pixels[8, 56], (40, 180, 40), 0)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_one_bit_pictures_are_black_and_white(format: str, encoded: Encode) -> None:
    picture = Image.new("1", (16, 16))
    picture.paste(1, (8, 0, 16, 16))
    pixels = decode(encoded(picture, format))
    assert_near(pixels[:, :8], 0, 0)
    assert_near(pixels[:, 8:], 255, 0)


def test_grey_gives_three_equal_channels(encoded: Encode) -> None:
    assert_near(decode(encoded(Image.new("L", (8, 8), 77), "PNG")), 77, 0)
