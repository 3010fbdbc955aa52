"""One watcher a collection."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmsearch.durable import explained_write_errors
from mmsearch.errors import CollectionBusyError

WATCH_LOCK_NAME = "watch.lock"


@contextmanager
def watcher_lock(root: Path) -> Iterator[None]:
    """Be the one that watches for a collection. The operating system frees the lock when the process ends.

    Raises:
        CollectionBusyError: somebody else watches; the text says who.
        ReadOnlyError: nothing may be written there.
    """
    from filelock import FileLock, Timeout

    path = root / WATCH_LOCK_NAME
    lock = FileLock(path, timeout=0)
    with explained_write_errors(root):
        try:
            lock.acquire()
        except Timeout:
            raise CollectionBusyError(f"{root} has a watcher already{_holder(path)}") from None
    try:
        with suppress(OSError):
            path.write_text(f"{os.getpid()} {platform.node()}\n")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        process, host = path.read_text().split()
        return f": process {int(process)} on {host}"
    return ""
