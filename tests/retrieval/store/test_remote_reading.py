"""A collection in a bucket answers as one in a folder does, whatever the cache holds, and fetches what it needs."""

from __future__ import annotations

import glob
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mmsearch import (
    Collection,
    CollectionDamagedError,
    CollectionExistsError,
    CollectionNotFoundError,
    MMSearchError,
    StorageDeniedError,
    StorageUnreachableError,
    UsageError,
)
from mmsearch.retrieval.storage import object_store, storage_of
from mmsearch.retrieval.store import object_cache, remote, remote_shard, writer

DIM = 16


def query(seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


def found(collection: Collection, seed: int = 7, **options: object) -> list[tuple[int, float]]:
    return [(hit.id, hit.score) for hit in collection.search(query(seed), k=10, **options)]


def cache_of(collection: Collection) -> object_cache.ObjectCache:
    mirror = remote.mirror_of(collection.root)
    assert mirror is not None
    return mirror.cache


# --- answers ---------------------------------------------------------------------------------------------------


def test_it_answers_as_a_folder_does_whatever_is_evicted(in_bucket, as_folder, monkeypatch):
    monkeypatch.setattr(remote_shard, "_PAGE", 1024)
    monkeypatch.setattr(object_cache, "_IN_USE_S", 0.0)
    chance = random.Random(1)
    options = [{}, {"exact": True}, {"where": "path = '/17'"}, {"exact": True, "where": "path > '/5'"}]
    for number in range(12):
        for one in options:
            assert found(in_bucket, number, **one) == found(as_folder, number, **one)
        cache_of(in_bucket).trim(to=chance.choice([0, 50_000, 300_000]))
    positions = np.sort(np.random.default_rng(1).choice(6000, 500, replace=False))
    mine, theirs = (one.searcher().rows("image") for one in (in_bucket, as_folder))
    assert np.array_equal(mine.vectors_at(positions), theirs.vectors_at(positions))
    assert mine.facts(["path", "modality"]).equals(theirs.facts(["path", "modality"]))
    assert [r.path for r in in_bucket] == [r.path for r in as_folder]


ASKER = """
import sys, numpy as np
from mmsearch import Collection
from mmsearch.retrieval.store import remote_shard
remote_shard._PAGE = 2 * 16  # one row
remote_shard._TAIL = 16 << 10
Collection.open(sys.argv[1]).search(np.random.default_rng(7).standard_normal(16), k=1)
"""


def test_an_approximate_search_in_a_new_process_fetches_some_rows_and_no_row_group(in_bucket, address, s3):
    """Where FAISS is not imported yet, a collection in a folder of this size is compared row by row."""
    s3.server.requests.clear()
    environment = {**os.environ, **s3.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", ASKER, address], env=environment, check=True, timeout=100)
    ranges = [tuple(map(int, re.findall(r"\d+", r.range))) for r in s3.server.requests if r.path.endswith(".parquet")]
    sizes = [end - start + 1 for start, end in ranges]
    assert 2 * DIM in sizes
    assert sizes.count(2 * DIM) < 1000
    assert 4096 * 2 * DIM not in sizes


def test_nothing_is_fetched_twice(in_bucket, s3):
    for exact in (False, True):
        found(in_bucket, exact=exact)
        s3.server.requests.clear()
        found(in_bucket, exact=exact)
        assert s3.server.requests == []


def test_another_process_of_the_machine_uses_the_same_cache(in_bucket, address, s3, machine):
    expected = found(in_bucket), found(in_bucket, exact=True)
    machine("here")
    s3.server.requests.clear()
    again = Collection.open(address)
    assert (found(again), found(again, exact=True)) == expected
    assert {os.path.basename(r.path) for r in s3.server.requests} == {"MANIFEST.json"}


READER = """
import sys, numpy as np
from mmsearch import Collection
with Collection.open(sys.argv[1]) as collection:
    rows = collection.searcher().rows("image")
    truth = np.random.default_rng(0).standard_normal((6000, 16)).astype(np.float32)
    truth = (truth / np.linalg.norm(truth, axis=1, keepdims=True)).astype(np.float16)
    chance = np.random.default_rng(int(sys.argv[2]))
    for _ in range(150):
        at = np.sort(chance.choice(6000, 40, replace=False))
        got = rows.vectors_at(at)
        assert np.abs(got.astype(np.float32) - truth[at].astype(np.float32)).max() < 2e-3
        block = rows.vector_blocks[int(chance.integers(2))][:]
        assert (np.abs(block.astype(np.float32)).sum(axis=1) > 0).all()
print("sound")
"""


def test_mapped_vectors_never_have_holes_while_two_processes_fetch_and_a_third_evicts(in_bucket, address, s3):
    """Every row that is read is compared with what was stored; a hole would be zeros."""
    cache = cache_of(in_bucket)
    environment = {**os.environ, **s3.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, address, str(seed)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    evicted = 0
    while any(reader.poll() is None for reader in readers):
        for path in map(Path, glob.glob(f"{cache.folder}/*/*/[0-9]*-[0-9]*")):
            start, _, _length = path.name.partition("-")
            if start.isdecimal() and random.random() < 0.3:
                path.unlink(missing_ok=True)
                evicted += 1
        time.sleep(0.005)
    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert out == "sound\n", err
    assert evicted > 10


def test_a_part_is_there_whole_or_not_at_all(in_bucket, s3, address):
    """Whatever a look into the cache finds, while it is filled, are the bytes of the object."""
    stored = {}
    for item in storage_of(address).list(address):
        if item.address.endswith(".parquet"):
            stored[item.size] = storage_of(address).read(item.address)
    (shard,) = (data for size, data in stored.items() if size == in_bucket.manifest.shards[0].bytes)
    cache, seen, ended = cache_of(in_bucket), 0, threading.Event()
    wrong: list[str] = []

    def look() -> None:
        nonlocal seen
        while not ended.is_set():
            for path in map(Path, glob.glob(f"{cache.folder}/*/*/[0-9]*-[0-9]*")):
                start, _, length = path.name.partition("-")
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue
                seen += 1
                if data != shard[int(start) : int(start) + int(length)]:
                    wrong.append(path.name)

    looking = threading.Thread(target=look)
    looking.start()
    for seed in range(20):
        found(in_bucket, seed, exact=bool(seed % 2))
        cache.trim(to=0)
    ended.set()
    looking.join()
    assert seen
    assert wrong == []


def test_a_kept_part_of_another_size_does_not_count(in_bucket, as_folder):
    expected = found(as_folder, exact=True)
    assert found(in_bucket, exact=True) == expected
    for path in cache_of(in_bucket).folder.rglob("[0-9]*-[0-9]*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert found(in_bucket, exact=True) == expected


# --- the bound -------------------------------------------------------------------------------------------------


def test_the_cache_is_bounded_and_a_search_through_more_is_right(in_bucket, as_folder, address, machine, monkeypatch):
    machine("small")
    monkeypatch.setenv("MMSEARCH_CACHE_BYTES", "120000")  # the vectors alone have 192,000 bytes
    small = Collection.open(address)
    for seed in range(4):
        assert found(small, seed, exact=True) == found(as_folder, seed, exact=True)
        assert cache_of(small).held() < 120_000 + 4096 * 2 * DIM


@pytest.mark.parametrize("given", ["", "0", "-1", "1.5", "many"])
def test_the_bound_is_a_number_of_bytes(address, machine, monkeypatch, given):
    machine("wrong")
    monkeypatch.setenv("MMSEARCH_CACHE_BYTES", given)
    if not given:
        assert not Collection.exists(address)
        return
    with pytest.raises(UsageError, match="MMSEARCH_CACHE_BYTES must be a number of bytes"):
        Collection.open(address)


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = object_cache.ObjectCache(tmp_path / "cache", limit=1000)
    for number in range(9):
        cache.put("ab" * 16, f"{number}-100", bytes(100))
        os.utime(cache._path("ab" * 16, f"{number}-100"), (1000 + number, 1000 + number))
    assert cache.mapped("ab" * 16, "0-100", 100) is not None  # used now
    cache.put("cd" * 16, "0-200", bytes(200))
    left = sorted(path.name for path in cache.folder.rglob("*-*"))
    assert cache.held() <= 900
    assert "0-100" in left
    assert "1-100" not in left
    assert "8-100" in left


def test_a_file_that_was_just_asked_for_by_name_stays(tmp_path):
    cache = object_cache.ObjectCache(tmp_path / "cache", limit=1000)
    cache.put("ab" * 16, object_cache.WHOLE, bytes(500))
    path = cache.whole("ab" * 16)
    cache.trim(to=0)
    assert path is not None
    assert path.exists()
    os.utime(path, (1000, 1000))
    cache.trim(to=0)
    assert not path.exists()


def test_a_full_disk_under_the_cache_is_one_clear_line(in_bucket, address, machine, tmp_path, as_folder):
    home = machine("full")
    home.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", os.fspath(home)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no disk may be mounted here")
    try:
        full = Collection.open(address)
        with pytest.raises(MMSearchError) as error:
            found(full, exact=True)
        assert re.fullmatch(rf"the disk that holds {home}/objects is full: .*", str(error.value))
        subprocess.run(["mount", "-o", "remount,size=20m", os.fspath(home)], check=True)
        assert found(full, exact=True) == found(as_folder, exact=True)
    finally:
        subprocess.run(["umount", "-l", os.fspath(home)], check=False)


# --- newer manifests, damage, and buckets that do not answer -----------------------------------------------------


def test_a_reader_keeps_its_snapshot_and_moves_when_it_is_asked_to(in_bucket, address, machine, more):
    before = found(in_bucket, exact=True)
    machine("writer's")
    Collection.open(address).add(**more(100, start=6000))
    assert found(in_bucket, exact=True) == before
    assert len(in_bucket) == 6000
    assert in_bucket.reopen()
    assert len(in_bucket) == 6100
    assert not in_bucket.reopen()


def test_a_reader_whose_files_were_swept_moves_to_the_newest(in_bucket, address, machine, more, monkeypatch):
    machine("writer's")
    other = Collection.open(address)
    other.add(**more(100, start=6000))
    other.compact()
    monkeypatch.setattr(remote, "SWEEP_OBJECTS_AFTER_S", -60.0)
    monkeypatch.setattr(writer, "SWEEP_AFTER_S", -60.0)
    other.remove(["/0"])
    assert found(in_bucket, exact=True) == found(other, exact=True)
    assert len(in_bucket) == 6099


def test_a_file_that_is_gone_or_altered_is_damage(in_bucket, address, machine, s3):
    storage = storage_of(address)
    (index,) = in_bucket.manifest.indexes
    path = f"{address}/{index.path}.faiss"
    whole = storage.read(path)
    storage.put(path, whole[:-1] + b"x")
    with pytest.raises(CollectionDamagedError, match=f"{path} is damaged: its checksum does not fit"):
        found(in_bucket)
    (problem,) = Collection.doctor(address)
    assert problem.path == f"{address}/{index.path}"
    storage.delete(path)
    with pytest.raises(CollectionDamagedError, match="is missing"):
        found(in_bucket)
    assert Collection.doctor(address, repair=True)
    assert Collection.doctor(address) == []
    in_bucket.reopen()
    found(in_bucket)


def test_a_shard_that_is_cut_is_damage(in_bucket, address):
    (shard,) = in_bucket.manifest.shards
    path = f"{address}/{shard.path}"
    storage_of(address).put(path, storage_of(address).read(path)[:-1000])
    with pytest.raises(CollectionDamagedError):
        found(in_bucket, exact=True)
    (problem,) = Collection.doctor(address)
    assert problem.path == path


def test_a_lost_manifest_is_made_again_from_the_shards(in_bucket, address, machine):
    expected = found(in_bucket, exact=True)
    in_bucket.remove(["/5"])
    storage_of(address).put(f"{address}/MANIFEST.json", b"{}")
    machine("doctor's")
    with pytest.raises(CollectionDamagedError, match=f"{address}/MANIFEST.json is damaged"):
        Collection.open(address)
    (problem, *_) = Collection.doctor(address, repair=True)
    assert problem.path == f"{address}/MANIFEST.json"
    again = Collection.open(address)
    assert len(again) == 5999
    assert found(again, exact=True) == [hit for hit in expected if hit[0] != 6] or 6 not in dict(expected)
    storage_of(address).delete(f"{address}/MANIFEST.json")
    Collection.doctor(address, repair=True)
    again.reopen()
    assert len(again) == 5999


def test_a_bucket_that_denies_or_does_not_answer_is_one_line_and_no_stale_answer(in_bucket, address, s3, monkeypatch):
    expected = found(in_bucket, exact=True)
    s3.server.denies = lambda request: True
    assert found(in_bucket, exact=True) == expected, "what is open and kept needs no bucket"
    for ask in (in_bucket.reopen, lambda: Collection.open(address), lambda: Collection.exists(address)):
        with pytest.raises(StorageDeniedError, match=r"^s3://bucket-\d+/photos.mms/MANIFEST.json: the store denies"):
            ask()
    s3.server.denies = None
    monkeypatch.setattr(object_store, "RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnreachableError):
        Collection.open(address)


def test_credentials_that_are_missing(in_bucket, address, monkeypatch, buckets):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(object_store, "RETRIES", 0)
    with buckets.raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as nothing:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", nothing)
        with pytest.raises(StorageDeniedError, match="^no credentials for s3://"):
            Collection.open(address)


# --- addresses -------------------------------------------------------------------------------------------------


def test_what_is_there_and_what_is_not(address, s3):
    assert not Collection.exists(address)
    with pytest.raises(CollectionNotFoundError, match=f"no collection at {address}$"):
        Collection.open(address)
    made = Collection.create(Path(address), model=None)
    assert made.address == address
    assert made.status().root == address
    assert Collection.exists(address + "/")
    with pytest.raises(CollectionExistsError, match=address):
        Collection.create(address, model=None)
    with pytest.raises(UsageError, match="holds other objects"):
        Collection.create(s3.address, model=None)
    assert Collection.open(made.root).address == address


def test_a_storage_that_cannot_write_on_a_condition_says_so(machine):
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="memory:// cannot be written on a condition"):
        Collection.create("memory://somewhere/c.mms", model=None)
