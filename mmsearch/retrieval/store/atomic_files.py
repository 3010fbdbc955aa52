"""Writing so that a crash leaves either the old or the new: fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsearch.durable import fsync_folder, written
from mmsearch.errors import MMSearchError, ReadOnlyError


def replace_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path``: readers see the whole old file or the whole new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with written(temporary, name_too=False) as sink:
        sink.write(data)
    try:
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
        told = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise ReadOnlyError(f"cannot write in {root}: {error.strerror}") from error
        if error.errno in _FULL:
            raise MMSearchError(
                f"the disk that holds {root} is full{_free(root)}; everything up to the last commit is safe,"
                " free some space and run the same command again"
            ) from error
        if error.errno == errno.EFBIG:
            raise MMSearchError(f"a file in {root} would be larger than this system allows{told}") from error
        if error.errno == errno.EIO:
            raise MMSearchError(f"the disk that holds {root} reports an error{told}; check it") from error
        raise


_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))


def _free(root: Path) -> str:
    try:
        return f": {shutil.disk_usage(root).free / 1e6:.1f} MB are free, and more is needed"
    except OSError:
        return ""
