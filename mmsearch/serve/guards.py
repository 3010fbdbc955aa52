"""What every request must pass before it is answered: who may ask, from which page, how much, and for how long.

- *Host*: a name that is not ours is refused (421). A page of another site that makes its own name lead to this machine
  (DNS rebinding) sends its own name.
- *Origin*: a request from a page of another origin is refused (403), as is one that the browser marks as cross-site.
- *Token*: where the server is open to other machines, each request shows it: as ``Authorization: Bearer``, or as the
  cookie that ``/?token=`` is exchanged for.
- *Body*: its size and the time that it takes are bounded (413, 408).

Every answer forbids browsers to run or embed what it holds.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.metrics import Metrics

MOST_BODY = 66 << 20
"""Bytes: uploads of 64 MiB, and what wraps them."""

_COOKIE = "mmsearch_session"
_OPEN_PATHS = ("/healthz", "/readyz")
_CHUNK_S = 20.0  # for the next piece of a body
_BODY_S = 60.0  # for a whole body, and a second more for each of these bytes
_LEAST_RATE = 64 << 10
_CSP = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    Attributes:
        hosts: names by which the server may be asked, besides those of this machine; None: any name, because the app
            around this one checks it.
        token: what a client must show; None: nothing, for a server that only this machine reaches.
    """

    hosts: Sequence[str] | None = ()
    token: str | None = None

    def allows_host(self, host: str) -> bool:
        """Whether the ``Host`` header of a request is a name of ours.

        With a token any IP address is: names alone can be made to lead elsewhere.
        """
        if self.hosts is None:
            return True
        name = _name_of(host)
        if name == "localhost" or name in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.token is not None

    @property
    def session(self) -> str:
        """What the cookie holds: it proves the token and is not the token."""
        assert self.token is not None
        return hmac.new(self.token.encode(), b"mmsearch session", "sha256").hexdigest()

    def knows(self, headers: Headers) -> bool:
        """Whether a request shows the token."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self.session.encode())


def _name_of(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


class Guards:
    """ASGI middleware that lets pass only what the module says, and measures it.

    Args:
        app: what is guarded.
        access: who may ask.
        metrics: are told of every request.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self.app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(("/api/", "/v1/", "/metrics")):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is not None:
                await refused(scope, receive, send_guarded)
            else:
                await self.app(scope, _Body(scope, receive).receive, send_guarded)
        finally:
            self._metrics.request(_route(scope), scope["method"], status, time.perf_counter() - start)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request that must not pass; None for others."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._access.allows_host(host):
            return ApiError(421, f"this server is not {host or 'without a name'}", "MisdirectedRequest").response()
        if not _is_same_origin(headers, host):
            return ApiError(403, "pages of other sites may not ask this server", "CrossOrigin").response()
        if redirect := self._token_in_address(scope):
            return redirect
        if scope["path"] in _OPEN_PATHS or self._access.knows(headers):
            return None
        said = "this server asks for its token: send `Authorization: Bearer TOKEN`, or open the address it printed"
        return ApiError(401, said, "Unauthorized", {"WWW-Authenticate": "Bearer"}).response()

    def _token_in_address(self, scope: Scope) -> Response | None:
        """A redirect that takes the token out of the address and puts it into a cookie; None if it is not there."""
        token, access = self._access.token, self._access
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        given = asked.pop("token", [""])[0]
        if token is None or scope["method"] != "GET" or not hmac.compare_digest(given.encode(), token.encode()):
            return None
        query = urlencode(asked, doseq=True)
        answer = RedirectResponse("/" + scope["path"].lstrip("/\\") + (f"?{query}" if query else ""), 303)
        answer.set_cookie(_COOKIE, access.session, httponly=True, samesite="strict", secure=scope["scheme"] == "https")
        answer.headers["cache-control"] = "no-store"
        return answer


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from one of our own pages, from an address that was opened, or from no browser."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() == host.lower()
    site = headers.get("sec-fetch-site", "none")
    return site in ("none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"


def _route(scope: Scope) -> str:
    """The pattern of the route that answered, for metrics: addresses with ids would be without number."""
    route: Any = scope.get("route")
    return getattr(route, "path", None) or "other"


class _Body:
    """The body of a request, while its size and the time that it takes stay within bounds."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._started = time.monotonic()
        self._bytes = 0
        self._is_whole = False
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > MOST_BODY:
            self._bytes = int(length)

    async def receive(self) -> Message:
        """The next message.

        Raises:
            ApiError: 413 for a body that is too long, 408 for one that comes too slowly.
        """
        if self._is_whole:
            return await self._receive()  # waits for the client to leave
        if self._bytes > MOST_BODY:
            raise _too_long()
        left = self._started + _BODY_S + self._bytes / _LEAST_RATE - time.monotonic()
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes as the message does, and whoever
            # waits for the client to leave would wait until it does.
            async with asyncio.timeout(max(0.0, min(_CHUNK_S, left))):
                message = await self._receive()
        except TimeoutError:
            message_text = "the body of the request comes too slowly"
            raise ApiError(408, message_text, "TooSlow", {"Connection": "close"}) from None
        self._bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._bytes > MOST_BODY:
            raise _too_long()
        return message


def _too_long() -> ApiError:
    limit = f"the body of a request has at most {MOST_BODY >> 20} MiB"
    return ApiError(413, limit, "TooLarge", {"Connection": "close"})
