"""Many clients that ask an HTTP server at once, each the next question when it has its answer.

The clients are coroutines over plain sockets: a library for HTTP would take more processor time than the server.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

Request = tuple[bytes, bytes]
"""The head of a request up to its headers' last line, and the body."""


@dataclass(slots=True)
class Load:
    """What clients saw.

    Attributes:
        latencies_s: of answers of status 200.
        failed: other answers, and connections that broke.
        seconds: from the first request to the last answer.
        cpu_s: processor time that the server took.
        last: the last answer.
    """

    latencies_s: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    last: bytes = b""

    def summary(self) -> dict[str, float | int]:
        """Queries per second, percentiles of the time of an answer, and processor time of the server for each."""
        count = len(self.latencies_s)
        percentiles = statistics.quantiles(self.latencies_s, n=100) if count > 1 else [0.0] * 99
        return {
            "answers": count,
            "failed": self.failed,
            "queries_s": round(count / self.seconds, 1),
            "p50_ms": round(1000 * percentiles[49], 2),
            "p99_ms": round(1000 * percentiles[98], 2),
            "cpu_ms": round(1000 * self.cpu_s / max(count, 1), 2),
        }


def posted(path: str, make_body: Callable[[str], dict[str, Any]]) -> Callable[[str], Request]:
    """Makes requests that send JSON made of a question."""

    def make(question: str) -> Request:
        body = json.dumps(make_body(question)).encode()
        head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode(), body

    return make


def gotten(path: str) -> Callable[[str], Request]:
    """Makes requests that have a question in their address, where ``{}`` stands."""
    return lambda question: (f"GET {path.format(quote(question))} HTTP/1.1\r\n".encode(), b"")


def ask_together(
    address: str,
    make: Callable[[str], Request],
    questions: Iterator[str],
    *,
    clients: int,
    process: int,
    seconds: float | None = None,
    count: int | None = None,
) -> Load:
    """Ask by some clients at once, for some seconds or until there are so many answers.

    Args:
        address: of the server, such as ``http://127.0.0.1:8765``.
        make: a request for a question.
        questions: are taken one by one.
        clients: how many.
        process: the server's, whose processor time is measured, with that of its children.
        seconds: how long.
        count: how many questions.
    """
    load = Load()
    asked = questions if count is None else itertools.islice(questions, count)
    before, start = cpu_s(process), time.perf_counter()
    until = float("inf") if seconds is None else start + seconds

    async def run() -> None:
        await asyncio.gather(*(_client(address, make, asked, until, load) for _ in range(clients)))

    asyncio.run(run())
    load.seconds = time.perf_counter() - start
    load.cpu_s = cpu_s(process) - before
    return load


def cpu_s(process: int) -> float:
    """Processor time of a process and its children so far."""
    found = psutil.Process(process)
    return sum(sum(one.cpu_times()[:2]) for one in (found, *found.children(recursive=True)))


def resident_mb(process: int) -> float:
    """Memory of a process and its children that is not of mapped files."""
    found = psutil.Process(process)
    infos = [one.memory_info() for one in (found, *found.children(recursive=True))]
    return round(sum(info.rss - info.shared for info in infos) / 1e6, 1)


async def _client(
    address: str, make: Callable[[str], Request], questions: Iterator[str], until: float, load: Load
) -> None:
    place = urlsplit(address)
    assert place.hostname is not None
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for question in questions:
        start = time.perf_counter()
        if start >= until:
            break
        head, body = make(question)
        try:
            if streams is None:
                streams = await asyncio.open_connection(place.hostname, place.port)
            streams[1].write(head + f"Host: {place.netloc}\r\n\r\n".encode() + body)
            status, answer, stays = await _read(streams[0])
        except (OSError, EOFError, asyncio.IncompleteReadError):
            load.failed += 1
            streams = None
            continue
        if status == 200:
            load.latencies_s.append(time.perf_counter() - start)
            load.last = answer
        else:
            load.failed += 1
        if not stays:
            streams[1].close()
            streams = None
    if streams is not None:
        streams[1].close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    length = headers.get("content-length")
    body = await reader.read() if length is None else await reader.readexactly(int(length))
    stays = length is not None and "close" not in headers.get("connection", "") and first.startswith("http/1.1")
    return int(first.split()[1]), body, stays
