"""Tables beside the rows: kept under a name, replaced as a whole, disposable."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError, UsageError
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.store.writer import open_writer

LABELS = pa.table({"id": pa.array([1, 2], pa.int64()), "tag": ["dog", "cat"]})


@pytest.fixture
def collection(tmp_path):
    with Collection.create(tmp_path / "c.mms", None) as made:
        made.add(np.eye(4, dtype=np.float32), paths=list("abcd"), modality="image", space="own")
        yield made


def test_a_table_is_kept_under_its_name_until_another_takes_its_place(collection):
    assert collection.side_table("tags") is None
    collection.set_side_tables({"tags": LABELS})
    collection.set_side_tables({"groups": LABELS.slice(1)})
    assert collection.side_table("tags").equals(LABELS)
    with Collection.open(collection.root) as other:
        assert other.side_table("groups").to_pydict() == {"id": [2], "tag": ["cat"]}
        collection.set_side_tables({"tags": LABELS.slice(0, 1)})
        assert other.side_table("groups").num_rows == 1, "a table of a snapshot that was not read yet"
        other.reopen()
        assert other.side_table("tags").num_rows == 1
    collection.set_side_tables({"tags": None})
    assert collection.side_table("tags") is None
    assert [entry.name for entry in load_manifest(collection.root).side_tables] == ["groups"]


def test_a_crash_leaves_all_of_several_tables_as_they_were(collection, monkeypatch):
    collection.set_side_tables({"groups": LABELS, "group-facts": LABELS})

    def crash(root, manifest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmsearch.retrieval.store.writer.save_manifest", crash)
        with pytest.raises(KeyboardInterrupt):
            collection.set_side_tables({"groups": LABELS.slice(1), "group-facts": None})
    with Collection.open(collection.root) as other:
        assert [other.side_table(name) for name in ("groups", "group-facts")] == [LABELS, LABELS]


def test_several_tables_change_at_once_or_not_at_all(collection):
    with open_writer(collection.root) as writer:
        generation = writer.manifest.generation
        writer.put_side_tables({"a": LABELS, "b": LABELS})
        assert writer.manifest.generation == generation + 1
        with pytest.raises(UsageError, match="Tags"):
            writer.put_side_tables({"a": None, "Tags": LABELS})
    assert [entry.name for entry in load_manifest(collection.root).side_tables] == ["a", "b"]


@pytest.mark.parametrize("name", ["", "Tags", "../x", "a/b", "1", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(collection, name):
    with pytest.raises(UsageError, match="cannot be the name of a table"):
        collection.set_side_tables({name: LABELS})


def test_a_table_stays_through_a_compaction_and_ids_still_fit(collection):
    collection.add(np.eye(4, dtype=np.float32), paths=list("efgh"), modality="image", space="own")
    collection.set_side_tables({"tags": LABELS})
    collection.remove(ids=[1])
    collection.compact()
    assert collection.side_table("tags").equals(LABELS)
    assert collection.get(2).path == "b"


def test_a_damaged_table_is_told_and_taken_out(collection):
    collection.set_side_tables({"tags": LABELS})
    (entry,) = load_manifest(collection.root).side_tables
    (collection.root / entry.path).write_bytes(b"PAR1 and no more")
    with Collection.open(collection.root) as other, pytest.raises(CollectionDamagedError, match="tables/tags"):
        other.side_table("tags")
    (problem,) = Collection.doctor(collection.root)
    assert "checksum" in problem.reason
    (problem,) = Collection.doctor(collection.root, repair=True)
    assert problem.repaired == "taken out; what it held (tags) is to be computed again"
    with Collection.open(collection.root) as other:
        assert other.side_table("tags") is None
        assert len(other) == 4


def test_old_files_of_tables_are_swept(collection, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.store.writer.SWEEP_AFTER_S", -1)
    for _ in range(3):
        collection.set_side_tables({"tags": LABELS})
    with open_writer(collection.root):
        pass
    assert len(list((collection.root / "tables").rglob("*.parquet"))) == 1
