"""A picture becomes exactly the pixels that the model's own preprocessing would have made of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from mmsearch.retrieval.media.pictures.transform import ImageTransform

SIZES = [(1, 1), (3, 500), (500, 3), (33, 57), (101, 99), (224, 224), (225, 224), (320, 213), (333, 500), (448, 447)]


def test_squash_is_one_bicubic_resize(noise: Callable[[int, int], Image.Image]) -> None:
    image = noise(320, 213)
    expected = np.asarray(image.resize((96, 64), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(ImageTransform(64, 96).apply(image), expected)


def test_longest_pads_with_the_fill_colour(noise: Callable[[int, int], Image.Image]) -> None:
    pixels = ImageTransform(40, 40, "longest", fill=(9, 8, 7)).apply(noise(80, 40))
    assert pixels.shape == (40, 40, 3)
    assert (pixels[:10] == (9, 8, 7)).all()
    assert (pixels[30:] == (9, 8, 7)).all()
    assert not (pixels[10:30] == (9, 8, 7)).all(axis=-1).any()


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (2, 20000)])
@pytest.mark.parametrize("resize", ["squash", "shortest", "longest"])
def test_a_strip_of_a_picture_costs_little_memory(size: tuple[int, int], resize: str) -> None:
    transform = ImageTransform(224, 224, resize)  # type: ignore[arg-type]
    assert transform.apply(Image.new("RGB", size, (10, 20, 30))).shape == (224, 224, 3)


def test_a_strip_is_cropped_as_the_resized_whole_would_be(noise: Callable[[int, int], Image.Image]) -> None:
    strip = noise(20, 2400)
    whole = strip.resize((32, 3840), Image.Resampling.BICUBIC).crop((0, 1904, 32, 1936))
    shortcut = ImageTransform(32, 32, "shortest").apply(strip)
    assert np.abs(shortcut.astype(int) - np.asarray(whole)).max() <= 1


def test_the_fields_survive_json() -> None:
    transform = ImageTransform(378, 256, "longest", "bilinear", (1, 2, 3), 1.5)
    assert ImageTransform.from_json(json.loads(json.dumps(transform.to_json()))) == transform


def test_importing_the_transform_imports_no_pillow() -> None:
    code = "import sys, mmsearch.retrieval.media.pictures.transform; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.clip
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("target", [(224, 224), (97, 97), (64, 96), (96, 64)])
def test_pixels_equal_those_of_open_clip_bit_for_bit(
    target: tuple[int, int], resize: str, interpolation: str, noise: Callable[[int, int], Image.Image]
) -> None:
    reason = "needs open_clip: pip install 'mmsearch[clip]'"
    module = pytest.importorskip("open_clip.transform", reason=reason)
    theirs = module.image_transform(
        target,
        is_train=False,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        resize_mode=resize,
        interpolation=interpolation,
        fill_color=7,
    )
    ours = ImageTransform(*target, resize, interpolation, fill=(7, 7, 7))  # type: ignore[arg-type]
    for width, height in SIZES:
        if resize == "longest" and max(width, height) / min(width, height) > 2 * min(target):
            continue  # the short side rounds to no pixels at all, which open_clip cannot do
        image = noise(width, height)
        expected = (theirs(image).numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
        a_strip = max(width, height) > 64 * min(width, height)
        difference = np.abs(ours.apply(image).astype(int) - expected).max()
        assert difference <= (1 if a_strip else 0), f"{width} x {height}"
