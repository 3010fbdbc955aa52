"""The inverted lists inside FAISS's files: read list by list, merged by ranges of lists, joined to whole files.

A file of FAISS ends with its inverted lists, one after another, in one of two layouts. *Arrays*: the sizes of all
lists, then the codes and the ids of each. *Blocks*, for fast scan: the ids and the codes of each, with the codes of 32
rows woven into one block. What is before them does not depend on the rows, but for their number. So the lists of
several files of one index can be merged in ranges, each by itself in little memory, and a new file is the beginning
that FAISS writes for an index without rows, followed by the merged ranges.

FAISS merges lists too, but all in memory; and where a list for fast scan holds a multiple of ``block_size`` rows
(2,048 rows of 64 bytes), version 1.15.1 writes past the end of the list that it grows.
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink, durable_file
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.faiss import index_io
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.vectors import Positions

Bytes = NDArray[np.uint8]

_ARRAYS, _BLOCKS, _FULL, _SPARSE = b"ilar", b"ilbl", b"full", b"sprs"
_WORD = np.dtype("<u8")
_SIZES = ".sizes"  # beside the lists of a merged range: how many rows each has, and `sums_of_ids` of all of them


@dataclass(frozen=True, slots=True)
class RowsOfFile:
    """The rows of one file that is merged; ``shift`` is added to their ids."""

    path: Path
    shift: int = 0


class Layout(Protocol):
    """How the lists of a file are laid out."""

    magic: bytes

    def sizes_and_places(self, data: mmap.mmap, start: int, lists: int) -> tuple[Positions, Positions, int]:
        """Rows in each list, where each begins in the file, and where the last ends."""

    def read(self, data: mmap.mmap, place: int, rows: int) -> tuple[Positions, Bytes]:
        """Ids ``[rows]`` and codes ``[rows, code]`` of the list at a place."""

    def write(self, ids: Positions, codes: Bytes, sink: Sink) -> None:
        """Write one list as it stands in files."""

    def begin(self, sizes: Positions, sink: Sink) -> None:
        """Write what stands before the first list."""


class Arrays:
    """Lists for all but fast scan: ids and codes as arrays."""

    magic = _ARRAYS

    def __init__(self, code_size: int) -> None:
        self._code = code_size

    def sizes_and_places(self, data: mmap.mmap, start: int, lists: int) -> tuple[Positions, Positions, int]:
        """See `Layout`."""
        kind, count = data[start : start + 4], _word(data, start + 4)
        numbers = np.frombuffer(data, _WORD, count, start + 12).astype(np.int64)
        if kind == _FULL:
            sizes = numbers
        else:  # pairs of the number of a list and its size
            sizes = np.zeros(lists, np.int64)
            sizes[numbers[::2]] = numbers[1::2]
        ends = start + 12 + count * _WORD.itemsize + np.cumsum(sizes * (self._code + _WORD.itemsize))
        return sizes, ends - sizes * (self._code + _WORD.itemsize), int(ends[-1])

    def read(self, data: mmap.mmap, place: int, rows: int) -> tuple[Positions, Bytes]:
        """See `Layout`."""
        codes = np.frombuffer(data, np.uint8, rows * self._code, place).reshape(rows, self._code)
        return np.frombuffer(data, "<i8", rows, place + codes.size), codes

    def write(self, ids: Positions, codes: Bytes, sink: Sink) -> None:
        """See `Layout`."""
        if len(ids):
            sink.write(np.ascontiguousarray(codes))
            sink.write(ids.astype("<i8"))

    def begin(self, sizes: Positions, sink: Sink) -> None:
        """See `Layout`."""
        sink.write(_FULL + len(sizes).to_bytes(_WORD.itemsize, "little"))
        sink.write(sizes.astype(_WORD))


class Blocks:
    """Lists for fast scan: the codes are read as one byte for each four bits, in the order of the rows."""

    magic = _BLOCKS

    def __init__(self, rows: int, size: int, places: Positions) -> None:
        """Blocks of so many ``rows`` and bytes; ``places``: where in a block the four bits of each row lie."""
        self._rows, self._size, self._places = rows, size, places
        self._width = places.size // rows

    def sizes_and_places(self, data: mmap.mmap, start: int, lists: int) -> tuple[Positions, Positions, int]:
        """See `Layout`."""
        sizes, places = np.zeros(lists, np.int64), np.zeros(lists, np.int64)
        word = _WORD.itemsize
        for number in range(lists):
            places[number] = start
            sizes[number] = _word(data, start)
            start += word * (1 + int(sizes[number]))
            start += word + _word(data, start)
        return sizes, places, start

    def read(self, data: mmap.mmap, place: int, rows: int) -> tuple[Positions, Bytes]:
        """See `Layout`."""
        ids = np.frombuffer(data, "<i8", rows, place + _WORD.itemsize)
        start = place + _WORD.itemsize * (2 + rows)
        blocks = -(-rows // self._rows)
        woven = np.frombuffer(data, np.uint8, blocks * self._size, start).reshape(blocks, self._size)
        halves = np.empty((blocks, 2 * self._size), np.uint8)
        halves[:, 0::2], halves[:, 1::2] = woven & 15, woven >> 4
        return ids, halves[:, self._places].reshape(blocks * self._rows, self._width)[:rows]

    def write(self, ids: Positions, codes: Bytes, sink: Sink) -> None:
        """See `Layout`."""
        blocks = -(-len(ids) // self._rows)
        filled = np.zeros((blocks * self._rows, codes.shape[1]), np.uint8)
        filled[: len(codes)] = codes
        halves = np.zeros((blocks, 2 * self._size), np.uint8)
        halves[:, self._places] = filled.reshape(blocks, self._places.size)
        sink.write(len(ids).to_bytes(_WORD.itemsize, "little"))
        sink.write(ids.astype("<i8"))
        sink.write((blocks * self._size).to_bytes(_WORD.itemsize, "little"))
        sink.write(np.ascontiguousarray(halves[:, 0::2] | halves[:, 1::2] << 4))

    def begin(self, sizes: Positions, sink: Sink) -> None:
        """Nothing: each list says how long it is."""


class ListFiles:
    """The files of an index whose lists are merged: that of the index itself, and those of its segments."""

    def __init__(self, trained: Any) -> None:
        """``trained``: the FAISS index without rows that the files belong to."""
        self._trained = trained
        self._ivf = ivf_of(trained)
        self.lists = int(self._ivf.nlist)

    @property
    def can_be_merged(self) -> bool:
        """Whether the layout of the lists is known."""
        return self._layout is not None

    @cached_property
    def _layout(self) -> Layout | None:
        import faiss

        if index_io.can_be_mapped(self._ivf):
            return Arrays(int(self._ivf.code_size))
        if not isinstance(self._ivf, faiss.IndexIVFPQFastScan):
            return None  # other codes for fast scan keep more than four-bit codes in their blocks
        packer = faiss.downcast_InvertedLists(self._ivf.invlists).packer
        places = _places_in_block(packer)
        return Blocks(int(packer.nvec), int(packer.block_size), places.ravel())

    def merge(self, files: Sequence[RowsOfFile], first: int, last: int, dead: Positions, target: Path) -> Positions:
        """Merge the lists from number ``first`` to ``last - 1`` of files into ``target``; returns their sizes.

        Rows with the ids ``dead`` (ascending, before they are shifted) are left out. Memory holds one list.

        Raises:
            FileNotFoundError: a file is gone.
            CollectionDamagedError: a file is truncated or altered, or belongs to another index.
        """
        assert self._layout is not None
        opened, shifts = [_Lists(file.path, self._layout, self._ivf) for file in files], [file.shift for file in files]
        sizes, sums = np.zeros(last - first, np.int64), np.zeros(2, np.uint64)
        with durable_file(target, sync_folder=False) as sink:
            for number in range(first, last):
                parts = [_alive(*each.read(number), dead, shift) for each, shift in zip(opened, shifts, strict=True)]
                kept = [part for part in parts if len(part[0])] or parts[:1]
                ids, codes = (np.concatenate([part[side] for part in kept]) for side in (0, 1))
                self._layout.write(ids, codes, sink)
                sizes[number - first] = len(ids)
                sums += sums_of_ids(ids)
        with durable_file(target.with_suffix(_SIZES), sync_folder=False) as sink:
            sink.write(np.concatenate([sizes.astype(_WORD), sums]))
        return sizes

    @staticmethod
    def count(ranges: Sequence[Path]) -> int:
        """The rows of merged ranges."""
        return int(_sizes_of(ranges).sum())

    @staticmethod
    def holds(ranges: Sequence[Path], ids: Positions) -> bool:
        """Whether merged ranges hold the rows with these ids and no others, as far as `sums_of_ids` tell."""
        read = [np.fromfile(part.with_suffix(_SIZES), _WORD)[-2:] for part in ranges]
        return ListFiles.count(ranges) == len(ids) and np.array_equal(np.sum(read, axis=0), sums_of_ids(ids))

    def join(self, ranges: Sequence[Path], sink: Sink, *, whole: bool) -> int:
        """Write the merged ``ranges`` of all lists as one file; returns its rows.

        ``whole``: with the centroids, as `ApproximateIndex.load` reads it; else as one of its segments.
        """
        assert self._layout is not None
        sizes = _sizes_of(ranges)
        rows = int(sizes.sum())
        begin = sink.tell()
        sink.write(self._beginning(rows, whole=whole))
        self._layout.begin(sizes, sink)
        for part in ranges:
            with part.open("rb") as file:
                shutil.copyfileobj(file, sink, 1 << 22)
        index_io.write_length(sink, begin)
        return rows

    def _beginning(self, rows: int, *, whole: bool) -> bytes:
        """What FAISS writes before the lists of an index with so many rows, up to the layout's own beginning."""
        buffer = _Buffer()
        sink = Sink(buffer)  # type: ignore[arg-type]
        owners = [self._trained, self._ivf] if whole else [self._ivf]
        for owner in owners:
            owner.ntotal = rows
        try:
            if whole:
                index_io.write(self._trained, sink)
            else:
                index_io.write_segment(self._ivf, sink)
        finally:
            for owner in owners:
                owner.ntotal = 0
        written = bytes(buffer.data)
        assert self._layout is not None
        return written[: [*_beginnings(written, self._layout.magic, self.lists)][-1]]


def sums_of_ids(ids: Positions) -> NDArray[np.uint64]:
    """The sum of ids and of their squares, both modulo 2⁶⁴: they tell whether two sets of ids are the same."""
    numbers = ids.astype(np.uint64)
    return np.array([np.sum(numbers), np.sum(numbers * numbers)], np.uint64)


def _sizes_of(ranges: Sequence[Path]) -> Positions:
    return np.concatenate([np.fromfile(part.with_suffix(_SIZES), _WORD)[:-2] for part in ranges]).astype(np.int64)


class _Lists:
    """The lists of one file."""

    def __init__(self, path: Path, layout: Layout, ivf: Any) -> None:
        self._layout = layout
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end, lists = len(self._data) - index_io.SIZE_BYTES, int(ivf.nlist)
        for start in _beginnings(self._data, layout.magic, lists):
            try:
                self._sizes, self._places, found = layout.sizes_and_places(self._data, start, lists)
            except (ValueError, IndexError):
                continue
            if found == end == _word(self._data, end):
                return
        raise CollectionDamagedError(f"index {path} is damaged, or no segment of the index that it is named with")

    def read(self, number: int) -> tuple[Positions, Bytes]:
        return self._layout.read(self._data, int(self._places[number]), int(self._sizes[number]))


class _Buffer:
    """A file in memory, for `Sink`."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def tell(self) -> int:
        return len(self.data)


def _alive(ids: Positions, codes: Bytes, dead: Positions, shift: int) -> tuple[Positions, Bytes]:
    if len(dead) and len(ids):
        places = np.minimum(np.searchsorted(dead, ids), len(dead) - 1)
        alive = dead[places] != ids
        ids, codes = ids[alive], codes[alive]
    return ids + shift, codes


def _beginnings(data: Any, magic: bytes, lists: int) -> Iterator[int]:
    """Where the layout's own beginning may start: after the mark of lists, their number and the sizes of their codes.

    A coarse quantizer in two levels has lists of its own before those of the index.
    """
    mark = magic + lists.to_bytes(_WORD.itemsize, "little")
    place = data.find(mark)
    while place >= 0:
        yield int(place) + len(mark) + (_WORD.itemsize if magic == _ARRAYS else 3 * _WORD.itemsize)
        place = data.find(mark, place + 1)


def _word(data: mmap.mmap, place: int) -> int:
    if place + _WORD.itemsize > len(data):
        raise ValueError("the file is cut")
    return int.from_bytes(data[place : place + _WORD.itemsize], "little")


def _places_in_block(packer: Any) -> Positions:
    """Where in a block the four bits of each row lie: int64 ``[rows of a block, four-bit codes of a row]``.

    FAISS is asked: it takes rows out of blocks in which the four bits at each place say one digit of that place.
    """
    places = np.zeros((packer.nvec, 2 * packer.code_size), np.int64)
    own = np.arange(2 * packer.block_size)
    for digit in range(0, int(own[-1]).bit_length(), 4):
        values = (own >> digit & 15).astype(np.uint8)
        block = np.ascontiguousarray(values[None, 0::2] | values[None, 1::2] << 4)
        for row in range(packer.nvec):
            code = packer.unpack_1(block, row).astype(np.int64)
            places[row, 0::2] += (code & 15) << digit
            places[row, 1::2] += (code >> 4) << digit
    return places
