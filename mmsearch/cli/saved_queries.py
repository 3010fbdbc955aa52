"""Saved searches in ``mmsearch query``: ``@NAME``, ``--new``, ``--watch``."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch import Answer, Hint, HintKind, LineTerms, MMSearchError, NoSuchSearchError, QueryLine, library
from mmsearch.cli.lines import check_unicode
from mmsearch.cli.output import say
from mmsearch.cli.search_options import Asked
from mmsearch.cli.stopping import until_stopped
from mmsearch.cli.watch import Watcher, reading_shown
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch.cli.answerer import Answerer
    from mmsearch.cli.query import Output
    from mmsearch.library import Looked, SavedSearch


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A look at a saved search that is to be noted, if it was one at what is new, once its hits are printed."""

    search: SavedSearch
    looked: Looked

    @property
    def line(self) -> QueryLine:
        """The search as it was read."""
        return self.looked.line

    @property
    def answer(self) -> Answer:
        """To the search."""
        return self.looked.answer

    def note(self, output: Output) -> None:
        """Note what was seen, and say how much more there is."""
        sys.stdout.flush()
        if self.looked.more and not output.quiet:
            say(f"{counted(self.looked.more, 'more new hit')}: run this again, or give a larger -k")
        if self.looked.last is not None:
            library.note_look(self.search, self.looked)


def first_look(
    opened: Answerer,
    home: Path,
    terms: Sequence[str],
    asked: Asked,
    watch: Watcher,
    output: Output,
    *,
    new: bool,
) -> FirstLook:
    """Ask the saved search that a query begins with, and the terms after it.

    Raises:
        MMSearchError: what `library.look` raises.
    """
    search, more = _read(home, terms, asked)
    if new and (before := search.looks.get("query")):
        output.none = f"nothing new since {dt.datetime.fromisoformat(before.at).astimezone():%Y-%m-%d %H:%M}"
    looked = library.look(opened, search, new=new, more_terms=more, k=asked.k, options=asked.options, watch=watch)
    return FirstLook(search, looked)


@dataclass(frozen=True, slots=True)
class NamedLine:
    """A line of standard input that begins with the name of a saved search."""

    search: SavedSearch
    more: LineTerms
    asked: Asked

    def ask(self, opened: Answerer, watch: Watcher) -> tuple[QueryLine, Answer] | MMSearchError:
        """The search as it was read and the answer to it, or why there is none."""
        asked = self.asked
        try:
            looked = library.look(
                opened, self.search, more_terms=self.more, k=asked.k, options=asked.options, watch=watch
            )
        except MMSearchError as error:
            return error
        return looked.line, looked.answer


def named_line(home: Path, words: str, asked: Asked) -> NamedLine:
    """Read a line that begins with the name of a saved search. What follows it is one TERM.

    Raises:
        MMSearchError: there is no such search, it is damaged, or what follows is wrong.
    """
    name, *rest = words.split(maxsplit=1)
    try:
        search = library.saved_search(home, name)
    except NoSuchSearchError as error:
        raise NoSuchSearchError(f"{error}; text:{name} takes it literally") from None
    more = asked.read(rest)
    check_unicode(more.terms)
    return NamedLine(search, more, asked)


def follow(opened: Answerer, home: Path, terms: Sequence[str], asked: Asked, output: Output, *, new: bool) -> None:
    """Print the hits of a query, saved or not, and new ones as they come, until Ctrl-C."""
    if asked.is_name(terms):
        search, more = _read(home, terms, asked)
    else:
        search, more = library.SavedSearch(root=home, terms=asked.read(terms), k=asked.wanted), None
    with until_stopped() as stop, reading_shown(output.is_silent) as watch:
        first = True
        for looked in library.follow(
            opened, search, more_terms=more, k=asked.k, options=asked.options, stop=stop, watch=watch
        ):
            if first:
                output.say_notices((*looked.line.notices, *looked.answer.notices))
            heading = "" if first else f"{time.strftime('%H:%M:%S')} {counted(len(looked.answer.hits), 'new hit')}"
            if not (first and new):
                output.show(looked.answer, reading=looked.line.reading, heading=heading)
            sys.stdout.flush()
            first = False


def _read(home: Path, terms: Sequence[str], asked: Asked) -> tuple[SavedSearch, LineTerms]:
    """The saved search that a query begins with, and what else it asks."""
    try:
        search = library.saved_search(home, terms[0])
    except NoSuchSearchError as error:
        raise NoSuchSearchError(str(error), hint=Hint(HintKind.TAKE_AS_WORDS, terms[0])) from None
    return search, asked.read(terms[1:])
