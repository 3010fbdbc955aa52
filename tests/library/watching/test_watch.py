"""Real folders that are watched: files come, change and go, roots vanish, others write, searches are told."""

from __future__ import annotations

import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmsearch import Collection, CollectionBusyError, NoSuchSearchError, UsageError, library
from mmsearch.library import WatchEvent
from mmsearch.library.watching import roots, watch
from mmsearch.retrieval.store.lock import writer_lock


class Watching:
    """A watcher in a thread of its own."""

    def __init__(self, collection: Collection, *paths: Path, **how) -> None:
        self.events: queue.Queue[WatchEvent | BaseException] = queue.Queue()
        self._stop = threading.Event()
        self._iterator = library.watch_folders(collection, paths, quiet_s=0.2, workers=1, stop=self._stop, **how)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        try:
            for event in self._iterator:
                self.events.put(event)
        except BaseException as error:
            self.events.put(error)

    def next(self, kind: str = "batch", seconds: float = 60.0) -> WatchEvent:
        """The next event, which is of a kind."""
        event = self.events.get(timeout=seconds)
        assert isinstance(event, WatchEvent), event
        assert event.kind == kind, event.describe()
        return event

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def watching(monkeypatch) -> Iterator[Callable[..., Watching]]:
    """Starts a watcher, and has it end after the test."""
    monkeypatch.setattr(watch, "_TICK_S", 0.05)
    monkeypatch.setattr(watch, "_BUSY_S", 0.2)
    monkeypatch.setattr(roots, "_SHARE", 1)
    started: list[Watching] = []

    def start(*arguments, **how) -> Watching:
        started.append(Watching(*arguments, **how))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture(scope="module")
def texts_base(tmp_path_factory) -> Path:
    """A folder of three texts, and its collection beside it."""
    base = tmp_path_factory.mktemp("texts")
    (base / "texts").mkdir()
    for name in ("bread", "boats", "birds"):
        (base / "texts" / f"{name}.txt").write_text(f"About {name}.")
    return base


@pytest.fixture
def texts(texts_base, tmp_path) -> Path:
    shutil.copytree(texts_base / "texts", tmp_path / "texts")
    return tmp_path / "texts"


@pytest.fixture
def made(texts, tmp_path) -> Collection:
    return Collection.create(tmp_path / "c.mms", model="mini")


def counts(event: WatchEvent) -> tuple[int, int, int]:
    """New, moved and removed files."""
    assert event.report is not None
    return event.report.indexed, event.report.moved, event.report.removed


def test_files_come_change_move_and_go(watching, made, texts, paths_in):
    watched = watching(made, texts)
    assert counts(watched.next()) == (3, 0, 0)
    (texts / "new.txt").write_text("New.")
    (texts / "bread.txt").write_text("Changed.")
    (texts / "deep" / "er").mkdir(parents=True)
    (texts / "deep" / "er" / "one.txt").write_text("One.")
    (texts / ".hidden.txt").write_text("Hidden.")
    assert counts(watched.next()) == (3, 0, 0)
    (texts / "boats.txt").unlink()
    (texts / "birds.txt").rename(texts / "deep" / "birds.txt")
    event = watched.next()
    assert counts(event) == (0, 1, 1)
    assert event.describe() == "0 new, 1 moved, 1 removed, 0 skipped"
    assert {Path(path).name for path in paths_in(made)} == {"bread.txt", "new.txt", "one.txt", "birds.txt"}


def test_the_collection_in_a_folder_that_is_watched_disturbs_nobody(watching, texts):
    made = Collection.create(texts / "c.mms", model="mini")
    watched = watching(made, texts)
    assert counts(watched.next()) == (3, 0, 0)
    with pytest.raises(queue.Empty):
        watched.next(seconds=1)


def test_what_happened_while_nobody_watched_is_found(watching, made, texts):
    made.index([texts], workers=1)
    (texts / "new.txt").write_text("New.")
    (texts / "boats.txt").unlink()
    assert counts(watching(made).next()) == (1, 0, 1)


def test_a_root_that_is_renamed_away_is_waited_for_and_nothing_is_forgotten(watching, made, texts, tmp_path):
    watched = watching(made, texts)
    watched.next()
    away = texts.rename(tmp_path / "away")
    assert watched.next("gone").describe() == f"{texts} is gone: waiting for it, and nothing of it is forgotten"
    (away / "lost.txt").write_text("Not seen.")
    (away / "bread.txt").unlink()
    time.sleep(0.5)
    assert len(made) == 3
    away.rename(texts)
    watched.next("back")
    assert counts(watched.next()) == (1, 0, 1)
    (texts / "again.txt").write_text("Heard again.")
    assert counts(watched.next()) == (1, 0, 0)


def test_a_root_may_be_gone_at_the_start(watching, made, texts, tmp_path):
    made.index([texts], workers=1)
    away = texts.rename(tmp_path / "away")
    watched = watching(made, texts)
    watched.next("gone")
    (away / "new.txt").write_text("New.")
    away.rename(texts)
    watched.next("back")
    assert counts(watched.next()) == (1, 0, 0)


def test_by_the_clock(watching, made, texts):
    watched = watching(made, texts, by_clock=True, every_s=0.3)
    watched.next()
    (texts / "new.txt").write_text("New.")
    assert counts(watched.next()) == (1, 0, 0)


def test_a_disk_that_does_not_tell_is_looked_at_by_the_clock_and_that_is_said_once(watching, made, texts, monkeypatch):
    monkeypatch.setattr(watch, "mounted_file_systems", lambda: {"/": "ext4", str(texts): "nfs4"})
    watched = watching(made, texts, every_s=0.3)
    said = f"{texts} is looked at by the clock: nfs4 does not tell of all changes"
    assert watched.next("by_clock").describe() == said
    watched.next()
    (texts / "new.txt").write_text("New.")
    assert counts(watched.next()) == (1, 0, 0)


def test_where_the_system_refuses_the_clock_takes_over(watching, made, texts, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuse)
    watched = watching(made, texts, every_s=0.3)
    assert "watches no more folders" in watched.next("by_clock").text
    watched.next()
    (texts / "new.txt").write_text("New.")
    assert counts(watched.next()) == (1, 0, 0)


def test_another_writer_is_waited_for(watching, made, texts):
    watched = watching(made, texts)
    watched.next()
    with writer_lock(made.root):
        (texts / "new.txt").write_text("New.")
        assert "is being written to" in watched.next("busy").text
        time.sleep(0.5)
    assert counts(watched.next()) == (1, 0, 0)


def test_an_ignore_file_has_the_whole_root_looked_at(watching, made, texts):
    watched = watching(made, texts)
    watched.next()
    (texts / ".mmsearchignore").write_text("b*\n")
    assert watched.next().report.found == 0
    assert len(made) == 0


def test_names_that_are_no_unicode_are_found(watching, made, texts):
    watched = watching(made, texts)
    watched.next()
    path = bytes(texts) + b"/\xff.txt"
    with open(path, "w") as file:
        file.write("A strange name.")
    event = watched.next()
    if event.report.indexed == 0:
        event = watched.next()
    assert counts(event) == (1, 0, 0)
    (texts / "new.txt").write_text("Still heard.")
    assert counts(watched.next()) == (1, 0, 0)


def test_searches_are_told_what_is_new_and_a_program_is_run(watching, made, texts, tmp_path):
    made.index([texts], workers=1)
    library.save_search(made, "bread", "bread", mode="lexical", min_level="nothing")
    out = tmp_path / "told"
    program = f"import sys; open({str(out)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10)); sys.exit(3)"
    watched = watching(made, texts, tell=["@bread"], run=[sys.executable, "-c", program])
    assert watched.next().hits == {}, "what is there already is not new"
    (texts / "rye.txt").write_text("Rye bread.")
    event = watched.next()
    assert [Path(hit.path).name for hit in event.hits["bread"]] == ["rye.txt"]
    assert event.describe() == "1 new, 0 removed, 0 skipped; 1 new hit for @bread"
    assert watched.next("failed").text == f"{sys.executable} ended with code 3"
    assert out.read_text() == f"{texts / 'rye.txt'}\n"
    (texts / "other.txt").write_text("Nothing of the kind.")
    assert watched.next().hits == {}
    watched.end()
    (texts / "white.txt").write_text("White bread.")
    event = watching(made, texts, tell=["bread"]).next()
    assert [Path(hit.path).name for hit in event.hits["bread"]] == ["white.txt"], "told after a restart"


def test_a_search_that_is_deleted_meanwhile_is_said_once(watching, made, texts):
    made.index([texts], workers=1)
    library.save_search(made, "bread", "bread")
    watched = watching(made, texts, tell=["bread"])
    watched.next()
    library.delete_search(made, "bread")
    for name in ("a.txt", "b.txt"):
        (texts / name).write_text(f"More bread: {name}.")
        if name == "a.txt":
            assert "no search is saved as @bread" in watched.next("failed").text
        assert counts(watched.next()) == (1, 0, 0)


def test_a_burst_of_5000_files_is_one_or_two_batches(watching, made, texts):
    watched = watching(made, texts, only=["image"])
    watched.next()
    for i in range(5000):
        (texts / f"{i}.txt").write_text("x")
    (texts / "last.png").write_bytes(b"no picture")
    found, batches = 0, 0
    while not found:
        event = watched.next()
        batches += 1
        found = sum("last.png" in note.path for note in event.report.skipped)
    assert batches <= 3


def test_two_watchers(watching, made, texts):
    watching(made, texts).next()
    with pytest.raises(CollectionBusyError, match=r"has a watcher already: process \d+ on "):
        next(library.watch_folders(made, texts))


def test_wrong_use(made, texts):
    for paths, how, says in (
        ([texts / "bread.txt"], {}, "is a file"),
        (["/no/such/folder"], {}, "does not exist"),
        ([], {}, "no folder was indexed"),
        ([texts], {"quiet_s": 0}, "times to wait"),
    ):
        with pytest.raises(UsageError, match=says):
            library.watch_folders(made, paths, **how)
    with pytest.raises(NoSuchSearchError):
        library.watch_folders(made, [texts], tell=["nothing"])


def test_folders_of_links_are_kept_in_step(watching, made, texts, tmp_path):
    made.index([texts], workers=1)
    library.save_search(made, "bread", "bread", mode="lexical", min_level="nothing")
    album = tmp_path / "album"
    library.link_search(made, "bread", album)
    watched = watching(made, texts)
    watched.next()
    (texts / "rye.txt").write_text("Rye bread.")
    event = watched.next()
    assert event.links == {str(album): (1, 0)}
    assert event.describe() == f"1 new, 0 removed, 0 skipped; {album}: 1 linked, 0 unlinked"
    (texts / "bread.txt").unlink()
    watched.next()
    assert {path.resolve().name for path in album.iterdir() if path.is_symlink()} == {"rye.txt"}
