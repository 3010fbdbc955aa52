"""Collections in odd places and with odd harm: names that are not UTF-8, a lock that is none, shifted and cut files."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError, MMSearchError
from mmsearch.retrieval.store.manifest import ShardEntry, load_manifest
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.snapshot import open_shard

NOT_UTF8 = os.fsdecode(b"caf\xe9.mms")


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize("kind", ["exact", "IVF4,Flat", "IVF4,PQ4x4", "QW,IVF4,PQ4x4fsr"])
def test_a_collection_may_lie_on_a_path_that_is_not_utf8(tmp_path, kind):
    try:
        made = Collection.create(tmp_path / NOT_UTF8, model=None, index=kind)
    except MMSearchError:
        pytest.skip("this disk takes no such name")
    made.add(vectors(600), paths=[f"/{i}" for i in range(600)], modality="image", space="s")
    made.add(vectors(300, 1), paths=[f"/later/{i}" for i in range(300)], modality="image", space="s")
    made.remove(["/later"])
    made.compact()
    reopened = Collection.open(made.root)
    assert len(reopened.search(vectors(1, 5)[0], k=5)) == 5
    assert reopened.status().modalities[0].rows == 600
    assert Collection.doctor(made.root) == []


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_files_are_indexed_into_such_a_collection(photos, tmp_path):
    made = Collection.create(tmp_path / NOT_UTF8, model="mini")
    assert made.index([photos], workers=1).indexed == 10
    assert made.search("a red disc", to=["image"])


@pytest.mark.parametrize("put", [Path.mkdir, lambda path: path.symlink_to("/nowhere/at/all")], ids=["folder", "link"])
def test_a_lock_that_is_no_file_is_named(collection, photos, put):
    lock = collection.root / "lock"
    lock.unlink()
    put(lock)
    for act in (lambda: collection.index([photos]), collection.compact, lambda: collection.remove([photos])):
        with pytest.raises(MMSearchError, match=r"lock must be a plain file"):
            act()
    assert collection.search("a red disc"), "reading takes no lock"


def test_a_cosine_is_at_most_one(empty):
    rows = np.random.default_rng(3).standard_normal((400, 256))
    empty.add(rows, paths=[f"/{i}" for i in range(400)], modality="image")
    stored = empty.searcher().rows("image").vectors_at(np.arange(400)).astype(np.float32)
    for exact in (True, False):
        for number, answer in enumerate(empty.search_many(list(stored), k=2, exact=exact)):
            assert answer[0].path == f"/{number}"
            assert max(hit.score for hit in answer) <= 1
            assert answer[0].score == pytest.approx(1, abs=1e-3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A collection with every kind of file: shards, tombstones, an index of several files, a sample."""
    root = tmp_path_factory.mktemp("whole") / "c.mms"
    made = Collection.create(root, model=None, index="QW,IVF4,PQ4x4fsr")
    made.add(vectors(600), paths=[f"/{i}" for i in range(600)], modality="image", space="s")
    made.add(vectors(100, 1), paths=[f"/later/{i}" for i in range(100)], modality="image", space="s")
    made.remove(["/3", "/later/7"])
    return made.root


def harmed(data: bytes, how: str, at: int) -> bytes:
    at %= max(len(data), 1)
    if how == "shifted":
        return data[:at] + b"\0" + data[at:-1]
    if how == "cut":
        return data[:at]
    if how == "flipped":
        return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :] if data else data
    return data[:at] + data[at + 8 :]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.integers(0, 99), how=st.sampled_from(["shifted", "cut", "flipped", "shortened"]), at=st.integers(0, 10**6)
)
def test_harm_to_any_file_is_an_error_of_ours_or_none_and_can_be_mended(whole, tmp_path, file, how, at):
    root = tmp_path / "harmed.mms"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole, root)
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    chosen = files[file % len(files)]
    chosen.write_bytes(harmed(chosen.read_bytes(), how, at))
    for act in (
        lambda: Collection.open(root).search(vectors(1, 5)[0], k=5),
        lambda: Collection.open(root).search(vectors(1, 5)[0], k=5, exact=True),
        lambda: Collection.open(root).status(),
        lambda: Collection.open(root).compact(),
    ):
        with suppress(MMSearchError):
            act()
    Collection.doctor(root)
    Collection.doctor(root, repair=True)
    assert Collection.doctor(root) == []
    assert Collection.open(root).manifest is not None


def test_what_is_altered_in_the_facts_of_an_index_is_told_and_not_believed(whole, tmp_path, raises_explained):
    root = tmp_path / "altered.mms"
    shutil.copytree(whole, root)
    for path in root.rglob("indexes/**/*.json"):
        path.write_text(path.read_text().replace("recall", "recoil"))
    with raises_explained(CollectionDamagedError, match="doctor"):
        Collection.open(root).status()


@pytest.fixture(scope="module")
def shard_of_whole(whole) -> tuple[Path, ShardEntry]:
    entry = load_manifest(whole).shards[0]
    return whole / entry.path, entry


def test_an_altered_footer_is_refused_before_arrow_reads_it(shard_of_whole, tmp_path, raises_explained):
    path, entry = shard_of_whole
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    copy = tmp_path / entry.path
    copy.parent.mkdir(parents=True)
    for at in range(len(data) - 8 - length, len(data), 17):
        copy.write_bytes(harmed(data, "flipped", at))
        with raises_explained(CollectionDamagedError, match="doctor"):
            open_shard(tmp_path, entry)


@pytest.mark.parametrize(("name", "read"), [("id", lambda s: s.ids), ("vector", lambda s: s.vector_blocks)])
def test_a_shard_of_an_earlier_version_without_a_column_is_damaged(
    shard_of_whole, tmp_path, name, read, raises_explained
):
    path, _ = shard_of_whole
    copy = tmp_path / "shard.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole.rename_columns([f"{one}_" if one == name else one for one in whole.column_names]), copy)
    shard = Shard(copy)
    with raises_explained(CollectionDamagedError, match="doctor"):
        read(shard)
