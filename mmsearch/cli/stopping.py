"""Ctrl-C and SIGTERM for commands that go on until they are stopped."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. They also interrupt the block, which is a way to end it, not an error.

    Python loses an interruption that comes while it finalizes an object. The event is there for that.
    """
    stop = threading.Event()
    is_collecting = False

    def note_collection(phase: str, facts: dict[str, int]) -> None:
        nonlocal is_collecting
        is_collecting = phase == "start"

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        if not is_collecting:
            raise KeyboardInterrupt

    gc.callbacks.append(note_collection)
    before: dict[signal.Signals, object] = {}
    with suppress(ValueError):  # signals can be set in the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, end)
    try:
        yield stop
    except KeyboardInterrupt:
        pass
    finally:
        gc.callbacks.remove(note_collection)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
