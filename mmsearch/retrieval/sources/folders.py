"""Folders as sources: slices of their files, and the archives in them, on disks and in object stores."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.addresses import archive_kind
from mmsearch.retrieval.sources.members import is_hidden
from mmsearch.retrieval.sources.protocol import Source, SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.storage import is_remote, storage_of

_MOST_FILES, _MOST_BYTES = 2_000, 1 << 30
_LEAST_FILES, _USUAL_FILES = 250, 500

_FETCHED_AHEAD = 16


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a folder: its name relative to the folder, its size, and what changes with its content."""

    name: str
    size: int
    etag: str


class FolderSource:
    """A folder: parts of some hundred files each, and the parts of each archive in it.

    Args:
        address: its path or address.
        archive: makes the source of an archive in it, by its address; None where the archive is not to be opened.
        list_folder: lists the files of a folder of this machine, in order of their names.
    """

    def __init__(
        self, address: str, archive: Callable[[str], Source | None], list_folder: Callable[[str], Iterator[ListedFile]]
    ) -> None:
        self._address = address
        self._archive = archive
        self._list_folder = list_folder

    def parts(self) -> Iterator[SourcePart]:
        """The slices, then the archives, each in order of name.

        Raises:
            MMSearchError: there is nothing at the address.
        """
        gathered: list[ListedFile] = []
        archives: list[str] = []
        size = found = 0
        for file in self._files():
            found += 1
            address = _join(self._address, file.name)
            if archive_kind(address) is not None:
                archives.append(address)
                continue
            gathered.append(file)
            size += file.size
            if _ends_slice(file.name, len(gathered), size):
                yield self._slice(gathered)
                gathered, size = [], 0
        if gathered:
            yield self._slice(gathered)
        for address in archives:
            source = self._archive(address)
            if source is not None:
                yield from source.parts()
        if not found:
            raise MMSearchError(f"there is nothing at {self._address}")

    def _slice(self, files: list[ListedFile]) -> SourcePart:
        digest = hashlib.blake2b(digest_size=16)
        for file in files:
            digest.update(f"{file.name}\0{file.size}\0{file.etag}\0".encode("utf-8", "surrogateescape"))
        size = sum(file.size for file in files)
        return SourcePart(self._address, size, digest.hexdigest(), names=tuple(file.name for file in files))

    def _files(self) -> Iterator[ListedFile]:
        return _remote_files(self._address) if is_remote(self._address) else self._list_folder(self._address)

    def items(self, part: SourcePart) -> Iterator[SourceItem | SourceNote]:
        """The files of a slice, or the items of an archive in the folder."""
        if not part.names:
            source = self._archive(part.address)
            assert source is not None
            yield from source.items(part)
            return
        if is_remote(part.address):
            yield from _fetched(part)
            return
        for name in part.names:
            path = os.path.join(part.address, name)
            try:
                facts = os.stat(path)
            except OSError as error:
                yield SourceItem(path, None, 0, 0, problem=f"cannot be read: {(error.strerror or '').lower()}")
            else:
                yield SourceItem(path, None, facts.st_size, facts.st_mtime_ns)


def _ends_slice(name: str, files: int, size: int) -> bool:
    """Whether a slice ends with this file. It ends at certain names, so that a new file changes one slice, not all."""
    if files >= _MOST_FILES or size >= _MOST_BYTES:
        return True
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).digest()
    return files >= _LEAST_FILES and int.from_bytes(digest, "little") % _USUAL_FILES == 0


def _remote_files(address: str) -> Iterator[ListedFile]:
    prefix = address.rstrip("/") + "/"
    for found in storage_of(address).list(address):
        name = found.address.removeprefix(prefix)
        if found.size and not is_hidden(name):  # a folder has an empty object of its name
            yield ListedFile(name, found.size, found.etag)


def _join(address: str, name: str) -> str:
    return posixpath.join(address, name) if is_remote(address) else os.path.join(address, name)


def _fetched(part: SourcePart) -> Iterator[SourceItem]:
    """The objects of a slice, fetched several at once, in order."""
    with ThreadPoolExecutor(_FETCHED_AHEAD, thread_name_prefix="mmsearch-fetch") as pool:
        waiting: deque[Future[SourceItem]] = deque()
        try:
            for address in _addresses(part):
                waiting.append(pool.submit(_fetch, address))
                if len(waiting) > _FETCHED_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _addresses(part: SourcePart) -> Iterable[str]:
    return (_join(part.address, name) for name in part.names)


def _fetch(address: str) -> SourceItem:
    storage = storage_of(address)
    try:
        found = storage.stat(address)
        with storage.open(address) as file:
            content = HeldContent(file, found.size)
    except FileNotFoundError:
        return SourceItem(address, None, 0, 0, problem="vanished before it could be read")
    except MMSearchError as error:
        return SourceItem(address, None, 0, 0, problem=f"cannot be read: {error}")
    return SourceItem(address, content, found.size, found.mtime_ns)
