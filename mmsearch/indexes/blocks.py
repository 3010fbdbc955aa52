"""A matrix of stored vectors that lies in blocks, such as row groups mapped from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]
Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

CACHE_ROWS = 1024
"""Rows converted to float32 at a time: their copy then stays in the processor's second-level cache."""


class Vectors:
    """Float16 unit vectors ``[rows, dim]``, addressed by position, never copied as a whole.

    Blocks may be memory maps and need not be aligned.
    """

    def __init__(self, blocks: Sequence[Half], dim: int) -> None:
        self.dim = dim
        self._blocks = [block for block in blocks if len(block)]
        self._starts = np.cumsum([0] + [len(block) for block in self._blocks]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, positions: Positions) -> Floats:
        """The rows at ``positions``, in their order; float32 ``[len(positions), dim]``."""
        taken = np.empty((len(positions), self.dim), np.float32)
        owners = np.searchsorted(self._starts, positions, side="right") - 1
        for owner in present(owners):
            inside = np.flatnonzero(owners == owner)
            taken[inside] = self._blocks[owner][positions[inside] - self._starts[owner]]
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


def present(numbers: Positions) -> list[int]:
    """Which small numbers occur, ascending. `numpy.unique` would import numpy.ma, a tenth of a cold query."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist() if len(numbers) else []
    return found


def as_vectors(array: NDArray[np.floating[object]] | Vectors) -> Vectors:  # type: ignore[type-var]
    """An array ``[rows, dim]`` as one block; `Vectors` as they are."""
    if isinstance(array, Vectors):
        return array
    return Vectors([np.asarray(array, dtype=np.float16)], array.shape[1])
