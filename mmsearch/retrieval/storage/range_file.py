"""An object that is read by ranges, as a file: a window of it is held, which grows while it is read in order."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import IO, Any, cast

FIRST_WINDOW = 256 << 10
LARGEST_WINDOW = 8 << 20
"""Bytes of one request. A store takes some 50 ms to begin an answer, in which it could have sent about as much as the
first; the second bounds the memory of an open file."""


def open_ranges(read: Callable[[int, int], bytes], size: int) -> IO[bytes]:
    """A buffered file of ``size`` bytes over ``read(start, end)``, which returns all bytes of the range."""
    return cast(IO[bytes], io.BufferedReader(_RangeFile(read, size), 64 << 10))


class _RangeFile(io.RawIOBase):
    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read = read
        self._size = size
        self._position = 0
        self._window = memoryview(b"")
        self._start = 0  # of the window
        self._next_length = FIRST_WINDOW

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, "a position before the start of a file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if self._position >= self._size or not len(target):
            return 0
        if not self._start <= self._position < self._start + len(self._window):
            self._fetch(len(target))
        begin = self._position - self._start
        piece = self._window[begin : begin + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _fetch(self, wanted: int) -> None:
        in_order = self._position == self._start + len(self._window) and self._position > 0
        self._next_length = min(self._next_length * 2, LARGEST_WINDOW) if in_order else FIRST_WINDOW
        end = min(self._size, self._position + max(self._next_length, min(wanted, LARGEST_WINDOW)))
        self._window = memoryview(self._read(self._position, end))
        self._start = self._position
