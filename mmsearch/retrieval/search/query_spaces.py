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
from mmsearch.retrieval.search.kept_texts import KeptTexts
from mmsearch.retrieval.search.listener import QueryListener
from mmsearch.retrieval.search.query import Query, as_query
from mmsearch.retrieval.search.query_vectors import QueryVector, RowsAsked, embed_all
from mmsearch.retrieval.search.word_coverage import WordCoverage, word_coverage
from mmsearch.types import Space

ReadRows = Callable[[Space], RowsAsked]
"""What queries that name stored rows need of a space; see `rows_asked`."""

ReadStored = Callable[[Space, Encoder | None, Sequence[Path]], dict[Path, NDArray[np.float32]]]
"""Vectors of those files that are indexed in a space; see `stored_vectors`."""


@dataclass(slots=True)
class EmbeddedQueries:
    """Queries as vectors, and what embedding them took. Queries go by number.

    Attributes:
        vectors: by space and query.
        failures: why a query could not be embedded in any space.
        notices: on all queries.
        notices_of: on one query.
        understood: the queries whose words some model can read.
        took_ms: milliseconds by stage: ``load``, ``embed``.
    """

    vectors: dict[Space, dict[int, QueryVector]] = field(default_factory=dict)
    failures: dict[int, MMSearchError] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    notices_of: dict[int, list[Notice]] = field(default_factory=dict)
    understood: set[int] = field(default_factory=set)
    took_ms: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "embed": 0.0})

    @property
    def first(self) -> Space:
        """The first space that answers."""
        return next(iter(self.vectors))

    def add_coverage(self, number: int, coverage: WordCoverage) -> None:
        """Record what one model makes of a query's words."""
        for notice in coverage.notices:
            self.add_notice(number, notice)
        if coverage.read:
            self.understood.add(number)

    def add_notice(self, number: int, notice: Notice) -> None:
        """Record a notice on one query; what several models say is kept once."""
        own = self.notices_of.setdefault(number, [])
        if notice not in own:
            own.append(notice)


def read_queries(queries: Sequence[Any]) -> tuple[dict[int, Query], dict[int, MMSearchError]]:
    """Queries by number, and the errors of those that are none."""
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
    read_stored: ReadStored,
    read_rows: ReadRows,
    watch: Watcher = no_progress,
    kept: KeptTexts | None = None,
) -> EmbeddedQueries:
    """Embed queries in each space whose model can.

    Args:
        queries: by number.
        spaces: the spaces to ask, the first one being needed most.
        load: gives the model of a space.
        read_stored: gives the vectors of files that are indexed in a space.
        read_rows: gives the stored rows that are terms or marked.
        watch: called as a file is read.
        kept: embeds the texts, and may have kept their vectors.

    Raises:
        ModelUnavailableError: the first space's model cannot be loaded; that of another becomes a notice.
    """
    done = EmbeddedQueries()
    numbers, asked = list(queries), list(queries.values())
    files = list(dict.fromkeys(file for query in asked for file in query.whole_files))
    failures: dict[int, list[MMSearchError]] = {}
    for space in spaces if asked else ():
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
        vectors, failed = embed_all(
            asked,
            space,
            encoder,
            read_stored(space, encoder, files) if files else None,
            lambda i: QueryListener(partial(done.add_notice, numbers[i]), watch),
            read_rows(space),
            kept,
        )
        if vectors:
            done.vectors[space] = {numbers[i]: vector for i, vector in vectors.items()}
        for i in vectors:
            done.add_coverage(numbers[i], word_coverage(asked[i], encoder))
        for i, failure in failed.items():
            failures.setdefault(numbers[i], []).append(failure)
        done.took_ms["load"] += 1e3 * (loaded - start)
        done.took_ms["embed"] += 1e3 * (time.perf_counter() - loaded)
    for i, own in failures.items():
        if not any(i in vectors for vectors in done.vectors.values()):
            # That a file is bad says more than that some model embeds no such files.
            done.failures[i] = min(own, key=lambda failure: isinstance(failure, CannotEmbedError))
    return done
