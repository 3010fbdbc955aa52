"""Connections that take long are closed: one that does not send a request, or does not read its answer.

uvicorn bounds neither. A thousand idle connections would otherwise stay for ever.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0
"""Seconds from the first byte of a request, or from connecting, to the end of its header."""

READ_S = 60.0
"""Seconds for which a client may read nothing of its answer."""

MOST_CONNECTIONS = 512
"""If there are more, the one goes that has been idle for the longest time."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with limits on how long a client may take."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._read_deadline: asyncio.TimerHandle | None = None
        self._idle_since = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, for a while; make room if there are many connections."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(REQUEST_S, self._give_up)
        if len(self.connections) > MOST_CONNECTIONS:
            idle = [one for one in self.connections if isinstance(one, PatientProtocol) and one.is_idle]
            min(idle, key=lambda one: one._idle_since, default=self)._give_up()

    def data_received(self, data: bytes) -> None:
        """Read on. The clock runs while a header is incomplete."""
        super().data_received(data)
        if not self.is_idle:
            self._stop_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._give_up)

    def on_response_complete(self) -> None:
        """Be idle again."""
        super().on_response_complete()
        self._idle_since = time.monotonic()

    def pause_writing(self) -> None:
        """The client does not read: wait for a while."""
        super().pause_writing()
        self._read_deadline = self.loop.call_later(READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        super().resume_writing()
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        if self._read_deadline is not None:
            self._read_deadline.cancel()
        super().connection_lost(exc)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.is_idle:
            self.connections.discard(self)  # now: the transport tells only later that it is lost
            self.transport.abort()
