"""Indexes of a part: what covers its rows is read, and the rest is dropped."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.indexes import ApproximateIndex
from mmsearch.retrieval.storage import join, storage_of
from mmsearch.retrieval.store import remote
from mmsearch.scale.readers import Part
from mmsearch.scale.readers.part_session import PartSession

DIM = 16


def vectors(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> Collection:
    """4,000 rows behind an index of two segments, and 30 that none covers; some deleted."""
    made = Collection.create(tmp_path_factory.mktemp("indexed") / "c.mms", model=None, index="IVF16,PQ8x4fs")
    for number, count in enumerate((3_000, 1_000, 30)):
        names = [f"/{number}/{row}" for row in range(count)]
        made.add(vectors(count, number), paths=names, modality="image", space="s")
    made.remove(["/0/5", "/1/5"])
    assert len(made.manifest.indexes) == 2
    return made


def searchers(collection: Collection, count: int) -> list:
    (space,) = collection.manifest.spaces.values()
    return [PartSession(collection.root, Part(number, count)).searcher(space) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_index_of_a_part_has_the_codes_of_its_rows_alone(indexed, count):
    (space,) = indexed.manifest.spaces.values()
    codes = 0
    for searcher in searchers(indexed, count):
        index = searcher.index("image")
        assert len(index) == len(searcher.rows("image"))
        if index.kind == "approximate":
            codes += len(index.load())
    assert codes == 4_000
    assert len(indexed.searcher(space).index("image").load()) == 4_000


def test_all_parts_together_find_at_least_as_near_rows(indexed):
    (space,) = indexed.manifest.spaces.values()
    queries = vectors(40, 9)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    whole = indexed.searcher(space).index("image")
    whole.load()
    found = [searcher.index("image").search(queries, 10) for searcher in searchers(indexed, 3)]
    scores = -np.sort(-np.concatenate([one[0] for one in found], axis=1), axis=1)[:, :10]
    assert (scores >= whole.search(queries, 10)[0]).all()
    ids = np.concatenate([one[1] for one in found], axis=1)
    for searcher, (_, own) in zip(searchers(indexed, 3), found, strict=True):
        assert set(own.ravel().tolist()) <= set(searcher.rows("image").ids.tolist())
    assert len({*ids[0].tolist()}) == 30


def test_segments_without_rows_of_the_part_are_not_read(indexed, monkeypatch):
    read: list[str] = []
    load = ApproximateIndex.load.__func__

    def noted(cls, path, segments=(), *, mapped=True):
        read.extend(one.name for one in (path, *segments))
        return load(cls, path, segments, mapped=mapped)

    monkeypatch.setattr(ApproximateIndex, "load", classmethod(noted))
    first, last = searchers(indexed, 8)[0], searchers(indexed, 8)[-1]
    first.index("image").load()
    assert [name.rpartition(".")[2] for name in read] == ["faiss"]
    read.clear()
    last.index("image").load()
    assert [name.rpartition(".")[2] for name in read] == ["trained", "faiss"]


def test_an_index_that_cannot_be_cut_is_not_used(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None, index="HNSW8,Flat")
    made.add(vectors(500, 0), paths=[f"/{row}" for row in range(500)], modality="image", space="s")
    assert made.manifest.indexes
    assert [searcher.index("image").kind for searcher in searchers(made, 2)] == ["exact", "exact"]


def test_a_part_without_rows_has_an_empty_index(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(vectors(2, 0), paths=["/1", "/2"], modality="image", space="s")
    indexes = [searcher.index("image") for searcher in searchers(made, 3)]
    assert sorted(map(len, indexes)) == [0, 1, 1]


def test_a_part_of_a_collection_in_a_bucket_is_read_there(s3, indexed, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_caches", {})
    monkeypatch.setattr(remote, "_mirrors", dict(remote._mirrors))
    monkeypatch.setattr(remote, "_cache_home", lambda: tmp_path / "cache")
    address = f"{s3.address}/parts.mms"
    storage = storage_of(address)
    for path in indexed.root.rglob("*"):
        if path.is_file():
            storage.put(join(address, path.relative_to(indexed.root).as_posix()), path)
    query = vectors(1, 9) / np.linalg.norm(vectors(1, 9))
    (space,) = indexed.manifest.spaces.values()
    for number in (1, 2, 3):
        there = PartSession(remote.collection_root(address), Part(number, 3)).searcher(space)
        here = PartSession(indexed.root, Part(number, 3)).searcher(space)
        for found, expected in zip(
            there.index("image").search(query, 10), here.index("image").search(query, 10), strict=True
        ):
            assert np.array_equal(found, expected)
        places = np.array([0, 700])
        assert there.rows("image").facts_at(places, ["path"]) == here.rows("image").facts_at(places, ["path"])
