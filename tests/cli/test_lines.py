"""``mmsearch query -``: queries from standard input, one a line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from mmsearch.cli.app import app
from mmsearch.cli.lines import BATCH, MAX_LINE_BYTES, InputLine, batches, read_lines
from mmsearch.errors import UsageError


@pytest.fixture
def ask(indexed):
    """``mmsearch query - ARGUMENTS`` with standard input."""

    def call(given: str | bytes, *arguments: str):
        return CliRunner().invoke(app, ["query", "-", "-c", str(indexed.home), *arguments], input=given)

    return call


def answers(ran) -> list[dict]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_each_line_is_answered_by_a_line_of_json(ask, query):
    ran = ask("a red wall\nbread on a table\n", "--json", "-k", "2")
    assert ran.exit_code == 0, ran.stderr
    one, other = answers(ran)
    assert [(a["line"], a["query"]) for a in (one, other)] == [(1, ["a red wall"]), (2, ["bread on a table"])]
    for answer in (one, other):
        assert answer["hits"] == query(*answer["query"], "-k", "2", "--json").json["hits"]


def test_a_line_may_be_a_file_and_one_that_has_spaces_in_its_name(ask, indexed, painted, tmp_path):
    spaced = painted(tmp_path / "a red wall.png", "red", "white")
    ran = ask(f"{indexed.folder}/red.png\n{spaced}\ntext:{spaced}\n", "--json", "-k", "1", "--include-self")
    by_own, by_other, by_words = answers(ran)
    assert by_own["hits"][0]["path"].endswith("red.png")
    assert by_other["hits"][0]["path"].endswith("red.png")
    assert by_words["query"] == [str(spaced)]


def test_options_hold_for_every_line(ask, indexed):
    ran = ask("boats\n16:9\nboats^2\n", "--json", "--text", "--to", "text", "--minus", "bread")
    assert [answer["query"] for answer in answers(ran)] == [
        ["boats", "-bread"],
        ["16:9", "-bread"],
        ["boats^2", "-bread"],
    ]
    assert {hit["modality"] for answer in answers(ran) for hit in answer["hits"]} == {"text"}


def test_every_line_gets_the_marks(ask, query):
    bread = query("bread", "--to", "text", "-k", "1", "--json").json["hits"][0]
    ran = ask("boats\nbread\n", "--json", "--to", "text", "--unlike", str(bread["id"]))
    for words, answer in zip(("boats", "bread"), answers(ran), strict=True):
        assert answer["query"] == [words, f"unlike:{bread['id']}"]
        assert [hit["path"].rpartition("/")[2] for hit in answer["hits"]] == ["boats.md"]


def test_a_wrong_line_is_said_with_its_number_and_the_others_go_on(ask):
    ran = ask("boats\n\nno/such/file.jpg\nfile:nowhere\n0:boats\ntext:\nbread\n", "--json", "-k", "1")
    assert ran.exit_code == 1
    assert [answer["line"] for answer in answers(ran)] == [1, 7]
    said = ran.stderr.splitlines()
    assert [line.partition(": ")[2][:7] for line in said] == ["line 3:", "line 4:", "line 5:", "line 6:"]
    assert all(line.startswith("mmsearch: ") for line in said)


def test_a_file_that_cannot_be_searched_by_is_said_too(ask, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    ran = ask(f"boats\n{tmp_path}/broken.png\n", "--json")
    assert ran.exit_code == 1
    assert [answer["line"] for answer in answers(ran)] == [1]
    assert f"mmsearch: line 2: cannot search by {tmp_path}/broken.png" in ran.stderr


def test_a_wrong_option_ends_it_at_once(ask):
    ran = ask("boats\nbread\n", "-k", "0")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "mmsearch: k must be at least 1, not 0\n"


def test_marks_and_line_ends_of_other_systems_are_no_words(ask):
    ran = ask(b"\xef\xbb\xbfboats\r\n\r\n  bread \r\nlast", "--json", "-k", "1")
    assert [(answer["line"], answer["query"]) for answer in answers(ran)] == [
        (1, ["boats"]),
        (3, ["bread"]),
        (4, ["last"]),
    ]


def test_utf_16_is_told(ask):
    for encoding in ("utf-16-le", "utf-16-be"):
        ran = ask("\ufeffboats\n".encode(encoding))
        assert (ran.exit_code, ran.stderr) == (2, "mmsearch: standard input is UTF-16: write the queries as UTF-8\n")


def test_a_line_that_is_not_utf_8_is_said_unless_a_file_has_that_name(ask, tmp_path, painted):
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    os.rename(painted(tmp_path / "p.png", "red", "white"), path)
    ran = ask(b"caf\xe9\n" + path + b"\n", "--json", "-k", "1")
    assert ran.exit_code == 1
    assert [answer["line"] for answer in answers(ran)] == [2]
    assert ran.stderr == "mmsearch: line 1: not UTF-8, and no file of that name\n"


def test_a_line_without_end_is_one_wrong_line(ask):
    ran = ask(b"a" * (2 * MAX_LINE_BYTES + 5) + b"\nboats\n", "--json", "-k", "1")
    assert [answer["line"] for answer in answers(ran)] == [2]
    assert ran.stderr == f"mmsearch: line 1: longer than {MAX_LINE_BYTES} bytes\n"


def test_nothing_asked_is_nothing_answered(ask):
    for nothing in ("", "\n\n  \n"):
        ran = ask(nothing)
        assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "")


def test_tables_stand_under_their_lines(ask):
    ran = ask("boats\nbread\n", "-k", "1", "--to", "text")
    first, second = ran.stdout.split("\n\n")
    assert first.startswith("# boats\n1\t")
    assert second.startswith("# bread\n1\t")


def test_paths_stand_alone(ask, indexed):
    ran = ask("boats\nbread\n", "-k", "1", "--to", "text", "--paths")
    assert ran.stdout.splitlines() == [str(indexed.folder / "boats.md"), str(indexed.folder / "bread.txt")]


@pytest.mark.parametrize("option", ["--open", "--preview"])
def test_what_shows_one_answer_is_not_for_many(ask, option):
    ran = ask("boats\n", option)
    assert ran.exit_code == 2
    assert "show one answer" in ran.stderr


def test_beside_other_terms_a_dash_is_a_word(query):
    assert query("a", "-", "b", "--json").json["query"] == ["a - b"]
    assert query("text:-", "--json").json["query"] == ["-"]


def test_a_program_gets_an_answer_before_it_asks_again(indexed):
    """It writes a line, waits for the answer, and writes the next."""
    command = [sys.executable, "-m", "mmsearch", "query", "-", "--json", "-k", "1", "-c", str(indexed.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number, words in enumerate(("boats", "bread", "a red wall"), 1):
            program.stdin.write(words.encode() + b"\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["line"] == number
        program.stdin.close()
        assert program.wait(60) == 0


def test_what_is_there_already_is_one_batch_and_no_more_is_held_than_two():
    taken = 0

    def endless() -> Iterator[InputLine]:
        nonlocal taken
        while True:
            taken += 1
            yield InputLine(taken, "x")

    given = batches(endless())
    for _ in range(3):
        assert 1 <= len(next(given)) <= BATCH
    assert taken <= 5 * BATCH


def test_lines_are_read_as_they_come():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream:
        given = batches(read_lines(stream))
        os.write(writer, b"one\n")
        assert [line.words for line in next(given)] == ["one"]
        threading.Timer(0.05, lambda: (os.write(writer, b"two\nthree\n"), os.close(writer))).start()
        assert [line.words for batch in given for line in batch] == ["two", "three"]


def test_what_goes_wrong_in_reading_is_raised_where_lines_are_asked_for():
    with pytest.raises(UsageError, match="UTF-16"):
        list(batches(read_lines(io.BytesIO(b"\xff\xfeb\x00"))))


def test_batches_give_every_line_once():
    text = b"".join(b"%d\n" % i for i in range(1000))
    assert [line.words for batch in batches(read_lines(io.BytesIO(text)), 4) for line in batch] == [
        str(i) for i in range(1000)
    ]


def test_each_line_is_read_with_filters_of_its_own(ask):
    ran = ask("a wall before 1990\nphotos of a wall\na wall\n", "--json")
    before, photos, plain = answers(ran)
    assert before["hits"] == []
    assert {hit["modality"] for hit in photos["hits"]} == {"image"}
    assert photos["reading"]["to"] == ["image"]
    assert "reading" not in plain
    assert ran.stderr.splitlines()[0] == "line 1: read as: a wall · before 1990"
