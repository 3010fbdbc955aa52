"""Display of progress on stderr: a bar or JSON events while indexing, a line while a query's file is read."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from mmsearch import Progress, UsageError
from mmsearch.cli.output import terminal_safe
from mmsearch.types import clock, counted

Watcher = Callable[[Progress], None]
"""A function that is called with the progress of long work."""

_STAGES = {"scan": "scanning", "decode": "reading", "encode": "embedding", "write": "writing", "index": "indexing"}
_PATIENCE_S, _EVERY_S = 0.5, 0.1


def watching(how: str, quiet: bool) -> AbstractContextManager[Watcher]:
    """A watcher for ``--progress HOW``: *auto* (a bar if stderr is a terminal), *json* (an event per line) or *none*.

    Raises:
        UsageError: another word.
    """
    if how not in ("auto", "none", "json"):
        raise UsageError(f"no progress {how!r}; there are: auto, none, json")
    if how == "json":
        return nullcontext(_print_event)
    if how == "auto" and sys.stderr.isatty() and not quiet:
        return _bar()
    return nullcontext(_show_nothing)


def _show_nothing(progress: Progress) -> None:
    """A watcher that ignores progress."""


def _print_event(progress: Progress) -> None:
    with suppress(OSError, ValueError):  # stderr was closed; the work goes on
        sys.stderr.write(json.dumps(progress.to_json()) + "\n")


def _place(progress: Progress) -> str:
    """The name of the film or sound that is read, and how far; empty for other files."""
    if progress.at_s is None:
        return ""
    name = terminal_safe(os.path.basename(progress.path or ""))
    return f" {name[:24]} {_times(progress)}"


def _times(progress: Progress) -> str:
    """``02:10:00 of 10:00:00``; without the length if the header gives one that is already exceeded."""
    at_s, of_s = progress.at_s or 0.0, progress.of_s or 0.0
    return clock(at_s) + (f" of {clock(of_s)}" if of_s >= at_s else "")


@contextmanager
def reading_shown(quiet: bool) -> Iterator[Watcher]:
    """A watcher for a query: on a terminal, it shows in a line how far a file has been read.

    The line appears after `_PATIENCE_S` seconds, and is cleared at the end.
    """
    if quiet or not sys.stderr.isatty():
        yield _show_nothing
        return
    due = time.monotonic() + _PATIENCE_S
    shown = False

    def watch(progress: Progress) -> None:
        nonlocal due, shown
        now = time.monotonic()
        if now >= due:
            due, shown = now + _EVERY_S, True
            import shutil

            write(_reading(progress, shutil.get_terminal_size().columns - 1))

    def write(line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    try:
        yield watch
    finally:
        if shown:
            write("")


def _reading(progress: Progress, width: int) -> str:
    """``reading book.wav: 02:10:00 of 10:00:00``, at most ``width`` columns; a long name is cut."""
    from rich.cells import cell_len, set_cell_size

    times = "" if progress.at_s is None else f": {_times(progress)}"
    name = terminal_safe(os.path.basename(progress.path or ""))
    room = max(0, width - len("reading ") - len(times))
    return f"reading {name if cell_len(name) <= room else set_cell_size(name, room)}{times}"


@contextmanager
def _bar() -> Iterator[Watcher]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),  # it may hold a file name
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scanning", total=None, speed="")
        start = time.monotonic()

        def watch(progress: Progress) -> None:
            speed = progress.done / max(time.monotonic() - start, 1e-3)
            bar.update(
                task,
                description=_STAGES[progress.stage] + _place(progress),
                completed=progress.done,
                total=progress.total or None,
                speed=f"{counted(round(speed), 'file')}/s" if progress.done else "",
            )

        yield watch
