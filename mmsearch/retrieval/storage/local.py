"""Folders as a storage. An object is put under another name and renamed, so that it is there whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmsearch.durable import durable_file, explained_write_errors, fsync_folder
from mmsearch.errors import ConflictError, NoSuchObjectError, StorageDeniedError, StorageError, StorageUnreachableError
from mmsearch.retrieval.storage.addresses import local_path
from mmsearch.retrieval.storage.protocol import StoredObject

_LOCK_SECONDS = 60
_OURS = re.compile(r"\..+\.(lock|[0-9a-f]{16}\.part)")  # what a put leaves beside the object, or a killed one left


class LocalStorage:
    """Files of this machine and of the file systems that it mounts; see `Storage`."""

    def list(self, address: str) -> Iterator[StoredObject]:
        """See `Storage.list`. Links to files are files, links to folders are not followed."""
        yield from _listed(os.path.abspath(local_path(address)))

    def stat(self, address: str) -> StoredObject:
        """See `Storage.stat`."""
        path = os.path.abspath(local_path(address))
        with _explained(path):
            found = os.stat(path)
            if os.path.isdir(path):
                raise FileNotFoundError
        return _stored(path, found)

    def read(self, address: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        """See `Storage.read`."""
        path = os.path.abspath(local_path(address))
        with _explained(path), open(path, "rb") as file:
            if etag is not None and _stored(path, os.fstat(file.fileno())).etag != etag:
                raise ConflictError(f"{path} has changed")
            file.seek(start)
            return file.read() if end is None else file.read(max(0, end - start))

    def open(self, address: str) -> IO[bytes]:
        """See `Storage.open`."""
        path = os.path.abspath(local_path(address))
        with _explained(path):
            return open(path, "rb")

    def put(self, address: str, data: bytes | Path) -> StoredObject:
        """See `Storage.put`."""
        return _put(os.path.abspath(local_path(address)), data, newer_than=0)

    def put_if_absent(self, address: str, data: bytes | Path) -> StoredObject:
        """See `Storage.put_if_absent`."""
        path = os.path.abspath(local_path(address))
        with _locked(path):
            if os.path.lexists(path):
                raise ConflictError(f"{path} is there already")
            return _put(path, data, newer_than=0)

    def put_if_unchanged(self, address: str, data: bytes | Path, etag: str) -> StoredObject:
        """See `Storage.put_if_unchanged`."""
        path = os.path.abspath(local_path(address))
        with _locked(path):
            try:
                before = self.stat(path)
            except NoSuchObjectError:
                raise ConflictError(f"{path} is gone") from None
            if before.etag != etag:
                raise ConflictError(f"{path} has changed")
            return _put(path, data, newer_than=before.mtime_ns)

    def delete(self, address: str) -> None:
        """See `Storage.delete`."""
        path = Path(local_path(address)).absolute()
        with explained_write_errors(path.parent):
            path.unlink(missing_ok=True)


def _stored(path: str, found: os.stat_result) -> StoredObject:
    return StoredObject(path, found.st_size, f"{found.st_size}-{found.st_mtime_ns}", found.st_mtime_ns)


def _listed(folder: str) -> Iterator[StoredObject]:
    try:
        with _explained(folder), os.scandir(folder) as listing:
            entries = list(listing)
    except NoSuchObjectError:
        return  # a folder that is gone by now holds nothing
    # A folder sorts as its files will: after "a.txt", since "/" comes after ".".
    entries.sort(key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _listed(entry.path)
            continue
        try:
            if entry.is_file() and not _OURS.fullmatch(entry.name):
                yield _stored(entry.path, entry.stat())
        except FileNotFoundError:
            continue


def _put(path: str, data: bytes | Path, newer_than: int) -> StoredObject:
    """Write a file whole. Its time is later than ``newer_than``, so that its etag is another even in the same tick."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    with explained_write_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with durable_file(part, sync_folder=False) as sink:
                if isinstance(data, Path):
                    with open(data, "rb") as source:
                        shutil.copyfileobj(source, sink, 1 << 20)
                else:
                    sink.write(data)
            found = os.stat(part)
            if found.st_mtime_ns <= newer_than:
                os.utime(part, ns=(found.st_atime_ns, newer_than + 1000))
            found = os.stat(part)
            os.replace(part, target)
            fsync_folder(target.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return _stored(path, found)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Keep others, of this process too, from changing a file on a condition. The lock file stays."""
    from filelock import FileLock, Timeout

    folder, name = os.path.split(path)
    with explained_write_errors(Path(folder)):
        os.makedirs(folder, exist_ok=True)
        lock = FileLock(os.path.join(folder, f".{name}.lock"), timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise StorageUnreachableError(f"{path} has been locked by another process for a minute") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NoSuchObjectError(f"there is no file {path}") from error
    except PermissionError as error:
        raise StorageDeniedError(f"{path} may not be read: {error.strerror}") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
