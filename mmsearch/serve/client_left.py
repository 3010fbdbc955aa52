"""Work for a client that may leave before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Result = TypeVar("Result")


class ClientLeftError(Exception):
    """The client is gone: nobody reads an answer."""


async def until_client_leaves(receive: Receive) -> None:
    """Wait until the connection is closed. What is left of the body of the request is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_client_leaves(
    receive: Receive, work: Awaitable[Result], give_up: Callable[[], object] = lambda: None
) -> Result:
    """The result of some work, which is cancelled if the client leaves.

    Args:
        receive: of the request.
        work: what is awaited.
        give_up: is called before the work is cancelled: a thread that does it must be told.

    Raises:
        ClientLeftError: it left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(until_client_leaves(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError
        return working.result()
    finally:
        if not working.done():
            give_up()
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


class StreamedResponse(Response):
    """Sends a body piece by piece until it ends or the client leaves, and gives back what it holds in any case.

    Args:
        status: of the answer.
        headers: of the answer, all of them.
    """

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status_code, self.background, self.body = status, None, b""
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def send_body(self, send: Send) -> None:
        """Send the body; the last message says that there is no more."""
        raise NotImplementedError

    async def end(self) -> None:
        """Give back what is held."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            else:
                await _send_unless_client_leaves(receive, partial(self.send_body, send))
        finally:
            await self.end()


async def _send_unless_client_leaves(receive: Receive, send_body: Callable[[], Awaitable[None]]) -> None:
    """Send the body of an answer; it ends where it is when the client leaves."""
    async with anyio.create_task_group() as tasks:

        async def stop_when_left() -> None:
            await until_client_leaves(receive)
            tasks.cancel_scope.cancel()

        tasks.start_soon(stop_when_left)
        await send_body()
        tasks.cancel_scope.cancel()
