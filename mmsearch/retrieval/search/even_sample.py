"""A bounded, evenly spread sample of a stream whose length is not known."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class EvenSample(Generic[T]):
    """All items, up to ``most`` (an even number); of more, every ``stride``-th from the first on.

    When there is one too many, every other item is dropped and the stride doubles. So more than half of ``most`` stay,
    and of n items no more than ``most · (1 + log2(n / most))`` are ever taken in.
    """

    def __init__(self, most: int) -> None:
        self.held: list[T] = []
        self.stride = 1
        self.offered = 0
        self._most = most

    @property
    def is_whole(self) -> bool:
        """Whether all items that were offered are held."""
        return self.stride == 1

    def offer(self, item: T) -> None:
        """Take in the next item, or pass over it."""
        if self.offered % self.stride == 0 and len(self.held) == self._most:
            self.held = self.held[::2]
            self.stride *= 2
        if self.offered % self.stride == 0:
            self.held.append(item)
        self.offered += 1
