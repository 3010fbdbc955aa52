"""JPEG by the fast path is what Pillow makes of it, to the bit; what is odd or damaged is left to Pillow."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.pictures import jpeg
from mmsearch.retrieval.media.pictures.image import decode_picture
from mmsearch.retrieval.media.pictures.resize import resize_pixels
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job
from mmsearch.types import Facts

pytest.importorskip("simplejpeg")
pytest.importorskip("cykooz_resizer")

Scene = Callable[[int, int], Image.Image]
Encode = Callable[..., bytes]
TARGET = {"max_pixels": 10_000_000, "target": (64, 64), "draft": 2.0}


def both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[bool, np.ndarray, Facts]:
    """Whether Pillow was passed by, the pixels and the facts, after comparing them with those of Pillow alone."""
    chosen = {**TARGET, **options}
    picture, facts = decode_picture(io.BytesIO(data), **chosen)  # type: ignore[arg-type]
    with monkeypatch.context() as without:
        without.setattr(jpeg, "simplejpeg", None)
        expected, expected_facts = decode_picture(io.BytesIO(data), **chosen)  # type: ignore[arg-type]
    assert isinstance(expected, Image.Image)
    pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels, np.asarray(expected))
    assert facts == expected_facts
    return isinstance(picture, np.ndarray), pixels, facts


def is_passed_by(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return jpeg.jpeg_pixels(image, io.BytesIO(data)) is not None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": 0},
        {"subsampling": 1},
        {"progressive": True},
        {"keep_rgb": True},
        {"restart_marker_blocks": 3},
        {"quality": 10},
        {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        {"icc_profile": b"not a profile"},
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (17, 9), (301, 203), (640, 480), (1500, 20), (1111, 997)])
def test_pixels_are_pillows_own(
    size: tuple[int, int], options: dict[str, object], noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, pixels, facts = both_ways(encoded(noise(*size), "JPEG", **options), monkeypatch)
    assert fast
    assert (facts.width, facts.height) == size
    assert pixels.shape[0] >= min(size[1], 128)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("size", [(90, 61), (901, 699)])
def test_turned_pictures_are_upright(
    size: tuple[int, int], orientation: int, noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    fast, _, facts = both_ways(encoded(noise(*size), "JPEG", exif=exif), monkeypatch)
    assert fast
    assert (facts.width, facts.height) == (size[::-1] if orientation in (5, 6, 7, 8) else size)


def test_grey_pictures_have_three_equal_channels(
    noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, pixels, _ = both_ways(encoded(noise(700, 500).convert("L"), "JPEG"), monkeypatch)
    assert fast
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_a_file_of_several_pictures_gives_its_first(
    noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(noise(300, 200), "MPO", save_all=True, append_images=[noise(300, 200).rotate(180)])
    assert both_ways(data, monkeypatch)[0]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_profile_that_is_not_srgb_moves_the_colours_of_what_was_decoded(
    mode: str, swapped_profile: bytes, noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(600, 500).convert(mode), "JPEG", icc_profile=swapped_profile, exif=exif)
    assert is_passed_by(data)
    _, pixels, _ = both_ways(data, monkeypatch)
    plain = both_ways(encoded(noise(600, 500).convert(mode), "JPEG", exif=exif), monkeypatch)[1]
    assert (pixels == plain).all() == (mode == "L")  # a profile for RGB says nothing of grey


def test_cmyk_is_left_to_pillow(noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noise(300, 200).convert("CMYK"), "JPEG")
    assert not is_passed_by(data)
    assert not both_ways(data, monkeypatch)[0]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_file_is_left_to_pillow(
    progressive: bool, noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(noise(300, 200), "JPEG", progressive=progressive)
    fast, _, facts = both_ways(whole[: len(whole) // 2], monkeypatch)
    assert not fast
    assert (facts.note or "").startswith("truncated")


def test_damage_that_can_be_passed_over_is_left_to_pillow(
    noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(noise(300, 200), "JPEG")
    assert not both_ways(whole[:-2] + bytes(4) + whole[-2:], monkeypatch)[0]  # bytes before the end that mean nothing


@pytest.mark.parametrize(("marker", "precision"), [(0xC1, 12), (0xC3, 8), (0xC9, 8)])
def test_other_processes_of_jpeg_end_as_with_pillow(
    marker: int, precision: int, noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 bits, lossless, arithmetic coding: the header says so, and what follows is not."""
    data = bytearray(encoded(noise(100, 80), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, precision
    outcomes = []
    for library in (jpeg.simplejpeg, None):
        monkeypatch.setattr(jpeg, "simplejpeg", library)
        try:
            outcomes.append(np.asarray(decode_picture(io.BytesIO(bytes(data)), **TARGET)[0]).tobytes())  # type: ignore[arg-type]
        except DecodeError as error:
            outcomes.append(str(error).encode())
    assert outcomes[0] == outcomes[1]


def test_a_header_that_both_read_differently_is_left_to_pillow(noise: Scene, encoded: Encode) -> None:
    data = encoded(noise(300, 200), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        image._size = (30, 20)
        assert jpeg.jpeg_pixels(image, io.BytesIO(data)) is None


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (90, 70), (1000, 751), (1, 1), (3000, 7)])
def test_pixels_are_resized_as_pillow_resizes_them(size: tuple[int, int], interpolation: str, noise: Scene) -> None:
    picture = noise(*size)
    fast = resize_pixels(np.asarray(picture), 256, 224, interpolation)  # type: ignore[arg-type]
    assert fast is not None
    own = picture.resize((224, 256), Image.Resampling[interpolation.upper()])
    difference = np.abs(fast.astype(int) - np.asarray(own))
    assert difference.mean() < 0.3
    assert difference.max() <= 16


def test_views_are_resized_like_copies(noise: Scene) -> None:
    pixels = np.asarray(noise(300, 200))
    view = pixels[:, ::-1].swapaxes(0, 1)
    copy = np.ascontiguousarray(view)
    for transform in (ImageTransform(64, 64, draft=1.25), ImageTransform(64, 64)):
        np.testing.assert_array_equal(transform.apply(view), transform.apply(copy))


def test_workers_decode_the_same(tmp_path: Path, noise: Scene, encoded: Encode) -> None:
    transform = ImageTransform(64, 64, draft=1.25)
    data = encoded(noise(640, 480), "JPEG")
    (tmp_path / "a picture.png").write_bytes(data)  # the wrong ending
    with Decoder(1, DecodeSpec(image=transform), slots=2) as decoder:
        (decoded,) = (item for item in decoder.map([Job(os.fsencode(tmp_path / "a picture.png"))]) if item)
        assert isinstance(decoded, Decoded)
        expected, facts = decode_picture(io.BytesIO(data), max_pixels=10**7, target=(64, 64), draft=1.25)
        np.testing.assert_array_equal(decoded.pixels, transform.apply(expected))  # type: ignore[arg-type]
        assert decoded.facts == facts
