"""A value that is made on first use, once, whichever threads ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    """Calls ``make`` on the first call and keeps what it returns. If ``make`` raises, the next call tries again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: list[T] = []
        self._guard = threading.Lock()

    def __call__(self) -> T:
        """The value."""
        with self._guard:
            if not self._values:
                self._values.append(self._make())
            return self._values[0]
