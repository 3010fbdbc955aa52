"""Moments of one film: what its picture, its sound and its subtitles say of a time is put together."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.hits import Hit
from mmsearch.retrieval.search.candidates import joined_odds
from mmsearch.retrieval.search.found_rows import Found, FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.moments import (
    SAME_COSINE,
    Moments,
    TimedRows,
    clock_file,
    moments_of,
    without_repeats,
)
from mmsearch.retrieval.search.ranking import rank
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.types import Modality

FRAME, SOUND, SUBTITLE, SPEECH = "frame", "sound", "subtitle", "speech"
MODALITY: dict[str, Modality] = {FRAME: "video", SOUND: "audio", SUBTITLE: "text", SPEECH: "text"}
numbers = itertools.count()


class Seen(NamedTuple):
    """A row as a search finds it."""

    row: Row
    match: float


class Moment(NamedTuple):
    """A moment, with the rows themselves."""

    at: Seen
    evidence: tuple[Seen, ...]
    match: float


def row(start: float, end: float, match: float, kind: str = FRAME, *, path: str = "/film.mp4") -> Seen:
    """A row of a film from ``start`` to ``end`` seconds, as a search finds it."""
    facts = dict.fromkeys(FACT_NAMES)
    facts |= {"path": os.fsencode(path), "modality": MODALITY[kind], "size": 1, "mtime_ns": 1}
    facts |= {"span_start": start, "span_end": end, "span_unit": "s", "mms_evidence": kind}
    facts |= {"passage": f"words at {start}" if kind == SUBTITLE else None}
    return Seen(Row(next(numbers), facts), match)


def found_moments(rows: Sequence[Seen], **options) -> Moments:
    """The moments of one film, by the numbers of its rows."""
    matches = np.array([seen.match for seen in rows])
    return moments_of(TimedRows([seen.row for seen in rows], np.zeros(len(rows), np.intp), matches), **options)


def moments_in(rows: Sequence[Seen], **options) -> list[Moment]:
    """The moments of one film."""
    found = found_moments(rows, **options)
    return [
        Moment(rows[at], tuple(rows[one] for one in evidence), match)
        for at, evidence, match in zip(found.at, found.evidence, found.matches, strict=True)
    ]


def kept_moments(rows: Sequence[Seen], similarity) -> list[tuple[float, float]]:
    """The spans of the moments of one film without those that repeat another."""
    found = found_moments(rows)
    kept = without_repeats(found, [seen.row for seen in rows], similarity)
    return [(rows[found.at[number]].row.start, rows[found.at[number]].row.end) for number in kept]


def hits_of(rows: Sequence[Seen], **options) -> list[Hit]:
    """The hits that rows make; the score of each is a tenth of its match."""
    match = np.array([seen.match for seen in rows])
    part = Found([seen.row for seen in rows], match / 10, match, np.full(len(rows), np.nan), match)
    return rank([FoundRows([part])], 10, **options)[0]


def spans(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    return [(moment.at.row.start, moment.at.row.end) for moment in moments]


def nothing_alike(one: Row, other: Row) -> float:
    return 0.0


# --- matches of several kinds ----------------------------------------------------------------------------------

matches = st.lists(st.floats(-40, 40), min_size=1, max_size=6)


@given(st.floats(-1e6, 1e6))
def test_one_match_stands_for_itself(match):
    assert joined_odds([match]) == match


@given(matches)
def test_several_matches_lie_above_the_greatest_by_at_most_the_logarithm_of_their_number(found):
    together = joined_odds(found)
    assert max(found) <= together <= max(found) + math.log(len(found)) + 1e-9


@given(matches, st.randoms())
def test_the_order_of_matches_does_not_matter(found, random):
    shuffled = random.sample(found, len(found))
    assert joined_odds(shuffled) == pytest.approx(joined_odds(found), abs=1e-9)


@given(matches, st.floats(0.1, 5))
def test_a_better_match_of_any_kind_makes_the_whole_better(found, more):
    assert joined_odds([found[0] + more, *found[1:]]) >= joined_odds(found)


# --- which rows are moments ------------------------------------------------------------------------------------


def test_a_row_is_timed_in_seconds_and_a_moment_up_to_ten():
    facts = dict.fromkeys(FACT_NAMES) | {"path": b"/notes.txt", "modality": "text"}
    passage = Row(1, facts | {"span_start": 0, "span_end": 40, "span_unit": "char"})
    assert [one.is_timed for one in (passage, Row(2, facts), row(0, 40, 0).row)] == [False, False, True]
    assert [row(5, end, 0).row.is_moment for end in (5, 14.9, 15, 15.1)] == [True, True, True, False]


# --- moments of a film -----------------------------------------------------------------------------------------


def test_the_moments_of_a_film_are_its_shots_the_best_first():
    moments = moments_in([row(0, 3, 1.0), row(3, 6, 4.0), row(6, 9, 2.0)])
    assert spans(moments) == [(3, 6), (6, 9), (0, 3)]
    assert [moment.match for moment in moments] == [4.0, 2.0, 1.0]


def test_a_film_of_one_shot_is_one_moment():
    (moment,) = moments_in([row(0, 4, 2.5)])
    assert (spans([moment]), moment.match) == ([(0, 4)], 2.5)


def test_a_whole_film_lends_its_match_to_the_moments_in_it_and_is_none_itself():
    moments = moments_in([row(0, 60, 5.0), row(10, 20, 2.0), row(40, 50, 3.0)])
    assert spans(moments) == [(40, 50), (10, 20)]  # by what they match themselves, where the film lends the same
    assert [moment.match for moment in moments] == [5.0, 5.0]


def test_also_a_film_shorter_than_a_moment_may_be_is_told_by_its_shots():
    moments = moments_in([row(0, 9, 5.0), row(0, 3, 1.0), row(3, 9, 2.0)])
    assert spans(moments) == [(3, 9), (0, 3)]


def test_a_long_shot_lends_its_match_only_to_what_lies_in_it():
    inside, outside = row(0, 10, 1.0), row(25, 30, 2.0)
    moments = {moment.at.row.id: moment.match for moment in moments_in([row(0, 20, 6.0), inside, outside])}
    assert moments == {inside.row.id: 6.0, outside.row.id: 2.0}


def test_picture_sound_and_subtitle_of_one_time_meet():
    frame, sound, words = row(3, 6, 2.0), row(0, 10, 3.0, SOUND), row(4, 5, 2.5, SUBTITLE)
    elsewhere = row(20, 24, 1.0)
    rows = [frame, sound, words, elsewhere]
    best = moments_in(rows)[0]
    assert best.evidence == (sound, words, frame)
    assert best.match == pytest.approx(joined_odds([3.0, 2.5, 2.0]))
    (hit,) = hits_of(rows)
    assert (hit.evidence, hit.text) == ((SOUND, SUBTITLE, FRAME), "words at 4")
    assert (hit.id, hit.score, hit.match) == (sound.row.id, 0.3, pytest.approx(best.match))


def test_what_does_not_stand_out_is_no_evidence():
    (best, *_) = moments_in([row(0, 5, 4.0), row(0, 10, 0.2, SOUND)])
    assert best.evidence[0].row.evidence == FRAME
    assert len(best.evidence) == 1
    assert best.match == 4.0


def test_what_meets_nowhere_is_not_put_together():
    moments = moments_in([row(0, 5, 3.0), row(5, 10, 3.0, SUBTITLE)])
    assert [moment.match for moment in moments] == [3.0, 3.0]


@pytest.mark.parametrize("words_match", [-1.0, 0.5])
def test_a_row_that_says_nothing_itself_is_no_moment_of_what_another_kind_shows(words_match):
    """A subtitle that has nothing to do with a query for pictures is not listed with the match of the whole film."""
    rows = [row(0, 9, 3.0), row(0, 4, 2.0), row(4, 9, 1.5), row(5, 9, words_match, SUBTITLE)]
    assert spans(moments_in(rows)) == [(0, 4), (4, 9)]


@pytest.mark.parametrize("match", [-3.0, 0.0, 5.0])
def test_every_film_of_which_anything_was_found_has_a_moment(match):
    for kind in (FRAME, SOUND, SUBTITLE):
        assert len(moments_in([row(2, 6, match, kind)])) == 1


def test_words_that_stand_longer_than_a_moment_are_found_all_the_same():
    (moment,) = moments_in([row(2, 17, 3.0, SUBTITLE)])
    assert moment.match == 3.0


def test_a_subtitle_of_no_length_is_a_moment():
    frame, words = row(3, 6, 2.5), row(4, 4, 3.0, SUBTITLE)
    best = moments_in([frame, words])[0]
    assert best.match == pytest.approx(joined_odds([3.0, 2.5]))


def test_a_moment_alone_has_the_score_of_its_own_row():
    film, shot = row(0, 60, 5.0), row(10, 20, 2.0)
    (hit,) = hits_of([film, shot], similarity=nothing_alike)
    assert (hit.id, hit.score) == (shot.row.id, 0.2)
    assert hits_of([film, shot])[0].id == film.row.id


# --- on arrays as row by row -----------------------------------------------------------------------------------


def moments_row_by_row(rows: Sequence[Seen]) -> list[Moment]:
    """What `moments_of` makes of the rows of one film, by comparing each row with each."""

    def length(seen: Seen) -> float:
        return max(seen.row.end - seen.row.start, 1e-3)

    def overlap(one: Seen, other: Seen) -> float:
        shared = min(one.row.end, other.row.end) - max(one.row.start, other.row.start)
        return 5e-4 if shared == 0 and min(length(one), length(other)) == 1e-3 else shared

    def contains(one: Seen, other: Seen) -> bool:
        if one.row.evidence != other.row.evidence or length(one) <= length(other):
            return False
        return overlap(one, other) >= length(other) - 1e-3

    short = [seen for seen in rows if seen.row.is_moment or seen.row.modality == "text"]
    moments, strong = [], []
    for at in (seen for seen in short if not any(contains(seen, other) for other in short)):
        best: dict[str, Seen] = {}
        for seen in rows:
            kind = seen.row.evidence
            if overlap(at, seen) > 0 and (kind not in best or seen.match > best[kind].match):
                best[kind] = seen
        ordered = sorted(best.values(), key=lambda seen: (-seen.match, seen.row.id))
        evidence = [ordered[0], *(seen for seen in ordered[1:] if seen.match >= 2.0)]
        moments.append(Moment(at, tuple(evidence), joined_odds([seen.match for seen in evidence])))
        if best[at.row.evidence].match >= min(2.0, ordered[0].match - 1.0):
            strong.append(moments[-1])

    def best_first(moment: Moment) -> tuple[float, bool, float, int]:
        borrowed = moment.at.row.evidence != moment.evidence[0].row.evidence
        return -moment.match, borrowed, -moment.at.match, moment.at.row.id

    return sorted(strong or moments, key=best_first)


timed_rows = st.lists(
    st.tuples(
        st.integers(0, 30), st.integers(0, 25), st.integers(-3, 5), st.sampled_from((FRAME, SOUND, SUBTITLE, SPEECH))
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(timed_rows, min_size=1, max_size=4))
def test_moments_of_many_films_at_once_are_those_of_each_row_by_row(films):
    made = [[row(start, start + long, match / 2, kind) for start, long, match, kind in film] for film in films]
    rows = [seen for film in made for seen in film]
    files = np.repeat(np.arange(len(made)), list(map(len, made)))
    matches = np.array([seen.match for seen in rows])
    timed = TimedRows([seen.row for seen in rows], files, matches)
    found, best = moments_of(timed), moments_of(timed, best_only=True)
    for number, film in enumerate(made):
        expected = moments_row_by_row(film)
        own = [place for place, file in enumerate(found.files) if file == number]
        assert [rows[found.at[place]].row.id for place in own] == [moment.at.row.id for moment in expected]
        assert [found.matches[place] for place in own] == pytest.approx([moment.match for moment in expected])
        evidence = [[rows[one].row.id for one in found.evidence[place]] for place in own]
        assert evidence == [[seen.row.id for seen in moment.evidence] for moment in expected]
        (first,) = [place for place, file in enumerate(best.files) if file == number] if expected else [None]
        assert first is None or rows[best.at[first]] == expected[0].at


# --- moments that say the same ---------------------------------------------------------------------------------


def test_of_moments_that_overlap_by_half_the_better_is_kept():
    windows = [row(start, start + 10, 5 - abs(start - 10) / 5, SOUND) for start in (0, 5, 10, 15, 20)]
    assert kept_moments(windows, nothing_alike) == [(10, 20), (0, 10), (20, 30)]


def test_moments_that_overlap_by_less_than_half_are_both_kept():
    assert len(kept_moments([row(0, 10, 3.0), row(6, 16, 2.0)], nothing_alike)) == 2


def test_neighbours_that_show_the_same_are_listed_once():
    first, second, later = row(0, 10, 3.0), row(10, 20, 2.9), row(50, 60, 2.8)
    rows = [first, second, later]
    assert kept_moments(rows, lambda one, other: SAME_COSINE) == [(0, 10), (50, 60)]
    assert kept_moments(rows, lambda one, other: SAME_COSINE - 0.01) == [(0, 10), (10, 20), (50, 60)]


def test_neighbours_of_two_kinds_are_never_the_same():
    rows = [row(0, 5, 3.0), row(5, 10, 2.9, SUBTITLE)]
    assert len(kept_moments(rows, lambda one, other: 1.0)) == 2


# --- whose clock -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subtitles", "film"),
    [
        ("film.srt", "film.mp4"),
        ("film.vtt", "film.mkv"),
        ("film.en.srt", "film.mov"),
        ("film.pt-BR.vtt", "film.webm"),
        ("My.Holiday.2019.srt", "My.Holiday.2019.avi"),
        ("My.Holiday.2019.de.srt", "My.Holiday.2019.avi"),
        ("DSC_0001.srt", "DSC_0001.MP4"),
        ("DSC_0001.SRT", "DSC_0001.MOV"),
        ("film.srt", "film.ogv"),
    ],
)
def test_subtitles_are_on_the_clock_of_the_film_beside_them(tmp_path, subtitles, film):
    (tmp_path / film).touch()
    assert clock_file(str(tmp_path / subtitles)) == str(tmp_path / film)


@pytest.mark.parametrize("path", ["lone.srt", "lone.en.srt", "film.mp4", "sound.wav", "notes.txt", ".srt"])
def test_any_other_file_has_a_clock_of_its_own(tmp_path, path):
    (tmp_path / "other.mp4").touch()
    Path(tmp_path, "notes.mp4").touch()
    assert clock_file(str(tmp_path / path)) == str(tmp_path / path)


def test_a_film_and_its_subtitles_in_two_languages_are_one_file(tmp_path):
    (tmp_path / "film.mp4").touch()
    owners = {clock_file(str(tmp_path / name)) for name in ("film.mp4", "film.srt", "film.en.srt", "film.de.vtt")}
    assert owners == {str(tmp_path / "film.mp4")}
