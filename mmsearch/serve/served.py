"""One served collection, and the threads that do slow work."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.requests import Request

from mmsearch import Collection, Query, Status
from mmsearch.serve.api_errors import ApiError, busy
from mmsearch.serve.batching import Batcher
from mmsearch.serve.metrics import Metrics
from mmsearch.serve.paging import ResultLists

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


class Served:
    """A collection and the name that it is asked by.

    Attributes:
        name: unique among the collections that are served.
        collection: at the newest manifest, as of the last `refresh`.
        batcher: answers queries in batches.
        lists: results of queries whose next pages may be asked for.
        newest: the ids of the list of files that was asked for last, with its key and generation.
    """

    def __init__(self, name: str, collection: Collection, metrics: Metrics) -> None:
        self.name = name
        self.collection = collection
        self.batcher = Batcher(collection, metrics)
        self.lists = ResultLists()
        self.newest: tuple[tuple[str, int], NDArray[np.int64]] | None = None
        self._status: Status | None = None
        self._guard = threading.Lock()

    @property
    def generation(self) -> int:
        """The number of the manifest that is read."""
        return self.collection.manifest.generation

    def refresh(self) -> None:
        """Move to the newest manifest if another process has committed; else this costs one `stat`."""
        self.collection.reopen()

    async def warm(self) -> None:
        """Load the model and open the indexes, so that the first person does not wait for them."""
        with contextlib.suppress(Exception):  # who asks is told what is wrong
            await self.batcher.ask(Query("warm up"), 1, {})

    def status(self) -> Status:
        """The status of the collection; counted once for each manifest."""
        self.refresh()
        with self._guard:
            if self._status is None or self._status.generation != self.generation:
                self._status = self.collection.status()
            return self._status


class SlowWork:
    """Threads for work that takes long: decoding uploads, thumbnails, clips. What waits is bounded.

    Args:
        threads: how many work at once.
        waiting: how much may wait besides.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="slow")
        self._room = threads + waiting

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns, called in one of the threads.

        Raises:
            ApiError: 429, too much is waiting.
        """
        if self._room <= 0:
            raise busy()
        self._room -= 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, functools.partial(function, *args, **kwargs))
        finally:
            self._room += 1

    def close(self) -> None:
        """End the threads once they have done what they do."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def served_of(request: Request) -> Served:
    """The collection that a request names by ``c``, else the first; at its newest manifest.

    Raises:
        ApiError: 404, no collection of that name is served.
    """
    return find_served(request, request.query_params.get("c"))


def find_served(request: Request, name: str | None) -> Served:
    """The collection of a name, else the first; at its newest manifest.

    Raises:
        ApiError: 404, no collection of that name is served.
    """
    served: Mapping[str, Served] = request.app.state.served
    found = next(iter(served.values())) if name is None else served.get(name)
    if found is None:
        raise ApiError(404, f"no collection {name!r}; there are: {', '.join(served)}", "NoSuchCollection")
    found.refresh()
    return found


async def in_thread(request: Request, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """What a blocking function returns, called in a thread of the app's `SlowWork`.

    Raises:
        ApiError: 429, too much is waiting.
    """
    work: SlowWork = request.app.state.slow_work
    return await work.run(function, *args, **kwargs)


def default_threads() -> int:
    """Threads for slow work: those that decode wait for processes, so a few more than processors do no harm."""
    return min(8, (os.cpu_count() or 1) + 2)
