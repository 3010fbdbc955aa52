"""From rows to ranked hits: films and sounds once each, everything else as it is."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from mmsearch.hits import Hit
from mmsearch.retrieval.search.found_rows import Found, FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.ranking import rank
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.types import Modality

EVIDENCE: dict[str, tuple[Modality, int | None]] = {
    "picture": ("image", 640),
    "text": ("text", None),
    "frame": ("video", 640),
    "sound": ("audio", None),
    "sound of a film": ("audio", 640),
    "subtitle": ("text", None),
    "subtitle in a film": ("text", 640),
}
numbers = itertools.count()


class Seen(NamedTuple):
    """A row as a search finds it."""

    row: Row
    score: float
    match: float


def found(path: str, kind: str, match: float, span: tuple[float, float] | None = None) -> Seen:
    """A row as a search finds it; its score is a tenth of its match."""
    modality, width = EVIDENCE[kind]
    facts = dict.fromkeys(FACT_NAMES)
    facts |= {"path": os.fsencode(path), "modality": modality, "width": width, "size": 1, "mtime_ns": 1}
    facts |= {"passage": path if modality == "text" else None, "mms_evidence": kind.split(" ")[0]}
    facts |= {"mms_evidence": None} if kind == "picture" else {}
    facts |= {"span_start": span[0], "span_end": span[1], "span_unit": "s"} if span else {}
    return Seen(Row(next(numbers), facts), match / 10, match)


def ranked(rows, k, answers=None, *, judged=None, **options) -> list[Hit]:
    """Rank rows whose log-odds are the match that they were given. ``answers``: log-odds by path, which give levels;
    ``judged``: both log-odds of each row."""
    odds = judged or [((answers or {}).get(seen.row.path), seen.match) for seen in rows]
    columns = [[seen.score for seen in rows], [seen.match for seen in rows]]
    columns += [[math.nan if answer is None else answer for answer, _ in odds], [match for _, match in odds]]
    part = Found([seen.row for seen in rows], *(np.array(column, np.float64) for column in columns))
    (hits,) = rank([FoundRows([part])], k, **options)
    return hits


def told(hits) -> list[tuple[str, Modality]]:
    return [(hit.path, hit.modality) for hit in hits]


def alike(one: Row, other: Row) -> float:
    return 0.0


def test_each_film_is_listed_once_at_its_best_moment():
    rows = [
        found("/a.mp4", "frame", 3.0, (0, 5)),
        found("/a.mp4", "frame", 4.0, (5, 10)),
        found("/b.mp4", "frame", 3.5, (2, 4)),
    ]
    hits = ranked(rows, 10)
    assert told(hits) == [("/a.mp4", "video"), ("/b.mp4", "video")]
    assert [(hit.span.start, hit.span.end) for hit in hits] == [(5, 10), (2, 4)]
    assert [hit.rank for hit in hits] == [1, 2]


def test_all_spans_lists_each_moment_by_itself():
    rows = [found("/a.mp4", "frame", match, (5 * i, 5 * i + 5)) for i, match in enumerate((3.0, 4.0, 2.0))]
    hits = ranked([*rows, found("/b.mp4", "frame", 3.5, (2, 4))], 10, similarity=alike)
    assert [(hit.path, hit.span.start) for hit in hits] == [("/a.mp4", 5), ("/b.mp4", 2), ("/a.mp4", 0), ("/a.mp4", 10)]
    assert [hit.score for hit in hits] == pytest.approx([0.4, 0.35, 0.3, 0.2])


def test_pictures_texts_and_films_are_merged_by_match():
    rows = [
        found("/1.png", "picture", 2.0),
        found("/a.mp4", "frame", 3.0, (0, 5)),
        found("/n.txt", "text", 2.5),
        found("/s.wav", "sound", 1.0, (0, 10)),
    ]
    expected = [("/a.mp4", "video"), ("/n.txt", "text"), ("/1.png", "image"), ("/s.wav", "audio")]
    assert told(ranked(rows, 10)) == expected
    assert told(ranked(rows, 2)) == expected[:2]


def test_a_copy_of_the_query_stands_before_all_that_match_better():
    copy = found("/copy.png", "picture", 2.0)._replace(score=0.9998)
    like = found("/like.png", "picture", 2.5)._replace(score=0.99)
    rows = [found("/n.txt", "text", 4.0), like, copy]
    assert told(ranked(rows, 10)) == [("/copy.png", "image"), ("/n.txt", "text"), ("/like.png", "image")]


def test_evidence_that_meets_lifts_a_film_above_one_with_a_single_better_match():
    rows = [
        found("/one.mp4", "frame", 3.2, (0, 5)),
        found("/both.mp4", "frame", 3.0, (0, 5)),
        found("/both.mp4", "sound of a film", 2.9, (0, 10)),
    ]
    best, other = ranked(rows, 10)
    assert (best.path, best.evidence) == ("/both.mp4", ("frame", "sound"))
    assert (other.path, other.evidence) == ("/one.mp4", ("frame",))


@pytest.mark.parametrize(
    ("kind", "modality"),
    [("frame", "video"), ("sound of a film", "video"), ("subtitle in a film", "video"), ("sound", "audio")],
)
def test_a_file_is_a_film_if_anything_of_it_was_seen(kind, modality):
    assert ranked([found("/file", kind, 1.0, (0, 5))], 1)[0].modality == modality


def test_subtitles_beside_a_film_show_the_film(tmp_path):
    film, words = tmp_path / "film.mp4", tmp_path / "film.en.srt"
    film.touch()
    (hit,) = ranked([found(str(words), "subtitle", 2.0, (4, 6))], 5)
    assert (hit.path, hit.modality, hit.evidence) == (str(film), "video", ("subtitle",))
    assert (hit.text, hit.span.start, hit.state) == (str(words), 4, "current")


def test_subtitles_without_a_film_are_a_timed_text(tmp_path):
    (hit,) = ranked([found(str(tmp_path / "lone.srt"), "subtitle", 2.0, (4, 6))], 5)
    assert (Path(hit.path).name, hit.modality, hit.evidence) == ("lone.srt", "text", ("subtitle",))


def test_what_was_asked_for_decides_which_files_answer(tmp_path):
    (tmp_path / "film.mp4").touch()
    rows = [
        found("/a.mp4", "frame", 5.0, (0, 5)),
        found("/b.mp4", "sound of a film", 4.0, (0, 10)),
        found("/c.wav", "sound", 3.0, (0, 10)),
        found(str(tmp_path / "film.srt"), "subtitle", 2.0, (0, 5)),
        found(str(tmp_path / "lone.srt"), "subtitle", 1.0, (0, 5)),
    ]

    def names(*to: Modality) -> list[str]:
        rows_of = [row for row in rows if row.row.modality in to or "video" in to]
        return [Path(hit.path).name for hit in ranked(rows_of, 10, to=to)]

    assert names("video") == ["a.mp4", "b.mp4", "film.mp4"]
    assert names("audio") == ["b.mp4", "c.wav"]
    assert names("text") == ["film.mp4", "lone.srt"]
    assert names("audio", "video") == ["a.mp4", "b.mp4", "c.wav", "film.mp4"]


def test_one_kind_of_evidence_is_ranked_by_score():
    rows = [found("/1.png", "picture", 2.0), found("/2.png", "picture", 3.0)]
    assert [hit.path for hit in ranked(rows, 5)] == ["/2.png", "/1.png"]


def test_ties_are_broken_the_same_way_whatever_the_order():
    rows = [found(f"/{i}.png", "picture", 1.0) for i in range(4)]
    rows += [found(f"/{i}.mp4", "frame", 1.0, (0, 5)) for i in range(4)]
    expected = [hit.path for hit in ranked(rows, 8)]
    assert [hit.path for hit in ranked(rows[::-1], 8)] == expected


def test_nothing_found_is_no_hit():
    assert ranked([], 10) == []
    assert ranked([], 10, similarity=alike) == []


def test_a_film_of_thousands_of_rows_is_gathered_at_once():
    """Only the best rows of each kind are looked at: the work must not grow with the square of a film's length."""
    rows = [found("/long.mp4", "frame", 3 - i / 1000, (2 * i, 2 * i + 2)) for i in range(4000)]
    (hit,) = ranked(rows, 10)
    assert hit.span.start == 0


def test_lists_of_several_kinds_are_ordered_by_level_and_then_by_match():
    rows = [
        found("/note.txt", "text", 3.0),
        found("/dog.jpg", "picture", 2.0),
        found("/bark.wav", "sound", 1.0),
        found("/cat.jpg", "picture", 4.0),
    ]
    answers = {"/note.txt": 1.0, "/dog.jpg": 3.0, "/bark.wav": 3.0, "/cat.jpg": -5.0}
    hits = ranked(rows, 10, answers)
    assert [(hit.path, hit.level) for hit in hits] == [
        ("/dog.jpg", "strong"),
        ("/bark.wav", "strong"),
        ("/note.txt", "likely"),
        ("/cat.jpg", "nothing"),
    ]
    assert [hit.path for hit in ranked(rows, 10, answers, min_level="likely")] == ["/dog.jpg", "/bark.wav", "/note.txt"]


def test_where_one_kind_has_no_level_the_match_alone_orders():
    rows = [found("/note.txt", "text", 3.0), found("/dog.jpg", "picture", 2.0)]
    hits = ranked(rows, 10, {"/note.txt": None, "/dog.jpg": 3.0})
    assert [(hit.path, hit.level) for hit in hits] == [("/note.txt", None), ("/dog.jpg", "strong")]
    assert [hit.path for hit in ranked(rows, 10, {"/note.txt": None, "/dog.jpg": 3.0}, min_level="weak")] == [
        "/dog.jpg"
    ]


def test_a_film_has_the_best_level_of_its_evidence():
    rows = [found("/a.mp4", "frame", 3.0, (0, 5)), found("/a.mp4", "sound of a film", 2.5, (0, 5))]
    (hit,) = ranked(rows, 5, judged=[(-5.0, -6.0), (3.0, -1.0)])
    assert (hit.level, hit.evidence) == ("strong", ("frame", "sound"))
    assert hit.match == pytest.approx(math.log(math.exp(-6) + math.exp(-1)))
