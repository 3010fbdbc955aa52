"""Results of queries, kept so that their next pages continue them: no hit comes twice, and none is left out.

A page further down asks for a longer list, of at least twice the length, so that paging costs little in all. What was
given out before stays at the front of the longer list.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmsearch import Hit
from mmsearch.serve.api_errors import ApiError

_MOST_HITS = 300_000
"""Of all lists together: some 150 MB at most."""

_MOST_LISTS = 2_000


@dataclass(slots=True)
class ResultList:
    """The hits of one query as JSON, as far as they were asked for.

    Attributes:
        generation: of the manifest that they are of.
        hits: in order of rank.
        ids: of their rows.
        is_whole: there are no more.
        about: what the answer says besides its hits.
    """

    generation: int
    hits: list[bytes] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    is_whole: bool = False
    about: dict[str, Any] = field(default_factory=dict)

    def extend(self, found: Sequence[Hit], asked_for: int) -> None:
        """Add what a longer search found and the list does not have yet."""
        for hit in found:
            if hit.id not in self.ids:
                self.ids.add(hit.id)
                self.hits.append(_hit_json(hit, len(self.hits) + 1))
        self.is_whole = len(found) < asked_for

    def page(self, start: int, k: int) -> list[bytes]:
        """The hits of a page."""
        return self.hits[start : start + k]


def _hit_json(hit: Hit, rank: int) -> bytes:
    return json.dumps(hit.to_json() | {"rank": rank}, ensure_ascii=False).encode("utf-8", "backslashreplace")


class ResultLists:
    """The lists of the queries that were asked last. Safe to use from threads."""

    def __init__(self) -> None:
        self._lists: OrderedDict[str, ResultList] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._hits = 0  # of all lists together
        self._guard = threading.Lock()

    def get(self, key: str, generation: int) -> ResultList | None:
        """The list of a query, if it is kept and of this generation of the collection."""
        with self._guard:
            found = self._lists.get(key)
            if found is None or found.generation != generation:
                return None
            self._lists.move_to_end(key)
            return found

    def put(self, key: str, results: ResultList) -> None:
        """Keep a list; those that were not asked for longest go."""
        with self._guard:
            self._lists[key] = results
            self._lists.move_to_end(key)
            self._hits += len(results.hits) - self._sizes.get(key, 0)
            self._sizes[key] = len(results.hits)
            while len(self._lists) > 1 and (self._hits > _MOST_HITS or len(self._lists) > _MOST_LISTS):
                gone, _ = self._lists.popitem(last=False)
                self._hits -= self._sizes.pop(gone)


def key_of(request: Mapping[str, Any]) -> str:
    """A digest of what is asked; the size of the page does not count."""
    asked = {name: value for name, value in request.items() if name not in ("k", "cursor")}
    return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=12).hexdigest()


def make_cursor(key: str, start: int) -> str:
    """A word that asks for the page of a query that begins with hit number ``start``."""
    return base64.urlsafe_b64encode(f"{key}:{start}".encode()).decode()


def read_cursor(cursor: str | None, key: str) -> int:
    """Where the page begins that a cursor asks for; 0 without one.

    Raises:
        ApiError: 400, it is no cursor, or of another query.
    """
    if cursor is None:
        return 0
    try:
        own, _, start = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        number = int(start)
    except ValueError:
        raise ApiError(400, "the cursor cannot be read: take it as the answer before gave it", "BadCursor") from None
    if own != key or not 0 <= number <= 1 << 40:
        raise ApiError(400, "the cursor is of another query: it continues only the same one", "BadCursor")
    return number
