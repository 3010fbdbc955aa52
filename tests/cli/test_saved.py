"""``mmsearch save``, ``saved``, and ``query`` of saved searches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mmsearch.cli.app import app


@pytest.fixture
def saved(own, run):
    """Runs a command on a collection with one saved search."""

    def call(command: str, *arguments: object):
        return run(command, "-c", own.home, *arguments)

    assert call("save", "red", "a red picture", "--to", "image", "-k", 3).code == 0
    return call


def test_a_query_by_name_prints_what_the_query_prints(saved):
    expected = saved("query", "a red picture", "--to", "image", "-k", 3)
    by_name = saved("query", "@red")
    assert by_name.out == expected.out
    assert len(by_name.lines) == 4, "a line before them says that no match is good"
    assert len(saved("query", "@red", "-k", 2).lines) == 3
    assert saved("query", "@red", "--json").json["query"] == ["a red picture"]
    assert saved("query", "@red", "bread^2", "--json").json["query"] == ["a red picture", "bread^2"]
    assert saved("query", "@red", "--min", "nothing", "--to", "text").lines != by_name.lines


def test_what_it_says(saved):
    ran = saved("save", "t", "boats", "in", "the", "harbour", "--minus", "bread", "--json")
    assert ran.json["shown"] == '"boats in the harbour" - "bread"'
    assert saved("saved").lines == ['@red  "a red picture"; to image', '@t  "boats in the harbour" - "bread"']
    assert [one["name"] for one in saved("saved", "--json").json["searches"]] == ["red", "t"]
    assert saved("saved", "t", "--rename", "boats").lines[0] == '@boats  "boats in the harbour" - "bread"'
    assert saved("saved", "@boats", "--delete").out == ""
    assert len(saved("saved").lines) == 1


def test_a_literal_at_sign(saved):
    ran = saved("query", "@blue")
    assert ran.code == 2
    assert ran.err == (
        "mmsearch: no search is saved as @blue; there are: @red; to search for these words, write"
        " `mmsearch query --text '@blue'`\n"
    )
    assert saved("query", "--text", "@red", "--json").json["query"] == ["@red"]
    assert saved("query", "text:@red", "--json").json["query"] == ["@red"]
    assert saved("query", "@red is a word", "--json").json["query"] == ["@red is a word"]


@pytest.fixture
def lines(saved, own):
    """``mmsearch query - --json ARGUMENTS`` of the collection, with standard input."""

    def call(given: str, *arguments: str):
        ran = CliRunner().invoke(app, ["query", "-", "--json", "-c", str(own.home), *arguments], input=given)
        return ran, [json.loads(line) for line in ran.stdout.splitlines()]

    return call


def test_a_line_may_begin_with_a_name(saved, lines):
    ran, (named, plain, added, literal) = lines("@red\nbread\n@red  a blue wall^2\ntext:@red\n")
    assert ran.exit_code == 0
    assert [answer["line"] for answer in (named, plain, added, literal)] == [1, 2, 3, 4]
    alone = saved("query", "@red", "--json").json
    assert len(named["hits"]) == 3, "the search's own number"
    assert (named["query"], named["hits"]) == (alone["query"], alone["hits"])
    assert len(plain["hits"]) > 3
    assert plain["hits"] == saved("query", "bread", "--json").json["hits"]
    assert added["query"] == ["a red picture", "a blue wall^2"]
    assert added["hits"] == saved("query", "@red", "a blue wall^2", "--json").json["hits"]
    assert literal["query"] == ["@red"]


def test_options_and_marks_are_added_to_the_search_of_a_line(saved, lines):
    arguments = ("-k", "2", "--minus", "bread", "--to", "text")
    _, (named,) = lines("@red\n", *arguments)
    alone = saved("query", "@red", "--json", *arguments).json
    assert (named["query"], named["hits"]) == (["a red picture", "-bread"], alone["hits"])
    assert {hit["modality"] for hit in named["hits"]} == {"text"}
    assert len(named["hits"]) == 2
    _, (literal,) = lines("@red\n", "--text")
    assert literal["query"] == ["@red"]


def test_a_line_with_a_wrong_name_is_said_and_the_others_go_on(saved, own, lines):
    saved("save", "gone", own.folder / "red.png")
    kept = own.home / "saved" / "gone.json"
    kept.write_text(kept.read_text().replace("red.png", "no.png"))
    ran, answers = lines("@blue sky\n@red\n@gone\n@red file:nowhere\n@ red\n")
    assert ran.exit_code == 1
    assert [(answer["line"], answer["query"]) for answer in answers] == [(2, ["a red picture"]), (5, ["@ red"])]
    unknown, gone, wrong = (line for line in ran.stderr.splitlines() if line.startswith("mmsearch: "))
    assert (
        unknown
        == "mmsearch: line 1: no search is saved as @blue; there are: @gone, @red; text:@blue takes it literally"
    )
    assert gone.startswith("mmsearch: line 3: @gone: ")
    assert "no.png" in gone
    assert wrong.startswith("mmsearch: line 4: no file at nowhere")


def test_looks_are_not_those_of_lines(saved):
    ran = saved("query", "-", "--new")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "query @NAME --new" in ran.err


def test_new(saved, own):
    first = saved("query", "@red", "--new", "--min", "nothing")
    assert len(first.lines) == 4
    again = saved("query", "@red", "--new", "--min", "nothing")
    assert again.out == ""
    assert again.err.startswith("nothing new since 20")
    assert "looked at by query" in saved("saved", "red").out
    assert len(saved("query", "@red").lines) == 4, "without --new, all"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("save", "red", "x"), "there is a search saved as @red already; --force writes over it"),
        (("save", "a b", "x"), "'a b' cannot be the name of a search: it has up to 50 letters, digits, - and _"),
        (("save", "w", "x", "--where", "nope = 1"), "no column 'nope'"),
        (("query", "red", "--new"), "--new shows what has come to a saved search: query @NAME --new"),
        (("query", "-", "--watch"), "--preview, --open and --watch show one answer, not those to many lines"),
        (("saved", "--delete"), "name the search"),
        (("saved", "nope"), "no search is saved as @nope; there are: @red"),
    ],
)
def test_wrong_use_is_one_line(saved, arguments, says):
    ran = saved(*arguments)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_a_damaged_search_is_named_and_the_others_are_listed(saved, own):
    (own.home / "saved" / "bad.json").write_text("{")
    ran = saved("saved")
    assert ran.code == 4
    assert len(ran.lines) == 1
    assert "bad.json is damaged; `mmsearch doctor --repair` mends the collection" in ran.err
    assert saved("query", "@bad").code == 4
    assert saved("query", "@red").code == 0


def test_no_collection(run, tmp_path):
    for command in (("saved",), ("save", "a", "b"), ("query", "@a")):
        ran = run(*command, "-c", tmp_path / "none.mms")
        assert ran.code == 1
        assert "no collection" in ran.err


def test_watch_prints_what_comes_until_ctrl_c(own, run, painted, tmp_path):
    painted(tmp_path / "more" / "ignored.png", "green", "black")
    command = [
        sys.executable,
        "-m",
        "mmsearch",
        "query",
        "a red picture",
        "--to",
        "image",
        "--min",
        "nothing",
        "-k",
        "9",
    ]
    process = subprocess.Popen(
        [*command, "--watch", "--json", "-c", str(own.home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert len(json.loads(process.stdout.readline())["hits"]) == 5
    assert run("index", tmp_path / "more", "-c", own.home, "--workers", 1).code == 0
    (hit,) = json.loads(process.stdout.readline())["hits"]
    assert os.path.basename(hit["path"]) == "ignored.png"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert process.communicate() == ("", "")


def test_link_makes_a_folder_of_links_and_keeps_it_in_step(saved, tmp_path):
    album = tmp_path / "album of links"
    assert (
        saved("link", "@red", album, "--min", "nothing", "-k", 3).out
        == f"{album} (@red): 3 links, 3 added, 0 removed\n"
    )
    assert len([path for path in album.iterdir() if path.is_symlink()]) == 3
    assert saved("link").out == f"{album} (@red): 3 links, 0 added, 0 removed\n"
    assert saved("link", "red", "--json").json["folders"][0]["total"] == 3
    assert f"linked in {album}" in saved("saved").out
    assert saved("link", "@red", album, "--remove").out == f"{album} (@red): 0 links, 0 added, 3 removed\n"
    assert not album.exists()
    ran = saved("link")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "no folder of links is known; `mmsearch link @NAME DIR` makes one\n"


def test_an_empty_folder_of_links_says_why(saved, tmp_path):
    saved("save", "none", "xyzzy", "--lexical", "--min", "nothing")
    ran = saved("link", "@none", tmp_path / "album")
    assert ran.out.endswith("(@none): 0 links, 0 added, 0 removed\n")
    assert ran.err == "no hit of @none is good enough to be linked; `mmsearch link --min weak` links more\n"
    assert saved("link", "@none", tmp_path / "album", "--remove").err == ""


def test_wrong_links_are_one_line(saved, own, tmp_path):
    for arguments, says in (
        (("@red", own.folder), "holds other files; name a new or an empty folder"),
        (("@nope", tmp_path / "x"), "no search is saved as @nope"),
        (("@red", "--remove"), "name the folder: mmsearch link @NAME DIR"),
    ):
        ran = saved("link", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert says in ran.err
