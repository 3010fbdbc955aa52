"""Writing to a collection in a bucket: all or nothing, whoever else writes, and whatever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsearch import (
    Collection,
    CollectionBusyError,
    CollectionExistsError,
    StorageDeniedError,
    UsageError,
    read_line_terms,
)
from mmsearch.library import save_search
from mmsearch.retrieval.storage import storage_of
from mmsearch.retrieval.store import remote, writer


def objects(address: str) -> set[str]:
    return {item.address.removeprefix(address + "/") for item in storage_of(address).list(address)}


def ids(collection: Collection) -> list[int]:
    collection.reopen()
    return sorted(collection.searcher().rows("image").ids.tolist())


@pytest.fixture
def collection(address) -> Collection:
    return Collection.create(address, model=None)


def test_all_that_a_manifest_names_is_in_the_bucket(collection, address, more, machine):
    collection.add(**more(50))
    collection.remove(["/3", "/4"])
    collection.add(**more(50, start=50))
    collection.update_facts([1], {"note": ["seen"]})
    assert objects(address) >= {"MANIFEST.json", *collection.manifest.files()}
    machine("another")
    other = Collection.open(address)
    assert len(other) == 98
    assert [r.path for r in other] == [r.path for r in collection]
    assert Collection.doctor(address) == []


def test_files_are_indexed_found_and_forgotten(photos, address, machine):
    made = Collection.create(address, model="mini")
    assert made.index([photos], workers=1).indexed == 10
    machine("another")
    other = Collection.open(address)
    assert Path(other.search("a red disc", k=1)[0].path).name == "disc.png"
    (photos / "disc.png").unlink()
    assert other.index(workers=1).removed == 1
    assert other.index(workers=1).unchanged == 9
    assert other.compact()[1] == 2
    made.reopen()
    assert len(made) == 9
    assert Collection.doctor(address) == []


def test_the_first_of_two_writers_commits_and_the_other_is_told(collection, address, more, machine, s3):
    collection.add(**more(10))
    machine("another")
    other = Collection.open(address)

    def somebody_else(path: str) -> None:
        if path.endswith("MANIFEST.json"):
            s3.server.before_write = None
            other.add(**more(5, start=100))

    s3.server.before_write = somebody_else
    with pytest.raises(CollectionBusyError, match=f"another writer committed to {address} meanwhile"):
        collection.add(**more(7, start=200))
    assert len(ids(collection)) == 15
    collection.add(**more(7, start=200))
    assert len(ids(collection)) == 22
    other.reopen()
    assert ids(other) == ids(collection)
    assert Collection.doctor(address) == []


def test_a_commit_follows_the_manifest_its_writer_read_not_one_that_a_reader_has_seen(
    collection, address, more, machine
):
    collection.add(**more(10))
    with writer.open_writer(collection.root) as mine:
        machine("another")
        Collection.open(address).add(**more(5, start=100))
        assert collection.reopen()
        with pytest.raises(CollectionBusyError, match="another writer committed"):
            mine.commit(delete=[1])
    assert len(collection) == 15


ADDER = """
import sys, time, numpy as np
from mmsearch import Collection, CollectionBusyError
address, writer = sys.argv[1], int(sys.argv[2])
collection = Collection.open(address)
for number in range(5):
    while True:
        try:
            collection.add(np.eye(1, 16, number), paths=[f"/{writer}/{number}"], modality="image", space="s")
            break
        except CollectionBusyError:
            time.sleep(0.01 * writer)
            collection.reopen()
"""


def test_of_two_machines_that_add_at_once_nothing_is_lost_or_doubled(collection, address, more, s3, tmp_path):
    collection.add(**more(1, start=1000))
    started = []
    for number in (1, 2):
        environment = {**os.environ, **s3.environment, "XDG_CACHE_HOME": str(tmp_path / f"machine{number}")}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", ADDER, address, str(number)], env=environment, stderr=subprocess.PIPE
            )
        )
    for one in started:
        _, errors = one.communicate(timeout=100)
        assert one.returncode == 0, errors.decode()
    collection.reopen()
    assert sorted(r.path for r in collection) == sorted(
        ["/1000", *(f"/{writer}/{number}" for writer in (1, 2) for number in range(5))]
    )
    assert len(set(ids(collection))) == 11
    assert Collection.doctor(address) == []


def test_two_writers_of_one_machine_take_turns_by_the_lock(collection, address):
    with (
        writer.open_writer(collection.root),
        pytest.raises(CollectionBusyError, match=f"{address} is being written to"),
    ):
        collection.remove(["/x"])


@pytest.mark.parametrize("what", ["MANIFEST.json", ".parquet"])
def test_an_answer_that_is_lost_is_no_failed_commit(collection, more, s3, what):
    """The request was carried out; sent again, it meets its own work."""
    collection.add(**more(10))
    s3.server.loses_answer = lambda request: request.path.endswith(what)
    collection.add(**more(7, start=10))
    assert s3.server.loses_answer is None
    assert len(ids(collection)) == 17
    collection.add(**more(1, start=50))
    assert len(ids(collection)) == 18


WRITER = """
import sys, numpy as np
from mmsearch import Collection
Collection.open(sys.argv[1]).add(np.eye(3, 16), paths=["/a", "/b", "/c"], modality="image", space="s")
"""


def test_a_writer_that_is_killed_before_its_manifest_changes_nothing(collection, address, more, s3, monkeypatch):
    collection.add(**more(10))
    before = objects(address)
    environment = {**os.environ, **s3.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    started: list[subprocess.Popen[bytes]] = []

    def die(path: str) -> None:
        if path.endswith("MANIFEST.json"):
            s3.server.before_write = None
            started[0].send_signal(signal.SIGKILL)
            started[0].wait()
            raise ConnectionError("nobody waits for an answer")

    s3.server.before_write = die
    started.append(subprocess.Popen([sys.executable, "-c", WRITER, address], env=environment))
    assert started[0].wait(timeout=60) == -signal.SIGKILL
    sent = objects(address) - before
    assert len(sent) == 1
    assert len(ids(collection)) == 10
    collection.add(**more(3, start=20))
    assert len(ids(collection)) == 13
    assert objects(address) >= sent
    monkeypatch.setattr(remote, "SWEEP_OBJECTS_AFTER_S", -60.0)
    collection.remove(["/1"])
    assert not objects(address) & sent
    assert Collection.doctor(address) == []


def test_a_bucket_that_may_only_be_read_is_one_line_and_nothing_changes(collection, address, more, s3):
    collection.add(**more(10))
    s3.server.denies = lambda request: request.method == "PUT"
    with pytest.raises(StorageDeniedError, match=rf"^{address}/shards/.*: the store denies access \(AccessDenied\)$"):
        collection.add(**more(3, start=20))
    assert len(ids(collection)) == 10
    s3.server.denies = None
    collection.add(**more(3, start=20))
    assert len(ids(collection)) == 13
    assert Collection.doctor(address) == []


def test_of_two_who_create_one_does(collection, address, machine, s3, monkeypatch):
    machine("another")
    monkeypatch.setattr("mmsearch.retrieval.store.create.check_free", lambda root: None)  # it looked before
    with pytest.raises(CollectionExistsError, match=address):
        Collection.create(address, model=None, index="exact")
    assert Collection.open(address).manifest == collection.manifest


def test_files_that_were_sent_lie_in_the_cache_and_not_in_the_way(collection, more):
    collection.add(**more(10))
    left = {path.name for path in collection.root.rglob("*") if path.is_file()}
    assert left == {"REMOTE.json", "lock"}


def test_searches_are_not_saved_in_a_bucket(collection, more):
    with pytest.raises(UsageError, match="this collection lies in a bucket"):
        save_search(collection, "mine", read_line_terms(["red"]))


def test_an_index_is_built_extended_and_used(address, more, machine):
    made = Collection.create(address, model=None, index="IVF8,Flat")
    made.add(**more(600))
    machine("another")
    other = Collection.open(address)
    other.add(**more(300, start=600))
    assert len(ids(other)) == 900
    query = np.random.default_rng(5).standard_normal(16).astype(np.float32)
    exact = [hit.id for hit in other.search(query, k=10, exact=True)]
    assert len({hit.id for hit in other.search(query, k=10)} & set(exact)) >= 8
    other.compact()
    machine("third")
    assert [hit.id for hit in Collection.open(address).search(query, k=10, exact=True)] == exact
    assert Collection.doctor(address) == []
