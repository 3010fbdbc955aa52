"""What has changed waits until it is quiet, in bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest

from mmsearch.library.watching.changes import Batch, Changes, is_hidden


class Clock:
    """A time that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changes(clock) -> Changes:
    return Changes(2.0, 30.0, 5, clock)


def test_a_batch_waits_until_it_is_quiet(changes, clock):
    changes.add("/r", ["/r/a"])
    clock.now = 1.9
    assert not changes.take()
    changes.add("/r", ["/r/b"])
    clock.now = 3.8
    assert not changes.take()
    clock.now = 4.0
    assert changes.take() == Batch(paths={"/r": frozenset({"/r/a", "/r/b"})})
    assert not changes.take()


def test_a_stream_of_changes_is_taken_in_time_without_what_is_still_written(changes, clock):
    changes.add("/r", ["/r/done"])
    while clock.now < 29:
        clock.now += 1
        changes.add("/r", ["/r/growing"])
        assert not changes.take()
    clock.now = 30
    changes.add("/r", ["/r/growing"])
    assert changes.take() == Batch(paths={"/r": frozenset({"/r/done"})})
    assert not changes.take(), "a file alone that is being written waits"
    clock.now = 32
    assert changes.take() == Batch(paths={"/r": frozenset({"/r/growing"})})


def test_too_many_changes_stand_for_the_whole_root(changes, clock):
    changes.add("/r", [f"/r/{i}" for i in range(6)])
    changes.add("/s", ["/s/a"])
    assert len(changes) == 1
    changes.add("/r", ["/r/7"])
    clock.now = 2
    assert changes.take() == Batch(frozenset({"/r"}), {"/s": frozenset({"/s/a"})})


def test_a_root_that_never_is_quiet_is_looked_at_in_time(changes, clock):
    while clock.now < 30:
        changes.add("/r", [f"/r/{clock.now} {i}" for i in range(6)])
        assert not changes.take()
        clock.now += 1
    assert changes.take() == Batch(frozenset({"/r"}))


def test_what_is_put_back_comes_again_and_what_is_forgotten_does_not(changes, clock):
    changes.add("/r", ["/r/a"])
    changes.add_root("/s", at_once=True)
    clock.now = 2
    batch = changes.take()
    assert batch == Batch(frozenset({"/s"}), {"/r": frozenset({"/r/a"})})
    changes.put_back(batch)
    changes.forget("/s")
    clock.now = 4
    assert changes.take() == Batch(paths={"/r": frozenset({"/r/a"})})


def test_many_changes_take_little_memory(clock):
    changes = Changes(2.0, 30.0, 10_000, clock)
    tracemalloc.start()
    for start in range(0, 200_000, 10_000):
        changes.add("/r", (f"/r/a folder/picture {i:07}.jpg" for i in range(start, start + 10_000)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 << 20
    assert len(changes) <= 10_000


def test_hidden_names_are_those_below_the_root():
    assert is_hidden("/home/.me/pics/.thumbs/a.jpg", "/home/.me/pics")
    assert not is_hidden("/home/.me/pics/a.jpg", "/home/.me/pics")
