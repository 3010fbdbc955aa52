"""Who hears of the files that queries are asked by, while they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmsearch.notices import Notice
from mmsearch.retrieval.progress import Watcher, no_progress


def _unsaid(_: Notice) -> None:
    """Leave it unsaid."""


@dataclass(frozen=True, slots=True)
class QueryListener:
    """``remark`` is told what is to be said of one query, ``watch`` how far a file has been read."""

    remark: Callable[[Notice], None] = _unsaid
    watch: Watcher = no_progress


NOBODY = QueryListener()
