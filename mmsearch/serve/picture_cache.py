"""Small pictures that were made, on the disk: for all processes of a user, and up to a number of bytes.

Each is a file whose name is a hash of what it shows. Those that were not asked for longest are removed first.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 512 << 20

_ENDING, _UNFINISHED = ".webp", ".part"
_KEPT_SHARE = 0.9
"""How full the cache is after it was swept."""

_SWEEP_SHARE = 1 / 16
"""It is swept when so much of its bound was written since the last time, so that a sweep costs little per picture."""

_TOUCH_S = 3600
"""The time of the last use is noted to the hour."""

_HEADER_BYTES = 12


class PictureCache:
    """A folder of pictures in WebP. Safe to use from several threads and processes.

    Args:
        folder: where they lie; it is made when it is needed, for this user alone.
        most_bytes: that they may take together. A little more is taken for a while.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._guard = threading.Lock()
        self._unswept = most_bytes  # the first picture has it swept

    def read(self, key: str) -> bytes | None:
        """A picture by its key, a hexadecimal hash; None if it is not there."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
                last = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        if not _is_whole(data):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        if time.time() - last > _TOUCH_S:
            with contextlib.suppress(OSError):
                os.utime(path)
        return data

    def write(self, key: str, data: bytes) -> None:
        """Keep a picture. If the disk refuses, it is not kept."""
        path = self._path(key)
        unfinished = path.with_name(f"{secrets.token_hex(8)}{_UNFINISHED}")
        try:
            self._make_folders(path.parent)
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            os.replace(unfinished, path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            return
        with self._guard:
            self._unswept += len(data)
            is_due = self._unswept > self._most_bytes * _SWEEP_SHARE
            if is_due:
                self._unswept = 0
        if is_due:
            self.sweep()

    def sweep(self) -> None:
        """Remove the pictures that were not asked for longest until the rest fits."""
        found = sorted(self._files(), reverse=True)
        room = self._most_bytes * _KEPT_SHARE if sum(size for _, size, _ in found) > self._most_bytes else None
        now = time.time()
        for last, size, path in found:
            is_left_over = path.endswith(_UNFINISHED) and now - last > _TOUCH_S  # of a process that ended
            if room is not None:
                room -= size
            if is_left_over or (room is not None and room < 0):
                with contextlib.suppress(OSError):  # another process was quicker
                    os.unlink(path)

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """When each file was used last, its size, and its path."""
        for folder in _entries(self._folder):
            for entry in _entries(folder):
                with contextlib.suppress(OSError):
                    if entry.name.endswith((_ENDING, _UNFINISHED)):
                        facts = entry.stat(follow_symlinks=False)
                        yield facts.st_mtime, facts.st_size, entry.path

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}{_ENDING}"

    def _make_folders(self, folder: Path) -> None:
        if not folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_whole(data: bytes) -> bool:
    """Whether a file is all that was written: a crash of the system may have cut it off."""
    is_webp = data[:4] == b"RIFF" and data[8:_HEADER_BYTES] == b"WEBP"
    return is_webp and int.from_bytes(data[4:8], "little") + 8 == len(data)
