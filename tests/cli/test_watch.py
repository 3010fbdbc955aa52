"""How far a query's file has been read, on a terminal: one line that is gone when the query is answered."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, suppress
from dataclasses import replace

import pytest
from rich.cells import cell_len

from mmsearch.cli import watch as watching
from mmsearch.cli.watch import reading_shown
from mmsearch.retrieval.progress import Progress


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    """All that is told is shown, on a terminal of forty columns."""
    monkeypatch.setattr(watching, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(watching, "_EVERY_S", 0.0)
    monkeypatch.setenv("COLUMNS", "40")


def shown(*told: Progress, quiet: bool = False, stderr: io.StringIO | None = None, fails: bool = False) -> list[str]:
    """What stood on the line, one after the other."""
    terminal = stderr or Terminal()
    with redirect_stderr(terminal), suppress(KeyboardInterrupt), reading_shown(quiet) as watch:
        for progress in told:
            watch(progress)
        if fails:
            raise KeyboardInterrupt
    before, *lines = terminal.getvalue().split("\r\x1b[K")
    assert before == ""
    return lines


BOOK = Progress("decode", path="/music/book.wav", at_s=7800.0)


def test_a_line_tells_how_far_a_sound_has_been_read_and_is_cleared():
    told = shown(BOOK, Progress("decode", path="/music/table.csv"))
    assert told == ["reading book.wav: 02:10:00", "reading table.csv", ""]


def test_how_long_a_file_lasts_is_told_where_its_header_can_be_right():
    told = [replace(BOOK, of_s=of_s) for of_s in (36_000.0, 7_799.0)]
    assert shown(*told) == ["reading book.wav: 02:10:00 of 10:00:00", "reading book.wav: 02:10:00", ""]


def test_it_is_cleared_too_when_reading_is_interrupted():
    assert shown(BOOK, fails=True) == ["reading book.wav: 02:10:00", ""]


@pytest.mark.parametrize("name", ["a" * 90, "音" * 90, "\x1b[2J" * 20], ids=["long", "wide", "steering"])
def test_a_long_or_odd_name_stays_on_one_line(name):
    line, end = shown(Progress("decode", path=name, at_s=1.0))
    assert end == ""
    assert line.endswith(": 00:00:01")
    assert cell_len(line) < 40
    assert "\x1b" not in line


def test_what_is_read_at_once_shows_nothing(monkeypatch):
    monkeypatch.setattr(watching, "_PATIENCE_S", 60.0)
    assert shown(BOOK) == []


def test_nothing_is_shown_where_silence_is_asked_for_or_nobody_sees_it():
    assert shown(BOOK, quiet=True) == []
    assert shown(BOOK, stderr=io.StringIO()) == []


@pytest.mark.parametrize("flags", [(), ("--json",), ("-q",)])
def test_a_query_by_a_long_file_says_what_it_took(query, tmp_path, monkeypatch, flags):
    from mmsearch.retrieval.search import query_files

    monkeypatch.setattr(query_files, "_MOST_PASSAGES", 4)
    book = tmp_path / "book.txt"
    book.write_text("\n\n".join(f"{i}. " + "Boats lie in the harbour. " * 10 for i in range(10)))
    ran = query(book, *flags)
    notice = f"{book}: searched by 3 of its 10 passages"
    assert ran.code == 0
    assert ran.err == ("" if "-q" in flags else notice + "\n")
    if "--json" in flags:
        assert json.loads(ran.out)["notices"] == [notice]
