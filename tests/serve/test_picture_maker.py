"""Pictures are made once for all who ask, the newest first, and only while somebody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import psutil
import pytest

from mmsearch import DecodeError, TransientDecodeError
from mmsearch.serve import picture_maker
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.picture_maker import PictureMaker


@pytest.fixture
def maker() -> Iterator[PictureMaker]:
    made = PictureMaker(threads=1)
    yield made
    made.close()


class Gate:
    """Work that takes until it is let go, and a list of what was made."""

    def __init__(self) -> None:
        self.opened, self.entered = threading.Event(), threading.Event()
        self.made: list[str] = []

    def work(self, name: str) -> Callable[[object], bytes]:
        def make(extractor: object) -> bytes:
            self.entered.set()
            assert self.opened.wait(5)
            self.made.append(name)
            return name.encode()

        return make


def test_the_newest_and_the_oldest_are_made_in_turns(maker):
    """The newest is what a person looks at now; the oldest would else wait for ever."""
    gate = Gate()
    futures = [maker.ask("0", gate.work("0"))]
    assert gate.entered.wait(5)
    futures += [maker.ask(name, gate.work(name)) for name in "12345"]
    gate.opened.set()
    assert [future.result(5) for future in futures] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert gate.made == ["0", "1", "5", "2", "4", "3"]


def test_one_that_several_ask_for_is_made_once_and_counts_as_new(maker):
    gate = Gate()
    maker.ask("first", gate.work("first"))
    assert gate.entered.wait(5)
    asked = [maker.ask(name, gate.work(name)) for name in ("twice", "once", "twice", "first")]
    gate.opened.set()
    assert [future.result(5) for future in asked] == [b"twice", b"once", b"twice", b"first"]
    assert gate.made == ["first", "once", "twice"]


def test_one_that_nobody_waits_for_any_more_is_not_made(maker):
    gate = Gate()
    maker.ask("first", gate.work("first"))
    assert gate.entered.wait(5)
    dropped, kept = maker.ask("dropped", gate.work("dropped")), maker.ask("kept", gate.work("kept"))
    maker.ask("kept", gate.work("kept"))
    maker.leave("dropped")
    maker.leave("kept")
    gate.opened.set()
    assert kept.result(5) == b"kept"
    with pytest.raises(CancelledError):
        dropped.result(5)
    assert gate.made == ["first", "kept"]
    assert maker.waiting == 0


def test_what_waits_is_bounded_and_the_oldest_is_told_to_come_back(maker, monkeypatch):
    monkeypatch.setattr(picture_maker, "_MOST_WAITING", 2)
    gate = Gate()
    maker.ask("first", gate.work("first"))
    assert gate.entered.wait(5)
    oldest, *others = [maker.ask(name, gate.work(name)) for name in ("a", "b", "c")]
    with pytest.raises(ApiError) as told:
        oldest.result(5)
    assert (told.value.status, told.value.headers) == (429, {"Retry-After": "1"})
    gate.opened.set()
    assert [future.result(5) for future in others] == [b"b", b"c"]


@pytest.mark.parametrize(("error", "kept_s"), [(DecodeError("damaged"), 600), (TransientDecodeError("no memory"), 10)])
def test_a_failure_is_remembered_for_a_while(maker, monkeypatch, error, kept_s):
    calls: list[float] = []

    def fail(extractor: object) -> bytes:
        calls.append(time.monotonic())
        raise error

    with pytest.raises(DecodeError):
        maker.ask("broken", fail).result(5)
    for _ in range(3):
        with pytest.raises(DecodeError, match=str(error)):
            maker.ask("broken", fail)
    assert len(calls) == 1
    now = time.monotonic
    monkeypatch.setattr(picture_maker.time, "monotonic", lambda: now() + kept_s + 1)
    with pytest.raises(DecodeError):
        maker.ask("broken", fail).result(5)
    assert len(calls) == 2


def test_an_error_that_is_not_of_the_file_is_not_remembered(maker):
    def fail(extractor: object) -> bytes:
        raise ApiError(410, "the file is gone")

    for _ in range(2):
        with pytest.raises(ApiError):
            maker.ask("gone", fail).result(5)


def test_threads_and_their_processes_end_when_there_is_no_work(tmp_path, collection):
    row = next(record.id for record in collection if record.modality == "image")

    def make(extractor) -> bytes:
        with collection.open_file(row) as file:
            return extractor.picture(file, side=40).data

    before = set(psutil.Process().children())
    maker = PictureMaker(threads=2, idle_s=0.3)
    for _ in range(2):
        assert maker.ask("one", make).result(10)
        assert len(set(psutil.Process().children()) - before) == 1
        deadline = time.monotonic() + 5
        while (set(psutil.Process().children()) - before or maker._threads) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not set(psutil.Process().children()) - before
        assert not maker._threads
    maker.close()


def test_closing_does_not_wait_for_long_work(tmp_path, films):
    from mmsearch import Collection

    (tmp_path / "film.mp4").write_bytes(films.film([films.numbered(n) for n in range(10)]))
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([tmp_path / "film.mp4"], workers=1)
    row = next(record.id for record in collection if record.modality == "video")
    entered = threading.Event()

    def make(extractor) -> bytes:
        with collection.open_file(row) as file:
            while True:
                extractor.picture(file, side=40)
                entered.set()

    maker = PictureMaker(threads=1)
    future = maker.ask("one", make)
    assert entered.wait(10)
    started = time.monotonic()
    maker.close()
    assert time.monotonic() - started < 3
    with pytest.raises(TransientDecodeError):
        future.result(0)
