"""An index made in parts, by one process or by several, is the index that is made at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.upkeep import index_builder, index_parts
from mmsearch.types import Space

DIM = 16
SPACE = Space.of_vectors("s", DIM)


def clustered(count: int, seed: int = 0) -> np.ndarray:
    middle = np.random.default_rng(7).normal(size=(30, DIM))
    rng = np.random.default_rng(seed)
    points = middle[rng.integers(30, size=count)] + 0.5 * rng.normal(size=(count, DIM))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def few_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (index_builder, index_parts):
        monkeypatch.setattr(module, "PART_ROWS", 1000)
    monkeypatch.setattr(index_parts, "_RANGES_PER_PROCESS", 1)


def filled(root: Path, *, index: str = "ivfpq") -> Collection:
    """1,600 rows behind an index, 700 later ones in a segment, 300 that no segment covers, and some removed."""
    made = Collection.create(root, model=None, index=index, recall=0.95)
    for number, count in enumerate((1600, 700, 300)):
        paths = [f"/{number}/{row}" for row in range(count)]
        made.add(clustered(count, number), paths=paths, modality="image", space="s")
    made.remove([f"/{number}/{row}" for number in range(3) for row in range(0, 200, 3)])
    return made


def index_file(collection: Collection) -> bytes:
    """The file of the one segment: its lists, ids and codes."""
    (entry,) = collection.manifest.indexes
    return (collection.root / entry.path).with_suffix(".faiss").read_bytes()


def found_by(collection: Collection, count: int = 30) -> list[list[int]]:
    return [[hit.id for hit in hits] for hits in collection.search_many(list(clustered(count, 9)), k=10)]


@pytest.mark.usefixtures("few_rows_are_many")
@pytest.mark.parametrize("index", ["ivfpq", "rabitq"])
def test_compacting_with_several_processes_leaves_the_file_that_one_leaves(index: str, tmp_path: Path) -> None:
    one, two = (filled(tmp_path / name, index=index) for name in ("one", "two"))
    one.compact()
    two.compact(parallel=2)
    assert [entry.rows for entry in two.manifest.indexes] == [2166]
    assert index_file(one) == index_file(two)
    assert found_by(one) == found_by(two)
    assert Collection.doctor(two.root) == []


@pytest.mark.usefixtures("few_rows_are_many")
def test_compacting_encodes_what_no_segment_covers_and_leaves_one_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(tmp_path / "c.mms")
    assert made.manifest.indexes[-1].covers_to < made.manifest.next_id - 1
    monkeypatch.setattr(index_builder, "TAIL_ROWS", 100)
    made.compact(parallel=2)
    (entry,) = made.manifest.indexes
    assert entry.covers_to == made.manifest.next_id - 1


def test_an_index_built_in_parts_finds_what_one_built_at_once_finds(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    at_once = filled(tmp_path / "once.mms")
    request.getfixturevalue("few_rows_are_many")
    in_parts = filled(tmp_path / "parts.mms")
    once, parts = (collection.manifest.indexes_of(SPACE.key, "image") for collection in (at_once, in_parts))
    assert [entry.rows for entry in once] == [entry.rows for entry in parts]
    assert set(once[0].checksums) == set(parts[0].checksums)
    same = [len(set(a) & set(b)) / 10 for a, b in zip(found_by(at_once), found_by(in_parts), strict=True)]
    assert np.mean(same) > 0.95


@pytest.mark.usefixtures("few_rows_are_many")
def test_nothing_unfinished_is_left_beside_the_index(tmp_path: Path) -> None:
    made = filled(tmp_path / "c.mms")
    made.compact()
    named = made.manifest.files()
    beside = (path for path in (made.root / "indexes").rglob(".unfinished*"))
    assert list(beside) == []
    assert all((made.root / name).exists() for name in named)


@pytest.mark.usefixtures("few_rows_are_many")
def test_a_merge_that_fails_leaves_the_last_manifest_and_all_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(tmp_path / "c.mms")
    asked = found_by(made)

    def fail(tasks: object, parallel: int) -> None:
        raise MMSearchError("a process that should merge a part of the index failed")

    monkeypatch.setattr(index_parts, "run_tasks", fail)
    with pytest.raises(MMSearchError, match="should merge"):
        made.compact(parallel=2)
    left = load_manifest(made.root)
    assert len(left.indexes) == 2
    assert list((made.root / "indexes").rglob(".unfinished*")) == []
    assert Collection.doctor(made.root) == []
    assert found_by(Collection.open(made.root)) == asked


def test_fewer_processes_than_one_are_refused(tmp_path: Path) -> None:
    made = Collection.create(tmp_path / "c.mms", model=None)
    with pytest.raises(UsageError, match="parallel must be at least 1"):
        made.compact(parallel=0)
