"""A bounded sample, evenly spread, of things that come one after another and of which nobody knows how many."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class EvenSample(Generic[T]):
    """All of what is offered, up to ``most`` (an even number); of more, every ``stride``-th from the first on.

    Where another would be one too many, every other one is dropped and the stride doubled: more than half of ``most``
    stay, ``stride`` apart, and of n things no more than ``most · (1 + log2(n / most))`` were ever held.
    """

    def __init__(self, most: int) -> None:
        self.held: list[T] = []
        self.stride = 1
        self.offered = 0
        self._most = most

    @property
    def is_whole(self) -> bool:
        """Whether all that was offered is held."""
        return self.stride == 1

    def offer(self, thing: T) -> None:
        """Take the next thing, or pass over it."""
        if self.offered % self.stride == 0 and len(self.held) == self._most:
            self.held = self.held[::2]
            self.stride *= 2
        if self.offered % self.stride == 0:
            self.held.append(thing)
        self.offered += 1
