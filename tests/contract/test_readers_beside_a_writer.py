"""Readers beside a writer that indexes, removes and compacts, and sweeps at once what no manifest names any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.store import writer

DIM = 16


def vectors(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


@pytest.fixture(autouse=True)
def swept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SWEEP_AFTER_S", -1.0)


@pytest.fixture(params=["exact", "IVF4,Flat"])
def shared_collection(request: pytest.FixtureRequest, tmp_path) -> Collection:
    """Some rows that stay, searched exactly or through an index; rows at ``/going`` come and go."""
    made = Collection.create(tmp_path / "c.mms", model=None, index=request.param)
    made.add(vectors(300, 0), paths=[f"/staying/{i}" for i in range(300)], modality="image", space="s")
    return made


def change(collection: Collection, round_: int) -> None:
    """Add rows and remove those of the round before; every second time also compact."""
    collection.add(
        vectors(40, round_ + 1), paths=[f"/going/{round_}/{i}" for i in range(40)], modality="image", space="s"
    )
    if round_:
        collection.remove([f"/going/{round_ - 1}"])
    if round_ % 2:
        collection.compact()


@contextmanager
def readers(count: int, work: Callable[[int], None]) -> Iterator[list[BaseException]]:
    """Threads that repeat ``work(number)`` until the block ends; what they raised."""
    failures: list[BaseException] = []
    ended = threading.Event()

    def run(number: int) -> None:
        while not ended.is_set() and not failures:
            try:
                work(number)
            except BaseException as failure:
                failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_no_query_fails_beside_a_writer_and_none_answers_with_what_is_gone(shared_collection):
    opened = [Collection.open(shared_collection.root) for _ in range(4)]
    asked = [0] * 8

    def ask(number: int) -> None:
        reader = opened[number % 4] if number < 4 else Collection.open(shared_collection.root)
        if number == 3:
            reader.reopen()
        hits = reader.search(vectors(1, 1000 + asked[number])[0], k=20, exact=bool(asked[number] % 2))
        assert len(hits) == 20
        alive = {hit.path.split("/")[2] for hit in hits if hit.path.startswith("/going")}
        assert len(alive) <= 2, "rows of one moment: those of a round, and of the one before until it is removed"
        if number == 7:
            assert reader.status().modalities[0].rows >= 300
            assert Collection.doctor(reader.root) == []
        asked[number] += 1

    with readers(8, ask) as failures:
        for round_ in range(8):
            if not failures:
                change(shared_collection, round_)
    assert failures == []
    assert min(asked) > 0


def test_a_reader_that_slept_over_two_compactions_answers_from_the_newest(shared_collection):
    for opened_before in (lambda reader: None, lambda reader: reader.search(vectors(1, 5)[0], exact=True)):
        reader = Collection.open(shared_collection.root)
        opened_before(reader)
        for round_ in range(4):
            change(shared_collection, round_)
        shared_collection.compact()
        writer_view = [hit.id for hit in shared_collection.search(vectors(1, 7)[0], k=5)]
        assert len(writer_view) == 5
        assert len(reader.search(vectors(1, 7)[0], k=5)) == 5
        assert reader.status().modalities
        shared_collection.remove(["/going"])
        shared_collection.compact()


def test_threads_of_one_reader_move_on_together(shared_collection):
    reader = Collection.open(shared_collection.root)
    change(shared_collection, 0)
    change(shared_collection, 1)
    shared_collection.compact()
    barrier = threading.Barrier(8)
    failures = []

    def ask() -> None:
        barrier.wait()
        try:
            assert len(reader.search(vectors(1, 3)[0], k=5)) == 5
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
