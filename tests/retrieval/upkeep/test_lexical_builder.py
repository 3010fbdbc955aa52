"""The lexical index is built, merged, verified, repaired and swept as the vector index is, and follows the rows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import Sought
from mmsearch.retrieval.store import manifest as manifests
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import open_writer
from mmsearch.retrieval.upkeep import lexical_files
from mmsearch.retrieval.upkeep.lexical_builder import update_words
from mmsearch.retrieval.upkeep.lexical_files import open_words


def add(made: Collection, names: list[str]) -> None:
    vectors = np.random.default_rng(len(names)).standard_normal((len(names), 8)).astype(np.float32)
    made.add(vectors, paths=names, modality="image", space="s")


@pytest.fixture
def made(tmp_path: Path) -> Collection:
    return Collection.create(tmp_path / "c.mms", model=None)


def held(made: Collection, word: str) -> list[int]:
    made.reopen()
    key = made.spaces[0].key
    rows = made.searcher(made.spaces[0]).rows("image")
    ids = open_words(Snapshot(made.root, made.manifest), key, "image").index.ids(Sought((word,)))
    return rows.ids[rows.live_positions_of(ids)].tolist()


def test_new_rows_become_a_segment_and_small_segments_are_merged(made):
    for i in range(8):
        add(made, [f"/holiday/a{i}.jpg", f"/office/b{i}.jpg"])
        assert len(held(made, "holiday")) == i + 1
    (entry,) = made.manifest.lexical
    assert (entry.rows, entry.covers) == (16, 16)


def test_dead_rows_are_not_found_and_leave_the_index_when_it_is_compacted(made):
    add(made, ["/holiday/a.jpg", "/holiday/b.jpg", "/office/c.jpg"])
    made.remove(["/holiday/a.jpg"])
    assert len(held(made, "holiday")) == 1
    made.compact()
    (entry,) = made.manifest.lexical
    assert entry.rows == 2
    assert len(held(made, "holiday")) == 1


def test_an_index_that_is_mostly_of_dead_rows_is_built_again(made):
    add(made, [f"/old/{i}.jpg" for i in range(30)])
    made.remove(["/old"])
    add(made, ["/new/1.jpg"])
    assert sum(entry.rows for entry in made.manifest.lexical) == 1


def test_rows_that_no_segment_covers_are_searched_in_memory_and_many_are_counted(made, monkeypatch):
    add(made, ["/holiday/a.jpg", "/holiday/b.jpg"])
    with open_writer(made.root) as writer:
        writer.publish(replace(writer.manifest, lexical=()))
    assert len(held(made, "holiday")) == 2
    monkeypatch.setattr(lexical_files, "_MOST_IN_MEMORY", 1)
    opened = open_words(Snapshot(made.root, made.manifest), made.spaces[0].key, "image")
    assert (len(opened.index), opened.missing) == (0, 2)


def test_a_segment_of_another_format_is_built_again(made, monkeypatch):
    add(made, ["/holiday/a.jpg"])
    with open_writer(made.root) as writer:
        old = tuple(replace(entry, format=0) for entry in writer.manifest.lexical)
        writer.publish(replace(writer.manifest, lexical=old))
        update_words(writer, made.spaces[0].key, "image")
    made.reopen()
    assert [entry.format for entry in made.manifest.lexical] == [1]
    assert Collection.doctor(made.root) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize("harm", [cut, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_segment_is_found_and_made_again(made, harm, raises_explained):
    add(made, ["/holiday/a.jpg", "/office/b.jpg"])
    (entry,) = made.manifest.lexical
    harm(made.root / entry.path)
    (problem,) = Collection.doctor(made.root)
    assert problem.path.endswith(".words")
    (problem,) = Collection.doctor(made.root, repair=True)
    assert problem.repaired == "made again"
    assert Collection.doctor(made.root) == []
    assert len(held(made, "holiday")) == 1


def test_a_search_over_a_lost_segment_names_the_doctor(photos, collection, raises_explained):
    for entry in collection.manifest.lexical:
        (collection.root / entry.path).write_bytes(b"no segment")
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Collection.open(collection.root).search("bread")


def test_files_of_replaced_segments_are_swept(made, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.store.writer.SWEEP_AFTER_S", -1.0)
    for i in range(9):
        add(made, [f"/holiday/a{i}.jpg"])
    with open_writer(made.root):
        pass
    named = {made.root / name for name in manifests.load_manifest(made.root).files() if name.endswith(".words")}
    assert set(made.root.rglob("*.words")) == named


KILL = """
import os, shutil, signal, sys
from pathlib import Path
import numpy as np
from mmsearch import Collection
from mmsearch.indexes import Sought
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.upkeep.lexical_files import open_words

base, copy = Path(sys.argv[1]), Path(sys.argv[2])
sync = os.fsync

def work(root, most):
    done = 0
    def fsync(number):
        nonlocal done
        if done == most:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        sync(number)
    os.fsync = fsync
    made = Collection.open(root)
    vectors = np.random.default_rng(9).standard_normal((2, 8)).astype(np.float32)
    made.add(vectors, paths=["/holiday/x.jpg", "/office/y.jpg"], modality="image", space="s")
    made.remove(["/holiday/a0.jpg"])
    made.compact()
    os._exit(0)

kills = 0
while True:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(base, copy)
    child = os.fork()
    if not child:
        work(copy, kills)
    _, status = os.waitpid(child, 0)
    assert Collection.doctor(copy) == [], (kills, Collection.doctor(copy))
    made = Collection.open(copy)
    rows = made.searcher(made.spaces[0]).rows("image")
    ids = open_words(Snapshot(copy, made.manifest), made.spaces[0].key, "image").index.ids(Sought(("holiday",)))
    live = rows.ids[rows.live_positions_of(ids)].tolist()
    count = sum("holiday" in path for batch in made.items() for path in batch["path"].to_pylist())
    assert len(live) == count, (kills, live, count)
    if status == 0:
        break
    kills += 1
print(kills)
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="forks, which Windows does not")
def test_killed_at_any_write_the_words_of_the_last_commit_are_found(made, tmp_path):
    """A run that adds, removes and compacts is killed, as by ``kill -9``, at each of its writes in turn."""
    for i in range(7):
        add(made, [f"/holiday/a{i}.jpg"])
    made.close()
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(made.root), str(tmp_path / "copy.mms")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15
