"""Tombstones are written twice: what was forgotten does not come back when a file of them is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.manifest import MANIFEST_NAME
from mmsearch.retrieval.store.snapshot import Snapshot


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def shift(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4] + b"\0" + path.read_bytes()[4:-1])


def names(collection: Collection) -> set[str]:
    return {Path(hit.path).name for hit in Collection.open(collection.root).search("x", k=50)}


@pytest.fixture
def forgotten(photos, collection):
    """A collection from which one file was removed, one is gone, one has changed and one was touched."""
    collection.remove([photos / "disc.png"])
    (photos / "grid.png").unlink()
    (photos / "bread.md").write_text("Rye bread is sold out.")
    os.utime(photos / "ramp.jpg", (1, 1))
    collection.index([photos], workers=1)
    assert collection.manifest.tombstones
    return collection


@pytest.mark.parametrize("harm", [Path.unlink, cut, shift])
@pytest.mark.parametrize("which", [0, 1], ids=["file", "copy"])
def test_the_loss_of_one_file_brings_nothing_back(forgotten, harm, which):
    before = names(forgotten)
    dead = set(Snapshot(forgotten.root, forgotten.manifest).deleted_ids.tolist())
    for entry in forgotten.manifest.tombstones:
        harm(forgotten.root / entry.files[which])
    assert names(forgotten) == before, "the other one is read"
    assert len(Collection.doctor(forgotten.root)) == len(forgotten.manifest.tombstones)
    problems = Collection.doctor(forgotten.root, repair=True)
    assert {problem.repaired for problem in problems} == {"made again from its copy"}
    assert Collection.doctor(forgotten.root) == []
    assert names(forgotten) == before
    repaired = Collection.open(forgotten.root)
    assert set(Snapshot(repaired.root, repaired.manifest).deleted_ids.tolist()) == dead


def test_both_lost_is_told_and_what_the_rows_tell_is_forgotten_again(photos, forgotten, raises_explained):
    before = names(forgotten)
    for entry in forgotten.manifest.tombstones:
        for name in entry.files:
            (forgotten.root / name).unlink()
    with raises_explained(CollectionDamagedError, match=r"is missing; .*--repair"):
        Collection.open(forgotten.root).search("x")
    problems = Collection.doctor(forgotten.root, repair=True)
    assert problems
    assert all("files that are gone answer until" in (problem.repaired or "") for problem in problems)
    assert names(forgotten) == before | {"grid.png"}
    texts = [hit.text for hit in Collection.open(forgotten.root).search("bread", to=["text"]) if "bread" in hit.path]
    assert texts == ["Rye bread is sold out."], "a path has one content"
    reopened = Collection.open(forgotten.root)
    reopened.index([photos], workers=1)
    assert names(reopened) == before


@pytest.mark.parametrize("lost", ["dead", "dead-copies"])
def test_a_manifest_made_again_keeps_the_tombstones_of_either_folder(forgotten, lost):
    before = names(forgotten)
    (forgotten.root / MANIFEST_NAME).unlink()
    for path in (forgotten.root / lost).iterdir():
        path.unlink()
    assert Collection.doctor(forgotten.root, repair=True)
    assert names(forgotten) == before


def test_an_id_that_was_buried_is_not_given_to_a_new_row_by_a_manifest_made_again(photos, collection, drawn):
    drawn("square.jpg").resize((40, 40)).save(photos / "last.png")
    collection.index([photos], workers=1)
    collection.remove([photos / "last.png"])
    collection.compact()  # its row is dropped, and its tombstone is not swept yet
    (collection.root / MANIFEST_NAME).unlink()
    Collection.doctor(collection.root, repair=True)
    drawn("square.jpg").resize((50, 50)).save(photos / "new.png")
    reopened = Collection.open(collection.root)
    reopened.index([photos / "new.png"], workers=1)
    assert "new.png" in names(reopened)
