from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from mmsearch.library.duplicates.compare import Agreement, compare, is_copy
from mmsearch.library.duplicates.look import SIDE, Look, look_of


def look(image: Image.Image) -> Look:
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))
    return look_of(np.asarray(image))


def found(one: Image.Image, other: Image.Image) -> Agreement:
    return compare(look(one), look(other))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def text(image: Image.Image) -> Image.Image:
    ImageDraw.Draw(image).rectangle((20, 180, 200, 215), fill="white")
    return image


EDITS = {
    "smaller": lambda image: image.resize((130, 98)),
    "compressed": lambda image: jpeg(image, 15),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": ImageOps.grayscale,
    "framed": lambda image: ImageOps.expand(image, 25, "black"),
    "cut": lambda image: image.crop((70, 20, 310, 200)),
    "cut to half of its sides": lambda image: image.crop((90, 60, 270, 195)),
    "tilted": lambda image: image.rotate(4, Image.Resampling.BICUBIC),
    "written on": text,
    "cut and smaller": lambda image: image.crop((40, 0, 320, 200)).resize((140, 100)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_picture_is_a_copy(photograph, edit):
    assert is_copy(found(photograph(1), EDITS[edit](photograph(1))))
    assert is_copy(found(EDITS[edit](photograph(1)), photograph(1)))


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_a_turned_or_mirrored_picture_is_a_copy_and_is_said_to_be_turned(photograph, turn):
    agreement = found(photograph(1), photograph(1).transpose(turn))
    assert is_copy(agreement)
    assert agreement.variant != 0
    assert agreement.share > 0.99


def test_other_pictures_are_none(photograph):
    pairs = [(a, b) for a in range(6) for b in range(a)]
    assert not any(is_copy(found(photograph(a), photograph(b))) for a, b in pairs)


def test_pictures_that_have_a_small_part_in_common_are_none(photograph):
    one, other = photograph(1), photograph(2)
    other.paste(one.crop((0, 0, 150, 110)), (20, 20))
    assert not is_copy(found(one, other))


def test_how_much_both_show_is_measured(photograph):
    agreement = found(photograph(1), photograph(1).crop((0, 0, 240, 180)))
    assert agreement.of_one == pytest.approx(240 * 180 / (320 * 240), abs=0.03)
    assert agreement.of_other > 0.97


def test_the_share_that_agrees_falls_with_what_is_covered(photograph):
    covered = photograph(1)
    ImageDraw.Draw(covered).rectangle((30, 80, 290, 180), fill="white")
    less = found(photograph(1), text(photograph(1))).share
    assert 0.3 < found(photograph(1), covered).share < less < found(photograph(1), photograph(1)).share


def test_a_flat_picture_is_flat(photograph):
    assert look(Image.new("RGB", (64, 64), (9, 9, 9))).is_flat
    assert not look(photograph(1)).is_flat


def test_an_even_border_is_left_out(photograph):
    framed = look(ImageOps.expand(photograph(1), 40, "white"))
    assert framed.grey.shape == pytest.approx((240 * 128 / 400, 320 * 128 / 400), abs=2)
    assert look(Image.new("RGB", (64, 64))).grey.shape == (64, 64)
