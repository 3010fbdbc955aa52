"""Streams that a command may be given: not UTF-8, closed, full; and a home or a working folder that is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch.cli.output import terminal_safe

QUERY = "zwei Hündchen → 犬 🐶"


@pytest.fixture
def shell(tmp_path):
    """Runs ``mmsearch ARGUMENTS`` behind a shell's redirections; returns the exit code, stdout and stderr as bytes."""

    def start(*arguments, redirect="", cwd=tmp_path, **environment):
        line = '"$0" -m mmsearch "$@" ' + redirect
        done = subprocess.run(
            ["sh", "-c", line, sys.executable, *map(os.fspath, arguments)],
            capture_output=True,
            timeout=120,
            check=False,
            cwd=cwd,
            env={**os.environ, **environment},
        )
        return done.returncode, done.stdout, done.stderr

    return start


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8", "utf-16"])
def test_every_command_prints_on_a_stream_of_any_encoding(shell, indexed, encoding, painted):
    painted(indexed.folder.parent / "other" / "犬 – näher.png", "red", "black")
    home = indexed.folder.parent / f"{encoding}.mms"
    options = {"PYTHONIOENCODING": encoding}
    for arguments in (
        ["index", indexed.folder.parent / "other", "-v", "--progress", "json"],
        ["index", indexed.folder.parent / "other", "--json"],
        ["query", QUERY],
        ["query", QUERY, "--paths"],
        ["query", "no-such-犬.png"],
        ["status"],
        ["doctor"],
        ["models", "list"],
        ["--help"],
        ["query", "--help"],
        ["query", "--nonsense-犬"],
    ):
        common = [] if arguments[0] in ("models", "--help") or "--help" in arguments else ["-c", home]
        code, out, err = shell(*arguments, *common, **options)
        told = err.decode(encoding, "replace")
        assert "unexpected" not in told
        assert "Traceback" not in told
        assert out or err
        assert code == (2 if arguments[-1] in ("no-such-犬.png", "--nonsense-犬") else 0), told
    code, out, _ = shell("query", QUERY, "--json", "-c", home, **options)
    assert code == 0
    answer = json.loads(out.decode(encoding))
    assert answer["query"] == [QUERY]
    assert answer["hits"][0]["path"].endswith("犬 – näher.png")


def test_what_an_ascii_stream_cannot_hold_is_shown_plainly_or_as_an_escape(shell, indexed):
    code, out, _ = shell("status", "-c", indexed.home, PYTHONIOENCODING="ascii")
    assert code == 0
    assert out.isascii()
    code, _, err = shell("query", "./犬.png", "-c", indexed.home, PYTHONIOENCODING="ascii")
    assert (code, b"\\u72ac.png" in err) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="redirections of a POSIX shell")
@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("form", [[], ["--json"], ["--paths"]], ids=["lines", "json", "paths"])
def test_a_closed_stream_is_one_that_leads_nowhere(shell, indexed, redirect, form):
    code, out, err = shell("query", "a circle", *form, "-c", indexed.home, redirect=redirect)
    assert (code, err) == (0, b"")
    assert bool(out) == (">&-" not in redirect.replace("2>&-", ""))


@pytest.mark.skipif(os.name == "nt", reason="redirections of a POSIX shell")
def test_files_are_decoded_where_all_streams_are_closed(shell, photos, tmp_path):
    code, _, _ = shell("index", photos, "-c", tmp_path / "c.mms", redirect="<&- >&- 2>&-")
    assert code == 0
    _, out, _ = shell("query", photos / "disc.png", "--include-self", "-c", tmp_path / "c.mms", "-k", "1")
    assert out.split(b"\t")[1:] == [b"strong", b"photos/disc.png\n"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        *(["query", "a circle", *form] for form in ([], ["--json"], ["--paths"], ["--print0"])),
        *(["status"], ["status", "--json"], ["doctor"]),
    ],
    ids=" ".join,
)
def test_a_full_disk_behind_stdout_is_told_in_one_line(shell, indexed, arguments):
    code, _, err = shell(*arguments, "-c", indexed.home, redirect="> /dev/full")
    assert (code, err) == (1, b"mmsearch: cannot write the output: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_help_onto_a_full_disk_is_told_and_a_full_stderr_is_no_failure(shell, indexed):
    assert shell("--help", redirect="> /dev/full")[::2] == (
        1,
        b"mmsearch: cannot write the output: No space left on device\n",
    )
    code, out, _ = shell("query", "a circle", "-k", "1", "-c", indexed.home, redirect="2> /dev/full")
    assert (code, out.count(b"\n")) == (0, 1)
    assert shell("query", "", "-c", indexed.home, redirect="2> /dev/full")[0] == 2


@pytest.mark.skipif(os.name == "nt", reason="HOME is not asked there")
@pytest.mark.parametrize("home", ["/dev/null/home", "/proc/home"])
def test_a_home_that_cannot_be_written_is_named_with_the_way_out(shell, photos, home):
    environment = {"HOME": home, "XDG_DATA_HOME": "", "MMSEARCH_COLLECTION": ""}
    code, out, err = shell("index", photos, **environment)
    assert (code, out, err.count(b"\n")) == (4, b"", 1)
    assert err.startswith(f"mmsearch: cannot create the collection at {home}/".encode())
    assert b"-c DIR names another place" in err


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_working_folder_that_is_gone_hinders_only_what_needs_it(shell, indexed, tmp_path):
    gone = 'cd "$0/gone" && rmdir "$0/gone" && exec "$@"'

    def start(*arguments):
        (tmp_path / "gone").mkdir()
        command = ["sh", "-c", gone, os.fspath(tmp_path), sys.executable, "-m", "mmsearch", *map(os.fspath, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    found = start("query", "a circle", "-k", "1", "-c", indexed.home)
    assert (found.returncode, found.stderr, found.stdout.count("\n")) == (0, "", 1)
    lost = start("index", ".", "-c", indexed.home)
    assert (lost.returncode, lost.stderr.count("\n")) == (1, 1)
    assert "the working folder does not exist any more" in lost.stderr


def test_common_options_are_taken_before_the_command_too(run, indexed):
    behind = run("query", "a circle", "--json", "-c", indexed.home).json
    before = run("-c", indexed.home, "--json", "query", "a circle").json
    assert before["hits"] == behind["hits"]
    assert run("--json", "models", "list").json["models"]
    assert run("-q", "-c", indexed.home, "query", "a circle", "--where", "width > 9999").err == ""
    nearer = run("-c", indexed.folder / "none.mms", "query", "a circle", "-c", indexed.home)
    assert nearer.code == 0, "what stands with the command counts"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoice\u202egpj.exe", "invoice\\u202egpj.exe"),
        ("a\u2066b\u2069.png", "a\\u2066b\\u2069.png"),
        ("two\u2028lines.png", "two\\u2028lines.png"),
        ("zero\u200bwidth.png", "zero\\u200bwidth.png"),
        ("soft\u00adhyphen.png", "soft\\xadhyphen.png"),
        ("c1\x9b31m.png", "c1\\x9b31m.png"),
        ("tag\U000e0041.png", "tag\\U000e0041.png"),
        ("lat\u200din.png", "lat\\u200din.png"),
        ("blank\u3164.png", "blank\\u3164.png"),
        ("\U0001f469\u200d\U0001f467.png", "\U0001f469\u200d\U0001f467.png"),  # a family: one sign of several
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),  # Persian is written with it
        ("naïve – 犬.png", "naïve – 犬.png"),
    ],
)
def test_what_steers_a_terminal_or_cannot_be_seen_is_shown_as_an_escape(name, shown):
    assert terminal_safe(name) == shown


def test_json_escapes_what_steers_a_terminal_and_loses_nothing(run, painted, tmp_path):
    name = "a\u202eb\x9bc\u2028d.png"
    painted(tmp_path / "odd" / name, "red", "black")
    assert run("index", tmp_path / "odd", "-c", tmp_path / "odd.mms").code == 0
    printed = run("query", "red", "--json", "-c", tmp_path / "odd.mms")
    assert not {"\u202e", "\x9b", "\u2028"} & set(printed.out)
    assert printed.json["hits"][0]["path"] == str(tmp_path / "odd" / name)
