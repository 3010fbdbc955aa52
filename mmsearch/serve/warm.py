"""The sockets through which the command line on this machine asks a running server; see `wire` for the messages."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from mmsearch import Answer, MMSearchError, Progress, Query
from mmsearch.serve import wire
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.running import RunningCollection, ServerInfo, short_path
from mmsearch.serve.served import Served, SlowWork

_MOST_TOGETHER = 64  # queries of one call that wait in the batcher at once


class WarmSockets:
    """Answers through a socket in each collection's folder, which only this user may open.

    Args:
        app: the server's app.
        info: what the server says of itself.
        stop: is called when a client asks the server to end.
    """

    def __init__(self, app: Starlette, info: ServerInfo, stop: Callable[[], None]) -> None:
        self._served: Mapping[str, Served] = app.state.served
        self._slow_work: SlowWork = app.state.slow_work
        self._info = info
        self._stop = stop
        self._clients: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def listening(self, say: Callable[[str], None]) -> AsyncIterator[None]:
        """Listen while the block runs; it is said where that is not possible, such as in a folder that is read-only."""
        servers: list[asyncio.Server] = []
        paths: list[Path] = []
        for served in self._served.values() if hasattr(socket, "AF_UNIX") else ():
            root = served.collection.root
            path = root / wire.SOCKET_NAME
            answer = partial(self._serve, served)
            try:
                servers.append(await asyncio.start_unix_server(answer, sock=_bound(path), limit=wire.MOST_BYTES))
                paths.append(path)
            except MMSearchError as error:
                say(str(error))
            except OSError as error:
                say(f"queries to {root} on the command line load models themselves: {error.strerror or error}")
        try:
            yield
        finally:
            for server in servers:
                server.close()
            for path in paths:
                path.unlink(missing_ok=True)
            for client in list(self._clients):
                client.close()

    async def _serve(self, served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                await self._reply(served, line, writer)
        except (OSError, ValueError, asyncio.CancelledError):  # the client has left, or wrote no line; or all ends
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _reply(self, served: Served, line: bytes, writer: asyncio.StreamWriter) -> None:
        def send(message: Mapping[str, Any]) -> None:
            writer.write(json.dumps(message, default=str).encode() + b"\n")

        try:
            send({"result": await self._result(served, json.loads(line), send)})
        except MMSearchError as error:
            send({"error": wire.error_to_json(error)})
        await writer.drain()

    async def _result(self, served: Served, call: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> Any:
        if call["call"] == "hello":
            return self._info.to_json()
        if call["call"] == "stop":
            asyncio.get_running_loop().call_soon(self._stop)
            return None
        served.refresh()
        if call["call"] == "names":
            return await self._slow_work.run(_names_known, served, call)
        queries = [Query.from_json(query) for query in call["queries"]]
        loop = asyncio.get_running_loop()

        def watch(progress: Progress) -> None:
            loop.call_soon_threadsafe(send, {"progress": wire.progress_to_json(progress)})

        found: list[dict[str, Any]] = []
        for start in range(0, len(queries), _MOST_TOGETHER):
            asked = queries[start : start + _MOST_TOGETHER]
            found += await asyncio.gather(
                *(self._answer(served, query, call["k"], call["options"], watch) for query in asked)
            )
        return found

    async def _answer(
        self, served: Served, query: Query, k: int, options: Mapping[str, Any], watch: Callable[[Progress], None]
    ) -> dict[str, Any]:
        reads_files = bool(query.files) or any(isinstance(mark, Path) for mark in query.marks)
        try:
            if reads_files:
                answer = await _patiently(
                    lambda: self._slow_work.run(served.collection.ask, query, k, watch=watch, **options)
                )
            else:
                answer = await _patiently(lambda: served.batcher.ask(query, k, options))
        except MMSearchError as error:
            return {"error": wire.error_to_json(error)}
        return wire.answer_to_json(answer)


def _names_known(served: Served, call: Mapping[str, Any]) -> Any:
    """What the collection knows of a name; a place as its fields."""
    names = served.collection.names
    if call["ask"] == "cameras":
        return list(names.cameras())
    if call["ask"] == "has_places":
        return names.has_places()
    found = (names.place if call["ask"] == "place" else names.own_place)(str(call["name"]))
    return None if found is None else dataclasses.asdict(found)


async def _patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer, waited for while the server is busy: the command line has no one else to ask."""
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.status != 429:
                raise
            await asyncio.sleep(0.05)


def _bound(path: Path) -> socket.socket:
    """A socket that listens at a path, for this user alone; one that a dead server left is replaced.

    Raises:
        MMSearchError: there is a server already.
        OSError: nothing can be made there.
    """
    other = RunningCollection.find(path.parent)
    if other is not None:
        other.close()
        server = other.server
        raise MMSearchError(
            f"process {server.process} serves {path.parent} too, at {server.address}, and answers the command line"
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with short_path(path) as name:
            listener.bind(name)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener
