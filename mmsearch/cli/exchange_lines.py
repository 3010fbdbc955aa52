"""What ``import`` and ``export`` have in common: a line on a terminal that says how many rows are done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def rows_shown(done: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """What shows on a terminal how many rows were ``done``; the line is wiped in the end."""
    if quiet or not sys.stderr.isatty():
        yield None
        return

    def show(count: int, of: int) -> None:
        sys.stderr.write(f"\r{done} {count:,} of {of:,}\x1b[K")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
