"""The options of a search, as one value; the public calls of a collection spell each of them out."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.errors import UsageError
from mmsearch.retrieval.progress import Watcher
from mmsearch.types import LEVELS, SEARCH_MODES, SORTS, Level, Modality, SearchMode, Sort, Space

if TYPE_CHECKING:
    from mmsearch.retrieval.search.place_filters import NearInput


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What `Collection.search` documents, in the order of its parameters.

    Raises:
        UsageError: k below 1, an offset below 0, an unknown level, order or mode.
    """

    k: int = 10
    offset: int = 0
    min_level: Level | None = None
    to: Modality | Sequence[Modality] | None = None
    under: str | os.PathLike[str] | None = None
    after: str | dt.date | None = None
    before: str | dt.date | None = None
    where: str | None = None
    near: NearInput | None = None
    place: str | None = None
    camera: str | None = None
    sort: Sort = "relevance"
    include_self: bool = False
    all_spans: bool = False
    exact: bool = False
    copies: bool = False
    mode: SearchMode = "hybrid"
    space: str | Space | None = None
    watch: Watcher | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k must be at least 1, not {self.k}")
        if self.offset < 0:
            raise UsageError(f"offset must be at least 0, not {self.offset}")
        if self.min_level is not None and self.min_level not in LEVELS:
            raise UsageError(f"no level {self.min_level!r}; there are: {', '.join(LEVELS)}")
        if self.sort not in SORTS:
            raise UsageError(f"no order {self.sort!r}; there are: {', '.join(SORTS)}")
        if self.mode not in SEARCH_MODES:
            raise UsageError(f"no mode {self.mode!r}; there are: {', '.join(SEARCH_MODES)}")
