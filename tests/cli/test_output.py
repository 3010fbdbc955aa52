"""How hits are printed: for people, for pipes, for programs; results on stdout and all else on stderr."""

from __future__ import annotations

import base64
import os
import re

import pytest

from mmsearch.types import LEVELS

HOSTILE = "bell\x07 \x1b]0;owned\x07\x1b[2J.png"
NOT_UTF8 = os.fsdecode(b"caf\xe9.png")
TWO_LINES = "two\nlines.png"


@pytest.fixture(scope="module")
def odd(tmp_path_factory, painted):
    """A collection of pictures with names that hurt careless programs."""
    from click.testing import CliRunner

    from mmsearch.cli.app import app

    base = tmp_path_factory.mktemp("odd")
    for name, colour in ((HOSTILE, "red"), (NOT_UTF8, "green"), (TWO_LINES, "blue"), ("-rf [bold].png", "white")):
        painted(base / "album" / name, colour, "black")
    home = base / "odd.mms"
    done = CliRunner().invoke(app, ["index", str(base / "album"), "-c", str(home), "--workers", "1", "--json"])
    assert done.exit_code == 0, done.stderr
    return home


def without_escapes(text):
    """What a terminal shows: no links, no colours."""
    return re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;]*m", "", text)


def test_piped_hits_are_tab_separated_lines_with_rank_level_and_path(query, indexed, monkeypatch):
    monkeypatch.chdir(indexed.folder)
    lines = [line for line in query("a circle", "--to", "image").lines if not line.startswith("#")]
    assert len(lines) == 5
    for rank, line in enumerate(lines, 1):
        first, level, path = line.split("\t")
        assert first == str(rank)
        assert level in LEVELS
        assert os.path.exists(path)  # relative to the working folder


def test_piped_text_hits_add_span_and_passage(query):
    line = query("rye", "--to", "text", "-k", "1").lines[-1]
    assert line.split("\t")[3:] == ["0–47", "A loaf of rye bread cools on the kitchen table."]


def test_piped_hits_say_by_what_they_were_found_where_it_is_not_plain(query):
    line = query("bread", "--to", "text", "-k", "1").lines[-1]
    assert line.split("\t")[4] == "[text + name] A loaf of rye bread cools on the kitchen table."


def test_a_path_outside_the_working_folder_stays_absolute(query, indexed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = query("bread", "--to", "text", "-k", "1").lines[-1]
    assert line.split("\t")[2] == str(indexed.folder / "bread.txt")


def test_a_terminal_gets_a_table_with_linked_paths(query, indexed, monkeypatch, as_terminal):
    as_terminal(100)
    monkeypatch.chdir(indexed.folder)
    out = query("bread on a table").out
    header, first, text = map(without_escapes, out.splitlines()[:3])
    assert all(word in header for word in ("#", "level", "path"))
    assert "bread.txt" in first
    assert text.strip() == "A loaf of rye bread cools on the kitchen table."
    assert f"file://{indexed.folder}/bread.txt\x1b\\" in out  # an OSC-8 link


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_the_terminal(query, as_terminal, width):
    as_terminal(width)
    lines = query("bread on a table").lines
    plain = [without_escapes(line) for line in lines]
    assert [line.split()[0] for line in plain if re.match(r"[#\d] ", line)] == ["#", *"1234567"]
    assert max(map(len, plain)) <= width


def test_a_narrow_table_keeps_the_names_of_the_files(query, monkeypatch, as_terminal, tmp_path):
    as_terminal(50)
    monkeypatch.chdir(tmp_path)  # so that paths are long
    out = query("a circle", "--to", "image").out
    assert {line.split("/")[-1].strip() for line in without_escapes(out).splitlines()[1:]} >= {
        "red.png",
        "blue.jpg",
        "wide.png",
    }


def test_no_color_is_honoured(query, monkeypatch, as_terminal):
    as_terminal(100)
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert colour.search(query("bread").out)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(query("bread").out)


def test_paths_are_absolute_one_a_line_and_nothing_else(query, indexed):
    lines = query("bread", "--paths").lines
    assert len(lines) == 7
    assert {line.rpartition("/")[0] for line in lines} == {str(indexed.folder), str(indexed.folder / "trip")}


def test_print0_gives_names_byte_for_byte(run, odd):
    out = run("query", "a picture", "-c", odd, "--print0").out_bytes
    assert out.endswith(b"\0")
    names = {os.path.basename(path) for path in out.removesuffix(b"\0").split(b"\0")}
    assert names == {os.fsencode(name) for name in (HOSTILE, NOT_UTF8, TWO_LINES, "-rf [bold].png")}


def test_json_gives_the_exact_bytes_of_a_name_that_is_not_utf8(run, odd):
    hits = run("query", "a picture", "-c", odd, "--json").json["hits"]
    (hit,) = [hit for hit in hits if "path_b64" in hit]
    assert hit["path"].endswith("caf\\xe9.png")
    assert base64.b64decode(hit["path_b64"]).endswith(b"/caf\xe9.png")


@pytest.mark.parametrize("forced", [False, True], ids=["piped", "terminal"])
def test_control_characters_in_names_never_reach_the_terminal(run, odd, as_terminal, forced):
    if forced:
        as_terminal(300)
    ran = run("query", "a picture", "-c", odd)
    assert "\x07" not in ran.out
    assert "\x1b]0;" not in ran.out
    assert "\x1b[2J" not in ran.out
    assert "two\\x0alines.png" in ran.out
    assert "[bold]" in ran.out  # nor is a name taken as markup
    assert len([line for line in ran.lines if ".png" in line]) == 4
    assert len(ran.lines) == 4 + ("no good match" in ran.out) + forced


def test_control_characters_in_skipped_names_never_reach_the_terminal(run, tmp_path):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "evil\x1b[2J.jpg").write_bytes(b"")
    ran = run("index", tmp_path / "album", "-c", tmp_path / "new.mms")
    assert "evil\\x1b[2J.jpg" in ran.err
    assert "\x1b" not in ran.err


def test_preview_draws_the_pictures_among_the_hits(query, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out = query("a circle", "--to", "image", "-k", "2", "--preview").out
    assert out.count("▀") > 2 * 40 * 5


def test_preview_of_a_file_that_is_gone_gives_the_reason(run, album, tmp_path):
    assert run("index", album, "-c", tmp_path / "p.mms", "--only", "image", "--workers", 1).code == 0
    for picture in album.glob("*.png"):
        picture.unlink()
    ran = run("query", "a circle", "-c", tmp_path / "p.mms", "--preview")
    assert ran.code == 0
    assert "file is gone" in ran.out


def test_verbose_tells_the_times_on_stderr(query):
    assert re.fullmatch(r"took load \d+ ms, embed \d+ ms, search \d+ ms\n", query("bread", "-v").err)


def test_a_changed_and_a_vanished_file_are_marked(run, album, tmp_path):
    home = tmp_path / "p.mms"
    assert run("index", album, "-c", home, "--only", "text", "--workers", 1).code == 0
    (album / "bread.txt").write_text("Something else.")
    (album / "boats.md").unlink()
    states = {
        hit["path"].rpartition("/")[2]: hit["state"] for hit in run("query", "x", "-c", home, "--json").json["hits"]
    }
    assert states == {"bread.txt": "changed", "boats.md": "gone"}
    out = run("query", "x", "-c", home).out
    assert "[file has changed since]" in out
    assert "[file is gone]" in out
