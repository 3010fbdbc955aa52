"""Writing files that survive a crash: they are on the disk whole, or they are not there.

`durable_file` writes a new file, `replace_atomically` puts one in the place of another, checksums tell whether a file
is still what was written, and `explained_write_errors` says in one line why a disk refused.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mmsearch.errors import MMSearchError, ReadOnlyError
from mmsearch.types import sized

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
_DISK_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))


class Sink:
    """A file object for numpy, Arrow and FAISS to write to, which remembers the operating system's error.

    With a path, numpy and FAISS do not say why a disk refused to write; Arrow wraps the error in one of its own.
    """

    closed = False
    mode = "wb"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the bytes, or raise an OSError."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def tell(self) -> int:
        """How many bytes were written."""
        return self._file.tell()

    def flush(self) -> None:
        """Hand buffered bytes to the operating system."""
        try:
            self._file.flush()
        except OSError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Do nothing: `durable_file` closes the file."""


@contextmanager
def durable_file(path: Path, *, sync_folder: bool = True) -> Iterator[Sink]:
    """Write a new file in the block; when it ends, the file and its name are on the disk. A failure leaves no file.

    ``sync_folder=False``: for a file that is to be renamed, whose present name need not last.

    Raises:
        OSError: what the operating system refused, with the file's name, whichever library wrote.
    """
    try:
        with open(path, "wb") as file:
            sink = Sink(file)
            try:
                yield sink
            except Exception as error:
                raise sink.failure or error from error  # FAISS and Arrow raise errors of their own
            if sink.failure is not None:
                raise sink.failure
            sink.flush()
            os.fsync(file.fileno())
        if sync_folder:
            fsync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path``: readers see the whole old file or the whole new one."""
    import secrets  # imported only here, like shutil below: a query needs neither

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with durable_file(temporary, sync_folder=False) as sink:
        sink.write(data)
    try:
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable. Windows cannot open a folder, and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_checksum(path: Path) -> str:
    """128-bit BLAKE2b of a file's bytes, as hex."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def bytes_checksum(data: bytes) -> str:
    """The `file_checksum` of a file that holds these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextmanager
def explained_write_errors(root: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write in ``root`` into one clear line each.

    Raises:
        ReadOnlyError: nothing may be written there.
        MMSearchError: the disk is full or broken, or a file would be too large.
    """
    try:
        yield
    except OSError as error:
        name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        if error.errno in _NOT_WRITABLE:
            raise ReadOnlyError(f"cannot write in {root}: {error.strerror}") from error
        if error.errno in _DISK_FULL:
            raise MMSearchError(
                f"the disk that holds {root} is full{_free_space(root)}; everything up to the last commit is safe,"
                " free some space and run the same command again"
            ) from error
        if error.errno == errno.EFBIG:
            raise MMSearchError(f"a file in {root} would be larger than this system allows{name}") from error
        if error.errno == errno.EIO:
            raise MMSearchError(f"the disk that holds {root} reports an error{name}; check it") from error
        raise


def _free_space(root: Path) -> str:
    import shutil

    try:
        return f": {sized(shutil.disk_usage(root).free)} are free, and more is needed"
    except OSError:
        return ""
