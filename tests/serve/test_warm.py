"""The command line asks a running server through its socket, and prints the same."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmsearch import Collection, Moment, Query, StoredRow, UsageError, library
from mmsearch.serve import RunningCollection, ServerGoneError, wire

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")


def command(*arguments: object, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmsearch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **how,
    )


@pytest.fixture(scope="module")
def running(gallery) -> Iterator[subprocess.Popen]:
    """A server of `gallery`, as a process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch", "serve", "-c", str(gallery.root), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving gallery at http://127.0.0.1:")
    yield process
    process.terminate()
    assert process.wait(30) == 0
    assert process.stdout.read() == ""
    assert not (gallery.root / wire.SOCKET_NAME).exists()


def without_times(output: str) -> str:
    return re.sub(r'"took_ms": \{[^}]*\}|took [^\n]*', "", output)


@pytest.fixture
def both(gallery, running) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a query with the server and without; asserts that all it prints is the same, and gives it back."""

    def run(*arguments: object, **how: object) -> subprocess.CompletedProcess[str]:
        warm, cold = (command("query", *arguments, "-c", gallery.root, *more, **how) for more in ((), ("--no-server",)))
        assert without_times(warm.stdout) == without_times(cold.stdout)
        assert without_times(warm.stderr) == without_times(cold.stderr)
        assert warm.returncode == cold.returncode
        return warm

    return run


def test_the_socket_is_for_its_user_alone(gallery, running):
    mode = (gallery.root / wire.SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_answers_are_the_same_to_the_byte(both):
    for arguments in (
        ["a red disc"],
        ["disc"],
        ["a red disc", "--json"],
        ["a red disc", "-v"],
        ["red disc^2", "--minus", "a blue square", "--to", "image", "-k", "3"],
        ["a red disc", "--paths"],
        ["a red disc", "--min", "strong"],
        ["qwrtz plomf"],
        ["ein Hund über dem Meer"],
        ["boats", "--where", "width > 5", "--json"],
    ):
        assert both(*arguments).returncode == 0


def test_saved_searches_are_asked_through_it(gallery, both):
    library.save_search(gallery, "red", "a red disc", k=4)
    assert len(both("@red").stdout.splitlines()) == 4
    assert len(both("@red", "-k", 2, "--json").stdout.splitlines()) == 1
    library.delete_search(gallery, "red")


def test_lines_are_read_alike(both):
    for words in ("photos of a disc without stripes since 2020", "a disc in Lisbon", "a disc shot on Leica"):
        assert both(words).returncode == 0
    assert "read as" in both('"harbour" before 1990').stderr


def test_the_server_knows_the_names_of_its_collection(gallery, running):
    with RunningCollection.find(gallery.root) as found:
        for name in ("Lisbon", "Bavaria", "nosuchplace"):
            assert found.names.place(name) == gallery.names.place(name)
            assert found.names.own_place(name) == gallery.names.own_place(name)
        assert found.names.has_places() == gallery.names.has_places()
        assert list(found.names.cameras()) == list(gallery.names.cameras())


def test_queries_by_files_name_them_as_they_were_written(both, gallery):
    folder = Path(gallery.search("a red disc", to="image")[0].path).parent
    (folder.parent / "no picture.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert both("disc.png", "--json", cwd=folder).stdout.count("file:disc.png") == 1
    assert both("--like", "./disc.png", "a square", "--json", cwd=folder).returncode == 0
    broken = both("../no picture.png", cwd=folder)
    assert broken.returncode != 0
    assert "cannot search by ../no picture.png" in broken.stderr


def test_a_collection_is_found_by_any_name_of_its_folder(gallery, running, tmp_path):
    (tmp_path / "link.mms").symlink_to(gallery.root)
    for name in (tmp_path / "link.mms", os.path.relpath(gallery.root)):
        with RunningCollection.find(name) as found:
            assert found.server.process == running.pid
            assert found.ask(Query("a red disc"), 1).hits


def test_errors_are_the_same(both):
    assert both("x", "--where", "colour > 1").returncode == 2
    assert both("x", "--like", "99999").returncode == 2
    assert both("x", "--under", "/no/such/folder").returncode == 2
    assert both("x", "--under", "photos").returncode in (0, 2)


def test_many_lines_are_answered_in_order(both):
    lines = "\n".join(["a red disc", "a square", "", "--", "a^0", "boats"] * 20)
    found = both("-", "-k", "2", "--json", input=lines)
    assert [json.loads(line)["line"] for line in found.stdout.splitlines()][:2] == [1, 2]


def test_a_warm_query_loads_no_numpy(gallery, running):
    code = f"""
import contextlib, io, sys
from mmsearch.cli import main
sys.argv = ["mmsearch", "query", "a disc", "-c", {str(gallery.root)!r}]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(sorted({{"numpy", "pyarrow", "starlette", "tokenizers"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_status_names_the_server(gallery, running):
    found = json.loads(command("serve", "--status", "--json", "-c", gallery.root).stdout)["servers"]
    assert [server["process"] for server in found] == [running.pid]
    assert found[0]["collections"] == {"gallery": str(gallery.root)}


def test_a_server_in_the_background_starts_and_stops(collection, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    started = command("serve", "--background", "--port", "0", "-c", collection.root, env=environment)
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("serving photos at http://127.0.0.1:")
    again = command("serve", "--background", "-c", collection.root, env=environment)
    assert again.returncode == 2
    assert "serves" in again.stderr
    stopped = command("serve", "--stop", "-c", collection.root, env=environment)
    assert stopped.stdout.startswith("stopped photos at ")
    assert not (collection.root / wire.SOCKET_NAME).exists()
    assert command("serve", "--status", "-c", collection.root).returncode == 1


def test_the_collection_may_be_named_before_the_command(collection, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    before = ("-q", "-c", collection.root, "serve")
    assert command(*before, "--background", "--port", "0", env=environment).returncode == 0
    assert command(*before, "--status").stdout.startswith("serving photos at ")
    assert command(*before, "--stop").stdout.startswith("stopped photos at ")


def test_a_background_server_that_cannot_start_says_why(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    failed = command("serve", "--background", "-c", tmp_path / "nothing.mms", env=environment)
    assert failed.returncode == 1
    assert "the server ended: no collection at" in failed.stderr


def test_ctrl_c_ends_it_in_peace(collection):
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch", "serve", "-c", str(collection.root), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""


def test_a_socket_that_a_dead_server_left_is_passed_over_and_replaced(collection):
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch", "serve", "-c", str(collection.root), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    assert (collection.root / wire.SOCKET_NAME).exists()
    assert RunningCollection.find(collection.root) is None
    assert command("query", "a disc", "-c", collection.root).returncode == 0
    with open_server(collection) as running:
        assert running.ask(Query("a disc"), 1).hits


@contextmanager
def open_server(collection: Collection) -> Iterator[RunningCollection]:
    """A client of a server that runs while the block does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch", "serve", "-c", str(collection.root), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    found = RunningCollection.find(collection.root)
    assert found is not None
    with found:
        yield found
    process.terminate()
    process.wait(30)


def test_a_folder_with_a_long_name_has_a_socket_too(photos, tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc, to name a socket by its folder's descriptor")
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    deep.mkdir(parents=True)
    made = Collection.create(deep / "c.mms", model="mini")
    made.index([photos / "disc.png"], workers=1)
    with open_server(made) as running:
        assert running.ask(Query("a disc"), 1).hits[0].path.endswith("disc.png")


def test_a_server_that_ends_is_an_error_of_its_own(collection):
    with open_server(collection) as running:
        os.kill(running.server.process, signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(ServerGoneError):
            running.ask(Query("a disc"))


def test_answers_are_whole_after_the_wire(media_collection):
    """Every field of films, sounds, texts and copies; notices and errors with their hints."""
    queries = [Query("a red disc"), Query("xyzzy plugh"), Query(Path(media_collection.search("a disc", 1)[0].path))]
    for answer in media_collection.ask_many(queries, 50, all_spans=True):
        assert wire.answer_from_json(json.loads(json.dumps(wire.answer_to_json(answer), default=str))) == answer
    with pytest.raises(UsageError) as error:
        media_collection.search("x", where="colour")
    again = wire.error_from_json(json.loads(json.dumps(wire.error_to_json(error.value))))
    assert (type(again), str(again), again.hint) == (type(error.value), str(error.value), error.value.hint)


def test_queries_are_whole_after_the_wire(tmp_path):
    picture = tmp_path / "a.png"
    query = Query(
        "words",
        (picture, 2),
        StoredRow(7),
        minus=["others"],
        like=[3, picture],
        unlike=[Moment(picture, 1.5)],
        phrases=["to the letter"],
    )
    again = Query.from_json(json.loads(json.dumps(query.to_json())))
    assert again.describe() == query.describe()
    assert Query(b"bytes").to_json() is None
