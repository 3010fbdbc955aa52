"""Lines in the order in which people read them."""

from __future__ import annotations

import random

import pytest

from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.enrich.ocr.reading_order import in_reading_order

WIDTH, HEIGHT, TALL = 1000, 1400, 20


def line(text: str, left: int, top: int, width: int) -> TextLine:
    return TextLine(text, left / WIDTH, top / HEIGHT, (left + width) / WIDTH, (top + TALL) / HEIGHT)


def texts(lines: list[TextLine]) -> list[str]:
    shuffled = random.Random(3).sample(lines, len(lines))
    return [found.text for found in in_reading_order(shuffled, WIDTH, HEIGHT)]


def test_lines_are_read_from_top_to_bottom():
    assert texts([line(str(n), 50, 50 + 30 * n, 600) for n in range(30)]) == [str(n) for n in range(30)]


def test_columns_of_prose_are_read_one_after_the_other_below_a_title_over_both():
    title = [line("title", 50, 20, 900)]
    left = [line(f"left {n}", 50, 100 + 30 * n, 420) for n in range(8)]
    right = [line(f"right {n}", 530, 100 + 30 * n, 420) for n in range(8)]
    assert texts([*title, *left, *right]) == [
        "title",
        *(f"left {n}" for n in range(8)),
        *(f"right {n}" for n in range(8)),
    ]


def test_a_table_is_read_row_by_row():
    rows = [("Apples", "3.20"), ("Bread", "2.80"), ("Total", "6.00")]
    cells = [line(text, 50 + 500 * c, 100 + 30 * r, 90) for r, row in enumerate(rows) for c, text in enumerate(row)]
    assert texts(cells) == [text for row in rows for text in row]


def test_pieces_of_one_line_are_joined_with_their_boxes():
    found = in_reading_order([line("two", 160, 52, 60), line("one", 50, 50, 100)], WIDTH, HEIGHT)
    assert [one.text for one in found] == ["one two"]
    assert [round(edge, 3) for edge in found[0].box] == [0.05, 0.036, 0.22, 0.051]


def test_lines_of_a_photograph_that_hangs_askew_keep_their_order():
    assert texts([line(str(n), 50 + 4 * n, 50 + 15 * n, 600 - 10 * n) for n in range(12)]) == [
        str(n) for n in range(12)
    ]


def test_upright_lines_are_read_from_right_to_left():
    columns = [TextLine(str(n), 0.8 - 0.1 * n, 0.1, 0.82 - 0.1 * n, 0.9) for n in range(5)]
    assert texts(columns) == [str(n) for n in range(5)]
    assert in_reading_order(columns[:1], WIDTH, HEIGHT)[0].box == pytest.approx(columns[0].box)


def test_no_lines_and_one_line():
    assert texts([]) == []
    assert texts([line("alone", 1, 1, 5)]) == ["alone"]
