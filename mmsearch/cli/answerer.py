"""Who answers queries: the running server of a collection, or else the collection, opened in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from mmsearch.serve import RunningCollection, ServerGoneError

if TYPE_CHECKING:
    from typing import Self

    from mmsearch import Answer, Collection, KnownNames, KnownPlace, MMSearchError, Progress, Query

R = TypeVar("R")
Watcher = Callable[["Progress"], None]


class _Names:
    """The names that the collection of an answerer knows."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    def has_places(self) -> bool:
        return self._answerer.ask_names(lambda names: names.has_places())

    def place(self, name: str) -> KnownPlace | None:
        return self._answerer.ask_names(lambda names: names.place(name))

    def own_place(self, name: str) -> KnownPlace | None:
        return self._answerer.ask_names(lambda names: names.own_place(name))

    def cameras(self) -> Sequence[str]:
        return self._answerer.ask_names(lambda names: names.cameras())


class Answerer:
    """Answers queries to a collection, the same way whoever does it. A context manager.

    Args:
        path: the collection's folder.
        device: what models run on; a server runs on its own, so that only ``auto`` asks it.
        precision: of the models; likewise.
        use_server: ask a server, if one is running.
    """

    def __init__(self, path: Path, device: str, precision: str, *, use_server: bool) -> None:
        self._path = path
        self._device, self._precision = device, precision
        self._opened: Collection | None = None
        is_plain = device == precision == "auto"
        self._running = RunningCollection.find(path) if use_server and is_plain else None
        if self._running is None:
            self._collection()  # that it cannot be opened is said before a query is read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.close()
        if self._opened is not None:
            self._opened.close()

    def ask(self, query: Query, k: int, *, watch: Watcher, **options: Any) -> Answer:
        """The answer to a query; see `Collection.ask`."""
        return self._by_one(lambda one: one.ask(query, k, watch=watch, **options), [query], options)

    def ask_many(
        self, queries: Sequence[Query], k: int, *, watch: Watcher, **options: Any
    ) -> list[Answer | MMSearchError]:
        """The answers to several queries; see `Collection.ask_many`."""
        return self._by_one(lambda one: one.ask_many(queries, k, watch=watch, **options), queries, options)

    def reopen(self) -> bool:
        """Move to the newest manifest, if the collection is open here; a server does so by itself."""
        return self._opened is not None and self._opened.reopen()

    @property
    def names(self) -> KnownNames:
        """The names that the collection knows, whoever is asked for them."""
        return _Names(self)

    def ask_names(self, ask: Callable[[KnownNames], R]) -> R:
        """What the server's names answer, or else the collection's."""
        if self._running is not None:
            try:
                return ask(self._running.names)
            except ServerGoneError:
                self._running = None
        return ask(self._collection().names)

    def _by_one(
        self, ask: Callable[[RunningCollection | Collection], R], queries: Sequence[Query], options: Mapping[str, Any]
    ) -> R:
        """What the server answers, or else the collection: if the server cannot, or has ended."""
        if self._running is not None and all(self._running.can_ask(query, options) for query in queries):
            try:
                return ask(self._running)
            except ServerGoneError:
                self._running = None
        return ask(self._collection())

    def _collection(self) -> Collection:
        if self._opened is None:
            # Read when numpy is imported. A query has products for one thread; others of BLAS would wait, spinning.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            from mmsearch import Collection

            self._opened = Collection.open(self._path, device=self._device, precision=self._precision)
        return self._opened
