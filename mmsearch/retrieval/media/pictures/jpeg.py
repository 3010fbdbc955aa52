"""JPEG → RGB arrays by libjpeg-turbo alone. The pixels are Pillow's, to the bit; what is odd is left to Pillow.

Pillow hands the decoder pieces of the file and copies each line into pixels of 32 bits: a third of its time.
"""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    import simplejpeg
except ImportError:  # no wheel for this system: Pillow decodes
    simplejpeg = None

_MODES = ("RGB", "L")
_COLOUR_SPACES = ("YCbCr", "RGB", "Gray")
_MOST_BYTES = 64 << 20
"""Larger files are read in pieces, by Pillow."""


def jpeg_pixels(image: Image.Image, source: IO[bytes]) -> NDArray[np.uint8] | None:
    """The pixels of a JPEG in the colours of the file, uint8 ``[height, width, 3]``; grey becomes three equal channels.

    Args:
        image: the file as Pillow opened it, perhaps with a draft; it is not loaded.
        source: the file.

    Returns:
        None where Pillow is to decode it: CMYK, a damaged or truncated file, one whose header it reads otherwise.
    """
    if simplejpeg is None or image.mode not in _MODES:
        return None
    data = _bytes_of(source)
    if data is None:
        return None
    scale = {"min_height": image.height, "min_width": image.width}
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, **scale)
        if (width, height) != image.size or colours not in _COLOUR_SPACES:
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", **scale)
    except (ValueError, KeyError):  # strict: also for damage that libjpeg mends
        return None
    return pixels


def _bytes_of(source: IO[bytes]) -> bytes | memoryview | None:
    """The whole file; None if it is empty or large."""
    if isinstance(source, io.BytesIO):
        data: bytes | memoryview = source.getbuffer()
    else:
        source.seek(0)
        data = source.read(_MOST_BYTES + 1)
    return data if 0 < len(data) <= _MOST_BYTES else None
