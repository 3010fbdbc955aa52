"""Ctrl-C and SIGTERM: interruptions that are not lost, and commands that go on until they are stopped."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_AGAIN_S = 0.02  # by then the finalizer has ended


def keep_interruptions() -> None:
    """Interrupt the main thread again where Python loses a `KeyboardInterrupt`: one that comes in a finalizer."""
    report = sys.unraisablehook

    def report_or_repeat(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            again = threading.Timer(_AGAIN_S, _interrupt_main_thread)
            again.daemon = True
            again.start()
        else:
            report(lost)

    sys.unraisablehook = report_or_repeat


def _interrupt_main_thread() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # it also ends a wait in the system


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. They also interrupt the block, which is a way to end it, not an error."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    before: dict[signal.Signals, object] = {}
    with suppress(ValueError):  # signals can be set in the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, end)
    try:
        yield stop
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
