"""Queries that arrive while a batch is at work make the next batch: none waits for others to come.

One thread for each collection embeds and looks up; numpy and FAISS leave Python's lock while they work.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmsearch import Answer, Collection, MMSearchError, Query
from mmsearch.serve.api_errors import busy
from mmsearch.serve.metrics import Metrics

MOST_AT_ONCE = 64
MOST_WAITING = 512


@dataclass(slots=True, eq=False)
class _Asked:
    """A query that waits for its answer."""

    query: Query
    k: int
    options: Mapping[str, Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Answer]
    since: float = field(default_factory=time.perf_counter)

    @property
    def group(self) -> tuple[Any, ...]:
        """What queries have in common that are answered by one call."""
        return (self.k, *((name, repr(value)) for name, value in sorted(self.options.items())))


class Batcher:
    """Answers queries in batches, in a thread of its own that is started by the first one.

    Args:
        collection: what is asked.
        metrics: are told of batches and stages.
    """

    def __init__(self, collection: Collection, metrics: Metrics) -> None:
        self._collection = collection
        self._metrics = metrics
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def ask(self, query: Query, k: int, options: Mapping[str, Any]) -> Answer:
        """The answer to a query; ``options`` are further keywords of `Collection.ask`.

        Raises:
            ApiError: 429, too many queries wait.
            MMSearchError: the query cannot be asked.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(query, k, options, loop, loop.create_future())
        with self._changed:
            if len(self._waiting) >= MOST_WAITING or self._closed:
                raise busy()
            self._waiting.append(asked)
            self._metrics.waiting.inc()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
                self._thread.start()
            self._changed.notify()
        return await asked.future

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            groups: dict[tuple[Any, ...], list[_Asked]] = {}
            for asked in batch:
                groups.setdefault(asked.group, []).append(asked)
            for group in groups.values():
                self._answer(group)

    def _next(self) -> list[_Asked] | None:
        """All that wait, up to `MOST_AT_ONCE`, once there are any; None when the batcher is closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        self._metrics.waiting.dec(len(batch))
        return [asked for asked in batch if not asked.future.cancelled()] if batch else None

    def _answer(self, group: Sequence[_Asked]) -> None:
        start = time.perf_counter()
        self._metrics.batch_size.observe(len(group))
        first = group[0]
        try:
            answers: Sequence[Answer | BaseException] = self._collection.ask_many(
                [asked.query for asked in group], first.k, **first.options
            )
        except BaseException as error:
            answers = [error] * len(group)
        for asked in group:
            self._metrics.stage("queue", start - asked.since)
        if isinstance(answers[0], Answer):
            self._metrics.stages(answers[0].took_ms)
        for asked, answer in zip(group, answers, strict=True):
            asked.loop.call_soon_threadsafe(_settle, asked.future, answer)


def _settle(future: asyncio.Future[Answer], answer: Answer | BaseException) -> None:
    if future.cancelled():
        return
    if isinstance(answer, Answer):
        future.set_result(answer)
    else:
        future.set_exception(_own_error(answer))


def _own_error(error: BaseException) -> BaseException:
    """An error that one waiter may raise; each needs its own, for raising adds to its traceback."""
    if isinstance(error, MMSearchError):
        return type(error)(str(error), hint=error.hint)
    return error
