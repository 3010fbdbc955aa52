"""The doctor finds what is wrong with a collection and mends it from the shards."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError, MMSearchError
from mmsearch.retrieval.store.manifest import MANIFEST_NAME, save_manifest
from mmsearch.retrieval.upkeep import doctor


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_sound_collection_has_no_problems(gallery):
    assert Collection.doctor(gallery.root) == []


@pytest.mark.parametrize("harm", [cut, alter, Path.unlink])
def test_a_damaged_shard_is_found_taken_out_and_filled_by_the_next_run(photos, collection, paths_in, harm):
    everything = paths_in(collection)
    shard = next(entry for entry in collection.manifest.shards if entry.modality == "image")
    harm(collection.root / shard.path)
    (problem,) = Collection.doctor(collection.root)
    assert problem.path == str(collection.root / shard.path)
    assert problem.repaired is None
    (problem, *_) = Collection.doctor(collection.root, repair=True)
    assert problem.repaired is not None
    assert Collection.doctor(collection.root) == []
    mended = Collection.open(collection.root)
    report = mended.index([photos], workers=1)
    assert (report.indexed, report.unchanged) == (8, 2)
    assert paths_in(mended) == everything
    assert len(mended.search("x", k=20)) == 10


def test_a_search_over_a_damaged_shard_names_the_doctor(collection, raises_explained):
    for entry in collection.manifest.shards:
        cut(collection.root / entry.path)
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Collection.open(collection.root).search("x")


def test_a_search_over_a_missing_shard_names_the_doctor(collection, raises_explained):
    for entry in collection.manifest.shards:
        (collection.root / entry.path).unlink()
    with raises_explained(CollectionDamagedError, match="is missing; `mmsearch doctor --repair`"):
        Collection.open(collection.root).search("x")


@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_lost_manifest_is_made_again_from_the_shards(photos, collection, paths_in, harm):
    (photos / "disc.png").unlink()
    collection.index([photos], workers=1)
    before = {(hit.path, hit.score) for hit in collection.search("x", k=20)}
    harm(collection.root / MANIFEST_NAME)
    with pytest.raises(MMSearchError):
        Collection.open(collection.root)
    if harm is cut:
        assert [Path(p.path).name for p in Collection.doctor(collection.root)] == [MANIFEST_NAME]
    problems = Collection.doctor(collection.root, repair=True)
    assert problems[0].repaired is not None
    assert problems[0].repaired.startswith("made again from the shards; what to exclude")
    assert Collection.doctor(collection.root) == []
    mended = Collection.open(collection.root)
    assert all(entry.footer for entry in mended.manifest.shards), "so that Arrow never reads an altered footer"
    assert {(hit.path, hit.score) for hit in mended.search("x", k=20)} == before
    assert mended.space == collection.space
    assert mended.index([photos], workers=1).unchanged == 9
    mended.add(np.ones((1, 256)), paths=["/new"], modality="image")  # its id and its name are new ones
    assert Collection.doctor(collection.root) == []


@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_lost_sample_is_drawn_again(collection, harm):
    before = [(hit.id, hit.match) for hit in collection.search("x", k=20)]
    sample = collection.manifest.match_samples[0]
    harm(collection.root / sample.path)
    assert [(hit.id, hit.match) for hit in Collection.open(collection.root).search("x", k=20)] == before
    assert [p.path for p in Collection.doctor(collection.root)] == [str(collection.root / sample.path)]
    Collection.doctor(collection.root, repair=True)
    assert Collection.doctor(collection.root) == []
    assert [(hit.id, hit.match) for hit in Collection.open(collection.root).search("x", k=20)] == before


@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_lost_sample_that_cannot_be_drawn_as_it_was_is_told(photos, collection, harm, raises_explained):
    (photos / "disc.png").unlink()
    collection.remove([photos / "disc.png"])
    sample = next(s for s in collection.manifest.match_samples if s.modality == "image")
    harm(collection.root / sample.path)
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Collection.open(collection.root).search("x")
    Collection.doctor(collection.root, repair=True)
    assert len(Collection.open(collection.root).search("x", k=20)) == 9


def test_a_repair_notes_the_footers_that_an_earlier_version_did_not(collection):
    manifest = collection.manifest
    unnoted = tuple(replace(entry, footer=None) for entry in manifest.shards)
    save_manifest(collection.root, replace(manifest, shards=unnoted))
    (collection.root / manifest.match_samples[0].path).unlink()
    Collection.doctor(collection.root, repair=True)
    after = Collection.open(collection.root).manifest
    assert sorted(entry.footer for entry in after.shards) == sorted(entry.footer for entry in manifest.shards)


def vectors(count: int, dim: int = 32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Collection.create(tmp_path_factory.mktemp("built") / "v.mms", model=None, index="IVF4,SQ8")
    made.add(vectors(400), paths=[f"/{i}" for i in range(400)], modality="image", space="elsewhere")
    return made.root


@pytest.fixture
def indexed(built: Path, tmp_path: Path) -> Collection:
    """Four hundred vectors made elsewhere behind an approximate index, free to be harmed."""
    return Collection.open(shutil.copytree(built, tmp_path / "v.mms"))


@pytest.mark.parametrize("ending", [".faiss", ".json"])
@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_damaged_index_is_built_again(indexed, ending, harm, raises_explained):
    query = vectors(1)[0]
    before = [(hit.id, hit.score) for hit in indexed.search(query, k=5)]
    (entry,) = indexed.manifest.indexes
    harm(indexed.root / (entry.path + ending))
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Collection.open(indexed.root).search(query)
    assert len(Collection.doctor(indexed.root)) == 1
    (problem,) = Collection.doctor(indexed.root, repair=True)
    assert problem.repaired == "made again"
    assert Collection.doctor(indexed.root) == []
    mended = Collection.open(indexed.root)
    assert len(mended.manifest.indexes) == 1
    assert [hit.id for hit in mended.search(query, k=1)] == [before[0][0]]


def test_a_damaged_tombstone_file_is_found(photos, collection, raises_explained):
    collection.remove([photos / "disc.png"])
    (entry,) = collection.manifest.tombstones
    for name in entry.files:  # one would do: see test_tombstones
        cut(collection.root / name)
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Collection.open(collection.root).search("x")
    assert len(Collection.doctor(collection.root)) == 1
    Collection.doctor(collection.root, repair=True)
    assert Collection.doctor(collection.root) == []


def test_where_no_collection_is_there_is_nothing_to_mend(tmp_path):
    with pytest.raises(MMSearchError, match="no collection at"):
        Collection.doctor(tmp_path, repair=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/secret"), "it cannot be read: permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone"), "it is missing"),
        (KeyError("rows"), "it is damaged: it does not hold what it should"),
    ],
)
def test_what_python_says_is_told_by_what_it_means(collection, monkeypatch, error, said):
    monkeypatch.setattr(doctor, "_check", raising(error))
    assert {problem.reason for problem in Collection.doctor(collection.root)} == {said}


def raising(error):
    """A function that raises ``error``, whatever it is given."""

    def raised(*_):
        raise error

    return raised
