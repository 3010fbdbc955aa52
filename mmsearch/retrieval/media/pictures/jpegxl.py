"""Reads the header of a JPEG XL file, before the plugin decodes the whole picture (ISO/IEC 18181-1, annex D)."""

from __future__ import annotations

from typing import IO

_HEAD_BYTES = 1 << 16
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIDES = (9, 13, 18, 30)


class _Bits:
    """The bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("cut off")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return taken


def header_of(source: IO[bytes]) -> tuple[int, int, bool] | None:
    """Width, height, and whether it is an animation; None if the header cannot be read."""
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    start = 0 if head.startswith(b"\xff\x0a") else _start_in_boxes(head)
    if start < 0:
        return None
    bits = _Bits(head[start + 2 : start + 64])
    try:
        width, height = _size(bits)
        return width, height, _is_animation(bits)
    except ValueError:
        return None


def _start_in_boxes(head: bytes) -> int:
    """Where the codestream begins: in the box *jxlc*, or behind the number of the first box *jxlp*; -1: nowhere."""
    places = (head.find(b"jxlc\xff\x0a") + 4, head.find(b"jxlp\0\0\0\0\xff\x0a") + 8)
    found = [at for at, least in zip(places, (4, 8), strict=True) if at >= least]
    return min(found, default=-1)


def _size(bits: _Bits) -> tuple[int, int]:
    def side(small: int) -> int:
        return 8 * (bits.take(5) + 1) if small else bits.take(_SIDES[bits.take(2)]) + 1

    small = bits.take(1)
    height = side(small)
    ratio = bits.take(3)
    if ratio == 0:
        return side(small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _is_animation(bits: _Bits) -> bool:
    if bits.take(1) or not bits.take(1):  # all fields have their defaults, or there are no more fields
        return False
    bits.take(3)  # orientation
    if bits.take(1):
        _size(bits)  # the intrinsic size
    return not bits.take(1) and bool(bits.take(1))  # a preview may come first; what follows it is not read
