"""Pictures with words in them, drawn with Pillow's own font."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont


def page(lines: Sequence[str], size: tuple[int, int] = (900, 500), letters: int = 36) -> Image.Image:
    """Black lines on white, one below the other."""
    picture = Image.new("RGB", size, "white")
    for place, line in enumerate(lines):
        write(picture, line, (40, 40 + place * letters * 2), letters)
    return picture


def write(picture: Image.Image, text: str, at: tuple[int, int], letters: int = 36, ink: str = "black") -> None:
    """Write a line into a picture, with its upper left corner at ``at``."""
    ImageDraw.Draw(picture).text(at, text, font=ImageFont.load_default(letters), fill=ink)
