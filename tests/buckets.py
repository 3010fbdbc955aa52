"""Buckets for tests: moto's S3 as a real server of this process, and servers that misbehave."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


class Request(NamedTuple):
    """What a client asked of the server. ``range``: the header, empty if there is none."""

    method: str
    path: str
    range: str


class S3Server:
    """moto's S3 over HTTP on a free port. One writing request is handled at a time, as S3 decides conditional ones.

    Attributes:
        requests: what was asked, oldest first; tests may clear it.
        denies: a condition on requests that are answered by 403.
        before_write: called before each PUT, with its path: a test may have somebody else write first, or die here.
        loses_answer: a condition on requests that are carried out, and answered by 500 once.
    """

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:
                pass

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.requests: list[Request] = []
        self.denies: Callable[[Request], bool] | None = None
        self.before_write: Callable[[str], None] | None = None
        self.loses_answer: Callable[[Request], bool] | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self._numbers = itertools.count(1)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", ""))
        self.requests.append(request)
        if self.denies is not None and self.denies(request):
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(DENIED)))])
            return [] if request.method == "HEAD" else [DENIED]
        if request.method in ("GET", "HEAD"):
            return self._app(environ, start_response)
        if self.before_write is not None and request.method == "PUT":
            self.before_write(request.path)
        with self._writing:
            if self.loses_answer is None or not self.loses_answer(request):
                return list(self._app(environ, start_response))
            self.loses_answer = None
            list(self._app(environ, lambda *_: None))
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return []

    def new_bucket(self) -> str:
        """Make an empty bucket; returns its name."""
        from urllib.request import Request as Asked
        from urllib.request import urlopen

        name = f"bucket-{next(self._numbers)}"
        urlopen(Asked(f"{self.endpoint}/{name}", method="PUT"), timeout=10).close()
        return name

    def environment(self) -> dict[str, str]:
        """Variables by which a client finds this server and no credentials of the machine."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
            "NO_PROXY": "127.0.0.1",
        }

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


class Bucket(NamedTuple):
    """An empty bucket of a running server, which the environment of the test names.

    Attributes:
        address: ``s3://…`` of the bucket.
        server: its server, with the requests that it got.
        environment: the variables that are set, for processes that the test starts.
    """

    address: str
    server: S3Server
    environment: dict[str, str]


@contextmanager
def raw_server(reply: bytes | None) -> Iterator[str]:
    """A server that sends the same bytes to whoever asks and hangs up, or never answers (None); yields its endpoint."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            if reply is None:
                ended.wait(60)
            else:
                connection.sendall(reply)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()
