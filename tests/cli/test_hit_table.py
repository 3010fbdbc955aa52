"""The table of hits on a terminal: it fits, nothing of a path is lost, and a text takes no width from other hits."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from mmsearch import Hit, Span
from mmsearch.cli.hit_groups import HitGroup
from mmsearch.cli.hit_table import folded_path, print_hit_table
from mmsearch.types import LEVELS

WIDTHS = (60, 80, 100, 160)
PASSAGE = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness. "
)
LONG = "Pictures/2023/05 Summer holidays in Norway/by the fjord, first week/IMG_20230517_123456.jpg"
WIDE = "写真/二〇二三年の夏休み/ノルウェーのフィヨルドで撮った写真.jpg"


def hit(path, modality="image", **facts):
    evidence = {"image": "look", "text": "text", "video": "frame", "audio": "sound"}[modality]
    known = {"rank": 1, "score": 0.312, "match": 3.14, "id": 1, "state": "current", "evidence": (evidence,)}
    return Hit(**{**known, "path": os.path.abspath(path), "modality": modality, **facts})


def written(width, groups, verbose=False, color_system=None):
    """What is written to a terminal of so many columns, without links."""
    console = Console(width=width, force_terminal=True, color_system=color_system, file=io.StringIO(), highlight=False)
    print_hit_table(groups, console, verbose=verbose)
    return re.sub(r"\x1b\]8;.*?\x1b\\", "", console.file.getvalue())


def lines(width, *hits, groups=None, verbose=False):
    """What a terminal of so many columns shows."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", written(width, groups or [HitGroup("", hits)], verbose)).splitlines()
    assert max(map(cell_len, shown)) <= width
    return shown


def joined(shown):
    """The lines below the header as one, without the blanks that they begin and end with."""
    return "".join(line.strip() for line in shown[1:])


MIXED = (
    hit(LONG),
    hit("books/dickens/a tale of two cities.txt", "text", text=PASSAGE * 20, span=Span(12034, 12833, "char"), rank=2),
    hit("films/birthday.mp4", "video", span=Span(83, 91, "s"), evidence=("frame", "sound"), rank=3),
    hit(WIDE, rank=4, state="gone"),
    hit("/" + "a" * 300 + "/" + "b" * 300 + ".png", rank=10),
)


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [20, 30, 40, *WIDTHS])
def test_no_line_is_wider_than_the_terminal(width, verbose):
    leveled = [replace(one, level="nothing") for one in MIXED]
    assert len(lines(width, *MIXED, verbose=verbose)) > len(MIXED)
    assert len(lines(width, groups=[HitGroup("pictures", leveled)], verbose=verbose)) > len(MIXED)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", [LONG, WIDE])
def test_a_long_path_is_shown_whole(width, path):
    shown = joined(lines(width, hit(path), *MIXED))
    assert path.replace(" ", "") in shown.replace(" ", "")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hit_with_text_takes_no_width_from_the_others(width):
    alone = [line for line in lines(width, hit(LONG)) if line.strip()]
    beside = lines(width, hit(LONG), hit("a.txt", "text", text=PASSAGE, rank=2))
    assert beside[: len(alone)] == alone


@pytest.mark.parametrize("width", WIDTHS)
def test_a_passage_stands_in_two_lines_at_most_below_its_hit(width):
    shown = lines(width, hit("a.txt", "text", text=PASSAGE * 20), hit("b.png", rank=2))
    row, *text, after = shown[1:]
    assert row.split() == ["1", "0.312", "a.txt"]
    assert after.split() == ["2", "0.312", "b.png"]
    assert len(text) == 2
    assert " ".join(" ".join(text).split()).removesuffix("…") in PASSAGE * 4
    assert text[1].endswith("…")
    short = lines(width, hit("a.txt", "text", text="rye bread"))
    assert [line.strip() for line in short[2:]] == ["rye bread"]


@pytest.mark.parametrize(("width", "beside"), [(60, False), (80, True), (100, True), (160, True)])
def test_the_span_stands_beside_the_path_where_there_is_room_else_below(width, beside):
    shown = lines(width, hit(LONG), hit("films/birthday.mp4", "video", span=Span(83, 91, "s"), rank=2))
    (row,) = (line for line in shown if "birthday.mp4" in line)
    assert ("00:01:23–00:01:31" in row) == beside
    assert "00:01:23–00:01:31" in joined(shown)
    assert ("span" in shown[0]) == beside


def test_evidence_of_a_film_is_shown_beside_it_or_below():
    film = hit("films/birthday.mp4", "video", span=Span(83, 91, "s"), evidence=("frame", "sound"))
    assert lines(100, film)[1].endswith("films/birthday.mp4  00:01:23–00:01:31  frame + sound")
    narrow = lines(40, film)
    assert "frame +sound" in joined(narrow)
    assert "frame" not in narrow[1]


def test_what_is_to_be_said_of_a_file_stands_below_it():
    shown = lines(80, hit("a.png", state="changed", note="truncated", copies=("/b.png", "/c.png")))
    assert [line.strip() for line in shown[2:]] == ["[file has changed since] [truncated] [+2 copies]"]


def test_the_level_stands_in_place_of_the_score_where_a_hit_has_one():
    without = lines(80, hit("a.png"), hit("a.txt", "text"))
    assert [line.split() for line in without] == [
        ["#", "score", "path"],
        ["1", "0.312", "a.png"],
        ["1", "0.312", "a.txt"],
    ]
    shown = lines(80, hit("a.png", level="likely"), hit("b.png", level="weak", rank=2), hit("c.png", rank=3))
    assert [line.split() for line in shown] == [
        ["#", "level", "path"],
        ["1", "likely", "a.png"],
        ["2", "weak", "b.png"],
        ["3", "unknown", "c.png"],
    ]


def test_a_verbose_table_has_score_match_and_id_too():
    one = hit("a.png", level="likely", id=17)
    assert [line.split() for line in lines(80, one, verbose=True)] == [
        ["#", "level", "score", "match", "id", "path"],
        ["1", "likely", "0.312", "3.1", "17", "a.png"],
    ]


def test_numbers_that_a_narrow_terminal_has_no_room_for_stand_below_with_their_names():
    shown = lines(40, hit(LONG, level="likely", id=17), verbose=True)
    assert shown[0].split() == ["#", "level", "path"]
    assert " ".join(shown[-1].split()) == "score=0.312 match=3.1 id=17"


def test_rows_that_are_weak_or_nothing_are_dim():
    hits = [hit(f"{level}.png", level=level) for level in LEVELS]
    rows = written(80, [HitGroup("", hits)], color_system="standard").splitlines()[1:]
    dim = [level for level, row in zip(LEVELS, rows, strict=True) if re.search(rf"\x1b\[2m{level}\.png", row)]
    assert dim == ["weak", "nothing"]


def test_each_group_has_a_heading_line_and_ranks_are_those_of_the_whole_list():
    films = [hit("a.mp4", "video", rank=1), hit("b.mp4", "video", rank=3)]
    shown = lines(80, groups=[HitGroup("films", films), HitGroup("pictures", [hit("a.png", rank=2)])])
    assert [line.split() for line in shown[1:]] == [
        ["films"],
        ["1", "0.312", "a.mp4"],
        ["3", "0.312", "b.mp4"],
        ["pictures"],
        ["2", "0.312", "a.png"],
    ]


def test_a_path_is_cut_after_separators_then_after_spaces_then_anywhere():
    assert folded_path("pictures/summer/a.png", 16) == ["pictures/summer/", "a.png"]
    assert folded_path("pictures/summer of 23.png", 15) == ["pictures/summer", "of 23.png"]
    assert folded_path("abcdefghij.png", 8) == ["abcdefgh", "ij.png"]
    assert folded_path("写真写真.png", 5) == ["写真", "写真.", "png"]
    assert folded_path("a/b.png", 80) == ["a/b.png"]


def test_of_a_path_of_very_many_lines_the_first_and_the_last_are_shown():
    path = "first/" + "middle/" * 50 + "last.png"
    shown = folded_path(path, 20)
    assert len(shown) == 4
    assert shown[0].startswith("first/")
    assert shown[0].endswith("…")
    assert shown[3].endswith("last.png")
    assert max(map(len, shown)) <= 20
