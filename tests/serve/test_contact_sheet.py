"""Many pictures as one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmsearch.serve.contact_sheet import SHEET_WIDTH, Cell, cell_size, columns_for, contact_sheet

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]


def opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    assert picture.format == "JPEG"
    return picture


def sheet_of(count: int, label: str = "a label") -> Image.Image:
    """A sheet of pictures that fill their cells, each of a colour of its own."""
    height, width = cell_size(count)
    filled = [np.full((height, width, 3), COLOURS[i % len(COLOURS)], np.uint8) for i in range(count)]
    return opened(contact_sheet([Cell(f"{i + 1} {label}", pixels) for i, pixels in enumerate(filled)]))


def test_pictures_stand_in_rows_in_their_order():
    sheet = sheet_of(5)
    assert columns_for(5) == 3
    wide, tall = sheet.width // 3, sheet.height // 2
    for i, colour in enumerate(COLOURS):
        middle = (i % 3 * wide + wide // 2, i // 3 * tall + tall // 2)
        np.testing.assert_allclose(sheet.getpixel(middle), colour, atol=8)


@pytest.mark.parametrize("count", [1, 2, 7, 36])
def test_a_sheet_is_as_wide_as_models_look_at(count):
    sheet = sheet_of(count)
    assert SHEET_WIDTH - 6 <= sheet.width <= SHEET_WIDTH
    assert sheet.height <= SHEET_WIDTH + 30


def test_a_small_picture_stands_in_the_middle_of_its_cell():
    sheet = opened(contact_sheet([Cell("1", np.full((10, 20, 3), 255, np.uint8))] * 2))
    height, width = cell_size(2)
    bright = np.argwhere(np.asarray(sheet.convert("L"))[40:, : width // 1] > 128)
    np.testing.assert_allclose(bright.mean(0), [26 + height / 2 - 40, width / 2], atol=3)


def test_a_label_stands_above_its_picture_and_is_cut_where_the_cell_ends():
    for label in ("", "ä long name " * 20, "漢字 –"):
        sheet = sheet_of(4, label)
        bar = np.asarray(sheet.convert("L"))[:24]
        assert (bar > 128).any()
        assert not (bar[:, SHEET_WIDTH // 2 - 6 : SHEET_WIDTH // 2] > 128).any()
