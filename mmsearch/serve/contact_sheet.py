"""Many pictures as one: a numbered contact sheet for an agent to look at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SHEET_WIDTH = 1536
"""Pixels: what vision models look at without making it smaller, or little more."""
MOST_COLUMNS = 6
_BAR = 26  # pixels of a label
_GAP = 4
_FONT_SIZE = 17
_LAST_LETTER = "ÿ"  # of those that Pillow's own font has
_PAPER, _INK = (24, 24, 24), (240, 240, 240)
_QUALITY = 82

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture of the sheet.

    Attributes:
        label: what is written above it.
        pixels: RGB, uint8 ``[height, width, 3]``.
    """

    label: str
    pixels: NDArray[np.uint8]


def columns_for(count: int) -> int:
    """How many pictures stand beside each other on a sheet of so many."""
    return min(MOST_COLUMNS, math.ceil(math.sqrt(count)))


def cell_size(count: int) -> tuple[int, int]:
    """The most pixels of a picture on a sheet of so many, as ``(height, width)``."""
    width = SHEET_WIDTH // columns_for(count) - _GAP
    return (width if count == 1 else width * 3 // 4), width


def contact_sheet(cells: Sequence[Cell]) -> bytes:
    """The pictures in rows, each below its label, as a JPEG. They must not be larger than `cell_size`."""
    columns = columns_for(len(cells))
    height, width = cell_size(len(cells))
    tall, wide = height + _BAR + _GAP, width + _GAP
    sheet = Image.new("RGB", (columns * wide, math.ceil(len(cells) / columns) * tall), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for i, cell in enumerate(cells):
        left, top = i % columns * wide, i // columns * tall
        pen.text((left + _GAP, top + _GAP), _fitting(cell.label, width - 2 * _GAP, font), _INK, font)
        rows, across = cell.pixels.shape[:2]
        at = left + (width - across) // 2, top + _BAR + (height - rows) // 2
        sheet.paste(Image.fromarray(cell.pixels), at)
    written = io.BytesIO()
    sheet.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def _fitting(text: str, width: int, font: Font) -> str:
    """The text in letters that the font has, cut at its end to fit the width."""
    text = "".join(letter if letter <= _LAST_LETTER else "?" for letter in text.replace("–", "-"))
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
