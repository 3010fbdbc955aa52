"""What pictures a terminal can show: real ones, by Kitty's protocol or sixel, or half blocks of two pixels a character.

textual-image asks the terminal, draws for Kitty's protocol and sixel (which iTerm2, WezTerm, foot, Konsole, VS Code and
Windows Terminal know), and is imported only here, when pictures are to be drawn.
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
    """Draws pictures on stdout in the best way that its terminal has.

    Attributes:
        cell: pixels of a character, from left to right and from top to bottom.
    """

    def __init__(self) -> None:
        self._image = _image_class()
        self.cell = HALF_BLOCK if self._image is None else _cell_size()

    def console(self) -> Console:
        """A console that writes colours whatever the output is, for they are the picture."""
        from rich.console import Console

        # Kitty's protocol puts a picture's number into the colour of the text that stands for it.
        colours = "auto" if self._image is None else "truecolor"
        return Console(force_terminal=True, no_color=False, color_system=colours, highlight=False)  # type: ignore[arg-type]

    def drawn(self, pixels: NDArray[np.uint8]) -> RenderableType:
        """Pixels uint8 ``[height, width, 3]`` as something that rich prints, in as many characters as they fill."""
        if self._image is None:
            return half_blocks(pixels)
        from PIL import Image

        height, width = pixels.shape[:2]
        columns, lines = max(1, round(width / self.cell[0])), max(1, round(height / self.cell[1]))
        picture: RenderableType = self._image(Image.fromarray(pixels), width=columns, height=lines)
        return picture


def half_blocks(pixels: NDArray[np.uint8]) -> Text:
    """Pixels uint8 ``[height, width, 3]``, two a character: the upper one is the colour of the block."""
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
    """textual-image's class for what the terminal answers that it can show; None where half blocks are drawn."""
    asked_at = (sys.__stdin__, sys.__stdout__)
    if not all(stream is not None and not stream.closed and stream.isatty() for stream in asked_at):
        return None
    if os.environ.get("TERM_PROGRAM") == "WarpTerminal":  # says that it knows Kitty's protocol, and shows nothing
        return None
    try:
        from textual_image.renderable import Image, SixelImage, TGPImage  # asks when it is imported
    except Exception:  # an odd answer of a terminal must not cost the hits
        return None
    return Image if Image in (SixelImage, TGPImage) else None


def _cell_size() -> tuple[int, int]:
    """Pixels of a character of the terminal at stdout, or what is usual where it does not say."""
    try:
        from fcntl import ioctl
        from struct import unpack
        from termios import TIOCGWINSZ

        lines, columns, width, height = unpack("HHHH", ioctl(1, TIOCGWINSZ, bytes(8)))
        return (width // columns, height // lines) if width >= columns > 0 and height >= lines > 0 else _USUAL_CELL
    except (ImportError, OSError):
        return _USUAL_CELL
