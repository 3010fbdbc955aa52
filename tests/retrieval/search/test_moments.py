"""Moments of one film: what its picture, its sound and its subtitles say of a time is put together."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.hits import Hit
from mmsearch.retrieval.search.moments import (
    SAME_COSINE,
    clock_file,
    drop_repeats,
    fuse_matches,
    is_moment,
    is_timed,
    moments_of,
)
from mmsearch.types import Modality, Span

FRAME, SOUND, SUBTITLE = "frame", "sound", "subtitle"
MODALITY: dict[str, Modality] = {FRAME: "video", SOUND: "audio", SUBTITLE: "text"}
numbers = itertools.count()


def row(start: float, end: float, match: float, kind: str = FRAME, *, path: str = "/film.mp4") -> Hit:
    """A row of a film from ``start`` to ``end`` seconds, as a search finds it."""
    words = f"words at {start}" if kind == SUBTITLE else None
    span = Span(start, end, "s")
    return Hit(
        rank=0,
        score=match / 10,
        match=match,
        path=path,
        modality=MODALITY[kind],
        id=next(numbers),
        span=span,
        text=words,
        evidence=(kind,),
        state="current",
    )


def spans(moments) -> list[tuple[float, float]]:
    return [(moment.at.span.start, moment.at.span.end) for moment in moments]


def nothing_alike(one: Hit, other: Hit) -> float:
    return 0.0


# --- matches of several kinds ----------------------------------------------------------------------------------

matches = st.lists(st.floats(-40, 40), min_size=1, max_size=6)


@given(st.floats(-1e6, 1e6))
def test_one_match_stands_for_itself(match):
    assert fuse_matches([match]) == match


@given(matches)
def test_several_matches_lie_above_the_greatest_by_at_most_the_logarithm_of_their_number(found):
    together = fuse_matches(found)
    assert max(found) <= together <= max(found) + math.log(len(found)) + 1e-9


@given(matches, st.randoms())
def test_the_order_of_matches_does_not_matter(found, random):
    shuffled = random.sample(found, len(found))
    assert fuse_matches(shuffled) == pytest.approx(fuse_matches(found), abs=1e-9)


@given(matches, st.floats(0.1, 5))
def test_a_better_match_of_any_kind_makes_the_whole_better(found, more):
    assert fuse_matches([found[0] + more, *found[1:]]) >= fuse_matches(found)


# --- which rows are moments ------------------------------------------------------------------------------------


def test_a_row_is_timed_in_seconds_and_a_moment_up_to_ten():
    shared = {"rank": 0, "score": 0, "match": 0, "id": 1, "state": "current"}
    passage = Hit(
        path="/notes.txt", modality="text", span=Span(0, 40, "char"), text="words", evidence=("text",), **shared
    )
    picture = Hit(path="/a.png", modality="image", evidence=("look",), **shared)
    assert [is_timed(hit) for hit in (passage, picture, row(0, 40, 0))] == [False, False, True]
    assert [is_moment(row(5, end, 0)) for end in (5, 14.9, 15, 15.1)] == [True, True, True, False]


# --- moments of a film -----------------------------------------------------------------------------------------


def test_the_moments_of_a_film_are_its_shots_the_best_first():
    moments = moments_of([row(0, 3, 1.0), row(3, 6, 4.0), row(6, 9, 2.0)])
    assert spans(moments) == [(3, 6), (6, 9), (0, 3)]
    assert [moment.match for moment in moments] == [4.0, 2.0, 1.0]


def test_a_film_of_one_shot_is_one_moment():
    (moment,) = moments_of([row(0, 4, 2.5)])
    assert (spans([moment]), moment.match) == ([(0, 4)], 2.5)


def test_a_whole_film_lends_its_match_to_the_moments_in_it_and_is_none_itself():
    moments = moments_of([row(0, 60, 5.0), row(10, 20, 2.0), row(40, 50, 3.0)])
    assert spans(moments) == [(40, 50), (10, 20)]  # by what they match themselves, where the film lends the same
    assert [moment.match for moment in moments] == [5.0, 5.0]


def test_also_a_film_shorter_than_a_moment_may_be_is_told_by_its_shots():
    moments = moments_of([row(0, 9, 5.0), row(0, 3, 1.0), row(3, 9, 2.0)])
    assert spans(moments) == [(3, 9), (0, 3)]


def test_a_long_shot_lends_its_match_only_to_what_lies_in_it():
    inside, outside = row(0, 10, 1.0), row(25, 30, 2.0)
    moments = {moment.at.id: moment.match for moment in moments_of([row(0, 20, 6.0), inside, outside])}
    assert moments == {inside.id: 6.0, outside.id: 2.0}


def test_picture_sound_and_subtitle_of_one_time_meet():
    frame, sound, words = row(3, 6, 2.0), row(0, 10, 3.0, SOUND), row(4, 5, 2.5, SUBTITLE)
    elsewhere = row(20, 24, 1.0)
    best = moments_of([frame, sound, words, elsewhere])[0]
    assert best.evidence == (sound, words, frame)
    assert best.match == pytest.approx(fuse_matches([3.0, 2.5, 2.0]))
    hit = best.as_hit("/film.mp4", "video", own_score=False)
    assert (hit.evidence, hit.text) == ((SOUND, SUBTITLE, FRAME), "words at 4")
    assert (hit.id, hit.score, hit.match) == (sound.id, sound.score, best.match)


def test_what_does_not_stand_out_is_no_evidence():
    (best, *_) = moments_of([row(0, 5, 4.0), row(0, 10, 0.2, SOUND)])
    assert best.evidence[0].evidence == (FRAME,)
    assert len(best.evidence) == 1
    assert best.match == 4.0


def test_what_meets_nowhere_is_not_put_together():
    moments = moments_of([row(0, 5, 3.0), row(5, 10, 3.0, SUBTITLE)])
    assert [moment.match for moment in moments] == [3.0, 3.0]


@pytest.mark.parametrize("words_match", [-1.0, 0.5])
def test_a_row_that_says_nothing_itself_is_no_moment_of_what_another_kind_shows(words_match):
    """A subtitle that has nothing to do with a query for pictures is not listed with the match of the whole film."""
    rows = [row(0, 9, 3.0), row(0, 4, 2.0), row(4, 9, 1.5), row(5, 9, words_match, SUBTITLE)]
    assert spans(moments_of(rows)) == [(0, 4), (4, 9)]


@pytest.mark.parametrize("match", [-3.0, 0.0, 5.0])
def test_every_film_of_which_anything_was_found_has_a_moment(match):
    for kind in (FRAME, SOUND, SUBTITLE):
        assert len(moments_of([row(2, 6, match, kind)])) == 1


def test_words_that_stand_longer_than_a_moment_are_found_all_the_same():
    (moment,) = moments_of([row(2, 17, 3.0, SUBTITLE)])
    assert moment.match == 3.0


def test_a_subtitle_of_no_length_is_a_moment():
    frame, words = row(3, 6, 2.5), row(4, 4, 3.0, SUBTITLE)
    best = moments_of([frame, words])[0]
    assert best.match == pytest.approx(fuse_matches([3.0, 2.5]))


def test_a_moment_alone_has_the_score_of_its_own_row():
    film, shot = row(0, 60, 5.0), row(10, 20, 2.0)
    (moment,) = moments_of([film, shot])
    hit = moment.as_hit("/film.mp4", "video", own_score=True)
    assert (hit.id, hit.score) == (shot.id, shot.score)
    assert moment.as_hit("/film.mp4", "video", own_score=False).id == film.id


# --- moments that say the same ---------------------------------------------------------------------------------


def test_of_moments_that_overlap_by_half_the_better_is_kept():
    windows = moments_of([row(start, start + 10, 5 - abs(start - 10) / 5, SOUND) for start in (0, 5, 10, 15, 20)])
    assert spans(drop_repeats(windows, nothing_alike)) == [(10, 20), (0, 10), (20, 30)]


def test_moments_that_overlap_by_less_than_half_are_both_kept():
    moments = moments_of([row(0, 10, 3.0), row(6, 16, 2.0)])
    assert len(drop_repeats(moments, nothing_alike)) == 2


def test_neighbours_that_show_the_same_are_listed_once():
    first, second, later = row(0, 10, 3.0), row(10, 20, 2.9), row(50, 60, 2.8)
    moments = moments_of([first, second, later])
    assert spans(drop_repeats(moments, lambda one, other: SAME_COSINE)) == [(0, 10), (50, 60)]
    assert spans(drop_repeats(moments, lambda one, other: SAME_COSINE - 0.01)) == [(0, 10), (10, 20), (50, 60)]


def test_neighbours_of_two_kinds_are_never_the_same():
    moments = moments_of([row(0, 5, 3.0), row(5, 10, 2.9, SUBTITLE)])
    assert len(drop_repeats(moments, lambda one, other: 1.0)) == 2


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
