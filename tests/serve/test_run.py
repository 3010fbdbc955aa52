"""``mmsearch serve`` as a process: where it listens, who needs a token, that it asks nobody, that it ends well."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import mmsearch.serve
from mmsearch import Collection, MMSearchError
from mmsearch.serve.run import _listen

ROOT = Path(__file__).parents[2]


class Running:
    """A server as a process, and requests to it."""

    def __init__(self, *arguments: object, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mmsearch", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        found = re.search(r"http://\S+", self.said)
        assert found, self.process.communicate(timeout=10)
        self.address = urlsplit(found[0])

    def ask(self, path: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, None if body is None else json.dumps(body), headers)
        answer = client.getresponse()
        return answer.status, answer.read()

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=40)
        assert self.process.returncode == 0
        assert errors == ""


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Starts servers, which end with the test."""
    started: list[Running] = []

    def start(*arguments: object, **how: dict[str, str]) -> Running:
        started.append(Running(*arguments, **how))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_by_default_only_this_machine_reaches_it(collection, serve):
    server = serve("-c", collection.root, "--port", 0)
    assert server.said == f"serving photos at http://127.0.0.1:{server.address.port}/"
    assert server.ask("/healthz")[0] == 200
    table = Path(f"/proc/{server.process.pid}/net/tcp")
    lines = table.read_text().splitlines() if table.exists() else []
    port = f"{server.address.port:04X}"
    own = [line.split()[1] for line in lines if f":{port} 00000000:0000 0A" in line]
    assert own in ([f"0100007F:{port}"], [])  # [] where there is no /proc
    assert server.ask("/", host="evil.example")[0] == 421


def test_other_machines_need_the_token_that_is_printed(collection, serve):
    server = serve("-c", collection.root, "--port", 0, "--host", "0.0.0.0")
    token = server.address.query.removeprefix("token=")
    assert len(token) >= 32
    assert server.ask("/api/status")[0] == 401
    assert server.ask("/api/status", authorization=f"Bearer {token}")[0] == 200
    assert json.loads(server.ask("/api/status", authorization=f"Bearer {token}")[1])["local"] is False
    assert server.ask("/healthz")[0] == 200


def test_a_proxy_in_front_has_a_name_and_needs_the_token(collection, serve):
    server = serve("-c", collection.root, "--port", 0, "--allow-host", "Photos.example")
    token = server.address.query.removeprefix("token=")
    assert server.address.hostname == "127.0.0.1"
    assert server.ask("/healthz", host="photos.example")[0] == 200
    assert server.ask("/healthz", host="evil.example")[0] == 421
    assert server.ask("/api/status", host="photos.example")[0] == 401
    assert server.ask("/api/status", host="photos.example", authorization=f"Bearer {token}")[0] == 200


def test_the_token_may_come_from_the_environment(collection, serve):
    server = serve("-c", collection.root, "--port", 0, "--host", "0.0.0.0", environment={"MMSEARCH_TOKEN": "my own"})
    assert server.ask("/api/status", authorization="Bearer my own")[0] == 200


def test_a_port_that_is_taken_is_said_or_passed_over(collection, serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "mmsearch", "serve", "-c", str(collection.root), "--port", str(port)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"mmsearch: port {port} is taken; give --port another value\n"


def test_small_answers_are_not_held_back():
    """asyncio turns Nagle's algorithm off, which costs 40 ms an answer, only for sockets of a known protocol."""
    with _listen(None, 0)[0] as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_several_collections_are_asked_by_name(collection, gallery, serve):
    server = serve("-c", collection.root, "-c", gallery.root, "--port", 0)
    assert server.said.startswith("serving photos, gallery at ")
    for name in ("photos", "gallery"):
        status, answer = server.ask("/api/search", "POST", {"terms": ["a disc"], "c": name})
        assert status == 200
        assert json.loads(answer)["collection"] == name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_running_is_finished_before_it_ends(collection, photos, serve, number):
    """A search by a file takes a while: it is answered, though the server is told to end meanwhile."""
    server = serve("-c", collection.root, "--port", 0)
    body = (photos / "disc.png").read_bytes()
    found = []

    def ask() -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=30)
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        client.request(
            "POST", "/api/search", head + body + b"\r\n--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}
        )
        found.append(client.getresponse().status)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.15)
    server.end(number)
    thread.join(10)
    assert found == [200]


def test_it_looks_up_no_name_and_connects_to_nobody(collection, serve, tmp_path):
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(
        textwrap.dedent(
            f"""
            import sys

            def note(event, arguments):
                if event in ("socket.connect", "socket.sendto", "socket.gethostbyname", "socket.getaddrinfo"):
                    with open({str(tmp_path / "asked.log")!r}, "a") as log:
                        log.write(f"{{event}} {{arguments[1:] if event == 'socket.connect' else arguments}}\\n")

            sys.addaudithook(note)
            """
        )
    )
    path = os.pathsep.join([str(guard), str(ROOT)])
    server = serve("-c", collection.root, "--port", 0, "--mcp", environment={"PYTHONPATH": path})
    assert server.ask("/api/search", "POST", {"terms": ["a disc"]})[0] == 200
    assert server.ask("/")[0] == 200
    asked = (tmp_path / "asked.log").read_text().splitlines()
    assert asked, "the hook is at work"
    strangers = [line for line in asked if "127.0.0.1" not in line and "::1" not in line and "server.sock" not in line]
    assert strangers == []


def test_what_is_missing_is_said_with_how_to_install_it(monkeypatch, collection):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in ("uvicorn", "mcp") else find_spec(name, *rest)
    )
    for call in (mmsearch.serve.serve, mmsearch.serve.create_app):
        with pytest.raises(MMSearchError, match=r'pip install "mmsearch\[serve\]"'):
            call([collection])
    with pytest.raises(MMSearchError, match=r'pip install "mmsearch\[mcp\]"'):
        mmsearch.serve.serve_stdio([collection])


def test_collections_of_one_name_are_numbered(tmp_path):
    made = [Collection.create(tmp_path / place / "photos.mms", model=None) for place in ("a", "b")]
    app = mmsearch.serve.create_app(made)
    assert list(app.state.served) == ["photos", "photos-2"]
    app = mmsearch.serve.create_app({"one": made[0], "two": made[1].root})
    assert list(app.state.served) == ["one", "two"]
