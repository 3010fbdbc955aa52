"""What a storage is: addresses to bytes. An address is a path, or a scheme with a path (``s3://bucket/key``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file or an object, as its storage lists it.

    Attributes:
        address: its whole address: a path, or ``scheme://…``.
        size: bytes.
        etag: changes whenever the content does; of no use beside that of another storage.
        mtime_ns: when it was written, in nanoseconds since 1970; 0 where the storage does not tell.
    """

    address: str
    size: int
    etag: str
    mtime_ns: int


class Storage(Protocol):
    """Bytes by address. All calls may be made from several threads.

    Every call raises ``StorageDeniedError`` (no credentials, or not enough), ``NoSuchBucketError``,
    ``StorageUnreachableError`` (no connection, no answer in time, an answer cut short) or another ``StorageError``, one
    line each that names the address. A call is tried again a few times where that can help, and ends within minutes.
    """

    def list(self, address: str) -> Iterator[StoredObject]:
        """All objects under a folder, however deep, ascending by address. None, where there is no such folder."""

    def stat(self, address: str) -> StoredObject:
        """One object's facts.

        Raises:
            NoSuchObjectError: there is none, or a folder; it is a FileNotFoundError too.
        """

    def read(self, address: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        """Bytes from ``start`` up to ``end``, which may lie beyond the last.

        Args:
            address: the object.
            start: the first byte.
            end: the byte after the last; None: all that follow.
            etag: raise a ConflictError if the object is no longer the one with this etag.

        Raises:
            NoSuchObjectError: there is none.
            ConflictError: another object has taken its place.
        """

    def open(self, address: str) -> IO[bytes]:
        """An object as a file that can be read and sought in. It reads ahead, and holds a few MB at most.

        Raises:
            NoSuchObjectError: there is none.
            ConflictError: on reading, if another object has taken its place since it was opened.
        """

    def put(self, address: str, data: bytes | Path) -> StoredObject:
        """Write an object, whole or not at all, over one that is there. A path is a local file, sent in pieces."""

    def put_if_absent(self, address: str, data: bytes | Path) -> StoredObject:
        """Write an object unless there is one: of many who try at once, one succeeds.

        Raises:
            ConflictError: there is one.
            UsageError: the storage cannot decide that.
        """

    def put_if_unchanged(self, address: str, data: bytes | Path, etag: str) -> StoredObject:
        """Write an object over the one with this etag: of many who try at once, one succeeds.

        Raises:
            ConflictError: it has another etag by now, or is gone.
            UsageError: the storage cannot decide that.
        """

    def delete(self, address: str) -> None:
        """Remove an object; nothing happens if there is none."""
