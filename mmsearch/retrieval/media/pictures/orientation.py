"""Turns pictures upright, as their EXIF tag says that the camera was held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TAG = 0x0112
ON_ITS_SIDE = (5, 6, 7, 8)
"""Values of the tag with which width and height change places."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_VIEWS: dict[Any, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


def upright(image: Image.Image, orientation: Any) -> Image.Image:
    """A picture of Pillow, upright; ``orientation`` is the value of the tag, of any type."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def upright_view(pixels: NDArray[np.uint8], orientation: Any) -> NDArray[np.uint8]:
    """Pixels ``[height, width, 3]``, upright: a view of them."""
    return _VIEWS[orientation](pixels) if orientation in _VIEWS else pixels
