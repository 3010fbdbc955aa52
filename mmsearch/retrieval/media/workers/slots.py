"""Arrays in shared memory: an unnamed file that the main process and every decoding worker map."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError

_SHARED_MEMORY = "/dev/shm"


class SharedArray:
    """A mapped temporary file that holds ``array``, uint8 of any shape.

    It lies in memory if the system has room there, else in the folder for temporary files. On POSIX systems it has no
    name, so that nothing is left of it after a crash.

    Raises:
        MMSearchError: there is no room for it.
    """

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        size = max(int(np.prod(self.shape)), 1)
        if os.name == "posix":
            self._descriptor, self._path = _unnamed_file(size), None
            self.handle: int | str = self._descriptor
        else:  # descriptors cannot be inherited there: workers open the file by its name
            self._descriptor, self._path = tempfile.mkstemp(prefix="mmsearch-")
            os.truncate(self._descriptor, size)
            self.handle = self._path
        self.array = _mapped(self._descriptor, self.shape)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a worker process must inherit."""
        return (self.handle,) if isinstance(self.handle, int) else ()

    @property
    def place(self) -> tuple[int | str, tuple[int, ...]]:
        """How a worker finds the array: its handle and its shape."""
        return self.handle, self.shape

    def close(self) -> None:
        """Close the file; its memory is freed when no array refers to it any more."""
        os.close(self._descriptor)
        del self.array
        if self._path is not None:
            os.unlink(self._path)


def open_shared(handle: int | str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The same array in a worker process."""
    descriptor = handle if isinstance(handle, int) else os.open(handle, os.O_RDWR)
    try:
        return _mapped(descriptor, shape)
    finally:
        os.close(descriptor)


def _mapped(descriptor: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    size = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(descriptor, max(size, 1)), dtype=np.uint8, count=size).reshape(shape)


def _unnamed_file(size: int) -> int:
    """A descriptor of a new file of ``size`` bytes without a name."""
    folders = [_SHARED_MEMORY] if os.path.isdir(_SHARED_MEMORY) else []
    for folder in [*folders, tempfile.gettempdir()]:
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size)
            return os.dup(file.fileno())
    raise MMSearchError(
        f"no room for {size >> 20} MiB of decoded files in {tempfile.gettempdir()}: free some, set TMPDIR, or lower the"
        " batch"
    )


def _reserve(descriptor: int, size: int) -> None:
    """Reserve the space: writing to a mapped page on a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
