"""Archives as sources: tar as WebDataset writes it, read in one pass, and ZIP."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import IO, Any, cast

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.members import Member, items_of_members, too_large
from mmsearch.retrieval.sources.protocol import SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.sources.tar_places import FirstBytes, places_in_tar
from mmsearch.retrieval.storage import is_remote, storage_of

_READ_BYTES = 1 << 20
_LONGEST_HEADER = 64 << 20
_TOO_LARGE = "too large to be taken out"
DAMAGED = (tarfile.TarError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What readers of archives raise where an archive is damaged or cut short."""


class ArchiveSource:
    """A tar or ZIP file: one part, whose items are the files in it.

    Args:
        address: its path or address.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def parts(self) -> Iterator[SourcePart]:
        """The archive.

        Raises:
            MMSearchError: it is not there.
        """
        yield part_of_file(self._address)

    def items(self, part: SourcePart) -> Iterator[SourceItem | SourceNote]:
        """The files in it. Where it is cut short, a note says so after the last item that could be read."""
        found = storage_of(part.address).stat(part.address)
        with storage_of(part.address).open(part.address) as file:
            members = _members(file, part.address)
            count = 0
            try:
                for item in items_of_members(members, part.address, found.mtime_ns):
                    count += isinstance(item, SourceItem)
                    yield item
            except DAMAGED as error:
                reason = f"cut short or damaged after {count:,} items: the rest is missing ({_said(error)})"
                yield SourceNote(part.address, reason)


def part_of_file(address: str, index: int | None = None, size: int | None = None) -> SourcePart:
    """A file, or a part of it, as a part.

    Raises:
        MMSearchError: it is not there.
    """
    try:
        found = storage_of(address).stat(address)
    except FileNotFoundError:
        raise MMSearchError(f"there is no {address}") from None
    except IsADirectoryError:
        raise MMSearchError(f"{address} is a folder, not a file") from None
    return SourcePart(address, found.size if size is None else size, found.etag, index)


def _members(file: IO[bytes], address: str) -> Iterator[Member]:
    return _zip_members(file) if address.lower().endswith(".zip") else _tar_members(file, address)


def _tar_members(file: IO[bytes], address: str) -> Iterator[Member]:
    unpacked = _Forward(_unpacked(file, address))
    with tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r:") as archive:
        for info in archive:
            cast(Any, archive).members = []  # it keeps every header otherwise
            name = info.name.removeprefix("./")
            if info.isdir():
                continue
            if not info.isreg():
                yield Member(name, 0, bytes, _nothing, "not a regular file in its archive")
                continue
            opened = partial(_extracted, archive, info)
            yield Member(name, info.size, partial(_whole, opened, info.size), partial(_held, opened, info.size))
    if unpacked.last_block.strip(b"\0"):
        raise EOFError("it has no end")


def _unpacked(file: IO[bytes], address: str) -> IO[bytes]:
    """The tar in a compressed file. All three raise an EOFError where the file is cut short."""
    name = address.lower()
    if name.endswith((".gz", ".tgz")):
        return gzip.open(file)  # type: ignore[return-value]
    if name.endswith(("bz2",)):
        return bz2.open(file)
    return lzma.open(file) if name.endswith("xz") else file


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(info)
    assert content is not None
    return content


class _Forward:
    """A file that is read once, from its beginning to its end, and gives at most so much at once.

    A header of a tar may claim to be of any length, and would be read whole.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0
        self.last_block = b""

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header of unreasonable length")
        data = self._file.read(size)
        self._at += len(data)
        if data:
            self.last_block = (self.last_block + data[-tarfile.BLOCKSIZE :])[-tarfile.BLOCKSIZE :]
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> None:
        while self._at < place:
            if not self.read(min(place - self._at, _READ_BYTES)):
                break
        if self._at > place:
            raise tarfile.ReadError("it leads back to what has been read")


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        # Files of one sample need not stand beside each other.
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.is_dir():
                continue
            problem = too_large(info.file_size, info.compress_size)
            if info.flag_bits & 0x1:
                problem = "locked with a password in its archive"
            size = info.file_size
            opened = partial(archive.open, info)
            yield Member(info.filename, size, partial(_whole, opened, size), partial(_held, opened, size), problem)


def _nothing() -> HeldContent:
    return HeldContent(b"", 0)


def _whole(opened: Callable[[], IO[bytes]], size: int) -> bytes:
    with opened() as content:
        data = content.read(size)
    if len(data) != size:
        raise EOFError("a file in it ends early")
    return data


def _held(opened: Callable[[], AbstractContextManager[IO[bytes]]], size: int) -> HeldContent:
    with opened() as content:
        held = HeldContent(content, size)
    if held.written != size:
        held.close()
        raise EOFError("a file in it ends early")
    return held


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def open_member(address: str, name: str, most_bytes: int, file: IO[bytes] | None = None) -> HeldContent:
    """The bytes of one file in an archive.

    A ZIP file has a list of its files. Of a plain tar on this machine a list is made once and kept. Any other tar is
    read up to the file.

    Args:
        address: of the archive.
        name: of the file, as `addresses.member_of` gives it.
        most_bytes: the largest file that is read.
        file: the archive, if it is open already; it stays open.

    Raises:
        FileNotFoundError: there is no such archive, or no such file in it.
        MMSearchError: it cannot be read.
    """
    with storage_of(address).open(address) if file is None else nullcontext(file) as opened:
        try:
            if address.lower().endswith(".tar") and not is_remote(address):
                return _listed_member(opened, address, name, most_bytes)
            for member in _members(opened, address):
                if member.name == name:
                    if member.problem is not None or member.size > most_bytes:
                        raise MMSearchError(f"{name} in {address}: {member.problem or _TOO_LARGE}")
                    return member.hold()
        except DAMAGED as error:
            raise MMSearchError(f"{address} is cut short or damaged ({_said(error)})") from error
    raise FileNotFoundError(f"there is no {name} in {address}")


def _listed_member(file: IO[bytes], address: str, name: str, most_bytes: int) -> HeldContent:
    place = places_in_tar(file, address).get(name)
    if place is None:
        raise FileNotFoundError(f"there is no {name} in {address}")
    offset, size = place
    if size > most_bytes:
        raise MMSearchError(f"{name} in {address}: {_TOO_LARGE}")
    file.seek(offset)
    return _held(lambda: nullcontext(cast(IO[bytes], FirstBytes(file, size))), size)
