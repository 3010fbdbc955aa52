"""Asking a saved search: all its hits, or those that are new since the last look; once, or as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mmsearch import Answer, Hit, Hits, LineTerms, MMSearchError, NoSuchRowError, NoticeKind, QueryLine
from mmsearch.library.saved.keep import change_search, now
from mmsearch.library.saved.search import LastLook, SavedSearch
from mmsearch.types import Level

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch import KnownNames, Progress

LEAST_LEVEL: Level = "likely"
"""Of a hit that is told as new or linked, where the search does not say: of few new files, each is among the best k."""
_MOST_SEEN = 1_000


class CanAsk(Protocol):
    """Who answers queries: a `Collection`, or whatever stands for one."""

    @property
    def names(self) -> KnownNames:
        """The names that the collection knows."""

    @property
    def ask(self) -> Callable[..., Answer]:
        """Answers a query; see `Collection.ask`."""

    def reopen(self) -> bool:
        """Move to the newest manifest; see `Collection.reopen`."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a saved search has shown.

    Attributes:
        line: the search as it was read today.
        answer: with the hits.
        more: how many hits are new besides, and are left for the next look.
        last: how far it has been seen now; see `note_look`.
    """

    line: QueryLine
    answer: Answer
    more: int = 0
    last: LastLook | None = None


def look(
    asked: CanAsk,
    search: SavedSearch,
    *,
    new: bool = False,
    who: str = "query",
    more_terms: LineTerms | None = None,
    k: int | None = None,
    options: Mapping[str, Any] | None = None,
    today: dt.date | None = None,
    watch: Callable[[Progress], None] | None = None,
    least: Level | None = None,
) -> Looked:
    """Ask a saved search.

    New is what was indexed since the last look, and has a content that was not seen before: a file that was changed is
    new, a file that was moved is not. Nothing is noted as seen until `note_look` is called.

    Args:
        asked: the collection.
        search: the search.
        new: give only hits that are new. The first look shows what is there.
        who: whose last look counts.
        more_terms: terms that are added.
        k: the number of hits; default that of the search.
        options: keywords of `Collection.search`, which go before those that were saved.
        today: the day that ``yesterday`` is counted from; default that of this machine's clock.
        watch: called with a `Progress` while a file is read to search by it.
        least: the least level of a hit, where neither the search nor the options say one, and levels are known; default
            ``likely`` for hits that are new.

    Raises:
        MMSearchError: what `Collection.ask` raises, after the name of the search.
    """
    given = {**search.options, **{name: value for name, value in (options or {}).items() if value}}
    terms = search.terms if more_terms is None else search.terms + more_terms
    least = least or (LEAST_LEVEL if new else None)
    asking = _Asking(asked, replace(search, terms=terms), given, today, watch or _watch_nothing, least)
    wanted = search.k if k is None else k
    try:
        if new:
            return asking.new_hits(wanted, search.looks.get(who))
        line, answer = asking.ask(wanted, {})
        return Looked(line, answer)
    except MMSearchError as error:
        if not search.name or str(error).startswith("@"):
            raise
        raise type(error)(f"{search.shown}: {error}", hint=error.hint) from error


def note_look(search: SavedSearch, looked: Looked, *, who: str = "query") -> SavedSearch:
    """Note what has been seen of a saved search, so that it is not new any more.

    Args:
        search: the search.
        looked: what a look at what is new has shown.
        who: whose look it was.

    Returns:
        The search as it is kept now.

    Raises:
        ReadOnlyError: nothing may be written there.
    """
    last = looked.last
    if last is None:
        return search
    return change_search(search, lambda kept: replace(kept, looks={**kept.looks, who: last}))


def follow(
    asked: CanAsk,
    search: SavedSearch,
    *,
    more_terms: LineTerms | None = None,
    k: int | None = None,
    options: Mapping[str, Any] | None = None,
    every_s: float = 1.0,
    stop: threading.Event | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Iterator[Looked]:
    """Ask a search, and again whenever the collection has changed: first all hits, then new ones as they come.

    It goes on until it is stopped or closed. The last looks of the search do not count, and stay as they are.

    Args:
        asked: the collection.
        search: the search; it need not be kept under a name.
        more_terms: terms that are added.
        k: the number of hits at once; default that of the search.
        options: keywords of `Collection.search`, which go before those that were saved.
        every_s: seconds from one glance at the collection to the next.
        stop: ends the iteration after it is set.
        watch: called with a `Progress` while a file is read to search by it.

    Raises:
        MMSearchError: what `look` raises.
    """
    from mmsearch.collection import Collection

    with Collection.open(search.root) as seen:
        last = _nothing_seen(seen.manifest.next_id)
        first = look(asked, search, more_terms=more_terms, k=k, options=options, watch=watch)
        yield first
        last = replace(last, seen=tuple(_content(hit) for hit in first.answer.hits))
        stop = stop or threading.Event()
        while not stop.wait(every_s):
            if not seen.reopen():
                continue
            asked.reopen()
            following = replace(search, looks={"follow": last})
            found = look(
                asked, following, new=True, who="follow", more_terms=more_terms, k=k, options=options, watch=watch
            )
            assert found.last is not None
            last = found.last
            if found.answer.hits:
                yield found


def _watch_nothing(progress: Progress) -> None:
    pass


def _nothing_seen(next_id: int) -> LastLook:
    return LastLook(next_id, now())


@dataclass(frozen=True, slots=True)
class _Asking:
    """A search that is being asked."""

    asked: CanAsk
    search: SavedSearch
    given: Mapping[str, Any]
    today: dt.date | None
    watch: Callable[[Progress], None]
    least: Level | None

    def ask(self, k: int, more: Mapping[str, Any]) -> tuple[QueryLine, Answer]:
        """The search as it is read, and the answer to it."""
        line = self.search.terms.read(known=self.asked.names, today=self.today)
        options = {**line.options_with(self.given), **more}
        guessed = self.least is not None and not options.get("min_level")
        if guessed:
            options["min_level"] = self.least
        try:
            answer = self.asked.ask(line.query, k, watch=self.watch, **options)
        except NoSuchRowError:
            placed = self.search.with_files_for_rows()
            if placed == self.search:
                raise
            line = placed.terms.read(known=self.asked.names, today=self.today)
            answer = self.asked.ask(line.query, k, watch=self.watch, **options)
        if guessed and not answer.hits and any(note.kind is NoticeKind.LEVELS_UNKNOWN for note in answer.notices):
            del options["min_level"]
            answer = self.asked.ask(line.query, min(k, self.search.k), watch=self.watch, **options)
        return line, line.explain(answer)

    def new_hits(self, k: int, before: LastLook | None) -> Looked:
        """The hits that have come since a look, the best k of them."""
        from mmsearch.collection import Collection

        with Collection.open(self.search.root) as newest:
            next_id = newest.manifest.next_id
        more: dict[str, Any] = {}
        if before is not None:
            where = self.given.get("where")
            more["where"] = f"({where}) and id >= {before.next_id}" if where else f"id >= {before.next_id}"
        line, answer = self.ask(_MOST_SEEN, more)
        seen = before.seen if before else ()
        known = set(seen)
        found = [hit for hit in answer.hits if _content(hit) not in known]
        shown = found[:k]
        is_cut = before is not None and len(found) > k  # the rest of what is new waits for the next look
        noted = shown if is_cut else found
        last = LastLook(
            before.next_id if before is not None and is_cut else next_id,
            now(),
            (*seen, *dict.fromkeys(_content(hit) for hit in reversed(noted)))[-_MOST_SEEN:],
        )
        hits = Hits(replace(hit, rank=rank) for rank, hit in enumerate(shown, 1))
        answer = replace(answer, hits=hits, level=hits[0].level if hits else "nothing")
        return Looked(line, answer, len(found) - k if is_cut else 0, last)


def _content(hit: Hit) -> str:
    """What tells the content of a hit's file from others: its hash, else its path."""
    return hit.content_hash.hex() or hit.path
