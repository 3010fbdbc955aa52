"""A matrix of stored vectors that lies in blocks, such as row groups mapped from files."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]
Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

CACHE_ROWS = 1024
"""Rows converted to float32 at a time: their copy then stays in the processor's second-level cache."""


class StoredVectors:
    """Float16 unit vectors ``[rows, dim]``, addressed by position, never copied as a whole.

    Blocks may be memory maps and need not be aligned.
    """

    def __init__(self, blocks: Sequence[Half], dim: int) -> None:
        self.dim = dim
        self._blocks = [block for block in blocks if len(block)]
        self._starts = np.cumsum([0] + [len(block) for block in self._blocks]).astype(np.int64)
        self._files = _files(self._blocks)
        self._file_starts = self._starts[[file.first for file in self._files] + [len(self._blocks)]]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, positions: Positions) -> Floats:
        """The rows at ``positions``, in their order; float32 ``[len(positions), dim]``."""
        return as_floats(self.gathered(positions))

    def sampled(self, positions: Positions) -> Floats:
        """As `take`, of ascending positions from all over; what was mapped on the way is handed back."""
        rows = np.empty((len(positions), self.dim), np.float32)
        for start in range(0, len(positions), CACHE_ROWS):
            some = positions[start : start + CACHE_ROWS]
            as_floats(self.gathered(some), out=rows[start : start + len(some)])
            self.release(int(some[0]), int(some[-1]) + 1)
        return rows

    def gathered(self, positions: Positions) -> Half:
        """As `take`, but as they are stored."""
        owners = np.searchsorted(self._starts, positions, side="right") - 1
        if len(self._files) == 1:
            return self._taken(self._files[0], positions, owners)
        taken = np.empty((len(positions), self.dim), np.float16)
        files = np.searchsorted(self._file_starts, positions, side="right") - 1
        for number in present(files):
            inside = np.flatnonzero(files == number)
            taken[inside] = self._taken(self._files[number], positions[inside], owners[inside])
        return taken

    def _taken(self, file: _File, positions: Positions, owners: Positions) -> Half:
        rows = positions - self._starts[owners]
        if file.rows is None:
            block = self._blocks[file.first]
            of_block: Half = block[rows]
            return of_block
        places = file.offsets[owners - file.first] + rows * (2 * self.dim)
        taken: Half = file.rows[places].view(np.float16).reshape(len(positions), self.dim)
        return taken

    def slices(self, start: int, stop: int, rows: int = CACHE_ROWS) -> Iterator[tuple[int, Half]]:
        """The rows from ``start`` to ``stop`` as (position of the first, block of at most ``rows``)."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for owner in range(max(first, 0), len(self._blocks)):
            base = int(self._starts[owner])
            if base >= stop:
                return
            block = self._blocks[owner]
            for begin in range(max(start - base, 0), min(stop - base, len(block)), rows):
                end = min(begin + rows, len(block), stop - base)
                yield base + begin, block[begin:end]

    def stretches(self, start: int, stop: int, rows: int) -> Iterator[tuple[int, Floats]]:
        """As `slices`, but float32 copies that all have ``rows`` rows except the last; gone through once.

        What was read is handed back to the system, so that a pass over mapped files holds no more than a stretch.
        """
        filled, first = np.empty((0, self.dim), np.float32), start
        count = 0
        for position, block in self.slices(start, stop, rows):
            begin = 0
            while begin < len(block):
                if not count:
                    filled, first = (
                        np.empty((min(rows, stop - position - begin), self.dim), np.float32),
                        position + begin,
                    )
                some = min(len(filled) - count, len(block) - begin)
                as_floats(block[begin : begin + some], out=filled[count : count + some])
                count, begin = count + some, begin + some
                if count == len(filled):
                    yield first, filled
                    count = 0
            release(block)

    def release(self, start: int = 0, stop: int | None = None) -> None:
        """Hand the pages of the rows from ``start`` to ``stop`` back to the system; they are read again if needed."""
        for _, block in self.slices(start, len(self) if stop is None else stop, len(self)):
            release(block)


def as_floats(halves: Half, out: Floats | None = None) -> Floats:
    """Finite float16 values as float32, exactly; into ``out`` where that is given.

    numpy converts one value at a time. In registers it goes ten times as fast: the bits of a half, moved to where a
    single precision number has its exponent and fraction, say its value times 2⁻¹¹² (the biases are 15 and 127).
    """
    bits = None if out is None else out.view(np.int32)
    bits = np.left_shift(halves.view(np.int16), 13, out=bits, dtype=np.int32)
    np.bitwise_and(bits, np.int32(-0x70000001), out=bits)  # of the sign, which the shift repeats, keep the first bit
    floats: Floats = bits.view(np.float32)
    return np.multiply(floats, np.float32(2.0**112), out=floats)


class _File:
    """Neighbouring blocks of one memory map, so that rows of all of them are gathered at once.

    ``rows`` has an element of a row's bytes at *every* byte of the map: indexing it copies rows from any offset,
    aligned or not, without a loop over the blocks that they lie in. None for a block that is no map.
    """

    __slots__ = ("first", "offsets", "rows")

    def __init__(self, first: int, blocks: Sequence[Half], mapping: mmap.mmap | None) -> None:
        self.first = first
        self.rows: NDArray[np.void] | None = None
        self.offsets = np.empty(0, np.int64)
        if mapping is not None:
            size = blocks[0].shape[1] * 2
            self.rows = np.ndarray((len(mapping) - size + 1,), f"V{size}", buffer=mapping, strides=(1,))
            begin = self.rows.__array_interface__["data"][0]
            places = [block.__array_interface__["data"][0] - begin for block in blocks]
            self.offsets = np.array(places, np.int64)


def _files(blocks: Sequence[Half]) -> list[_File]:
    files: list[_File] = []
    start = 0
    while start < len(blocks):
        mapping = _mapping(blocks[start])
        stop = start + 1
        while mapping is not None and stop < len(blocks) and _mapping(blocks[stop]) is mapping:
            stop += 1
        files.append(_File(start, blocks[start:stop], mapping))
        start = stop
    return files


def _mapping(block: Half) -> mmap.mmap | None:
    """The memory map that a block is part of; None where it is none, or its rows do not follow one another."""
    if block.strides != (block.shape[1] * 2, 2):
        return None
    base: Any = block
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base


def release(block: Half) -> None:
    """Tell the system that a mapped block is not needed now: its pages no longer count as this process's memory."""
    mapping = _mapping(block)
    if mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    begin = np.frombuffer(mapping, np.uint8, 1).__array_interface__["data"][0]
    offset = block.__array_interface__["data"][0] - begin
    start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE  # a page that is only partly ours may be in use
    length = (offset + block.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        mapping.madvise(mmap.MADV_DONTNEED, start, length)


def present(numbers: Positions) -> list[int]:
    """Which small numbers occur, ascending. `numpy.unique` would import numpy.ma, a tenth of a cold query."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist() if len(numbers) else []
    return found


def as_vectors(array: NDArray[np.floating[object]] | StoredVectors) -> StoredVectors:  # type: ignore[type-var]
    """An array ``[rows, dim]`` as one block; `StoredVectors` as they are."""
    if isinstance(array, StoredVectors):
        return array
    return StoredVectors([np.asarray(array, dtype=np.float16)], array.shape[1])
