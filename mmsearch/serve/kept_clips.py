"""Clips that were made whole, kept for a while, so that a player can jump in them. They lie in files without names."""

from __future__ import annotations

import io
import os
import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import IO, cast

from mmsearch.serve.byte_ranges import Version

MOST_BYTES = 64 << 20
"""Of a clip that is kept."""

_MOST_BYTES_OF_ALL = 256 << 20
_KEPT_S = 300.0


class KeptClip:
    """A clip on the disk, in a file that is gone when nobody reads it any more and it is not kept.

    Attributes:
        headers: what is said of it.
        size: in bytes.
        version: of no other clip.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.size = 0
        self.version = Version(f'"{secrets.token_hex(8)}"')
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it is closed with its last reader)
        self._guard = threading.Lock()

    def add(self, data: bytes) -> None:
        """Put a piece to its end."""
        with self._guard:
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self.size += len(data)

    def read_at(self, place: int, count: int) -> bytes:
        """Some bytes from a place on; fewer at the end."""
        with self._guard:
            self._file.seek(place)
            return self._file.read(count) or b""

    def reader(self) -> IO[bytes]:
        """Its bytes as a file with a position of its own."""
        return cast(IO[bytes], _Reader(self))


class _Reader(io.RawIOBase):
    def __init__(self, clip: KeptClip) -> None:
        self._clip, self._place = clip, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._clip.size}[whence]
        return self._place

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._clip.read_at(self._place, len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


class KeptClips:
    """The clips that were asked for last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._clips: OrderedDict[Hashable, tuple[float, KeptClip]] = OrderedDict()

    def find(self, key: Hashable) -> KeptClip | None:
        """The clip of a key; None if none is kept."""
        with self._guard:
            self._drop_old()
            if key not in self._clips:
                return None
            self._clips.move_to_end(key)
            clip = self._clips[key][1]
            self._clips[key] = (time.monotonic(), clip)
            return clip

    def keep(self, key: Hashable, clip: KeptClip) -> None:
        """Keep a clip until others take its place, or nobody has asked for it for some minutes."""
        with self._guard:
            self._clips[key] = (time.monotonic(), clip)
            self._clips.move_to_end(key)
            self._drop_old()

    def clear(self) -> None:
        """Keep none."""
        with self._guard:
            self._clips.clear()

    def _drop_old(self) -> None:
        held = sum(clip.size for _, clip in self._clips.values())
        while self._clips:
            key, (last, clip) = next(iter(self._clips.items()))
            if held <= _MOST_BYTES_OF_ALL and time.monotonic() - last < _KEPT_S:
                return
            del self._clips[key]
            held -= clip.size
