"""Batches: what waits to be embedded together, and where each vector belongs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.progress import Stopwatch

Vector = NDArray[np.float32]
T = TypeVar("T")

_BATCH_S = 1.0  # batches grow while they take less: commits must not wait for a long one


class Batch(Generic[T]):
    """Gathers items and embeds them together, at most ``most`` at once. It begins with ``first`` and doubles while
    that stays quick; ``first`` = ``most`` fixes it.

    ``encode`` takes a list of items and gives float32 ``[len(items), dim]``.
    """

    def __init__(
        self, encode: Callable[[list[T]], NDArray[np.float32]], clock: Stopwatch, first: int, most: int
    ) -> None:
        self._encode = encode
        self._clock = clock
        self._size = first
        self._most = most
        self._items: list[T] = []
        self._sinks: list[Callable[[Vector], Any]] = []

    def add(self, item: T, sink: Callable[[Vector], Any]) -> None:
        """Let an item wait; ``sink`` is handed its vector once it is embedded."""
        self._items.append(item)
        self._sinks.append(sink)

    @property
    def is_full(self) -> bool:
        """Whether enough is waiting."""
        return len(self._items) >= self._size

    def run(self) -> None:
        """Embed all that is waiting."""
        while self._items:
            items, self._items = self._items[: self._size], self._items[self._size :]
            sinks, self._sinks = self._sinks[: self._size], self._sinks[self._size :]
            start = time.perf_counter()
            with self._clock.timing("encode"):
                vectors = self._encode(items)
            if len(items) == self._size and time.perf_counter() - start < _BATCH_S / 2:
                self._size = min(2 * self._size, self._most)
            for sink, vector in zip(sinks, vectors, strict=True):
                sink(vector)
