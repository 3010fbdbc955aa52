"""Subtitles, from files and from inside films, as timed lines and as passages that a text tower can read whole."""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.retrieval.media.texts.subtitles import Cue, embedded_subtitles, parse_subtitles, timed_passages


def count_words(texts: Sequence[str]) -> np.ndarray:
    return np.array([len(text.split()) for text in texts], np.int64)


def test_subrip_is_numbers_times_and_lines() -> None:
    text = "1\n00:00:01,500 --> 00:00:03,000\nHello,\nworld.\n\n2\n01:02:03,004 --> 01:02:04,500\nLater.\n"
    assert parse_subtitles(text) == [Cue(1.5, 3, "Hello, world."), Cue(3723.004, 3724.5, "Later.")]
    assert parse_subtitles(text.replace("\n", "\r\n")) == parse_subtitles(text)
    assert parse_subtitles("\ufeff" + text) == parse_subtitles(text)


def test_webvtt_has_short_times_names_settings_and_blocks_that_are_no_words() -> None:
    text = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE
never shown
and this neither

intro
00:01.000 --> 00:02.500 align:start line:0%
<v Ann>Good <i>morning</i></v> &amp; hello

NOTE a remark

00:03.000 --> 00:04.000
<c.loud>Well<00:03.500> well</c>
"""
    assert parse_subtitles(text) == [Cue(1, 2.5, "Good morning & hello"), Cue(3, 4, "Well well")]


def test_styling_codes_of_other_formats_are_taken_out() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color=#fff>Up</font> here\\Nand {\\i1}there{\\i0} 3 < 4\n"
    assert parse_subtitles(text) == [Cue(1, 2, "Up here and there 3 < 4")]


def test_cues_that_are_out_of_order_or_overlap_come_by_time() -> None:
    text = "2\n00:00:05,0 --> 00:00:06,0\nB\n\n1\n00:00:01,0 --> 00:00:09,0\nA\n\n3\n00:00:01,0 --> 00:00:09,0\nA\n"
    assert parse_subtitles(text) == [Cue(1, 9, "A"), Cue(5, 6, "B")]


def test_what_others_write_wrongly_is_forgiven() -> None:
    without_blank_lines = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n0:00:03.5 --> 0:00:04.25\nTwo\n\nstill two\n"
    assert parse_subtitles(without_blank_lines) == [Cue(1, 2, "One"), Cue(3.5, 4.25, "Two still two")]
    assert parse_subtitles("1\n00:00:05,000 --> 00:00:04,000\nBackwards\n") == [Cue(5, 5, "Backwards")]
    assert parse_subtitles("1\n00:00:01,000 --> 00:00:02,000\n\n") == []
    assert parse_subtitles("no cues at all") == parse_subtitles("") == []


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    for cue in parse_subtitles(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}") + parse_subtitles(text):
        assert cue.start_s <= cue.end_s
        assert cue.text == " ".join(cue.text.split()) != ""


CUES = [(0.5, 2.0, "A dog barks"), (2.5, 4.0, "Nobody <i>answers</i>")]


@pytest.mark.parametrize(
    ("muxer", "format", "codec"),
    [("matroska", "mkv", "subrip"), ("mp4", "mp4", "mov_text"), ("mov", "mov", "mov_text"), ("webm", "webm", "webvtt")],
)
def test_the_text_tracks_of_a_film_are_read(muxer: str, format: str, codec: str, films: ModuleType) -> None:
    pictures = [films.numbered(number) for number in range(120)]
    cues = [(start, end, words.replace("<i>", "").replace("</i>", "")) for start, end, words in CUES]
    cues = CUES if codec == "subrip" else cues
    picture_codec = "libvpx" if muxer == "webm" else "libx264"
    data = films.film(pictures, format=muxer, codec=picture_codec, subtitles=cues, subtitle_codec=codec)
    found = embedded_subtitles(io.BytesIO(data), format)
    assert [cue.text for cue in found] == ["A dog barks", "Nobody answers"]
    assert [(cue.start_s, cue.end_s) for cue in found] == [pytest.approx(cue[:2], abs=0.01) for cue in CUES]


def test_styled_tracks_are_read_without_their_styles_and_drawings(films: ModuleType) -> None:
    events = [
        (0.5, 2.0, "0,0,Default,,0,0,0,,{\\an8\\fad(200,200)}A dog,\\Nsome say, barks"),
        (0.5, 2.0, "1,1,Shadow,,0,0,0,,A dog,\\Nsome say, barks"),
        (2.5, 4.0, "2,0,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}"),
    ]
    pictures = [films.numbered(number) for number in range(120)]
    data = films.film(pictures, format="matroska", subtitles=events, subtitle_codec="ass")
    assert embedded_subtitles(io.BytesIO(data), "mkv") == [Cue(0.5, 2.0, "A dog, some say, barks")]


def test_tracks_of_pictures_are_passed_over(films: ModuleType) -> None:
    pictures = [films.numbered(number) for number in range(120)]
    data = films.film(pictures, format="matroska", subtitles=CUES, subtitle_codec="dvd_subtitle")
    assert embedded_subtitles(io.BytesIO(data), "mkv") == []


def test_a_film_without_text_tracks_has_no_cues(films: ModuleType) -> None:
    data = films.film([films.numbered(1)] * 5)
    assert embedded_subtitles(io.BytesIO(data), "mp4") == []


def test_neighbouring_cues_become_one_passage_while_time_silence_and_room_allow() -> None:
    def passages(cues: list[tuple[float, float, str]], max_tokens: int = 20) -> list[tuple[float, float, str]]:
        return timed_passages([Cue(*cue) for cue in cues], count_words, max_tokens)

    assert passages([]) == []
    assert passages([(0, 2, "a"), (3, 5, "b"), (7, 10, "c")]) == [(0, 10, "a b c")]
    assert passages([(0, 2, "a"), (4.5, 5, "b")]) == [(0, 2, "a"), (4.5, 5, "b")]
    assert passages([(0, 6, "a"), (6, 10.5, "b")]) == [(0, 6, "a"), (6, 10.5, "b")]
    assert passages([(0, 2, "a b c"), (2, 4, "d e")], max_tokens=4) == [(0, 2, "a b c"), (2, 4, "d e")]
    assert passages([(0, 9, "long"), (1, 2, "inside"), (9, 10, "after")]) == [(0, 10, "long inside after")]
    assert passages([(0, 30, "a sign on the wall"), (31, 32, "b")]) == [(0, 10, "a sign on the wall"), (31, 32, "b")]


def test_a_cue_that_is_too_long_is_cut_and_its_time_with_it() -> None:
    passages = timed_passages([Cue(10, 20, "one two three. four five six."), Cue(20, 21, "seven")], count_words, 3)
    assert [text for _, _, text in passages] == ["one two three.", "four five six.", "seven"]
    assert passages[0][:2] == pytest.approx((10, 14.83), abs=0.01)
    assert passages[1][:2] == pytest.approx((15.17, 20), abs=0.01)


@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 20), st.text("ab ", min_size=1, max_size=40)), max_size=12),
    st.integers(1, 8),
)
def test_no_word_is_lost_and_no_passage_too_long(raw: list[tuple[float, float, str]], max_tokens: int) -> None:
    cues = [Cue(start, start + long, " ".join(text.split())) for start, long, text in sorted(raw) if text.strip()]
    passages = timed_passages(cues, count_words, max_tokens)
    assert " ".join(text for _, _, text in passages).split() == " ".join(cue.text for cue in cues).split()
    for start, end, text in passages:
        assert start <= end
        assert count_words([text])[0] <= max_tokens


def test_words_that_stand_for_long_are_found_where_they_appear() -> None:
    cues = [Cue(5.0, 65.0, "Chapter one"), Cue(70.0, 71.0, "It rains")]
    assert timed_passages(cues, count_words, 20) == [(5.0, 15.0, "Chapter one"), (70.0, 71.0, "It rains")]
