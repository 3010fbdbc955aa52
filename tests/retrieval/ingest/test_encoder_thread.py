"""Batches are embedded on a thread of its own, one ahead of the other; they grow, and shrink where memory is short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.notices import NoticeKind
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.ingest.batch_size import BatchSize
from mmsearch.retrieval.ingest.encoder_thread import Batch, EncoderThread
from mmsearch.retrieval.progress import Stopwatch


def encoded(items: list[int]) -> np.ndarray:
    return np.array([[item, 1] for item in items], np.float32)


def waited(items: list[int]) -> Callable[[], np.ndarray]:
    vectors = encoded(items)
    return lambda: vectors


def run(begin: Callable[[Any], Callable[[], np.ndarray]], counts: list[int], size: BatchSize) -> dict[int, float]:
    """Embed numbers in batches of so many; the vector that came for each."""
    thread, given, vectors = EncoderThread(Stopwatch()), iter(range(10_000)), {}

    def take() -> None:
        for batch in thread.take_finished():
            for owner, vector in zip(batch.owners, batch.vectors, strict=True):
                assert owner not in vectors
                vectors[owner] = float(vector[0])

    try:
        for count in counts:
            items = [next(given) for _ in range(count)]
            while not thread.wait_for_room():
                take()
            thread.submit(Batch(begin, items, list(items), size, 1))
        while thread.wait_for_vectors():
            take()
    finally:
        thread.stop()
    return vectors


def test_every_item_gets_its_own_vector():
    vectors = run(waited, [1, 7, 30, 2, 2, 9] * 5, BatchSize(64, 64))
    assert vectors == {number: float(number) for number in range(51 * 5)}


@pytest.mark.parametrize("late", [False, True], ids=["as it begins", "while it computes"])
def test_a_batch_that_memory_is_too_short_for_comes_again_in_halves(late):
    asked = []

    class OutOfMemoryError(RuntimeError):
        """As torch's, which is no MemoryError."""

    def begin(items):
        def wait():
            asked.append(len(items))
            if len(items) > 5:
                raise OutOfMemoryError
            return encoded(items)

        return wait if late else (lambda vectors: lambda: vectors)(wait())

    size = BatchSize(16, 64)
    vectors = run(begin, [16] * 8, size)
    assert vectors == {number: float(number) for number in range(128)}
    assert (size.now, size.was_halved) == (4, True)
    assert sum(count > 5 for count in asked) <= 5, "a size that is too large was tried again and again"


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), MemoryError()], ids=lambda e: type(e).__name__
)
def test_an_error_comes_out_where_vectors_are_taken_after_those_before_it(error):
    taken = []

    def begin(items):
        if items[0] == 3:
            raise error
        return lambda: time.sleep(0.05) or encoded(items)  # the error comes while these are still being computed

    thread = EncoderThread(Stopwatch())
    for number in range(6):
        while not thread.wait_for_room():
            pass
        thread.submit(Batch(begin, [number], [number], BatchSize(1, 1), 1))

    def take_all() -> None:
        while thread.wait_for_vectors():
            taken.extend(owner for batch in thread.take_finished() for owner in batch.owners)

    with pytest.raises(type(error)):
        take_all()
    thread.stop()
    assert taken == [0, 1, 2]


def test_nobody_waits_for_the_device_while_there_is_room():
    go_on = threading.Event()
    before = set(threading.enumerate())

    def begin(items):
        go_on.wait(20)
        return waited(items)

    thread = EncoderThread(Stopwatch())
    for number in range(3):  # one is being embedded, two wait
        assert thread.wait_for_room()
        thread.submit(Batch(begin, [number], [number], BatchSize(1, 1), 1))
        while number == 0 and thread._waiting:
            time.sleep(0.001)
    assert thread.take_finished() == []
    assert not thread.wait_for_room(), "the queue has no bound"
    go_on.set()
    while thread.wait_for_vectors():
        thread.take_finished()
    thread.stop()
    assert set(threading.enumerate()) <= before, "its threads are still there"


def test_the_next_batch_begins_while_one_is_computed():
    """The device takes 30 ms for what takes 20 ms to begin: one after the other it would be idle 40 % of the time."""
    busy, free_at, began, guard = [], [0.0], [], threading.Lock()

    def begin(items):
        with guard:
            start = max(time.perf_counter() + 0.02, free_at[0])
            free_at[0] = end = start + 0.03
        began.append(start)
        busy.append(0.03)

        def wait():
            time.sleep(max(0.0, end - time.perf_counter()))
            return encoded(items)

        return wait

    run(begin, [4] * 20, BatchSize(4, 4))
    assert sum(busy) / (free_at[0] - began[0]) > 0.8


def sizes_of(rate: Callable[[int], float], first: int = 8, most: int = 1024) -> list[int]:
    """The sizes of forty batches, of an encoder that takes in so many items a second."""
    size, seen = BatchSize(first, most), []
    for _ in range(40):
        seen.append(size.now)
        size.measured(size.now, size.now / rate(size.now))
    return seen


def test_batches_grow_while_larger_ones_are_faster():
    sizes = sizes_of(lambda count: 10_000 * count / (count + 50))
    assert sizes[0] == 8
    assert sizes[-1] == 1024
    assert sizes == sorted(sizes)


def test_batches_stay_as_they_are_where_larger_ones_are_no_faster():
    assert sizes_of(lambda count: 10.0 * min(count, 32))[-1] == 32


def test_batches_that_take_long_do_not_grow():
    assert sizes_of(lambda count: 30.0 + count, most=4096)[-1] == 16


def test_a_size_that_the_user_chose_stays():
    assert set(sizes_of(lambda count: 10.0 * count, first=5, most=5)) == {5}


def test_a_run_says_once_that_memory_was_short(empty, photos, monkeypatch):
    encode, asked = MiniEncoder.encode_images, []

    def short(encoder, pixels):
        asked.append(len(pixels))
        if len(pixels) > 1:
            raise MemoryError
        return encode(encoder, pixels)

    monkeypatch.setattr(MiniEncoder, "encode_images", short)
    report = empty.index([photos])
    assert not report.skipped
    assert report.indexed == len(list(photos.iterdir()))
    (notice,) = [notice for notice in report.notices if notice.kind is NoticeKind.BATCHES_HALVED]
    assert dict(notice.values) == {"model": "mini", "batch": 1}
    assert "mini" in str(notice)
    monkeypatch.setattr(MiniEncoder, "encode_images", encode)
    assert not Collection.open(empty.root).index([photos]).notices
