"""Writing so that a crash leaves either the old or the new: fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsearch.errors import MMSearchError, ReadOnlyError


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable. Windows cannot open a folder, and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make a file's bytes, and its name, durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(path.parent)


def replace_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path``: readers see the whole old file or the whole new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def checksum(path: Path) -> str:
    """Digest of a file's bytes: 128-bit BLAKE2b, as hex."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def digest(data: bytes) -> str:
    """The `checksum` of a file of these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextmanager
def writing_to(root: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into one clear line each."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise ReadOnlyError(
                f"cannot write in {root}: {error.strerror}; name a place that can be written with -c DIR"
            ) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MMSearchError(
                f"the disk that holds {root} is full; everything up to the last commit is safe,"
                " free some space and run the same command again"
            ) from error
        raise
