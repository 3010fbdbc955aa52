"""Stored vectors: a float16 matrix in blocks, for example row groups that are memory-mapped from files."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]
Positions = NDArray[np.int64]
"""Row numbers in a `StoredVectors`, from 0; -1 stands for no row."""

CACHE_ROWS = 1024
"""Rows that are converted to float32 at a time, so that the copy stays in the second-level cache of the processor."""


class StoredVectors:
    """Float16 unit vectors ``[rows, dim]`` in blocks, addressed by position and never copied as a whole.

    Blocks may be memory maps and need not be aligned. A block may also be an object that has a length and a shape, and
    fetches rows when it is indexed; its method ``prepare`` is told what will be read of several such blocks.
    """

    def __init__(self, blocks: Sequence[Float16], dim: int) -> None:
        self.dim = dim
        self._blocks = [block for block in blocks if len(block)]
        self._starts = np.cumsum([0] + [len(block) for block in self._blocks]).astype(np.int64)
        self._rows = int(self._starts[-1])
        self._files = _group_by_file(self._blocks)
        for file in self._files:
            file.shifts = file.offsets - self._starts[file.first : file.first + len(file.offsets)] * (2 * dim)
        self._file_starts = self._starts[[file.first for file in self._files] + [len(self._blocks)]]

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"StoredVectors(rows={len(self)}, dim={self.dim}, blocks={len(self._blocks)})"

    @property
    def are_elsewhere(self) -> bool:
        """Whether some blocks are fetched when they are read."""
        return any(hasattr(block, "prepare") for block in self._blocks)

    def take_float32(self, positions: Positions) -> Float32:
        """The rows at ``positions``, in that order, as float32 ``[len(positions), dim]``."""
        return to_float32(self.take_float16(positions))

    def take_float16(self, positions: Positions) -> Float16:
        """The rows at ``positions``, in that order, as they are stored: float16 ``[len(positions), dim]``."""
        if len(self._blocks) == 1:
            return self._take_from_file(self._files[0], positions, 0)
        owners = np.searchsorted(self._starts, positions, side="right") - 1
        if len(self._files) == 1:
            return self._take_from_file(self._files[0], positions, owners)
        taken = np.empty((len(positions), self.dim), np.float16)
        files = np.searchsorted(self._file_starts, positions, side="right") - 1
        numbers = unique_small(files)
        self._fetch_together(files, numbers, positions)
        for number in numbers:
            inside = np.flatnonzero(files == number)
            taken[inside] = self._take_from_file(self._files[number], positions[inside], owners[inside])
        return taken

    def sample_float32(self, positions: Positions) -> Float32:
        """As `take_float32`, for ascending positions spread over all rows; releases the pages that were read."""
        rows = np.empty((len(positions), self.dim), np.float32)
        for start in range(0, len(positions), CACHE_ROWS):
            some = positions[start : start + CACHE_ROWS]
            to_float32(self.take_float16(some), out=rows[start : start + len(some)])
            self.release_pages(int(some[0]), int(some[-1]) + 1)
        return rows

    def _fetch_together(self, files: Positions, numbers: Sequence[int], positions: Positions) -> None:
        """Tell blocks that are not on this machine what rows will be read, so that all are fetched at once."""
        elsewhere = []
        for number in numbers:
            first = self._files[number].first
            if hasattr(self._blocks[first], "prepare"):
                elsewhere.append((self._blocks[first], positions[files == number] - self._starts[first]))
        if elsewhere:
            elsewhere[0][0].prepare(elsewhere)  # type: ignore[attr-defined]

    def _take_from_file(self, file: _BlocksOfFile, positions: Positions, owners: Positions | int) -> Float16:
        """Rows of one file; ``owners`` are the numbers of the blocks that they lie in."""
        if file.rows is None:
            of_block: Float16 = self._blocks[file.first][positions - self._starts[file.first]]
            return of_block
        offsets = positions * (2 * self.dim)
        offsets += file.shifts[owners - file.first]
        taken: Float16 = file.rows[offsets].view(np.float16).reshape(len(positions), self.dim)
        return taken

    def iter_float16(self, start: int, stop: int, rows: int = CACHE_ROWS) -> Iterator[tuple[int, Float16]]:
        """The rows from ``start`` to ``stop`` in views of at most ``rows`` rows, each with its first position."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for owner in range(max(first, 0), len(self._blocks)):
            base = int(self._starts[owner])
            if base >= stop:
                return
            block = self._blocks[owner]
            for begin in range(max(start - base, 0), min(stop - base, len(block)), rows):
                end = min(begin + rows, len(block), stop - base)
                yield base + begin, block[begin:end]

    def iter_float32(self, start: int, stop: int, rows: int) -> Iterator[tuple[int, Float32]]:
        """The rows from ``start`` to ``stop`` in float32 copies of exactly ``rows`` rows (the last may be shorter).

        Each comes with its first position. Pages that were read are released, so that a pass over mapped files holds
        little more than one copy in memory.
        """
        filled, first = np.empty((0, self.dim), np.float32), start
        count = 0
        for position, block in self.iter_float16(start, stop, rows):
            begin = 0
            while begin < len(block):
                if not count:
                    filled, first = (
                        np.empty((min(rows, stop - position - begin), self.dim), np.float32),
                        position + begin,
                    )
                some = min(len(filled) - count, len(block) - begin)
                to_float32(block[begin : begin + some], out=filled[count : count + some])
                count, begin = count + some, begin + some
                if count == len(filled):
                    yield first, filled
                    count = 0
            release_pages(block)

    def release_pages(self, start: int = 0, stop: int | None = None) -> None:
        """Release the memory-mapped pages of the rows from ``start`` to ``stop``; they are read again when needed."""
        for _, block in self.iter_float16(start, len(self) if stop is None else stop, len(self)):
            release_pages(block)


def to_float32(values: Float16, out: Float32 | None = None) -> Float32:
    """Finite float16 values as float32, exactly; into ``out`` if it is given.

    numpy converts one value at a time; this is ten times as fast. The bits of a float16, shifted to where a float32
    has its exponent and fraction, are its value times 2⁻¹¹² (the exponent biases are 15 and 127).
    """
    bits = None if out is None else out.view(np.int32)
    bits = np.left_shift(values.view(np.int16), 13, out=bits, dtype=np.int32)
    np.bitwise_and(bits, np.int32(-0x70000001), out=bits)  # the shift repeats the sign bit: keep only the first
    floats: Float32 = bits.view(np.float32)
    return np.multiply(floats, np.float32(2.0**112), out=floats)


class _BlocksOfFile:
    """Neighbouring blocks of one memory map, so that rows of all of them are copied in one indexing operation.

    ``rows`` is an array over the map with one element (the bytes of a row) at *every* byte offset: indexing it copies
    rows from any offset, aligned or not. None for a block that is not memory-mapped. ``offsets`` are those of the
    blocks in the map; ``shifts`` are what is added to the position of a row in bytes, to make it its offset.
    """

    __slots__ = ("first", "offsets", "rows", "shifts")

    def __init__(self, first: int, blocks: Sequence[Float16], mapping: mmap.mmap | None) -> None:
        self.first = first
        self.rows: NDArray[np.void] | None = None
        self.offsets = self.shifts = np.empty(0, np.int64)
        if mapping is not None:
            size = blocks[0].shape[1] * 2
            self.rows = np.ndarray((len(mapping) - size + 1,), f"V{size}", buffer=mapping, strides=(1,))
            begin = self.rows.__array_interface__["data"][0]
            self.offsets = np.array([block.__array_interface__["data"][0] - begin for block in blocks], np.int64)


def _group_by_file(blocks: Sequence[Float16]) -> list[_BlocksOfFile]:
    files: list[_BlocksOfFile] = []
    start = 0
    while start < len(blocks):
        mapping = _memory_map_of(blocks[start])
        stop = start + 1
        while mapping is not None and stop < len(blocks) and _memory_map_of(blocks[stop]) is mapping:
            stop += 1
        files.append(_BlocksOfFile(start, blocks[start:stop], mapping))
        start = stop
    return files


def _memory_map_of(block: Float16) -> mmap.mmap | None:
    """The memory map that a block is a view of; None if it is none, or if its rows are not contiguous."""
    if block.strides != (block.shape[1] * 2, 2):
        return None
    base: Any = block
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base


def release_pages(block: Float16) -> None:
    """Release the pages of a memory-mapped block, so that they no longer count as memory of this process."""
    mapping = _memory_map_of(block)
    if mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    begin = np.frombuffer(mapping, np.uint8, 1).__array_interface__["data"][0]
    offset = block.__array_interface__["data"][0] - begin
    start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE  # a page that the block shares with another may be in use
    length = (offset + block.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        mapping.madvise(mmap.MADV_DONTNEED, start, length)


def unique_small(numbers: Positions) -> list[int]:
    """The distinct values of small non-negative integers, ascending.

    `numpy.unique` would import numpy.ma, which takes a tenth of the time of a query in a new process.
    """
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist() if len(numbers) else []
    return found


def sample_positions(rows: int, count: int, seed: int) -> Positions:
    """``count`` of the positions 0 to ``rows - 1``, ascending: a uniform sample without replacement."""
    if count >= rows:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False)).astype(np.int64)


def as_stored_vectors(array: NDArray[np.floating[object]] | StoredVectors) -> StoredVectors:  # type: ignore[type-var]
    """An array ``[rows, dim]`` as `StoredVectors` of one float16 block; `StoredVectors` are returned as they are."""
    if isinstance(array, StoredVectors):
        return array
    return StoredVectors([np.asarray(array, dtype=np.float16)], array.shape[1])
