"""Makes pictures in a few threads: those that were asked for last come first, because a person scrolls on.

Every other one is the oldest that waits, so that none waits for ever. What several clients ask for is made once. What
nobody waits for any more is not made.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from mmsearch import DecodeError, Extractor, MMSearchError, TransientDecodeError
from mmsearch.serve.api_errors import busy

_IDLE_S = 60.0
_MOST_WAITING = 512
_REMEMBERED_S, _TRANSIENT_S = 600.0, 10.0
_MOST_FAILURES = 4096

Make = Callable[[Extractor], bytes]


@dataclass(eq=False)
class _Wanted:
    make: Make
    future: Future[bytes] = field(default_factory=Future)
    clients: int = 1


class PictureMaker:
    """Threads, each with a worker process that decodes. Both are started when they are needed, and end after a while.

    Args:
        threads: how many pictures are made at once; default by the number of processors.
        idle_s: seconds without work after which a thread and its process end.
    """

    def __init__(self, threads: int | None = None, idle_s: float = _IDLE_S) -> None:
        self._most_threads, self._idle_s = threads or _usual_threads(), idle_s
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, _Wanted] = OrderedDict()
        self._running: dict[str, _Wanted] = {}
        self._failures: OrderedDict[str, tuple[float, MMSearchError]] = OrderedDict()
        self._threads: set[threading.Thread] = set()
        self._extractors: set[Extractor] = set()
        self._idle = 0
        self._newest_is_next = True
        self._is_closed = False

    def ask(self, key: str, make: Make) -> Future[bytes]:
        """Have a picture made. Whoever asks says `leave` in the end, whether it was made or not.

        Args:
            key: what it is; pictures of one key are the same.
            make: makes it, in one of the threads.

        Raises:
            MMSearchError: it was tried a short time ago and cannot be made.
        """
        with self._changed:
            self._raise_remembered(key)
            wanted = self._running.get(key) or self._waiting.get(key)
            if wanted is not None:
                wanted.clients += 1
                if key in self._waiting:
                    self._waiting.move_to_end(key)
                return wanted.future
            wanted = self._waiting[key] = _Wanted(make)
            if len(self._waiting) > _MOST_WAITING:
                _, oldest = self._waiting.popitem(last=False)
                oldest.future.set_exception(busy())
            self._start_thread_if_needed()
            self._changed.notify()
            return wanted.future

    def leave(self, key: str) -> None:
        """Wait no more for a picture."""
        with self._changed:
            wanted = self._waiting.get(key)
            if wanted is not None:
                wanted.clients -= 1
                if not wanted.clients:
                    del self._waiting[key]
                    wanted.future.cancel()

    def close(self) -> None:
        """End the threads. What they are at, and what waits, is not made."""
        with self._changed:
            self._is_closed = True
            for extractor in self._extractors:
                extractor.cancel()
            for wanted in self._waiting.values():
                wanted.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        return len(self._waiting)

    def _raise_remembered(self, key: str) -> None:
        if key in self._failures:
            until, error = self._failures[key]
            if time.monotonic() < until:
                raise error.with_traceback(None)
            del self._failures[key]

    def _start_thread_if_needed(self) -> None:
        if self._idle < len(self._waiting) and len(self._threads) < self._most_threads and not self._is_closed:
            thread = threading.Thread(target=self._serve, name="pictures", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _serve(self) -> None:
        with Extractor() as extractor:
            while (item := self._next(extractor)) is not None:
                key, wanted = item
                if not wanted.future.set_running_or_notify_cancel():
                    self._finish(key, None)
                    continue
                try:
                    made = wanted.make(extractor)
                except BaseException as error:
                    self._finish(key, error)
                    wanted.future.set_exception(error)
                else:
                    self._finish(key, None)
                    wanted.future.set_result(made)

    def _next(self, extractor: Extractor) -> tuple[str, _Wanted] | None:
        """The next picture to make; None when the thread is to end."""
        with self._changed:
            self._extractors.add(extractor)
            deadline = time.monotonic() + self._idle_s
            while not self._waiting:
                left = deadline - time.monotonic()
                if self._is_closed or left <= 0:
                    self._threads.discard(threading.current_thread())
                    self._extractors.discard(extractor)
                    return None
                self._idle += 1
                self._changed.wait(left)
                self._idle -= 1
            key, wanted = self._waiting.popitem(last=self._newest_is_next)
            self._newest_is_next = not self._newest_is_next
            self._running[key] = wanted
            return key, wanted

    def _finish(self, key: str, error: BaseException | None) -> None:
        with self._changed:
            del self._running[key]
            if isinstance(error, DecodeError):
                kept_s = _TRANSIENT_S if isinstance(error, TransientDecodeError) else _REMEMBERED_S
                kept = type(error)(str(error), hint=error.hint)  # without its traceback, which holds much
                self._failures[key] = (time.monotonic() + kept_s, kept)
                if len(self._failures) > _MOST_FAILURES:
                    self._failures.popitem(last=False)


def _usual_threads() -> int:
    return max(2, min(4, (os.cpu_count() or 1) // 2))
