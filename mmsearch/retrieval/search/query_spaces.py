"""Queries as vectors of every space that is to answer, and why some are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, MMSearchError, ModelUnavailableError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.progress import Watcher, no_progress
from mmsearch.retrieval.search.listener import QueryListener
from mmsearch.retrieval.search.query import Query, as_query
from mmsearch.retrieval.search.query_vectors import embed_all
from mmsearch.retrieval.search.word_coverage import WordCoverage, word_coverage
from mmsearch.types import Space

Stored = Callable[[Space, Encoder | None, Sequence[Path]], dict[Path, NDArray[np.float32]]]


@dataclass(slots=True)
class QueryVectors:
    """Queries as unit vectors (float32 ``[dim]``) by space and by number of the query; and what that took.

    ``failures``: why a query cannot be asked in any space, by its number. ``notices`` are on all queries, ``remarks``
    on one; ``read`` are the queries whose words some model can read.
    """

    vectors: dict[Space, dict[int, NDArray[np.float32]]] = field(default_factory=dict)
    failures: dict[int, MMSearchError] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    remarks: dict[int, list[Notice]] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    took_ms: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "embed": 0.0})

    @property
    def first(self) -> Space:
        """The first space that answers."""
        return next(iter(self.vectors))

    def take(self, number: int, by_one_model: WordCoverage) -> None:
        """Take note of what one model makes of a query."""
        for notice in by_one_model.notices:
            self.remark(number, notice)
        if by_one_model.read:
            self.read.add(number)

    def remark(self, number: int, notice: Notice) -> None:
        """Take note of what is to be said of a query; what several models say is said once."""
        own = self.remarks.setdefault(number, [])
        if notice not in own:
            own.append(notice)


def read_queries(queries: Sequence[Any]) -> tuple[dict[int, Query], dict[int, MMSearchError]]:
    """What an app gave as queries, by number, and what is wrong with those that are none."""
    read: dict[int, Query] = {}
    wrong: dict[int, MMSearchError] = {}
    for i, query in enumerate(queries):
        try:
            read[i] = as_query(query)
        except MMSearchError as error:
            wrong[i] = error
    return read, wrong


def embed_in_spaces(
    queries: dict[int, Query],
    spaces: Sequence[Space],
    load: Callable[[Space], Encoder | None],
    stored: Stored,
    watch: Watcher = no_progress,
) -> QueryVectors:
    """Queries (by number) as vectors of each space whose model embeds them.

    ``load`` gives the model of a space, ``stored`` the vectors of files that are indexed in it.
    ``watch`` is told how far a file has been read.

    Raises:
        ModelUnavailableError: the first space's model cannot be loaded; that of another is a notice.
    """
    done = QueryVectors()
    numbers, asked = list(queries), list(queries.values())
    files = list(dict.fromkeys(file for query in asked for file in query.whole_files))
    failures: dict[int, list[MMSearchError]] = {}
    for space in spaces:
        start = time.perf_counter()
        try:
            encoder = load(space)
        except ModelUnavailableError as error:
            if space == spaces[0]:
                raise
            values = {"model": space.model, "reason": str(error)}
            done.notices.append(Notice(NoticeKind.SPACE_NOT_SEARCHED, values, error.hint))
            continue
        loaded = time.perf_counter()
        found, errors = embed_all(
            asked,
            space,
            encoder,
            stored(space, encoder, files) if files else None,
            lambda i: QueryListener(partial(done.remark, numbers[i]), watch),
        )
        if found:
            done.vectors[space] = {numbers[i]: vector for i, vector in found.items()}
        for i in found:
            done.take(numbers[i], word_coverage(asked[i], encoder))
        for i, failure in errors.items():
            failures.setdefault(numbers[i], []).append(failure)
        done.took_ms["load"] += 1e3 * (loaded - start)
        done.took_ms["embed"] += 1e3 * (time.perf_counter() - loaded)
    for i, errors_of_one in failures.items():
        if not any(i in found for found in done.vectors.values()):  # a bad file, before a wrong model
            done.failures[i] = min(errors_of_one, key=lambda failure: isinstance(failure, CannotEmbedError))
    return done
