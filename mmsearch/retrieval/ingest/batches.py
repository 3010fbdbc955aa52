"""Batches: items wait until there are enough to embed them at once; each vector then goes where it belongs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.progress import Stopwatch

T = TypeVar("T")

_BATCH_S = 1.0  # batches grow while they take less: commits must not wait for a long one


class Batcher(Generic[T]):
    """Gathers items and embeds them in batches.

    Args:
        encode: takes a list of items and returns float32 vectors ``[len(items), dim]``.
        clock: takes the time of ``encode``.
        first: the size of the first batch; batches double while they take less than half a second.
        most: the largest size; equal to ``first`` for batches of one size.
    """

    def __init__(
        self, encode: Callable[[list[T]], NDArray[np.float32]], clock: Stopwatch, first: int, most: int
    ) -> None:
        self._encode = encode
        self._clock = clock
        self._size = first
        self._most = most
        self._items: list[T] = []
        self._callbacks: list[Callable[[NDArray[np.float32]], Any]] = []

    def add(self, item: T, on_vector: Callable[[NDArray[np.float32]], Any]) -> None:
        """Add an item; ``on_vector`` is called with its vector ``[dim]`` when its batch has been embedded."""
        self._items.append(item)
        self._callbacks.append(on_vector)

    @property
    def is_full(self) -> bool:
        """Whether a whole batch is waiting."""
        return len(self._items) >= self._size

    def run(self) -> None:
        """Embed all items that are waiting."""
        while self._items:
            items, self._items = self._items[: self._size], self._items[self._size :]
            callbacks, self._callbacks = self._callbacks[: self._size], self._callbacks[self._size :]
            start = time.perf_counter()
            with self._clock.timing("encode"):
                vectors = self._encode(items)
            if len(items) == self._size and time.perf_counter() - start < _BATCH_S / 2:
                self._size = min(2 * self._size, self._most)
            for on_vector, vector in zip(callbacks, vectors, strict=True):
                on_vector(vector)
