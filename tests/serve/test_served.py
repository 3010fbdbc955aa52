"""Collections by name, and errors as JSON."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.served import SlowWork


def test_what_does_not_exist_is_an_error_in_json(client):
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Not Found"


def test_slow_work_is_bounded_and_says_when_to_come_back():
    work = SlowWork(threads=1, waiting=1)
    ready = threading.Event()

    async def ask() -> list[object]:
        tasks = [asyncio.create_task(work.run(ready.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        ready.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert first is second is True
    assert isinstance(third, ApiError)
    assert third.status == 429
    assert third.headers == {"Retry-After": "1"}
    with pytest.raises(ApiError):
        raise third
