"""Clients that take long, or leave: nothing of theirs stays, and others are answered all the while."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from mmsearch import Collection
from mmsearch.serve import connections, create_app, guards
from mmsearch.serve.connections import PatientProtocol


@contextmanager
def served(app: Any) -> Iterator[tuple[uvicorn.Server, int]]:
    """A server of an ASGI app in a thread, and its port."""
    config = uvicorn.Config(app, http=PatientProtocol, port=0, log_level="critical", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def impatient(gallery: Collection, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[uvicorn.Server, int]]:
    """A server that waits for fractions of seconds."""
    for module, name, seconds in (
        (connections, "REQUEST_S", 0.3),
        (connections, "READ_S", 0.3),
        (guards, "_CHUNK_S", 0.3),
    ):
        monkeypatch.setattr(module, name, seconds)
    with served(create_app([gallery])) as server:
        yield server


def is_healthy(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("GET", "/healthz")
    return client.getresponse().status == 200


def is_closed(client: socket.socket) -> bool:
    """Whether the server closes a connection within seconds."""
    client.settimeout(5)
    try:
        while client.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def test_a_header_that_never_ends_is_given_up(impatient):
    _, port = impatient
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")

    def drip() -> None:
        with suppress(OSError):
            for _ in range(100):
                client.sendall(b"X-Slow: 1\r\n")
                time.sleep(0.05)

    threading.Thread(target=drip).start()
    started = time.monotonic()
    assert is_closed(client)
    assert time.monotonic() - started < 4
    assert is_healthy(port)


def test_a_connection_that_says_nothing_is_given_up(impatient):
    _, port = impatient
    assert is_closed(socket.create_connection(("127.0.0.1", port)))


def test_hundreds_of_idle_connections_do_not_keep_others_out(impatient, monkeypatch):
    server, port = impatient
    monkeypatch.setattr(connections, "REQUEST_S", 60)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 100)
    threads = threading.active_count()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    assert is_healthy(port)
    assert len(server.server_state.connections) <= 101
    assert threading.active_count() <= threads + 1
    for client in idle:
        client.close()


def test_a_body_that_never_ends_is_given_up(impatient):
    _, port = impatient
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
    client.settimeout(5)
    assert client.recv(1 << 16).startswith(b"HTTP/1.1 408")
    assert is_closed(client)
    assert is_healthy(port)


def test_a_client_that_does_not_read_is_given_up(monkeypatch):
    monkeypatch.setattr(connections, "READ_S", 0.3)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(32 << 20)})  # longer than the system's buffers

    with served(app) as (server, port):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        deadline = time.monotonic() + 10
        time.sleep(0.1)
        assert server.server_state.connections
        while server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not server.server_state.connections


def test_a_client_that_leaves_before_the_answer_loses_no_thread(impatient):
    server, port = impatient
    assert is_healthy(port)
    threads = threading.active_count()
    for _ in range(20):
        client = socket.create_connection(("127.0.0.1", port))
        body = b'{"terms": ["a disc"]}'
        head = f"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        client.close()
    deadline = time.monotonic() + 5
    while server.server_state.tasks and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.server_state.tasks
    assert threading.active_count() <= threads + 1  # the thread of the batches
