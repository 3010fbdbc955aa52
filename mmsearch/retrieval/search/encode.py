"""Embedding values as queries are embedded, for those who want the vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.progress import Watcher, no_progress
from mmsearch.retrieval.search.engine import first_failure, several
from mmsearch.retrieval.search.listener import QueryListener
from mmsearch.retrieval.search.marks import rows_asked, wrong_rows
from mmsearch.retrieval.search.query_spaces import read_queries
from mmsearch.retrieval.search.query_vectors import QueryVector, embed_all
from mmsearch.retrieval.search.session import Session
from mmsearch.types import Space


def encode_values(
    session: Session, values: Iterable[Any], space: str | Space | None, watch: Watcher | None
) -> NDArray[np.float32]:
    """Values as unit vectors, float32 ``[n, dim]``, words without prompts; see `Collection.encode`."""
    given = several(values)
    target = session.find_space(space)
    queries, failures = read_queries(given)
    vectors: dict[int, QueryVector] = {}
    if not failures:
        listener = QueryListener(progress=watch or no_progress)
        asked = [queries[i] for i in range(len(given))]
        failures = wrong_rows(session, queries, [target])
        if not failures:
            vectors, failures = embed_all(
                asked,
                target,
                session.encoder(target),
                listener_of=lambda _: listener,
                rows=rows_asked(session, target, asked),
                kept=session.kept_texts,
            )
    if failures:
        raise first_failure("value", failures, len(given))
    return np.stack([vectors[i].texts for i in range(len(given))]) if given else np.empty((0, target.dim), np.float32)
