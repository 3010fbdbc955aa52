"""``python -m mmsearch`` as a process: exit codes, pipes, signals, and what a command imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from mmsearch import Collection

HEAVY = {"torch", "open_clip", "transformers", "faiss", "rich", "onnxruntime", "PIL", "huggingface_hub", "psutil"}


def imported_by(*arguments):
    """The modules that are loaded when the command ends."""
    script = (
        "import sys, atexit\n"
        "sys.argv = ['mmsearch', *sys.argv[1:]]\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from mmsearch.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_a_text_query_loads_neither_torch_nor_faiss_nor_a_picture_library(indexed):
    loaded = imported_by("query", "a circle", "-c", indexed.home)
    assert {"numpy", "pyarrow"} <= loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["index", "--help"], ["query", "--help"], ["--version"]])
def test_help_loads_not_even_numpy(arguments):
    assert not imported_by(*arguments) & {*HEAVY, "numpy", "pyarrow"}


def test_results_go_to_stdout_and_errors_to_stderr_with_their_code(run_process, indexed):
    found = run_process("query", "a circle", "-c", indexed.home, "--paths")
    assert (found.code, found.err, len(found.lines)) == (0, "", 7)
    wrong = run_process("query", "a circle", "-k", "0", "-c", indexed.home)
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 1)
    none = run_process("status", "-c", indexed.folder / "none.mms")
    assert (none.out, none.err.count("\n")) == ("", 1)
    assert none.code not in (0, 2)


@pytest.mark.parametrize("form", [[], ["--paths"], ["--json"]], ids=["lines", "paths", "json"])
def test_a_reader_that_leaves_early_is_no_failure(indexed, form, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # buffered, the write fails as late as it can
    reader, writer = os.pipe()
    os.close(reader)  # as `| head -0`: every write fails
    command = [sys.executable, "-m", "mmsearch", "query", "a circle", "-c", str(indexed.home), *form]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_does_not_depend_on_the_locale(run_process, indexed):
    ran = run_process(
        "query", "bread", "--to", "text", "-k", "1", "-c", indexed.home, env={**os.environ, "LC_ALL": "C", "LANG": "C"}
    )
    assert ran.code == 0, ran.err
    assert "\t0–47\t" in ran.out


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_indexing_with_code_130_and_keeps_what_was_embedded(tmp_path, painted, name):
    count = 400
    for i in range(count):
        painted(tmp_path / "many" / f"{i:03}.png", "white", f"rgb({i % 256},90,{i // 256})", (40, 40))
    # One picture at a time and one worker, so that the signal comes while most of the work is still to be done.
    command = [sys.executable, "-m", "mmsearch", "index", str(tmp_path / "many"), "-c", str(tmp_path / "new.mms")]
    command += ["--workers", "1", "--batch", "1", "--progress", "json", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["done"] >= 5:
            break
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["interrupted"]
    assert 4 <= report["indexed"] < count
    with Collection.open(tmp_path / "new.mms") as opened:
        assert len(opened.search("anything", k=100)) == report["indexed"]
        again = opened.index([tmp_path / "many"], workers=1)
    assert again.unchanged == report["indexed"]
    assert again.indexed == count - report["indexed"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_a_killed_run_leaves_a_collection_that_the_next_run_completes(tmp_path, painted):
    for i in range(30):
        painted(tmp_path / "many" / f"{i:03}.png", "white", f"rgb({i * 8},90,200)", (400, 400 + i))
    command = [sys.executable, "-m", "mmsearch", "index", str(tmp_path / "many"), "-c", str(tmp_path / "new.mms")]
    command += ["--workers", "1", "--batch", "1", "--progress", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["done"] >= 5:
            break
    process.kill()
    process.communicate(timeout=60)
    assert Collection.doctor(tmp_path / "new.mms") == []
    with Collection.open(tmp_path / "new.mms") as opened:
        opened.index([tmp_path / "many"], workers=1)
        assert len(opened.search("anything", k=100)) == 30
