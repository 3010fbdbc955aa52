"""What a query by a file reports while the file is read: progress and notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmsearch.notices import Notice
from mmsearch.retrieval.progress import Watcher, no_progress


def _ignore(_: Notice) -> None:
    """Do nothing with a notice."""


@dataclass(frozen=True, slots=True)
class QueryListener:
    """``notice`` is called with each notice of one query, ``progress`` as its file is read."""

    notice: Callable[[Notice], None] = _ignore
    progress: Watcher = no_progress


NO_LISTENER = QueryListener()
