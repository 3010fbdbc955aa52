"""Rows of one picture, page or moment are one hit, and what their words say is added to what their vectors say."""

from __future__ import annotations

import itertools
import os
from typing import NamedTuple

import numpy as np
import pytest

from mmsearch import Hit, Query, Span
from mmsearch.retrieval.search.found_rows import Found, FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.ranking import rank
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.retrieval.store.schema import FACT_NAMES

numbers = itertools.count(1)
PAGE = Span(2, 3, "page")


class Seen(NamedTuple):
    """A row as a search finds it."""

    row: Row
    match: float

    @property
    def id(self) -> int:
        return self.row.id


def row(path: str, kind: str, match: float, text: str | None = None, span: Span | None = None) -> Seen:
    modality = {"look": "image", "frame": "video", "sound": "audio"}.get(kind, "text")
    facts = dict.fromkeys(FACT_NAMES)
    facts |= {"path": os.fsencode(path), "modality": modality, "passage": text, "mms_evidence": kind}
    facts |= {"width": 640 if kind in ("look", "frame") else None, "size": 1, "mtime_ns": 1}
    facts |= {"span_start": span.start, "span_end": span.end, "span_unit": span.unit} if span else {}
    return Seen(Row(next(numbers), facts, [b"/p"]), match)


def ranked(query: str, rows: list[Seen], pieces: int = 1, *, count: int = 1, lexical: bool = False) -> list[Hit]:
    """Rows ranked for a query; each word is held by ``count`` of a thousand rows, and cut into so many pieces."""
    asked = WordsAsked.of(Query(query))
    asked = asked.weighted([count] * len(asked.wanted), 1000, lambda words: [pieces] * len(words))
    match = np.array([seen.match for seen in rows])
    (hits,) = rank(
        [FoundRows([Found([seen.row for seen in rows], match / 10, match, match, match)])],
        10,
        words=[asked],
        lexical=lexical,
    )
    return hits


def test_a_picture_and_what_is_written_in_it_are_one_hit():
    rows = [row("/p/a.jpg", "look", 1.0), row("/p/a.jpg", "ocr", 0.0, "Bakery Milmold"), row("/p/b.jpg", "look", 0.5)]
    first, second = ranked("Milmold", rows, pieces=3)
    assert (first.path, first.modality, first.text, first.id) == ("/p/a.jpg", "image", "Bakery Milmold", rows[0].id)
    assert set(first.evidence) == {"ocr", "look"}
    assert [first.text[words.start : words.end] for words in first.matched] == ["Milmold"]
    assert (second.path, second.evidence, second.matched) == ("/p/b.jpg", ("look",), ())


def test_where_only_its_text_was_found_the_hit_is_the_picture():
    (hit,) = ranked("Milmold", [row("/p/a.jpg", "ocr", -9.0, "Milmold")], pieces=3)
    assert (hit.modality, hit.evidence) == ("image", ("ocr",))


def test_passages_of_a_page_and_its_look_are_one_hit_and_other_pages_others():
    rows = [
        row("/p/a.pdf", "text", 0.0, "the first half", PAGE),
        row("/p/a.pdf", "text", -1.0, "about Milmold", PAGE),
        row("/p/a.pdf", "look", 0.5, None, PAGE),
        row("/p/a.pdf", "text", -0.5, "another page", Span(3, 4, "page")),
    ]
    first, second = ranked("Milmold", rows, pieces=3)
    assert (first.span, first.modality, first.text) == (PAGE, "text", "about Milmold")
    assert first.id == rows[1].id
    assert second.span == Span(3, 4, "page")


def test_words_of_a_query_may_stand_in_the_name_and_in_the_picture():
    both = [row("/p/Milmold/a.jpg", "look", 0.0), row("/p/Milmold/a.jpg", "ocr", -1.0, "invoice 4711")]
    one = [row("/p/b.jpg", "look", 0.2), row("/p/b.jpg", "ocr", -0.8, "invoice 4711")]
    first, second = ranked("Milmold 4711", [*one, *both], pieces=3)
    assert first.path == "/p/Milmold/a.jpg"
    assert {words.where for words in first.matched} == {"text", "name"}
    assert {"ocr", "name"} <= set(first.evidence)
    assert second.path == "/p/b.jpg"


@pytest.mark.parametrize(("pieces", "first"), [(1, "/p/a.jpg"), (3, "/p/zebra.jpg")])
def test_common_words_trust_the_look_and_rare_ones_the_letter(pieces, first):
    rows = [row("/p/a.jpg", "look", 2.0), row("/p/zebra.jpg", "look", -6.0)]
    assert ranked("zebra", rows, pieces, count=100)[0].path == first


def test_of_two_pictures_with_the_same_word_the_one_that_looks_like_it_is_first():
    rows = [row("/p/1/beach.jpg", "look", 0.0), row("/p/2/beach.jpg", "look", 2.0)]
    assert [hit.path for hit in ranked("beach", rows)] == ["/p/2/beach.jpg", "/p/1/beach.jpg"]


def test_what_is_said_in_a_film_is_its_moment():
    rows = [
        row("/p/a.mp4", "frame", 3.0, None, Span(0, 5, "s")),
        row("/p/a.mp4", "speech", -1.0, "we meet at Milmold", Span(20, 24, "s")),
    ]
    (hit,) = ranked("Milmold", rows, pieces=3)
    assert (hit.modality, hit.span, hit.text) == ("video", Span(20, 24, "s"), "we meet at Milmold")
    assert hit.evidence == ("speech",)


def test_what_is_said_in_a_sound_makes_a_sound():
    (hit,) = ranked("Milmold", [row("/p/a.mp3", "speech", 0.0, "Milmold", Span(2, 4, "s"))], pieces=3)
    assert hit.modality == "audio"


def test_lexical_search_lists_only_what_holds_words_the_most_surprising_first():
    rows = [
        row("/p/look.jpg", "look", 9.0),
        row("/p/a.txt", "text", 0.0, "red"),
        row("/p/b.txt", "text", -3.0, "red car"),
    ]
    assert [hit.path for hit in ranked("red car", rows, lexical=True)] == ["/p/b.txt", "/p/a.txt"]
