"""The write lock: one writer at a time. Readers take no lock; they read the files of the manifest that they opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmsearch.durable import explained_write_errors
from mmsearch.errors import CollectionBusyError, CollectionDamagedError
from mmsearch.retrieval.store.remote import shown

LOCK_NAME = "lock"


@contextmanager
def writer_lock(root: Path) -> Iterator[None]:
    """Hold the collection's write lock. The operating system frees it when the process ends, even if it is killed.

    Raises:
        CollectionDamagedError: there is a folder or a link in the place of the lock file.
        CollectionBusyError: another process, or another writer of this process, holds it.
        ReadOnlyError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    path = root / LOCK_NAME
    if path.is_symlink() or path.is_dir() or (path.exists() and not path.is_file()):
        raise CollectionDamagedError(f"{path} must be a plain file, and is none: remove it and try again")
    lock = FileLock(path, timeout=0)
    with explained_write_errors(root):
        try:
            lock.acquire()
        except Timeout:
            raise CollectionBusyError(
                f"{shown(root)} is being written to{_holder(path)}; wait for it to end, or stop it, and try again"
            ) from None
    try:
        with suppress(OSError):
            path.write_text(f"{os.getpid()}\n")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        return f" by process {int(path.read_text())}"
    return ""
