"""What was committed stays: Ctrl-C, kill -9, a second writer; and commits come often."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli.exit_codes import exit_code
from mmsearch.errors import CollectionBusyError
from mmsearch.retrieval.ingest import committer
from mmsearch.retrieval.store.lock import writer_lock

COUNT = 60


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of sixty short texts."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:02d}.txt").write_text(f"Note number {number}.")
    return folder


@pytest.fixture
def often(monkeypatch):
    """A commit after every file, so that there is something to keep from the start."""
    monkeypatch.setattr(committer, "COMMIT_AFTER_S", 0.0)
    monkeypatch.setattr("mmsearch.retrieval.ingest.embedder.TEXT_BATCH", 4)


def test_ctrl_c_keeps_what_was_embedded_and_the_next_run_goes_on(many, empty, often, embedded, paths_in):
    def interrupt(progress):
        if progress.stage == "encode" and progress.done == COUNT // 2:
            raise KeyboardInterrupt

    report = empty.index([many], workers=1, watch=interrupt)
    assert report.interrupted
    kept = len(paths_in(Collection.open(empty.root)))
    assert 0 < kept < COUNT
    embedded.clear()
    report = empty.index([many], workers=1)
    assert (report.unchanged, report.indexed) == (kept, COUNT - kept)
    assert len(embedded.texts) == COUNT - kept
    assert not report.interrupted
    assert len(paths_in(empty)) == COUNT


def test_ctrl_c_buries_no_file_that_was_only_moved(many, empty, often, paths_in):
    empty.index([many], workers=1)
    (many / "below").mkdir()
    for path in sorted(many.glob("*.txt")):
        path.rename(many / "below" / path.name)

    def interrupt(progress):
        if progress.stage == "encode" and progress.done == COUNT // 2:
            raise KeyboardInterrupt

    empty.index([many], workers=1, watch=interrupt)
    assert len({Path(path).name for path in paths_in(empty)}) == COUNT
    report = empty.index([many], workers=1)
    assert report.moved + report.unchanged == COUNT
    assert len(paths_in(empty)) == COUNT


def test_a_killed_run_leaves_its_last_commit_and_the_next_run_completes(many, empty, paths_in, killed_once):
    code = f"""
import mmsearch
from mmsearch.retrieval.ingest import committer, embedder
committer.COMMIT_AFTER_S = 0.0
embedder.TEXT_BATCH = 4
def watch(progress):
    if progress.committed > 8:
        print("committed", flush=True)
        time.sleep(600)
mmsearch.Collection.open({str(empty.root)!r}).index([{str(many)!r}], workers=1, watch=watch)
"""
    killed_once("committed", code)
    survivor = Collection.open(empty.root)
    kept = len(paths_in(survivor))
    assert 8 < kept < COUNT
    assert len(survivor.search("note", k=COUNT)) == kept
    assert not Collection.doctor(empty.root)
    report = survivor.index([many], workers=1)
    assert (report.unchanged, report.indexed) == (kept, COUNT - kept)
    assert len(paths_in(survivor)) == COUNT


def test_commits_come_by_time_and_not_only_at_the_end(many, empty, often):
    committed = []
    empty.index([many], workers=1, watch=lambda progress: committed.append(progress.committed))
    assert len({count for count in committed if 0 < count < COUNT}) > 3


def test_a_commit_is_due_well_within_ten_seconds_of_work():
    assert committer.COMMIT_AFTER_S <= 5


def test_few_files_that_wait_are_committed_while_decoding_is_slow(many, empty, faulty_worker, monkeypatch):
    monkeypatch.setattr(committer, "COMMIT_AFTER_S", 0.05)
    faulty_worker(
        """
        def slow(request, *rest, answer=worker.answer):
            if request.job.path.endswith(b"02.txt"):
                time.sleep(1.5)
            return answer(request, *rest)
        worker.answer = slow
        """
    )
    for path in sorted(many.glob("*.txt"))[3:]:
        path.unlink()
    before_last = []
    empty.index([many], workers=1, watch=lambda progress: before_last.append(progress.committed))
    assert 2 in before_last


def test_a_second_writer_is_told_that_the_collection_is_busy(photos, collection):
    code = f"""
from pathlib import Path
from mmsearch.retrieval.store.lock import writer_lock
with writer_lock(Path({str(collection.root)!r})):
    print("locked", flush=True)
    input()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    try:
        for write in (
            lambda: collection.index([photos]),
            lambda: collection.remove([photos]),
            lambda: collection.compact(),
            lambda: Collection.doctor(collection.root, repair=True),
        ):
            with pytest.raises(CollectionBusyError, match=f"by process {process.pid}") as error:
                write()
            assert exit_code(error.value) == 4
        assert len(collection.search("x", k=20)) == 10
        assert len(Collection.open(collection.root).search("x", k=20)) == 10
    finally:
        process.communicate(b"\n")
    assert collection.index([photos]).unchanged == 10


def test_a_lock_ends_with_the_process_that_held_it(tmp_path):
    code = f"""
import os
from pathlib import Path
from mmsearch.retrieval.store.lock import writer_lock
with writer_lock(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with writer_lock(tmp_path):
        pass


def test_a_writer_of_the_same_process_is_turned_away_too(tmp_path):
    with writer_lock(tmp_path), pytest.raises(CollectionBusyError), writer_lock(tmp_path):
        pass
