"""Queries gather while a batch is at work, and what waits is bounded."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmsearch import Collection, Query, UsageError
from mmsearch.serve import batching
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.batching import Batcher
from mmsearch.serve.metrics import Metrics


@pytest.fixture
def held(gallery: Collection, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], threading.Event]:
    """The sizes of the batches that are asked for, and what lets the first of them go on."""
    sizes: list[int] = []
    go_on = threading.Event()
    ask_many = Collection.ask_many

    def counted(self, queries, *arguments, **options):
        sizes.append(len(queries))
        go_on.wait(10)
        return ask_many(self, queries, *arguments, **options)

    monkeypatch.setattr(Collection, "ask_many", counted)
    return sizes, go_on


async def asked(batcher: Batcher, *queries: Query, k: int = 3, **options: object) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(batcher.ask(query, k, options)) for query in queries]
    await asyncio.sleep(0.05)
    return tasks


def test_what_comes_while_a_batch_is_at_work_makes_the_next(gallery, held):
    sizes, go_on = held
    batcher = Batcher(gallery, Metrics())

    async def ask() -> list[list[int]]:
        first = await asked(batcher, Query("a disc"))
        others = await asked(batcher, *(Query(f"a red disc {i}") for i in range(7)))
        go_on.set()
        return [[hit.id for hit in answer.hits] for answer in await asyncio.gather(*first, *others)]

    found = asyncio.run(ask())
    batcher.close()
    assert sizes == [1, 7]
    expected = [gallery.search("a disc", 3), *(gallery.search(f"a red disc {i}", 3) for i in range(7))]
    assert found == [[hit.id for hit in hits] for hits in expected]


def test_a_batch_of_which_all_were_given_up_does_not_end_the_work(gallery, held):
    sizes, go_on = held
    batcher = Batcher(gallery, Metrics())

    async def ask() -> int:
        first = await asked(batcher, Query("a disc"))
        (given_up,) = await asked(batcher, Query("a red disc"))
        given_up.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*first)
        await asyncio.sleep(0.1)
        return len((await asyncio.wait_for(batcher.ask(Query("a grid"), 3, {}), 10)).hits)

    assert asyncio.run(ask()) == 3
    batcher.close()
    assert sizes == [1, 1]


def test_queries_with_other_options_are_asked_apart(gallery, held):
    sizes, go_on = held
    batcher = Batcher(gallery, Metrics())

    async def ask() -> None:
        tasks = await asked(batcher, Query("a disc"))
        tasks += await asked(batcher, Query("a"), Query("b"), to=["image"])
        tasks += await asked(batcher, Query("c"), to=["text"])
        go_on.set()
        answers = await asyncio.gather(*tasks)
        assert {hit.modality for hit in answers[1].hits} == {"image"}
        assert {hit.modality for hit in answers[3].hits} == {"text"}

    asyncio.run(ask())
    batcher.close()
    assert sizes == [1, 2, 1]


def test_one_query_that_cannot_be_asked_fails_alone(gallery, held):
    _, go_on = held
    go_on.set()
    batcher = Batcher(gallery, Metrics())

    async def ask() -> list[object]:
        tasks = await asked(batcher, Query("a disc"), Query("a", minus=["a"]), Query("boats"))
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, wrong, last = asyncio.run(ask())
    batcher.close()
    assert first.hits
    assert last.hits
    assert isinstance(wrong, UsageError)


def test_what_waits_is_bounded_and_who_leaves_is_not_answered(gallery, held, monkeypatch):
    sizes, go_on = held
    monkeypatch.setattr(batching, "MOST_WAITING", 3)
    batcher = Batcher(gallery, Metrics())

    async def ask() -> None:
        first = await asked(batcher, Query("a disc"))
        waiting = await asked(batcher, *(Query(f"{i}") for i in range(4)))
        with pytest.raises(ApiError) as error:
            await waiting.pop()
        assert error.value.status == 429
        assert error.value.headers["Retry-After"]
        waiting.pop().cancel()
        go_on.set()
        await asyncio.gather(*first, *waiting)

    asyncio.run(ask())
    batcher.close()
    assert sizes == [1, 2]


def test_many_clients_and_a_commit_amid_them(client, collection, photos, drawn):
    """Another process commits, merges and sweeps all the while: no request fails, and the last see all of it."""
    stop = threading.Event()

    def ask(number: int) -> list[int]:
        found = []
        while not stop.is_set():
            answer = client.post("/api/search", json={"terms": [f"a disc {number} {len(found)}"], "k": 100})
            assert answer.status_code == 200, answer.text
            found.append(len(answer.json()["hits"]))
        return found

    with ThreadPoolExecutor(4) as pool:
        counts = [pool.submit(ask, number) for number in range(4)]
        writer = Collection.open(collection.root)
        for number in range(4):
            drawn("noise").rotate(number + 1).save(photos / f"new {number}.png")
            writer.index([photos], workers=1)
            writer.compact()
        stop.set()
        for count in counts:
            found = count.result()
            assert found == sorted(found)
    assert len(client.post("/api/search", json={"terms": ["a disc"], "k": 100}).json()["hits"]) == 14
