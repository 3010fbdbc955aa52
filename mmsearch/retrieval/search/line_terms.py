"""The terms of a query line, which can be kept, and the line as it is read on a day in a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsearch.errors import UsageError
from mmsearch.hits import Answer
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.search.query import (
    MarkValue,
    Query,
    Term,
    describe_mark,
    describe_value,
    describe_weight,
    mark_from_json,
    value_from_json,
    value_to_json,
)
from mmsearch.retrieval.search.read_terms import read_terms
from mmsearch.retrieval.search.reading.reading import Reading

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch.retrieval.search.reading.known import KnownNames


@dataclass(frozen=True, slots=True)
class QueryLine:
    """A command line read as a query.

    Attributes:
        query: what it asks.
        notices: how it was read, where that is not obvious.
        reading: what its words were understood as; None where they are taken literally, or there are none.
    """

    query: Query
    notices: tuple[Notice, ...] = ()
    reading: Reading | None = None

    @property
    def phrases(self) -> tuple[str, ...]:
        """Words in double quotes, which must stand in a hit to the letter."""
        return self.reading.phrases if self.reading else ()

    @property
    def options(self) -> dict[str, Any]:
        """What the words ask for besides the query, as keywords of `Collection.search`: kinds, dates, places."""
        return self.reading.options if self.reading else {}

    def options_with(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`options` with those that were given besides, which go first.

        Args:
            given: keywords of `Collection.search`; those that are None or empty were not given.
        """
        kept = {name: value for name, value in given.items() if value is not None}
        return {**kept, **{name: value for name, value in self.options.items() if not kept.get(name)}}

    def explain(self, answer: Answer) -> Answer:
        """The answer with what the reading of its words has to say of it, see `Reading.explain`.

        Args:
            answer: to the query, with its options.
        """
        return self.reading.explain(answer) if self.reading else answer


@dataclass(frozen=True, slots=True)
class LineTerms:
    """The terms of a query line, before its words are read further: ``last week`` is not a date yet.

    Attributes:
        terms: what is looked for.
        is_read: for each, whether its words are read further.
        minus: terms that push away.
        like: rows by their ids, files or moments that are liked.
        unlike: the same, that are not.
        notices: how the arguments were read, where that is not obvious.
    """

    terms: tuple[Term, ...] = ()
    is_read: tuple[bool, ...] = ()
    minus: tuple[Term, ...] = ()
    like: tuple[MarkValue, ...] = ()
    unlike: tuple[MarkValue, ...] = ()
    notices: tuple[Notice, ...] = ()

    def read(self, *, known: KnownNames | None = None, today: dt.date | None = None) -> QueryLine:
        """Read the words further, see `read_query`, and make a query of it all.

        Args:
            known: the names that the collection knows, see `Collection.names`.
            today: the day that ``yesterday`` is counted from; default that of this machine's clock.

        Raises:
            UsageError: nothing is asked.
        """
        towards, reading = list(self.terms), None
        if any(self.is_read):
            like = [describe_value(mark) if not isinstance(mark, int) else str(mark) for mark in self.like]
            towards, reading = read_terms(self.terms, self.is_read, like=like, known=known, today=today)
        notices = [*self.notices, *(reading.notices if reading else ())]
        query = Query(
            *towards,
            minus=[*(reading.minus if reading else ()), *self.minus],
            like=self.like,
            unlike=self.unlike,
            phrases=reading.phrases if reading else (),
        )
        if query.marks or self.minus or len(towards) > 1 or query.terms[0].weight != 1:
            notices.insert(0, Notice(NoticeKind.QUERY_READ_AS, {"terms": _spell_out(query)}))
        if reading is not None and not reading.is_plain:
            notices.insert(0, Notice(NoticeKind.LINE_READ_AS, {"reading": reading.describe()}))
        return QueryLine(query, tuple(notices), reading)

    def __add__(self, other: LineTerms) -> LineTerms:
        """The terms of both."""
        return LineTerms(
            self.terms + other.terms,
            self.is_read + other.is_read,
            self.minus + other.minus,
            self.like + other.like,
            self.unlike + other.unlike,
            self.notices + other.notices,
        )

    def describe(self) -> str:
        """The terms and marks for people: ``"beach" + file:sea.jpg^2 - "people"; liked row 12``."""
        return _spell_out(Query(*self.terms, minus=self.minus, like=self.like, unlike=self.unlike))

    def to_json(self) -> dict[str, Any]:
        """The terms as a JSON object, files by absolute paths, without the notices.

        Raises:
            UsageError: a term is a picture, a vector or bytes, which cannot be kept.
        """
        terms = [
            {**_kept(term.value), "weight": term.weight, "is_read": is_read}
            for term, is_read in zip(self.terms, self.is_read, strict=True)
        ]
        return {
            "terms": terms,
            "minus": [{**_kept(term.value), "weight": term.weight} for term in self.minus],
            "like": [_kept(mark) for mark in self.like],
            "unlike": [_kept(mark) for mark in self.unlike],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LineTerms:
        """The inverse of `to_json`."""
        return cls(
            tuple(_term(term) for term in data["terms"]),
            tuple(bool(term["is_read"]) for term in data["terms"]),
            tuple(_term(term) for term in data["minus"]),
            tuple(mark_from_json(mark) for mark in data["like"]),
            tuple(mark_from_json(mark) for mark in data["unlike"]),
        )


def _kept(value: Any) -> dict[str, Any]:
    data = value_to_json(value)
    if data is None:
        raise UsageError("only words, files, moments of files and stored rows can be kept, no pictures and vectors")
    return data


def _term(data: Mapping[str, Any]) -> Term:
    return Term(value_from_json(data), float(data["weight"]))


def _spell_out(query: Query) -> str:
    """The terms of a query with the signs between them, words in quotes: ``"beach" + file:sea.jpg^2 - "people"``; then
    the marks: ``; liked row 12``."""
    spelled = ""
    for term in query.terms:
        value = f'"{term.value}"' if isinstance(term.value, str) else describe_value(term.value)
        spelled += (" - " if term.weight < 0 else " + " if spelled else "") + value + describe_weight(term)
    parts = [spelled] if spelled else []
    for word, marks in (("liked", query.like), ("not liked", query.unlike)):
        if marks:
            parts.append(f"{word} {', '.join(map(describe_mark, marks))}")
    return "; ".join(parts)
