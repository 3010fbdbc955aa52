"""What a collection gives out: its length, records, vectors, counts and Arrow batches."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from mmsearch import Collection, NoSuchRowError, Record, SpaceMismatchError, UsageError


def vectors(count: int, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def test_the_repr_of_a_collection_is_one_short_line(gallery, mine, tmp_path):
    assert repr(gallery) == f"Collection({str(gallery.root)!r}, model='mini', rows=10)"
    assert repr(mine) == f"Collection({str(mine.root)!r}, model='mine', rows=20)"
    assert repr(Collection.create(tmp_path / "e.mms", model=None)).endswith("e.mms', model='none yet', rows=0)")


def test_the_repr_of_a_damaged_collection_is_no_error(mine):
    for shard in (mine.root / "shards").rglob("*.parquet"):
        shard.write_bytes(b"nothing")
    assert repr(Collection.open(mine.root)) == f"Collection({str(mine.root)!r})"


def test_a_collection_has_as_many_rows_as_are_alive(collection, photos):
    assert len(collection) == len(list(collection)) == 10
    collection.remove([photos / "disc.png"])
    assert len(collection) == len(list(collection)) == 9
    assert collection


def test_an_empty_collection_is_there_all_the_same(empty):
    assert len(empty) == 0
    assert empty, "an object, not a list: whether it has rows is told by its length"


def test_the_rows_of_a_collection_are_records(collection, photos):
    records = list(collection)
    assert {record.path for record in records} == {str(path) for path in photos.iterdir()}
    assert [record.id for record in records if record.modality == "image"] == sorted(
        record.id for record in records if record.modality == "image"
    )
    hit = collection.search("a red disc", k=1, to="image")[0]
    record = collection.get(hit.id)
    assert type(record) is Record
    assert record in records
    for field in dataclasses.fields(Record):
        assert getattr(record, field.name) == getattr(hit, field.name)
    assert record.to_json()["path"] == hit.path


def test_a_row_that_is_not_there_is_named(collection, photos):
    with pytest.raises(NoSuchRowError, match="has no row 99"):
        collection.get(99)
    hit = collection.search("a red disc", k=1, to="image")[0]
    collection.remove([hit.path])
    for gone in (lambda: collection.get(hit.id), lambda: collection.similar(hit.id)):
        with pytest.raises(NoSuchRowError, match=f"has no row {hit.id}"):
            gone()
    with pytest.raises(NoSuchRowError, match=f"has no row {hit.id}, 77"):
        collection.vectors([hit.id, 77])


def test_vectors_come_in_the_order_of_their_ids(mine):
    ids, paths, array = mine.vectors([9, 3, 9])
    assert ids.tolist() == [9, 3, 9]
    assert paths == ["/p/8", "/p/2", "/p/8"]
    assert array.dtype == np.float32
    expected = vectors(20)[[8, 2, 8]]
    np.testing.assert_allclose(array, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)
    assert mine.vectors([]).vectors.shape[0] == 0


def test_vectors_of_two_spaces_do_not_mix(mine):
    (other,) = mine.add(vectors(1, 5), paths=["/q"], modality="image", space="theirs")
    with pytest.raises(SpaceMismatchError, match=r"of several spaces: mine-3-.*, theirs-5-.*; ask for those of one"):
        mine.vectors([1, int(other)])
    assert mine.vectors([int(other)]).vectors.shape == (1, 5)
    assert mine.get(int(other)).path == "/q"


def test_vectors_of_several_modalities_come_together(collection):
    records = list(collection)
    ids, paths, array = collection.vectors(record.id for record in records)
    assert paths == [record.path for record in records]
    assert array.shape == (10, collection.space.dim)
    for row_id, vector in zip(ids.tolist(), array, strict=True):
        assert collection.search(vector, k=1, space=collection.space)[0].id == row_id


def test_rows_are_counted_as_a_search_would_find_them(collection, photos):
    assert collection.count() == 10
    assert collection.count(to="image") == collection.count(to=["image"]) == 8
    assert collection.count(to=["image", "text"]) == 10
    assert collection.count(where="width > 90") == 8
    assert collection.count(under=photos) == 10
    assert collection.count(after="1990", before="1991") == 0
    assert collection.count(space="mini") == 10
    with pytest.raises(SpaceMismatchError):
        collection.count(space="clip")


@pytest.mark.parametrize("batch", [1, 3, 1024])
def test_rows_come_as_arrow_batches(mine, batch):
    mine.remove(["/p/0"])
    batches = list(mine.items(where="width < 8", batch=batch))
    assert all(0 < part.num_rows <= batch for part in batches)
    assert sum(part.num_rows for part in batches) == mine.count(where="width < 8") == 7
    rows = [row for part in batches for row in part.to_pylist()]
    assert [row["path"] for row in rows] == [f"/p/{i}" for i in range(1, 8)]
    assert [row["id"] for row in rows] == list(range(2, 9))
    assert {row["modality"] for row in rows} == {"image"}
    assert "vector" not in rows[0]


def test_rows_come_with_their_vectors_if_asked_for(mine):
    batches = list(mine.items(batch=7, vectors=True))
    ids = [row_id for part in batches for row_id in part["id"].to_pylist()]
    array = np.concatenate([part["vector"].flatten().to_numpy().reshape(-1, 3) for part in batches])
    np.testing.assert_array_equal(array, mine.vectors(ids).vectors)


def test_rows_with_a_name_that_is_not_utf8_come_too(tmp_path):
    mine = Collection.create(tmp_path / "mine.mms", model=None)
    mine.add(vectors(2), paths=[os.fsdecode(b"caf\xe9"), "a"], modality="image", space="mine")
    (part,) = mine.items()
    assert part["path"].to_pylist() == ["caf\\xe9", "a"]
    assert mine.get(1).path == os.fsdecode(b"caf\xe9")


def test_what_is_wrong_with_items_is_said_at_once(mine):
    with pytest.raises(UsageError, match="batch must be at least 1"):
        mine.items(batch=0)
    with pytest.raises(UsageError, match="cannot read the condition"):
        mine.items(where="width >")


def test_rows_are_read_on_while_the_collection_is_compacted(mine):
    batches = mine.items(batch=5)
    first = next(batches)
    mine.remove(["/p/3"])
    mine.compact()
    assert first.num_rows + sum(part.num_rows for part in batches) == 20, "those of the moment when it was called"
    assert len(mine) == 19


def test_vector_blocks_are_the_stored_vectors_in_order_of_id(tmp_path):
    with Collection.create(tmp_path / "b.mms", model=None) as made:
        vectors = np.random.default_rng(0).standard_normal((25, 8)).astype(np.float32)
        ids = made.add(vectors, paths=[f"/{i}" for i in range(25)], modality="image", space="s")
        made.add(vectors[:3], paths=["/x", "/y", "/z"], modality="audio", space="s")
        made.remove(ids=ids[[4, 20]])
        left = np.delete(ids, [4, 20])
        blocks = list(made.vector_blocks("image", rows=10))
        assert [len(own) for own, _ in blocks] == [10, 10, 3]
        assert np.concatenate([own for own, _ in blocks]).tolist() == left.tolist()
        found = np.concatenate([rows for _, rows in blocks])
        np.testing.assert_array_equal(found, made.vectors(left).vectors)
        assert [own.tolist() for own, _ in made.vector_blocks("image", from_id=int(ids[19]))] == [
            ids[[19, 21, 22, 23, 24]].tolist()
        ]
        assert list(made.vector_blocks("video")) == []
        with pytest.raises(UsageError, match="rows must be at least 1, not 0"):
            made.vector_blocks("image", rows=0)


def test_items_may_have_a_few_columns_or_none(collection):
    (one,) = {tuple(batch.schema.names) for batch in collection.items(columns=["size"])}
    assert one == ("id", "size")
    assert sum(len(batch) for batch in collection.items(columns=())) == len(collection)
    with pytest.raises(UsageError, match="no column 'sizes'"):
        list(collection.items(columns=["sizes"]))


def test_records_come_in_the_order_of_their_ids_without_those_that_are_gone(collection):
    ids = [record.id for record in collection][::-1]
    assert [record.id for record in collection.records([*ids, 10**6])] == ids
