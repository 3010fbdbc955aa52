"""Facts of a user's own that belong to a file stay when it is embedded anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.ingest.file_facts import FileFacts
from mmsearch.retrieval.store.snapshot import Snapshot


def test_what_all_rows_of_a_file_share_belongs_to_the_file(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    texts = ["one", "two", "three"]
    facts = {"page": [1, 2, None], "author": ["Ann", "Ann", "Ann"], "tags": [["a"], ["a"], ["a"]], "half": [1, 1, None]}
    made.add(np.eye(3), paths=["book"] * 3, modality="text", texts=texts, space="s", facts=facts)
    made.add(np.eye(3)[:1], paths=["book"], modality="image", space="s", facts={"cover": ["blue"], "author": ["Bob"]})
    made.add(np.eye(3)[:1], paths=["plain"], modality="image", space="s")
    (last,) = made.add(np.eye(3)[:1], paths=["book"], modality="image", space="other", facts={"gone": [1]})
    made.remove(ids=[last])
    known = FileFacts(Snapshot(made.root, made.manifest))
    assert known.of(b"book") == {"author": "Bob", "tags": ["a"], "cover": "blue"}
    assert known.of(b"plain") == known.of(b"nowhere") == {}


@pytest.mark.clip
def test_facts_of_files_stay_when_the_model_changes(collection, photos, make_checkpoint):
    (hit,) = collection.search("x", k=1, to=["image"])
    collection.update_facts([hit.id], {"stars": [5]})
    before = collection.space
    collection.index([photos], model=f"open_clip:tiny@{make_checkpoint()}", workers=1)
    assert collection.space != before
    assert [found.path for found in collection.search("x", k=20, where="stars == 5")] == [hit.path]
    collection.compact()
    assert [found.path for found in collection.search("x", k=20, where="stars == 5")] == [hit.path]


def test_a_file_that_becomes_a_copy_of_another_keeps_its_own_facts(collection, photos):
    by_name = {Path(hit.path).name: hit.id for hit in collection.search("x", k=20)}
    collection.update_facts([by_name["disc.png"], by_name["grid.png"]], {"stars": [5, 1]})
    shutil.copy(photos / "disc.png", photos / "grid.png")
    collection.index([photos], workers=1)
    assert {Path(record.path).name: record.facts.get("stars") for record in collection if record.facts} == {
        "disc.png": 5,
        "grid.png": 1,
    }


def test_a_copy_of_a_file_has_its_facts_too(collection, photos):
    (hit,) = collection.search("x", k=1, to=["image"])
    collection.update_facts([hit.id], {"stars": [5]})
    shutil.copy(hit.path, photos / "copy.png")
    collection.index([photos], workers=1)
    (found,) = collection.search("x", k=20, where="stars == 5")
    assert {found.path, *found.copies} == {hit.path, str(photos / "copy.png")}
