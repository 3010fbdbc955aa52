"""Files that are whole and safe on the disk once they are written, or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


class Sink:
    """What numpy, Arrow and FAISS write to: any of them then fails as the operating system does, with its own error.

    numpy and FAISS write to a file of their own without saying why a disk refused; to an object they hand the bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None

    closed = False
    mode = "wb"

    def write(self, data: Any) -> int:
        """Write bytes; all of them or an OSError."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def tell(self) -> int:
        """How many bytes were written."""
        return self._file.tell()

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        try:
            self._file.flush()
        except OSError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Nothing: `written` closes the file."""


@contextmanager
def written(path: Path, *, name_too: bool = True) -> Iterator[Sink]:
    """A new file to be written in the block; after it the bytes and the name are durable. A failure leaves no file.

    ``name_too``: False for a file that is to be renamed.

    Raises:
        OSError: what the operating system refused, with the file's name, whatever library wrote.
    """
    try:
        with open(path, "wb") as file:
            sink = Sink(file)
            try:
                yield sink
            except Exception as error:
                raise sink.failure or error from error  # FAISS and Arrow wrap it in errors of their own
            if sink.failure is not None:
                raise sink.failure
            sink.flush()
            os.fsync(file.fileno())
        if name_too:
            fsync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    except BaseException:
        path.unlink(missing_ok=True)
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
