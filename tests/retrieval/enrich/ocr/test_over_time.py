"""Text that stays over several shots of a film is one passage."""

from __future__ import annotations

from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.enrich.ocr.over_time import joined_over_time


def shots(*texts: list[str]) -> list[tuple[float, float, list[TextLine]]]:
    """One shot a second, each with these lines."""
    return [
        (float(at), at + 1.0, [TextLine(text, 0.1, 0.1 + 0.1 * n, 0.5, 0.15 + 0.1 * n) for n, text in enumerate(lines)])
        for at, lines in enumerate(texts)
    ]


def joined(*texts: list[str]) -> list[tuple[float, float, list[str]]]:
    return [(seen.start_s, seen.end_s, [line.text for line in seen.lines]) for seen in joined_over_time(shots(*texts))]


def test_a_line_that_stays_is_kept_once_with_its_time():
    assert joined(["News at nine", "Paris"], ["News at nine"], ["News at nine", "Rome"]) == [
        (0.0, 1.0, ["Paris"]),
        (0.0, 3.0, ["News at nine"]),
        (2.0, 3.0, ["Rome"]),
    ]


def test_lines_with_the_same_time_stay_together():
    assert joined(["Directed by", "Ada Lovelace"], ["The End"]) == [
        (0.0, 1.0, ["Directed by", "Ada Lovelace"]),
        (1.0, 2.0, ["The End"]),
    ]


def test_a_line_that_comes_back_later_is_there_twice():
    assert joined(["Chapter"], [], ["Chapter"]) == [(0.0, 1.0, ["Chapter"]), (2.0, 3.0, ["Chapter"])]


def test_a_letter_that_was_read_wrongly_makes_no_other_line():
    assert joined(["Weather for the north"], ["Weather for the narth"]) == [(0.0, 2.0, ["Weather for the north"])]


def test_numbers_that_differ_are_different_lines():
    assert len(joined(["Score 12 to 10"], ["Score 13 to 10"])) == 2


def test_nothing_was_read():
    assert joined([], []) == []
