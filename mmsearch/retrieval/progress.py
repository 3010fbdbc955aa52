"""What an indexing run tells those who watch it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from mmsearch.types import path_json

Stage = Literal["scan", "decode", "encode", "write", "index"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is: ``done`` of ``total`` files read, ``committed`` of them safe on disk.

    ``at_s``: amid the film or sound ``path``, how far it has been read, in seconds; ``of_s``: how long its header says
    that it lasts.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    committed: int = 0
    path: str | None = None
    at_s: float | None = None
    of_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """One event of ``--progress json``."""
        told = {"stage": self.stage, "done": self.done, "total": self.total, "committed": self.committed}
        if self.at_s is None:
            return told
        of_s = {} if self.of_s is None else {"of_s": round(self.of_s, 3)}
        return {**told, **path_json(self.path or ""), "at_s": round(self.at_s, 3), **of_s}


Watcher = Callable[[Progress], None]


def no_progress(_: Progress) -> None:
    """Watch nothing."""


class Stopwatch:
    """Seconds spent in each stage. Stages overlap, so they may add up to more than the run took."""

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
