"""Parts of files that lie elsewhere, kept on this disk up to a number of bytes; what was used longest ago goes first.

Everything is filed under the checksum of the whole file, so what is found is what was asked for, whichever
collection it came from. A part is a file of its own that appears whole, by a rename: whoever maps it sees no holes.
Parts can be deleted at any time; who has one open keeps it. Several processes share the folder.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmsearch.durable import explained_write_errors
from mmsearch.errors import UsageError

CACHE_VARIABLE = "MMSEARCH_CACHE_BYTES"
WHOLE = "whole"
"""The name of the part that is all of a file."""

_MOST_BYTES = 20 << 30
_LEAST_BYTES = 1 << 30
_SHARE_OF_DISK = 0.25  # of what is free, when nothing else is said
_LOOK_EVERY = 1 / 16  # of the limit: after so many new bytes the folder is measured
_KEEP_SHARE = 0.9  # of the limit: what is left after files were deleted
_TOUCH_AFTER_S = 30.0
_IN_USE_S = 60.0  # a file that is opened by its name is not deleted so soon after it was asked for


class ObjectCache:
    """A folder of parts. ``limit``: bytes that it may hold; default what the environment says, else what is sensible.

    While many parts are fetched at once, it may hold a sixteenth more.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        self._limit = limit
        self._guard = threading.Lock()
        self._unmeasured: int | None = None  # bytes since the folder was measured; None: not yet

    def limit(self) -> int:
        """How many bytes it may hold.

        Raises:
            UsageError: the environment says something else than a number.
        """
        if self._limit is None:
            self._limit = _limit_from_environment() or _sensible_limit(self.folder)
        return self._limit

    def mapped(self, checksum: str, part: str, size: int) -> mmap.mmap | None:
        """A part, memory-mapped; None if it is not there, or has another size."""
        path = self._path(checksum, part)
        try:
            with open(path, "rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_size != size or not size:
                    return None
                if time.time() - facts.st_mtime > _TOUCH_AFTER_S:
                    with suppress(OSError):
                        os.utime(path)
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:
            return None

    def whole(self, checksum: str) -> Path | None:
        """The path of a whole file, which stays for a minute at least; None if it is not there."""
        path = self._path(checksum, WHOLE)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def put(self, checksum: str, part: str, data: bytes) -> None:
        """Keep a part.

        Raises:
            MMSearchError: the disk is full, or nothing may be written there; one line that names the folder.
        """
        with self.new_part(checksum, part) as path:
            path.write_bytes(data)

    @contextmanager
    def new_part(self, checksum: str, part: str) -> Iterator[Path]:
        """Fill the file whose path is given in the block; when it ends, the part is there. A failure leaves nothing.

        Raises:
            MMSearchError: the disk is full, or nothing may be written there; one line that names the folder.
        """
        import secrets  # imported only here: a query of a folder needs none

        target = self._path(checksum, part)
        temporary = target.with_name(f".{secrets.token_hex(8)}.part")
        with explained_write_errors(self.folder):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                yield temporary
                size = temporary.stat().st_size
                os.replace(temporary, target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
        self._count(size)

    def drop(self, checksum: str) -> None:
        """Forget all parts of a file."""
        folder = self._path(checksum, WHOLE).parent
        with suppress(OSError):
            for path in list(folder.iterdir()):
                path.unlink(missing_ok=True)

    def adopt(self, path: Path, checksum: str) -> None:
        """Take over a file that lies elsewhere on this machine, whole; where it cannot be moved it stays."""
        target = self._path(checksum, WHOLE)
        with suppress(OSError):
            size = path.stat().st_size
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
            self._count(size)

    def held(self) -> int:
        """How many bytes it holds."""
        return sum(size for _, size, _ in self._files())

    def trim(self, to: int | None = None) -> None:
        """Delete what was used longest ago until it holds at most ``to`` bytes, default somewhat less than its limit.

        Files that were asked for by name within the last minute stay.
        """
        wanted = int(self.limit() * _KEEP_SHARE) if to is None else to
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for _, size, path in files:
            if held <= wanted:
                return
            with suppress(OSError):
                if path.name != WHOLE or time.time() - path.stat().st_mtime > _IN_USE_S:
                    path.unlink()
                    held -= size
                    path.parent.rmdir()  # if it is empty

    def _count(self, size: int) -> None:
        """Note new bytes, and delete old parts where there are too many."""
        with self._guard:
            first = self._unmeasured is None
            self._unmeasured = (self._unmeasured or 0) + size
            if not first and self._unmeasured <= self.limit() * _LOOK_EVERY:
                return
            self._unmeasured = 0
        if self.held() > self.limit():
            self.trim()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each file was last used, its bytes and its path."""
        for top, _, names in os.walk(self.folder):
            for name in names:
                path = Path(top, name)
                with suppress(OSError):
                    facts = path.stat()
                    yield facts.st_mtime, facts.st_size, path

    def _path(self, checksum: str, part: str) -> Path:
        return self.folder / checksum[:2] / checksum / part


def _limit_from_environment() -> int | None:
    given = os.environ.get(CACHE_VARIABLE, "").strip()
    if not given:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise UsageError(f"{CACHE_VARIABLE} must be a number of bytes, not {given!r}")
    return int(given)


def _sensible_limit(folder: Path) -> int:
    """A quarter of what is free on the disk and what the folder holds already, within bounds."""
    import shutil

    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return max(_LEAST_BYTES, min(_MOST_BYTES, int(free * _SHARE_OF_DISK)))
