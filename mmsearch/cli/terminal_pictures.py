"""Pictures on a terminal: with Kitty's graphics protocol or sixel if it has one of them, else in half blocks.

The package textual-image asks the terminal what it supports, and draws. Sixel is what iTerm2, WezTerm, foot, Konsole,
VS Code and Windows Terminal support. A half block is a character that shows two pixels, one above the other.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_USUAL_CELL = (10, 20)
HALF_BLOCK = (1, 2)


class TerminalPictures:
    """Draws pictures on the terminal at stdout in the best way that it supports.

    Attributes:
        cell: pixels of a character, from left to right and from top to bottom.
    """

    def __init__(self) -> None:
        self._image = _image_class()
        self.cell = HALF_BLOCK if self._image is None else _cell_size()

    def console(self) -> Console:
        """A console that writes colours even to a pipe or with ``$NO_COLOR``: they are the picture."""
        from rich.console import Console

        # Kitty's protocol encodes the number of a picture in the colour of its placeholder characters.
        colours = "auto" if self._image is None else "truecolor"
        return Console(force_terminal=True, no_color=False, color_system=colours, highlight=False)  # type: ignore[arg-type]

    def drawn(self, pixels: NDArray[np.uint8]) -> RenderableType:
        """A picture, uint8 ``[height, width, 3]``, as a rich renderable of the same size in pixels."""
        if self._image is None:
            return half_blocks(pixels)
        from PIL import Image

        height, width = pixels.shape[:2]
        columns, lines = max(1, round(width / self.cell[0])), max(1, round(height / self.cell[1]))
        picture: RenderableType = self._image(Image.fromarray(pixels), width=columns, height=lines)
        return picture


def half_blocks(pixels: NDArray[np.uint8]) -> Text:
    """A picture, uint8 ``[height, width, 3]``, as text: each character shows a pixel and the one below it."""
    from rich.text import Text

    picture = Text(no_wrap=True)
    for y in range(0, len(pixels), 2):
        upper, lower = pixels[y].tolist(), pixels[y + 1].tolist() if y + 1 < len(pixels) else None
        for x, (red, green, blue) in enumerate(upper):
            below = "" if lower is None else " on rgb({},{},{})".format(*lower[x])
            picture.append("▀", f"rgb({red},{green},{blue}){below}")
        picture.append("\n")
    picture.rstrip()
    return picture


def _image_class() -> type[Any] | None:
    """textual-image's class for the protocol that the terminal supports; None for half blocks."""
    asked_at = (sys.__stdin__, sys.__stdout__)
    if not all(stream is not None and not stream.closed and stream.isatty() for stream in asked_at):
        return None
    if os.environ.get("TERM_PROGRAM") == "WarpTerminal":  # claims Kitty's protocol but lacks its placeholders
        return None
    try:
        from textual_image.renderable import Image, SixelImage, TGPImage  # the import asks the terminal
    except Exception:  # an odd answer must not make the query fail
        return None
    return Image if Image in (SixelImage, TGPImage) else None


def _cell_size() -> tuple[int, int]:
    """Width and height of a character in pixels, as the terminal at stdout reports them; else usual ones."""
    try:
        from fcntl import ioctl
        from struct import unpack
        from termios import TIOCGWINSZ

        lines, columns, width, height = unpack("HHHH", ioctl(1, TIOCGWINSZ, bytes(8)))
        return (width // columns, height // lines) if width >= columns > 0 and height >= lines > 0 else _USUAL_CELL
    except (ImportError, OSError):
        return _USUAL_CELL
