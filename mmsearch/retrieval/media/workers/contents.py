"""Bytes of an item that is no file of its own, held where a decoding worker can open them."""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

_MOST_IN_MEMORY = 64 << 20
_PIECE_BYTES = 1 << 20


class HeldContent:
    """The bytes of an item of an archive or of an object store as a file; a context manager that lets go of them.

    Small ones lie in memory where the system has files in memory (Linux), so that nothing is written to a disk.

    Args:
        data: the bytes, or a file that is read to its end and stays open.
        size: how many there are, as far as that is known; it decides where they are held.

    Attributes:
        file: the bytes as an open file.
        path: where a process of the same user opens them, until `close`.
        written: how many bytes there are.
    """

    def __init__(self, data: bytes | IO[bytes], size: int) -> None:
        self._named: bytes | None = None
        self.written = 0
        if size <= _MOST_IN_MEMORY and hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("mmsearch")
            self.file: IO[bytes] = os.fdopen(descriptor, "w+b", buffering=0)
            self.path = f"/proc/{os.getpid()}/fd/{descriptor}".encode()
        else:
            descriptor, name = tempfile.mkstemp(prefix="mmsearch-")
            self.file = os.fdopen(descriptor, "w+b", buffering=0)
            self.path = self._named = os.fsencode(name)
        try:
            self._write(data)
        except BaseException:
            self.close()
            raise

    def _write(self, data: bytes | IO[bytes]) -> None:
        pieces = [data] if isinstance(data, bytes) else iter(lambda: data.read(_PIECE_BYTES), b"")
        for piece in pieces:
            self.written += len(piece)
            view = memoryview(piece)
            while view:  # an unbuffered file may take less than it is given
                view = view[self.file.write(view) :]
        self.file.seek(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the bytes; a process that has opened them keeps them until it closes its file."""
        self.file.close()
        if self._named is not None:
            os.unlink(self._named)
            self._named = None
