"""The words among the terms of a query, read for what they ask for besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mmsearch.retrieval.search.query import Term, describe_value
from mmsearch.retrieval.search.reading.read import read_query
from mmsearch.retrieval.search.reading.reading import Reading, joined

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch.retrieval.search.reading.known import KnownNames


def read_terms(
    terms: Sequence[Term],
    may_be_read: Sequence[bool],
    *,
    like: Sequence[str] = (),
    known: KnownNames | None = None,
    today: dt.date | None = None,
) -> tuple[list[Term], Reading | None]:
    """Terms with the words that their readings leave, and the readings as one; None if there are no words.

    A term of filters alone is left out. If nothing else is asked, one takes its place that says what is of the right
    kind.

    Args:
        terms: of a query, without those that push away.
        may_be_read: for each, False if it is to be taken literally. Terms with weights are, too.
        like: what else is asked by.
        known: see `read_query`.
        today: see `read_query`.
    """
    readings = [
        read_query(term.value, known=known, today=today)
        if may and isinstance(term.value, str) and term.weight == 1
        else None
        for term, may in zip(terms, may_be_read, strict=True)
    ]
    if not any(readings):
        return list(terms), None
    reading = joined([one for one in readings if one is not None])
    left = [
        term if own is None else Term(own.words)
        for term, own in zip(terms, readings, strict=True)
        if own is None or own.words
    ]
    if reading.is_only_filters:
        others = [*(describe_value(term.value) for term in left), *like]
        reading = replace(reading, words=" + ".join(others))
    return left or ([] if like else [Term(reading.text)]), reading
