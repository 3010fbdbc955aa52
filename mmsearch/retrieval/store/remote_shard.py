"""A shard that lies in a bucket: parts of it are fetched when they are first touched, and mapped from the cache.

What is fetched is the footer, the ids of all row groups, the facts of a row group, and of its vectors either all, if
they are read through, or pages of some, if single rows are. Each part is a file of its own, which is there whole or
not at all, so that a mapped part has no holes.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError, NoSuchObjectError
from mmsearch.retrieval.store.manifest import ShardEntry
from mmsearch.retrieval.store.remote import Mirror

_TAIL = 64 << 10  # bytes of the first request, which holds the footer of all but large shards
_PAGE = 64 << 10  # bytes of vectors that are fetched for one row (`benchmarks/bucket.py`)
_PAGES_SHARE = 0.5  # of a row group's pages: if more are needed, all of its vectors are fetched

Part = tuple[int, int]
"""A range of a file: its first byte, and how many there are."""


class RemoteFile:
    """Ranges of a shard in a bucket."""

    def __init__(self, mirror: Mirror, entry: ShardEntry) -> None:
        self._mirror = mirror
        self._entry = entry
        self._facts: FactsFile | None = None

    def tail(self) -> bytes:
        """The file's footer, its length and the magic bytes: all from where the footer starts."""
        size = self._entry.bytes
        last = self.read(max(0, size - _TAIL), min(_TAIL, size))
        length = 8 + int.from_bytes(last[-8:-4], "little")
        if not 8 < length <= size:
            raise CollectionDamagedError(f"{self.address} is damaged: it has no footer")
        return last[-length:] if length <= len(last) else self.read(size - length, length)

    @property
    def address(self) -> str:
        """Where it lies."""
        return self._mirror.address_of(self._entry.path)

    def __len__(self) -> int:
        return self._entry.bytes

    def part(self, start: int, length: int) -> memoryview:
        """A range, mapped from the cache; it is fetched if it is not there.

        Raises:
            FileNotFoundError: the shard is gone; a newer manifest may have replaced it.
            CollectionDamagedError: it ends before.
            MMSearchError: the disk is full, or the bucket does not answer.
        """
        name, checksum = f"{start}-{length}", self._entry.checksum
        mapped = self._mirror.cache.mapped(checksum, name, length)
        return memoryview(mapped if mapped is not None else self._fetched(start, length))

    def read(self, start: int, length: int) -> bytes:
        """A range as bytes, kept in the cache."""
        return bytes(self.part(start, length))

    def facts_file(self, tail: bytes) -> FactsFile:
        """The shard as a file for Arrow; ``tail``: its footer."""
        self._facts = FactsFile(self, tail)
        return self._facts

    def set_regions(self, regions: Sequence[Part]) -> None:
        """Say which ranges of the file for Arrow are fetched whole, ascending."""
        assert self._facts is not None
        self._facts.set_regions(regions)

    def block(self, start: int, rows: int, dim: int) -> RemoteBlock:
        """The vectors of a row group that begin at a byte."""
        return RemoteBlock(self, start, rows, dim)

    def prepare(self, parts: Sequence[Part]) -> None:
        """Fetch those of some ranges that are not there, several at once."""
        self._mirror.side_by_side(self.missing(parts))

    def missing(self, parts: Sequence[Part]) -> list[Callable[[], object]]:
        """What fetches those of some ranges that are not there."""
        return [self._fetcher(*part) for part in parts if not self.holds(*part)]

    def holds(self, start: int, length: int) -> bool:
        """Whether a range is in the cache."""
        return self._mirror.cache.mapped(self._entry.checksum, f"{start}-{length}", length) is not None

    def together(self, calls: Sequence[Callable[[], object]]) -> None:
        """Make several requests at once."""
        self._mirror.side_by_side(calls)

    def _fetcher(self, start: int, length: int) -> Callable[[], object]:
        return lambda: self._fetched(start, length)

    def _fetched(self, start: int, length: int) -> bytes:
        try:
            data = self._mirror.storage.read(self.address, start, start + length)
        except NoSuchObjectError as error:
            path = str(self._mirror.root / self._entry.path)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        if len(data) != length:
            raise CollectionDamagedError(f"{self.address} is damaged: it is shorter than the manifest says")
        self._mirror.cache.put(self._entry.checksum, f"{start}-{length}", data)
        return data


class FactsFile(io.RawIOBase):
    """A shard as a file for Arrow to read the footer and facts from; ``regions`` are the ranges that are fetched whole.

    A read outside of them fetches what is asked for.
    """

    def __init__(self, file: RemoteFile, tail: bytes) -> None:
        super().__init__()
        self._file = file
        self._tail = tail
        self._tail_start = len(file) - len(tail)
        self.regions: Sequence[Part] = ()
        self._starts: NDArray[np.int64] = np.empty(0, np.int64)
        self._position = 0

    def set_regions(self, regions: Sequence[Part]) -> None:
        """Say which ranges are fetched whole, ascending."""
        self.regions = regions
        self._starts = np.array([start for start, _ in regions], np.int64)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._file)}[whence]
        self._position = base + offset
        return self._position

    def size(self) -> int:
        """How many bytes there are."""
        return len(self._file)

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        start = self._position
        end = len(self._file) if size is None or size < 0 else min(start + size, len(self._file))
        self._position = max(start, end)
        if end <= start:
            return b""
        if start >= self._tail_start:
            return self._tail[start - self._tail_start : end - self._tail_start]
        place = int(np.searchsorted(self._starts, start, side="right")) - 1
        if place >= 0:
            first, length = self.regions[place]
            if end <= first + length:
                return bytes(self._file.part(first, length)[start - first : end - first])
        return self._file.read(start, end - start)


class RemoteBlock:
    """The vectors of a row group in a bucket, in the place of an array float16 ``[rows, dim]``: indexing it fetches.

    What indexing returns are arrays, mapped from the cache where that can be.
    """

    ndim = 2
    strides = ()  # it is no memory

    def __init__(self, file: RemoteFile, start: int, rows: int, dim: int) -> None:
        self.shape = (rows, dim)
        self._file = file
        self._start = start

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float16]:
        return np.asarray(self._all, dtype)

    def __getitem__(self, key: Any) -> NDArray[np.float16]:
        if isinstance(key, slice) and len(range(*key.indices(len(self)))) == 0:
            return np.empty((0, self.shape[1]), np.float16)
        if not (isinstance(key, np.ndarray) and key.dtype.kind == "i" and key.ndim == 1):
            rows: NDArray[np.float16] = self._all[key]
            return rows
        pages = self._pages_of(key)
        if pages is None:
            found: NDArray[np.float16] = self._all[key]
            return found
        taken = np.empty((len(key), self.shape[1]), np.float16)
        owners = key // self._page_rows
        for page in pages:
            inside = owners == page
            taken[inside] = self._array(*self._page(page))[key[inside] - page * self._page_rows]
        return taken

    @staticmethod
    def prepare(wanted: Sequence[tuple[RemoteBlock, NDArray[np.int64]]]) -> None:
        """Fetch what rows of several blocks need, many ranges at once; ``wanted``: each block with its row numbers."""
        calls: list[Callable[[], object]] = []
        for block, rows in wanted:
            pages = block._pages_of(rows)
            parts = [block._whole] if pages is None else [block._page(page) for page in pages]
            calls += block._file.missing(parts)
        if calls:
            wanted[0][0]._file.together(calls)

    @property
    def _whole(self) -> Part:
        return self._start, 2 * self.shape[0] * self.shape[1]

    @property
    def _all(self) -> NDArray[np.float16]:
        return self._array(*self._whole)

    @cached_property
    def _page_rows(self) -> int:
        return max(1, _PAGE // (2 * self.shape[1]))

    def _page(self, number: int) -> Part:
        size, first = 2 * self.shape[1], number * self._page_rows
        return self._start + first * size, (min(first + self._page_rows, len(self)) - first) * size

    def _pages_of(self, rows: NDArray[np.int64]) -> list[int] | None:
        """The pages that hold rows; None if all vectors are there already, or are to be fetched."""
        if self._file.holds(*self._whole):
            return None
        pages: list[int] = np.flatnonzero(np.bincount(rows // self._page_rows)).tolist()
        return None if len(pages) > _PAGES_SHARE * -(-len(self) // self._page_rows) else pages

    def _array(self, start: int, length: int) -> NDArray[np.float16]:
        rows = length // (2 * self.shape[1])
        return np.ndarray((rows, self.shape[1]), np.float16, buffer=self._file.part(start, length))
