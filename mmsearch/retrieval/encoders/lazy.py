"""A value made when it is first asked for, once, also where several threads ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    """``Lazy(make)()`` is ``make()``, made at the first call and kept; an error is raised and tried again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._guard = threading.Lock()

    def __call__(self) -> T:
        """The value."""
        with self._guard:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
