"""What fsspec opens as a storage (``hf://``, ``memory://`` and others), where fsspec and the scheme's package are
installed; the only module that imports fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NoReturn

from mmsearch.errors import (
    ConflictError,
    MMSearchError,
    NoSuchObjectError,
    StorageDeniedError,
    StorageError,
    StorageUnreachableError,
    UsageError,
)
from mmsearch.retrieval.storage.protocol import StoredObject
from mmsearch.retrieval.storage.range_file import open_ranges

_ETAGS = ("ETag", "etag", "blob_id", "md5", "md5Hash", "checksum", "sha256")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


class FsspecStorage:
    """One scheme of fsspec; see `Storage`. It cannot write on a condition: that is a UsageError."""

    def __init__(self, scheme: str) -> None:
        """Open a scheme.

        Raises:
            UsageError: fsspec knows no such scheme.
            MMSearchError: fsspec, or the package of the scheme, is not installed.
        """
        try:
            import fsspec
        except ImportError:
            raise MMSearchError(f"addresses of {scheme}:// need fsspec: pip install fsspec") from None
        self._scheme = scheme
        try:
            with self._explained(f"{scheme}://"):
                self._files: Any = fsspec.filesystem(scheme)
        except StorageError as error:
            cause = error.__cause__
            if isinstance(cause, ImportError):
                raise MMSearchError(f"addresses of {scheme}:// need a package: {cause}") from cause
            if isinstance(cause, ValueError) and "rotocol" in str(cause):
                raise UsageError(f"{scheme}:// is no kind of address that can be read here") from cause
            raise

    def list(self, address: str) -> Iterator[StoredObject]:
        """See `Storage.list`."""
        try:
            with self._explained(address):
                self._files.invalidate_cache()
                found = self._files.find(self._path(address), detail=True)
        except NoSuchObjectError:
            return
        itself = self._address(self._path(address))
        yield from sorted(
            (item for item in map(self._stored, found.values()) if item.address != itself), key=lambda o: o.address
        )

    def stat(self, address: str) -> StoredObject:
        """See `Storage.stat`."""
        with self._explained(address):
            self._files.invalidate_cache()
            facts = self._files.info(self._path(address))
            if facts["type"] != "file":
                raise FileNotFoundError
        return self._stored(facts)

    def read(self, address: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        """See `Storage.read`. The etag is compared before the bytes are read."""
        if etag is not None and self.stat(address).etag != etag:
            raise ConflictError(f"{address} has changed")
        if end is not None and end <= start:
            return b""
        with self._explained(address):
            return bytes(self._files.cat_file(self._path(address), start=start, end=end))

    def open(self, address: str) -> IO[bytes]:
        """See `Storage.open`."""
        return open_ranges(lambda start, end: self.read(address, start, end), self.stat(address).size)

    def put(self, address: str, data: bytes | Path) -> StoredObject:
        """See `Storage.put`. Whether others may see half of it is up to the scheme's package."""
        path = self._path(address)
        with self._explained(address):
            parent = path.rpartition("/")[0]
            if parent:
                self._files.makedirs(parent, exist_ok=True)
            if isinstance(data, Path):
                self._files.put_file(str(data), path)
            else:
                self._files.pipe_file(path, data)
        return self.stat(address)

    def put_if_absent(self, address: str, data: bytes | Path) -> NoReturn:
        """Always a UsageError."""
        raise UsageError(f"{address}: addresses of {self._scheme}:// cannot be written on a condition")

    def put_if_unchanged(self, address: str, data: bytes | Path, etag: str) -> NoReturn:
        """Always a UsageError."""
        raise UsageError(f"{address}: addresses of {self._scheme}:// cannot be written on a condition")

    def delete(self, address: str) -> None:
        """See `Storage.delete`."""
        try:
            with self._explained(address):
                self._files.rm_file(self._path(address))
        except NoSuchObjectError:
            pass

    def _path(self, address: str) -> str:
        return str(self._files._strip_protocol(address))

    def _address(self, path: str) -> str:
        return f"{self._scheme}://{path.lstrip('/')}"

    def _stored(self, facts: dict[str, Any]) -> StoredObject:
        size = int(facts["size"] or 0)
        mtime_ns = next((_nanoseconds(facts[name]) for name in _TIMES if facts.get(name) is not None), 0)
        etag = next((str(facts[name]) for name in _ETAGS if facts.get(name)), f"{size}-{mtime_ns}")
        return StoredObject(self._address(facts["name"]), size, etag, mtime_ns)

    @contextmanager
    def _explained(self, address: str) -> Iterator[None]:
        try:
            yield
        except MMSearchError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NoSuchObjectError(f"there is no object {address}") from error
        except PermissionError as error:
            raise StorageDeniedError(f"{address}: the store denies access") from error
        except (TimeoutError, ConnectionError) as error:
            raise StorageUnreachableError(f"{address}: the store cannot be reached: {_line(error)}") from error
        except Exception as error:
            raise StorageError(f"{address}: {_line(error)}") from error


def _nanoseconds(time: object) -> int:
    if isinstance(time, datetime):
        return round(time.timestamp() * 1e6) * 1000
    return round(float(time) * 1e6) * 1000 if isinstance(time, int | float) else 0


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
