"""A line of text that was read in a picture, and how much is looked at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

OcrMode = Literal["auto", "off", "all"]
OCR_MODES: tuple[OcrMode, ...] = ("auto", "off", "all")

MAX_LINES = 400
"""Of a picture; further ones are left out."""

WANTED_SIDE = 1200
"""Pixels along the short side at which a picture is decoded to be read, if it has so many."""

FRAME_SIDE = 720
"""Pixels along the short side of a frame of a film that is read."""

PAGE_SIDE = 1754
"""Pixels along the long side of a page that is drawn to be read: 150 dots per inch on A4."""

MEMORY_BYTES = 1 << 30
"""The most that reading a picture takes: measured 0.8 GB."""

_MAX_CHARACTERS = 1_000  # of one line


class TextLine(NamedTuple):
    """A line, and its box as fractions of the width and the height of the upright picture."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom


def lines_from_json(data: Iterable[Any]) -> tuple[TextLine, ...]:
    """Lines as a worker sent them, at most `MAX_LINES`, each with a box within the picture.

    Raises:
        ValueError, TypeError: they are no lines.
    """
    return tuple(_line(*one) for one in list(data)[:MAX_LINES])


def lines_to_text(lines: Iterable[TextLine]) -> str | None:
    """Lines as text to be stored; None for none."""
    return json.dumps(list(lines), ensure_ascii=True) if lines else None


def lines_from_text(text: str | None) -> tuple[TextLine, ...]:
    """The inverse of `lines_to_text`."""
    return () if text is None else lines_from_json(json.loads(text))


def _line(text: str, *box: float) -> TextLine:
    edges = [min(max(float(edge), 0.0), 1.0) for edge in box]
    if not isinstance(text, str) or len(edges) != 4 or not all(map(math.isfinite, edges)):
        raise ValueError("no line of text")
    return TextLine(text[:_MAX_CHARACTERS].replace("\n", " "), *edges)
