"""Who hears of the files that queries are asked by, while they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmsearch.retrieval.progress import Watcher, nobody


def _unsaid(_: str) -> None:
    """Leave it unsaid."""


@dataclass(frozen=True, slots=True)
class Told:
    """``remark`` is told what is to be said of one query, ``watch`` how far a file has been read."""

    remark: Callable[[str], None] = _unsaid
    watch: Watcher = nobody


NOBODY = Told()
