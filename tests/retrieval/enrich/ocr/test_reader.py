"""Text is found and read in pictures, by the networks of rapidocr's wheel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmsearch.retrieval.enrich.ocr.installed import ocr_is_installed

if not ocr_is_installed():
    pytest.skip("needs rapidocr (extra `ocr`)", allow_module_level=True)

from mmsearch.retrieval.enrich.ocr.reader import may_hold_text, read_lines

LINES = ["Pharmacy Raulino", "Open until 155918"]


def texts(picture: Image.Image) -> list[str]:
    return [line.text for line in read_lines(picture)]


def photograph() -> Image.Image:
    """A sky in the evening, in many greys."""
    grey = np.linspace(250, 40, 600)[:, None] - np.linspace(0, 40, 800)[None]
    return Image.fromarray(np.stack([grey * 0.9, grey, grey * 0.8], axis=2).astype(np.uint8))


def test_lines_are_read_with_their_boxes(written):
    picture = written.page(LINES)
    found = read_lines(picture)
    assert [line.text for line in found] == LINES
    left, top, right, bottom = found[0].box
    assert left == pytest.approx(40 / 900, abs=0.02)
    assert top == pytest.approx(45 / 500, abs=0.04)
    assert right > 0.3 > bottom > top


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_text_that_is_turned_is_read(written, turned):
    assert set(texts(written.page(LINES).rotate(turned, expand=True))) == set(LINES)


def test_the_sides_of_a_long_picture_are_read_in_pieces_and_no_line_twice(written):
    picture = Image.new("RGB", (700, 7000), "white")
    wanted = [f"Message number {n} of the chat" for n in range(40)]
    for n, text in enumerate(wanted):
        written.write(picture, text, (30, 40 + 172 * n), 30)
    assert texts(picture) == wanted


def test_single_letters_are_left_out(written):
    assert texts(written.page(["A"], size=(300, 200), letters=80)) == []


def test_a_glance_tells_a_sign_from_a_photograph(written):
    assert not may_hold_text(photograph())
    sign = photograph()
    sign.paste(written.page(["Bookshop"], (330, 110), 60), (200, 200))
    assert may_hold_text(sign)


def test_a_glance_sees_the_small_letters_of_a_page(written):
    assert may_hold_text(written.page([f"line {n} of a letter in small print" for n in range(40)], (1240, 1754), 15))


def test_pictures_of_one_colour_and_of_one_pixel_hold_no_text():
    for size in ((500, 400), (1, 1), (3000, 2)):
        picture = Image.new("RGB", size, "white")
        assert texts(picture) == []
    assert not may_hold_text(Image.new("RGB", (500, 400), "white"))
