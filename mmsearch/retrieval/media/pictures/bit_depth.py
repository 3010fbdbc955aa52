"""Values of more than 8 bits → 8 bits: scaled by the maximum that the file states, or that its values suggest."""

from __future__ import annotations

import os
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 256
_DEPTHS = (8, 10, 12)
"""Bits of cameras and scanners, whose values are stored in 16. Not 14: dark pictures of 16 bits look the same."""


def value_range(
    low: float, high: float, *, integers: bool, stated: int | None = None, most: int = 65535
) -> tuple[float, float]:
    """The values that become 0 and 255; no value is clipped.

    Integers are scaled by ``stated`` or, without it, by the first of 255, 1023, 4095 and ``most`` that is large enough.
    Floats within 0…1 are scaled by 1, within 0…255 by 255. Any other range is stretched from its least to its greatest
    value.

    Args:
        low: the least value.
        high: the greatest value.
        integers: whether the values are integers.
        stated: the maximum by the file, if it states one.
        most: the greatest integer of the type, for 16 bits.
    """
    if not integers:
        full = 1.0 if high <= 1 else 255.0
    elif stated is not None and high <= stated:
        full = float(stated)
    else:
        full = next((float((1 << bits) - 1) for bits in _DEPTHS if high < 1 << bits), float(most))
    return (0.0, full) if low >= 0 and high <= full else (low, high)


def as_bytes(values: NDArray[Any], *, stated: int | None = None) -> NDArray[np.uint8]:
    """Values of any type, ``[height, …]``, as uint8; NaN and infinities are black."""
    floats = values.dtype.kind == "f"
    blocks = [slice(first, first + _ROWS) for first in range(0, len(values), _ROWS)]
    bounds = []
    for block in blocks:
        part = _finite(values[block]) if floats else values[block]
        bounds.append((float(part.min()), float(part.max())))
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    most = 32767 if values.dtype == np.int16 else 65535
    black, white = value_range(low, high, integers=not floats, stated=stated, most=most)
    scale = 255 / ((white - black) or 1.0)
    out = np.empty(values.shape, np.uint8)
    for block in blocks:
        part = _finite(values[block]).astype(np.float64)
        out[block] = ((part - black) * scale).round().clip(0, 255)
    return out


def _finite(part: NDArray[Any]) -> NDArray[Any]:
    if part.dtype.kind != "f":
        return part
    return np.where(np.isfinite(part), part, 0)


def png_chunk(source: IO[bytes], name: bytes) -> bytes | None:
    """The data of the first chunk with a name in a PNG; None if there is none. The file's position stays."""
    at = source.tell()
    try:
        source.seek(8)
        while len(head := source.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == name:
                return source.read(min(length, 1 << 16))
            source.seek(length + 4, os.SEEK_CUR)
    finally:
        source.seek(at)
    return None


def png_max_value(source: IO[bytes]) -> int | None:
    """The greatest value of a PNG by its chunk sBIT, which states the bits that are used; None if it has none."""
    bits = png_chunk(source, b"sBIT")
    return (1 << max(bits)) - 1 if bits and 8 <= max(bits) <= 16 else None
