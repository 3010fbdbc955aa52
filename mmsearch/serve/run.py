"""Runs the server: addresses, token, signals, and the sockets of the command line."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.applications import Starlette

import mmsearch
from mmsearch import Hint, HintKind, MMSearchError
from mmsearch.serve.connections import PatientProtocol
from mmsearch.serve.running import ServerInfo
from mmsearch.serve.warm import WarmSockets

DEFAULT_PORT = 8765
_PORTS = 20  # that are tried, from the default on
_LAST_ANSWERS_S = 30
_KEEP_ALIVE_S = 15
_BACKLOG = 256


def run_server(
    make_app: Callable[..., Starlette],
    *,
    host: str | None,
    port: int | None,
    names: Sequence[str],
    started: Callable[[ServerInfo], None],
    say: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM, or until a client of a socket asks to stop; see `mmsearch.serve.serve`."""
    sockets = _listen(host, port)
    number = sockets[0].getsockname()[1]
    is_open = bool(names) or (host is not None and not _is_loopback(host))
    token = (os.environ.get("MMSEARCH_TOKEN") or secrets.token_urlsafe(24)) if is_open else None
    app = make_app(hosts=(*names, *_own_names(host)) if is_open else (), token=token, local=not is_open)
    address = f"http://{_shown(host)}:{number}/" + (f"?token={token}" if token else "")
    info = ServerInfo(os.getpid(), address, dict(app.state.folders), mmsearch.__version__)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
    server = _Server(config)

    async def main() -> None:
        def stop() -> None:
            server.should_exit = True

        with server.capture_signals():  # before anyone can know that it has started
            async with WarmSockets(app, info, stop).listening(say):
                warming = [asyncio.create_task(warm()) for warm in app.state.warming]
                started(info)
                await server.serve(sockets=sockets)
                for task in warming:
                    task.cancel()

    asyncio.run(main())


class _Server(uvicorn.Server):
    """uvicorn's server, which ends in peace: it does not raise the signal again that told it to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Finish what is running at the first signal, leave it at the second."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_names(host: str | None) -> tuple[str, ...]:
    """The names by which other machines may ask."""
    names = {(host or "").lower(), socket.gethostname().lower()}
    return tuple(names | {f"{name}.local" for name in names if name and "." not in name})


def _shown(host: str | None) -> str:
    """The host in an address that a person can open."""
    if host is None or host == "localhost":
        return "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _listen(host: str | None, port: int | None) -> list[socket.socket]:
    """Sockets that listen; by default at both loopback addresses, and at the first port that is free.

    Raises:
        MMSearchError: the port is taken, or there is no such address here.
    """
    hosts = ["127.0.0.1", "::1"] if host in (None, "localhost") else [str(host)]
    ports = [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS)
    for number in ports:
        try:
            return _bind_all(hosts, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise MMSearchError(f"cannot listen at {host}: {error.strerror or error}") from error
    raise MMSearchError(
        f"port {port} is taken" if port is not None else f"no port from {ports[0]} to {ports[-1]} is free",
        hint=Hint(HintKind.CHANGE_ARGUMENT, "port"),
    )


def _bind_all(hosts: list[str], port: int) -> list[socket.socket]:
    """A socket at each of the hosts, all at one port. Of several hosts, one that this machine lacks is left out."""
    bound: list[socket.socket] = []
    try:
        for host in hosts:
            try:
                bound.append(_bind(host, bound[0].getsockname()[1] if bound else port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE or len(hosts) == 1:
                    raise
        if not bound:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)  # with its protocol: else asyncio does not set TCP_NODELAY
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
