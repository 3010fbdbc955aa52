"""``mmsearch watch`` in a process of its own: lines as they come, signals, a kill, a second watcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def texts(tmp_path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "bread.txt").write_text("Rye bread.")
    return folder


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts ``mmsearch watch``."""
    started: list[subprocess.Popen] = []

    def begin(*arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "mmsearch", "watch", "-c", str(tmp_path / "c.mms"), "--workers", "1"]
        command += ["--quiet-for", "0.2", *map(os.fspath, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_line_a_batch_until_ctrl_c(start, texts):
    process = start(texts)
    assert process.stdout.readline()[10:] == "1 new, 0 removed, 0 skipped\n"
    (texts / "new.txt").write_text("New.")
    (texts / "broken.png").write_bytes(b"no picture")
    assert process.stdout.readline()[10:] == "1 new, 0 removed, 1 skipped\n"
    assert process.stdout.readline()[10:].startswith(f"skipped {texts / 'broken.png'}: ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err.startswith("new collection ")


def test_after_a_kill_the_next_one_goes_on(start, texts, run, tmp_path):
    process = start(texts, "--json")
    assert json.loads(process.stdout.readline())["report"]["indexed"] == 1
    process.kill()
    process.wait()
    (texts / "new.txt").write_text("New.")
    (texts / "bread.txt").unlink()
    again = start("--json")
    event = json.loads(again.stdout.readline())
    assert (event["event"], event["report"]["indexed"], event["report"]["removed"]) == ("batch", 1, 1)
    second = run("watch", texts, "-c", tmp_path / "c.mms")
    assert second.code == 4
    assert second.err.endswith(f"has a watcher already: process {again.pid} on {os.uname().nodename}\n")
    again.terminate()
    assert again.wait(60) == 0


def test_new_hits_are_lines(start, texts, run, tmp_path):
    assert run("index", texts, "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1).code == 0
    assert run("save", "bread", "bread", "--lexical", "--min", "nothing", "-c", tmp_path / "c.mms").code == 0
    process = start(texts, "--tell", "@bread")
    assert process.stdout.readline()
    (texts / "white.txt").write_text("White bread.")
    assert process.stdout.readline()[10:] == "1 new, 0 removed, 0 skipped; 1 new hit for @bread\n"
    assert process.stdout.readline()[10:].split() == ["@bread", "strong", str(texts / "white.txt")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("/no/such/folder",), "does not exist"),
        (("--run", "echo"), "--run is for new hits: name a saved search with --tell @NAME"),
        (("--tell", "nothing"), "there is no collection"),
    ],
)
def test_wrong_use_is_one_line(run, tmp_path, arguments, says):
    ran = run("watch", "-c", tmp_path / "none.mms", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "none.mms").exists()
