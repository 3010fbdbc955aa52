"""Clients of a real server that read slowly, or leave amid a film: nothing of theirs stays."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import uvicorn
from PIL import Image

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.connections import PatientProtocol

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")

LARGE = 16 << 20


@pytest.fixture(autouse=True)
def clips_are_sent_while_they_are_made(monkeypatch):
    """Also those that could be made at once."""
    monkeypatch.setattr("mmsearch.serve.clips.MOST_BYTES", 0)


@pytest.fixture(scope="module")
def cinema(tmp_path_factory, films) -> Collection:
    """A film of tens of megabytes, far more than the buffers between a server and its client hold; and pictures."""
    folder = tmp_path_factory.mktemp("cinema")
    (folder / "films").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (5, 480, 640, 3), np.uint8)
    frames = [Image.fromarray(noise[number % 5]) for number in range(60)]
    film = films.film(frames, fps=10, options={"crf": "1", "g": "10", "sc_threshold": "0"})
    (folder / "films" / "noise.mp4").write_bytes(film)
    assert len(film) > LARGE
    for number in range(30):
        films.numbered(number, (2000, 1500)).save(folder / "films" / f"{number:02}.jpg")
    made = Collection.create(folder / "cinema.mms", model="mini")
    made.index([folder / "films"], workers=1)
    with open(folder / "films" / "huge.mkv", "wb") as file:
        file.truncate(64 << 30)  # a hole
    made.add(made.encode(["a film"]), paths=[folder / "films" / "huge.mkv"], modality="video")
    return made


@pytest.fixture(scope="module")
def server(cinema: Collection) -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(
        create_app([cinema]), http=PatientProtocol, port=0, log_level="critical", access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[:2]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def film(cinema: Collection) -> int:
    return next(record.id for record in cinema if record.path.endswith("mp4"))


@pytest.fixture
def huge(cinema: Collection) -> int:
    """A file that takes far longer to read than any test waits."""
    return next(record.id for record in cinema if record.path.endswith("mkv"))


def begin(server: tuple[str, int], address: str, headers: str = "") -> socket.socket:
    """Ask for an address, and read the first bytes of the answer."""
    client = socket.create_connection(server)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(f"GET {address} HTTP/1.1\r\nHost: {server[0]}\r\n{headers}\r\n".encode())
    client.settimeout(20)
    assert client.recv(200).startswith(b"HTTP/1.1 2")
    return client


def open_files(part: str) -> int:
    """How many open files of this process have a name with that part."""
    found = 0
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += part in os.readlink(entry.path)
    return found


def workers() -> set[int]:
    return {process.pid for process in psutil.Process().children()}


def threads() -> int:
    return len([thread for thread in threading.enumerate() if "AnyIO" not in thread.name])


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def get(server: tuple[str, int], address: str) -> int:
    client = http.client.HTTPConnection(*server, timeout=30)
    client.request("GET", address)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status


def test_a_file_is_sent_whole(server, film):
    client = http.client.HTTPConnection(*server, timeout=30)
    client.request("GET", f"/media/{film}", headers={"Range": f"bytes={LARGE}-"})
    answer = client.getresponse()
    whole = int(answer.headers["content-range"].rpartition("/")[2])
    assert (answer.status, len(answer.read())) == (206, whole - LARGE)
    client.close()


def test_a_client_that_leaves_amid_a_file_leaves_nothing_open(server, huge):
    clients = [begin(server, f"/media/{huge}") for _ in range(20)]
    assert open_files("huge.mkv") == 20
    for client in clients:
        client.close()
    assert soon(lambda: open_files("huge.mkv") == 0)


def test_a_client_that_does_not_read_holds_little_memory_and_no_thread(server, huge, film):
    begin(server, f"/media/{huge}").close()
    memory, running = psutil.Process().memory_info().rss, threads()
    clients = [begin(server, f"/media/{huge}") for _ in range(50)]
    time.sleep(0.3)
    assert psutil.Process().memory_info().rss - memory < 50 * (1 << 20)
    assert threads() <= running
    assert get(server, f"/media/{film}?download=1") == 200  # others are served
    for client in clients:
        client.close()
    assert soon(lambda: open_files("huge.mkv") == 0)


def test_a_client_that_leaves_amid_a_clip_ends_its_process(server, film):
    before, running = workers(), threads()
    client = begin(server, f"/clip/{film}?from=0&to=6")
    assert len(workers() - before) == 1
    client.close()
    assert soon(lambda: workers() <= before)
    assert soon(lambda: threads() <= running)
    assert open_files("noise.mp4") == 0


def test_a_client_that_leaves_before_a_clip_begins_ends_its_process(server, film):
    before = workers()
    client = socket.create_connection(server)
    client.sendall(f"GET /clip/{film}?from=5 HTTP/1.1\r\nHost: {server[0]}\r\n\r\n".encode())
    assert soon(lambda: bool(workers() - before))
    client.close()
    assert soon(lambda: workers() <= before)


def test_only_some_clips_are_made_at_once_and_others_wait_for_a_place(server, film, monkeypatch):
    before = workers()
    clients = [begin(server, f"/clip/{film}?from=0&to=6") for _ in range(4)]
    assert len(workers() - before) == 4
    waiting = threading.Thread(target=lambda: clients.append(begin(server, f"/clip/{film}?from=0&to=6")))
    waiting.start()
    time.sleep(0.3)
    assert len(workers() - before) == 4
    clients.pop(0).close()
    waiting.join(10)
    assert len(clients) == 4
    monkeypatch.setattr("mmsearch.serve.clips._PATIENCE_S", 0.1)
    assert get(server, f"/clip/{film}?from=0&to=6") == 429
    for client in clients:
        client.close()
    assert soon(lambda: workers() <= before)


def test_ranges_that_are_made_to_hurt_cost_one_file(server, huge):
    """A thousand ranges, each of the whole file."""
    many = "Range: bytes=" + ",".join(["0-"] * 1000) + "\r\n"
    memory, started = psutil.Process().memory_info().rss, time.perf_counter()
    client = begin(server, f"/media/{huge}", many)
    time.sleep(0.3)
    assert time.perf_counter() - started < 1
    assert psutil.Process().memory_info().rss - memory < 8 << 20
    client.close()
    assert soon(lambda: open_files("huge.mkv") == 0)


def test_pictures_that_nobody_waits_for_any_more_are_not_made(server, cinema, monkeypatch):
    """A person scrolls past them."""
    rows = [record.id for record in cinema if record.path.endswith(".jpg")]
    made: list[int] = []
    open_file = Collection.open_file
    monkeypatch.setattr(Collection, "open_file", lambda self, row: (made.append(row), open_file(self, row))[1])
    clients = []
    for row in rows:
        client = socket.create_connection(server)
        client.sendall(f"GET /thumb/{row}?w=1280 HTTP/1.1\r\nHost: {server[0]}\r\n\r\n".encode())
        clients.append(client)
    assert soon(lambda: len(made) > 2)
    for client in clients:
        client.close()
    time.sleep(0.5)
    count = len(made)
    assert count < len(rows) / 2
    time.sleep(0.3)
    assert len(made) == count
    assert get(server, f"/thumb/{rows[0]}?w=1280") == 200


def test_many_pictures_at_once_are_all_made(server, cinema):
    rows = [record.id for record in cinema if record.path.endswith(".jpg")]
    statuses: list[int] = []
    asking = [
        threading.Thread(target=lambda row=row: statuses.append(get(server, f"/thumb/{row}?w=160"))) for row in rows
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30)
    assert statuses == [200] * len(rows)
