"""Runs encoders on a thread of its own, one or two batches ahead, so that nobody else waits for the device."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.batch_size import BatchSize
from mmsearch.retrieval.progress import Stopwatch

Vectors = NDArray[np.float32]

_MOST_WAITING = 2  # batches
_MOST_WAITING_BYTES = 16 << 20  # from here on, one batch that waits is enough
BATCHES_AT_ONCE = 3
"""Batches that are begun and not yet waited for: one is computed, the next lies on the device, one is on its way."""
_LOOK_S = 0.1  # waiting is cut into such pieces, since on Windows Ctrl-C waits for their end


@dataclass(slots=True)
class Batch:
    """Items to embed together.

    Attributes:
        begin: begins to embed items such as these; what it returns waits for their vectors, float32 ``[n, dim]``.
        items: a list or an array.
        owners: whose vectors they are, one for each item.
        size: takes in how long it took.
        n_bytes: of the items.
        release: to be called when its items are no longer needed.
        vectors: float32 ``[len(items), dim]``, once it is done.
    """

    begin: Callable[[Any], Callable[[], Vectors]]
    items: Any
    owners: list[Any]
    size: BatchSize
    n_bytes: int
    release: Callable[[], None] | None = None
    vectors: Vectors | None = None

    @property
    def is_too_large(self) -> bool:
        """Whether memory was short for so many items since it was gathered."""
        return self.size.was_halved and len(self.owners) > self.size.now

    def halves(self) -> tuple[Batch, Batch]:
        """The same items in two batches."""
        half = (len(self.owners) + 1) // 2
        first, second = (
            Batch(self.begin, self.items[part], self.owners[part], self.size, self.n_bytes // 2)
            for part in (slice(half), slice(half, None))
        )
        return first, second


class EncoderThread:
    """Embeds batches in order, each encoder called from one thread only; `stop` at the end.

    One more thread waits for the vectors of batches that an encoder has begun, so that the next one begins meanwhile.
    A batch for which the device has no memory is embedded in halves.

    Args:
        clock: takes the time in which a batch was being embedded.
        at_once: how many batches may be begun and not yet waited for.
    """

    def __init__(self, clock: Stopwatch, at_once: int = BATCHES_AT_ONCE) -> None:
        self._clock = clock
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: deque[Batch] = deque()
        self._begun: deque[tuple[Batch, Callable[[], Vectors], float]] = deque()
        self._finished: list[Batch] = []
        self._in_work = 0
        self._is_short = False  # of memory: what is in work is to be finished before the next batch begins
        self._error: BaseException | None = None
        self._stopping = False
        self._finished_at = 0.0
        self._threads: list[threading.Thread] = []

    def submit(self, batch: Batch) -> None:
        """Hand over a batch; never waits. Ask for room before."""
        with self._changed:
            self._waiting.append(batch)
            self._changed.notify_all()
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._guarded, args=(work,), name=f"mmsearch-{name}", daemon=True)
                for name, work in (("encode", self._begin_batches), ("vectors", self._finish_batches))
            ]
            for thread in self._threads:
                thread.start()

    def wait_for_room(self) -> bool:
        """Whether another batch may be handed over; waits a moment for that, or for vectors."""
        with self._changed:
            if not self._has_room():
                self._changed.wait(_LOOK_S)
            return self._has_room()

    def wait_for_vectors(self) -> bool:
        """Whether more batches will finish; waits a moment for the next one."""
        with self._changed:
            if not self._finished and (self._in_work or (self._waiting and self._error is None)):
                self._changed.wait(_LOOK_S)
            return bool(self._finished or self._error or self._waiting or self._in_work)

    @property
    def has_finished(self) -> bool:
        """Whether there are vectors, or an error, to take."""
        return bool(self._finished) or (self._error is not None and not self._in_work)

    def take_finished(self) -> list[Batch]:
        """The batches that have their vectors, each once. Raises the error of an encoder after those begun before."""
        with self._changed:
            finished, self._finished = self._finished, []
            if not finished and self._error is not None and not self._in_work:
                raise self._error
        return finished

    def stop(self) -> None:
        """Wait for what is being embedded and forget what waits; `take_finished` still gives the former."""
        self._end(None)
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_LOOK_S)
        self._threads, self._error = [], None

    def _has_room(self) -> bool:
        waiting = sum(batch.n_bytes for batch in self._waiting)
        room = not self._waiting or (len(self._waiting) < _MOST_WAITING and waiting < _MOST_WAITING_BYTES)
        return room or self._error is not None

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            with self._changed:
                self._begun.clear()
                self._in_work = 0  # nobody is left to finish it
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._error = self._error or error
            self._stopping = True
            self._waiting.clear()
            self._changed.notify_all()

    def _begin_batches(self) -> None:
        while (batch := self._next_batch()) is not None:
            start = time.perf_counter()
            try:
                vectors = batch.begin(batch.items)
            except BaseException as error:
                self._failed(batch, error)
                continue
            with self._changed:
                self._begun.append((batch, vectors, start))
                self._changed.notify_all()

    def _next_batch(self) -> Batch | None:
        """The next batch to begin, waited for; None when the thread is to end."""
        with self._changed:
            while not self._stopping:
                if not self._waiting or self._in_work >= (1 if self._is_short else self._at_once):
                    self._changed.wait()
                elif (batch := self._waiting.popleft()).is_too_large:
                    self._waiting.extendleft(reversed(batch.halves()))
                else:
                    self._in_work += 1
                    self._is_short = False
                    self._changed.notify_all()
                    return batch
        return None

    def _finish_batches(self) -> None:
        while (begun := self._next_begun()) is not None:
            batch, vectors, start = begun
            try:
                batch.vectors = vectors()
            except BaseException as error:
                self._failed(batch, error)
                continue
            end = time.perf_counter()
            took, self._finished_at = end - max(start, self._finished_at), end
            self._clock.seconds["encode"] += took
            batch.size.measured(len(batch.owners), took)
            with self._changed:
                self._finished.append(batch)
                self._in_work -= 1
                self._changed.notify_all()

    def _next_begun(self) -> tuple[Batch, Callable[[], Vectors], float] | None:
        with self._changed:
            while not self._begun:
                if self._stopping and self._in_work <= 0:
                    return None
                self._changed.wait()
            return self._begun.popleft()

    def _failed(self, batch: Batch, error: BaseException) -> None:
        """Put a batch that needs too much memory back as two; another error ends the work."""
        again = is_out_of_memory(error) and len(batch.owners) > 1
        with self._changed:
            self._in_work -= 1
            if again and not self._stopping:
                self._is_short = True
                batch.size.halve(len(batch.owners))
                self._waiting.extendleft(reversed(batch.halves()))
            self._changed.notify_all()
        if not again:
            self._end(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an encoder ran out of memory, on the device or on this machine."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, MemoryError) or "OutOfMemoryError" in names  # torch's has no base that tells it
