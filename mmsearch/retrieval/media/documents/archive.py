"""ZIP files of untrusted origin: office documents and e-books. What is unpacked is bounded; nothing is written."""

from __future__ import annotations

import contextlib
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.types import sized

MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes that are unpacked of a file in all. Pictures and films in documents are not unpacked."""

_MAX_DIRECTORY = 32 * 1024 * 1024
_PIECE = 64 * 1024
_END, _END_BYTES = b"PK\x05\x06", 22
_LONGEST_COMMENT = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_DAMAGED = "a damaged ZIP file: it cannot be unpacked"


class Archive:
    """An open ZIP file. No more than `MAX_UNPACKED` bytes are read out of it.

    Args:
        source: the file, which must stay open.

    Raises:
        DecodeError: it is damaged, or its table of contents is too large.
    """

    def __init__(self, source: IO[bytes]) -> None:
        if _directory_bytes(source) > _MAX_DIRECTORY:
            raise DecodeError(f"a ZIP file with a table of contents of over {sized(_MAX_DIRECTORY)}: not read")
        source.seek(0)
        try:
            self._file = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
            raise DecodeError(_DAMAGED) from None
        self._left = MAX_UNPACKED

    def has(self, name: str) -> bool:
        """Whether there is an entry of that name."""
        return name in self._file.NameToInfo

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry, piece by piece; none if there is no such entry.

        Raises:
            DecodeError: it is damaged or encrypted, or too much was unpacked.
        """
        entry = self._file.NameToInfo.get(name)
        if entry is None:
            return
        if entry.flag_bits & _ENCRYPTED:
            raise DecodeError("it is encrypted: it needs a password")
        if entry.compress_type not in _METHODS:
            raise DecodeError(f"{posixpath.basename(name)} in it is packed in a way that is not read")
        try:
            with self._file.open(entry) as opened:
                while piece := opened.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise DecodeError(f"it unpacks to over {sized(MAX_UNPACKED)}")
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
            raise DecodeError(_DAMAGED) from None

    def read(self, name: str, most: int = 16 * 1024 * 1024) -> bytes:
        """The bytes of an entry, at most ``most`` of them; none if there is no such entry."""
        parts, length = [], 0
        for piece in self.pieces(name):
            parts.append(piece)
            length += len(piece)
            if length >= most:
                break
        return b"".join(parts)[:most]

    def mentions(self, name: str, word: bytes) -> bool:
        """Whether some bytes stand anywhere in an entry; what is unpacked for this does not count."""
        before, left, found = b"", self._left, False
        with contextlib.suppress(DecodeError):  # who reads the entry is told of it
            for piece in self.pieces(name):
                found = word in before + piece
                if found:
                    break
                before = piece[-len(word) :]
        self._left = left
        return found


def _directory_bytes(source: IO[bytes]) -> int:
    """The size of the table of contents, which is read as a whole, as the end of the file states it."""
    size = source.seek(0, 2)
    source.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT))
    tail = source.read()
    at = tail.rfind(_END)
    stated = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if stated < 0xFFFFFFFF:
        return stated
    locator = tail.rfind(b"PK\x06\x07", 0, at)  # ZIP64
    if locator < 0:
        return size
    source.seek(min(int.from_bytes(tail[locator + 8 : locator + 16], "little"), size))
    return int.from_bytes(source.read(56)[40:48], "little")


def resolved(base: str, target: str) -> str:
    """The name of the entry that ``target`` means in the entry ``base``: relative to its folder, or from the top."""
    target = target.partition("#")[0]
    joined = target if target.startswith("/") else posixpath.join(posixpath.dirname(base), target)
    return posixpath.normpath(joined).lstrip("/")
