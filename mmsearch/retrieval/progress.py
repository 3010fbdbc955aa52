"""Progress of long work: what it reports while it runs, and the seconds that its stages take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from mmsearch.types import clock, path_json

Stage = Literal["scan", "decode", "encode", "write", "index"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an indexing run, or the reading of a query's file, has come.

    Attributes:
        stage: ``scan`` (looking for files), ``decode`` (reading files), ``encode`` (reading and embedding files),
            ``write`` (storing rows) or ``index`` (updating indexes).
        done: the number of files that have been read.
        total: the number of files to read; 0 before it is known.
        committed: the number of files whose rows are safe on disk.
        path: the file that was read last; None between files.
        at_s: how far the film or sound ``path`` has been read, in seconds; None outside films and sounds.
        of_s: how long that film or sound lasts, in seconds, according to its header; None if that does not say.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    committed: int = 0
    path: str | None = None
    at_s: float | None = None
    of_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """An event as JSON: stage and counts, and within a film or sound also ``path``, ``at_s`` and ``of_s``."""
        counts = {"stage": self.stage, "done": self.done, "total": self.total, "committed": self.committed}
        if self.at_s is None:
            return counts
        of_s = {} if self.of_s is None else {"of_s": round(self.of_s, 3)}
        return {**counts, **path_json(self.path or ""), "at_s": round(self.at_s, 3), **of_s}

    def __repr__(self) -> str:
        shown = f"<Progress {self.stage}"
        if self.total:
            shown += f" {self.done:,}/{self.total:,} files, {self.committed:,} committed"
        if self.path is not None:
            shown += f", {self.path!r}"
        if self.at_s is not None:
            shown += f" at {clock(self.at_s)}" + ("" if self.of_s is None else f" of {clock(self.of_s)}")
        return shown + ">"


Watcher = Callable[[Progress], None]
"""A function that is called with the progress of long work."""


def no_progress(_: Progress) -> None:
    """A `Watcher` that ignores progress."""


class Stopwatch:
    """Seconds spent in each stage. Stages overlap, so that their sum may exceed the time of the run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
