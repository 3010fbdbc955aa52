"""Connections of a front to one reader: kept open, and used by one request at a time."""

from __future__ import annotations

import http.client
import time
from collections import deque
from urllib.parse import urlsplit

from mmsearch.errors import UsageError

LOOK_UP, ABOUT = "/internal/look-up", "/internal/about"
"""The routes of a reader."""

_MOST_KEPT = 8
_BODY = "application/octet-stream"

ConnectionFailure = (OSError, http.client.HTTPException)
"""What ends a request without an answer; a `TimeoutError` among them if time ran out."""


class Sent:
    """A request that waits for its answer."""

    def __init__(self, connection: http.client.HTTPConnection, *, is_kept: bool) -> None:
        self.connection = connection
        self.is_kept = is_kept


class Connections:
    """Connections to one address.

    Args:
        address: ``http://host:port`` or ``https://host:port``.
        token: what the reader asks for; None for nothing.

    Raises:
        UsageError: it is no such address.
    """

    def __init__(self, address: str, token: str | None) -> None:
        parts = urlsplit(address)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.path.strip("/"):
            raise UsageError(f"{address!r} is no address of a reader, such as http://127.0.0.1:8765")
        if parts.query or parts.username:
            raise UsageError(f"an address of a reader has no token in it: {parts.scheme}://{parts.hostname}")
        self.address = f"{parts.scheme}://{parts.netloc}"
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname, port
        self._headers = {"Content-Type": _BODY, **({"Authorization": f"Bearer {token}"} if token else {})}
        self._free: deque[http.client.HTTPConnection] = deque()

    def send(self, path: str, body: bytes, until: float, *, anew: bool = False) -> Sent:
        """Send a request; ``until``: the time of `time.monotonic` until which all of it may take.

        Raises:
            ConnectionFailure: it cannot be sent.
        """
        connection = None if anew else self._kept()
        sent = Sent(connection or self._kind(self._host, self._port), is_kept=connection is not None)
        try:
            _set_timeout(sent.connection, until)
            sent.connection.request("POST", path, body, self._headers)
        except ConnectionFailure as error:
            sent.connection.close()
            if not sent.is_kept or isinstance(error, TimeoutError):
                raise
            return self.send(path, body, until, anew=True)  # the reader closes what is idle
        return sent

    def receive(self, sent: Sent, path: str, body: bytes, until: float) -> tuple[int, bytes]:
        """The status and body of the answer.

        Raises:
            ConnectionFailure: there is none.
        """
        try:
            _set_timeout(sent.connection, until)
            response = sent.connection.getresponse()
            found = response.status, response.read()
        except ConnectionFailure as error:
            sent.connection.close()
            if not sent.is_kept or isinstance(error, TimeoutError):
                raise
            return self.receive(self.send(path, body, until, anew=True), path, body, until)
        if response.will_close or len(self._free) >= _MOST_KEPT:
            sent.connection.close()
        else:
            self._free.append(sent.connection)
        return found

    def ask(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Send a request and wait for its answer; raises what `send` and `receive` do."""
        until = time.monotonic() + seconds
        return self.receive(self.send(path, body, until), path, body, until)

    def close(self) -> None:
        """Close what is kept open."""
        while (connection := self._kept()) is not None:
            connection.close()

    def _kept(self) -> http.client.HTTPConnection | None:
        try:
            return self._free.pop()
        except IndexError:
            return None


def _set_timeout(connection: http.client.HTTPConnection, until: float) -> None:
    left = max(until - time.monotonic(), 0.001)
    connection.timeout = left
    if connection.sock is not None:
        connection.sock.settimeout(left)
