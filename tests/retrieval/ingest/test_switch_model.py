"""Changing a collection's model: the new space grows beside the old one, which is dropped last."""

from __future__ import annotations

import shutil

import pytest

from mmsearch import Collection

pytestmark = pytest.mark.clip


@pytest.fixture
def other_model(make_checkpoint) -> str:
    return f"open_clip:tiny@{make_checkpoint()}"


def test_another_model_takes_the_place_of_the_first_when_its_space_is_complete(collection, photos, other_model):
    before = collection.space
    report = collection.index([photos], model=other_model, workers=1)
    assert collection.space != before
    assert [space.model for space in collection.spaces] == [other_model, "mini"], "which goes on for sounds alone"
    assert {entry.space for entry in collection.manifest.shards} == {collection.space.key}
    assert report.indexed == 10
    assert collection.search("a disc", k=3)


def test_naming_one_folder_reads_all_roots_for_the_new_model(collection, photos, other_model, tmp_path):
    elsewhere = shutil.copytree(photos, tmp_path / "elsewhere")
    collection.index([elsewhere], workers=1)
    collection.index([photos], model=other_model, workers=1)
    assert collection.searcher().rows("image").live_count == 16


def test_a_missing_root_keeps_the_old_space_in_use_and_says_so(collection, photos, other_model, tmp_path):
    disk = shutil.copytree(photos, tmp_path / "disk")
    collection.index([disk], workers=1)
    before = collection.space
    shutil.rmtree(disk)
    report = collection.index([photos], model=other_model, workers=1)
    assert collection.space == before
    assert "disk is missing" in str(report.notices[-1])
    assert len(collection.manifest.spaces) == 2
    assert collection.search("a disc", k=1, to=["image"])


def test_a_root_that_is_gone_and_was_forgotten_can_be_dropped_so_that_nothing_waits_for_it(
    collection, photos, other_model, tmp_path
):
    disk = shutil.copytree(photos, tmp_path / "disk")
    collection.index([disk], workers=1)
    collection.remove(sorted(disk.iterdir()))
    shutil.rmtree(disk)
    before = collection.space
    assert "disk is missing" in str(collection.index([photos], model=other_model, workers=1).notices[-1])
    assert collection.remove([disk]) == 0
    collection.index([photos], model=other_model, workers=1)
    assert collection.space != before


def test_an_interrupted_switch_goes_on_with_the_next_run(collection, photos, other_model):
    before = collection.space

    def stop(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    report = collection.index([photos], model=other_model, workers=1, batch=1, watch=stop)
    assert report.interrupted
    assert collection.space == before
    again = collection.index([photos], model=other_model, workers=1)
    assert again.unchanged > 0
    assert collection.space != before


def test_vectors_made_elsewhere_are_never_replaced(photos, other_model, tmp_path):
    made = Collection.create(tmp_path / "own.mms", model=None)
    made.add([[1.0, 0.0]], paths=["/a"], modality="image", space="own")
    made.index([photos], model=other_model, workers=1)
    assert made.space.model == "own"
    assert len(made.manifest.spaces) == 2
