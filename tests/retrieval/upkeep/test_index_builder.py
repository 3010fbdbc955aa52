"""An index follows its rows at the cost of the change: segments come, merge, are measured; nothing old is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.durable import file_checksum
from mmsearch.errors import CollectionDamagedError, Hint, HintKind, SpaceMismatchError
from mmsearch.indexes import TEXT_QUERY_COUNT
from mmsearch.indexes.faiss.list_files import ListFiles
from mmsearch.retrieval.store.writer import open_writer
from mmsearch.retrieval.upkeep import index_builder, maintain
from mmsearch.types import Space

DIM = 16
SPACE = Space.of_vectors("s", DIM)


def clustered(count: int, seed: int = 0, centres: int = 7) -> np.ndarray:
    middle = np.random.default_rng(centres).normal(size=(30, DIM))
    rng = np.random.default_rng(seed)
    points = middle[rng.integers(30, size=count)] + 0.5 * rng.normal(size=(count, DIM))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def made(tmp_path: Path) -> Collection:
    """Two thousand vectors behind an index that can be extended."""
    collection = Collection.create(tmp_path / "c.mms", model=None, index="IVF16,SQ8", recall=0.95)
    add(collection, clustered(2000))
    return collection


def add(collection: Collection, vectors: np.ndarray, modality: str = "image") -> None:
    start = collection.manifest.next_id
    paths = [f"/{start + i}" for i in range(len(vectors))]
    texts = paths if modality == "text" else None
    collection.add(vectors, paths=paths, modality=modality, texts=texts, space="s")


def files_of(collection: Collection) -> dict[str, tuple[int, int]]:
    """Every file but the manifest and the lock, with its length and when it was written."""
    files = (path for path in collection.root.rglob("*.*") if path.name != "MANIFEST.json")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def segments(collection: Collection) -> list[int]:
    return [entry.rows for entry in collection.manifest.indexes_of(SPACE.key, "image")]


def recall(collection: Collection, queries: np.ndarray) -> float:
    through, truth = (
        [{hit.id for hit in hits} for hits in collection.search_many(list(queries), k=10, exact=exact)]
        for exact in (False, True)
    )
    return float(np.mean([len(a & b) / 10 for a, b in zip(through, truth, strict=True)]))


def test_an_addition_becomes_a_segment_and_touches_no_old_file(made: Collection) -> None:
    before = files_of(made)
    add(made, clustered(800, seed=1))
    after = files_of(made)
    assert segments(made) == [2000, 800]
    assert {name: after[name] for name in before} == before
    assert recall(made, clustered(40, seed=2)) > 0.94


def test_a_few_rows_are_scanned_until_they_are_worth_a_segment(made: Collection) -> None:
    add(made, clustered(300, seed=1))
    assert segments(made) == [2000]
    add(made, clustered(300, seed=2))
    assert segments(made) == [2000, 600]


def test_small_segments_are_merged_eight_at_a_time(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_builder, "TAIL_ROWS", 10)
    most = 0
    for number in range(17):
        add(made, clustered(20, seed=number))
        most = max(most, len(segments(made)))
    assert sum(segments(made)) == 2340
    assert len(segments(made)) < 6
    assert most <= 9
    assert recall(made, clustered(40, seed=2)) > 0.94


def test_segments_that_outweigh_the_first_are_merged_into_it_without_training(made: Collection) -> None:
    path = made.root / made.manifest.indexes[0].path
    learned = path.with_suffix(".trained").read_bytes()
    for seed in (1, 2, 3):
        add(made, clustered(900, seed=seed))
    assert segments(made) == [4700]
    path = made.root / made.manifest.indexes[0].path
    assert path.with_suffix(".trained").read_bytes() == learned
    assert recall(made, clustered(40, seed=2)) > 0.94


def test_compacting_leaves_one_segment_without_dead_rows(made: Collection) -> None:
    add(made, clustered(800, seed=1))
    gone = [f"/{row}" for row in range(100, 400)]
    made.remove(gone)
    made.compact()
    assert segments(made) == [2500]
    assert recall(made, clustered(40, seed=2)) > 0.94
    assert Collection.doctor(made.root) == []


def test_the_dead_are_passed_over_inside_the_search(made: Collection) -> None:
    """Where the fifty nearest are dead, ten others still answer, with the recall of any query."""
    query = clustered(1, seed=5)[0]
    nearest = [hit.path for hit in made.search(query, k=50, exact=True)]
    made.remove(nearest)
    found, truth = (made.search(query, k=10, exact=exact) for exact in (False, True))
    assert not {hit.path for hit in found} & set(nearest)
    assert len({hit.id for hit in found} & {hit.id for hit in truth}) >= 9


def test_recall_is_measured_again_when_the_rows_have_grown(made: Collection) -> None:
    add(made, clustered(1000, seed=1))
    told = [json.loads((made.root / f"{e.path}.json").read_text()) for e in made.manifest.indexes]
    assert [facts["measured_rows"] for facts in told if "calibration" in facts] == [2000, 3000]
    assert 0.9 < made.status().modalities[0].recall["image"] <= 1


def test_rows_like_the_old_ones_need_no_training_and_nothing_is_said(made: Collection) -> None:
    assert maintained(made, clustered(1000, seed=1)) == []
    assert segments(made) == [2000, 1000]


def test_rows_that_drift_are_measured_at_once_and_that_is_said(made: Collection) -> None:
    (notice,) = maintained(made, clustered(600, seed=1, centres=8))
    assert "far from what" in notice
    assert "measured again" in notice or "trained anew" in notice
    assert recall(made, clustered(40, seed=2, centres=8)) > 0.93


def test_an_index_that_no_longer_reaches_its_target_is_trained_anew_and_says_why(
    made: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = index_builder.calibrate

    def fails(*args: object, **options: object) -> object:
        calibration = worse(*args, **options)
        return replace(calibration, recall={"row": 0.5}, queries={"row": 512})

    monkeypatch.setattr(index_builder, "calibrate", fails)
    (notice,) = maintained(made, clustered(1000, seed=1, centres=9))
    assert "trained anew" in notice
    assert segments(made) == [3000]


def test_an_index_that_outgrew_its_lists_is_trained_anew(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_builder, "TRAINED_GROWTH", 1.3)
    (notice,) = maintained(made, clustered(1000, seed=1))
    assert "3,000 rows and was trained for 2,000" in notice
    assert segments(made) == [3000]


def maintained(collection: Collection, vectors: np.ndarray) -> list[str]:
    """Add rows, and what bringing the index up to date has to say."""
    from mmsearch.retrieval.ingest.external_vectors import checked_addition

    paths = [f"/new {i}" for i in range(len(vectors))]
    with open_writer(collection.root) as writer:
        writer.commit([checked_addition(SPACE, vectors, paths, "image", None, None)])
        notices = maintain.maintain(writer, SPACE)
    collection.reopen()
    return [str(notice) for notice in notices]


@pytest.mark.parametrize(("own", "phrases"), [(800, TEXT_QUERY_COUNT // 2), (3, TEXT_QUERY_COUNT - 3)])
def test_it_is_measured_with_phrases_and_with_texts_of_the_collection(own: int, phrases: int, tmp_path: Path) -> None:
    asked: list[str] = []

    def embed(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return clustered(len(texts), seed=len(asked))

    collection = Collection.create(tmp_path / "c.mms", model=None, index="IVF8,SQ8")
    add(collection, clustered(own, seed=1), "text")
    add(collection, clustered(700))
    with open_writer(collection.root) as writer:
        index_builder.drop_index(writer, SPACE.key, "image")
        maintain.maintain(writer, SPACE, embed=embed)
    collection.reopen()
    assert len(set(asked)) == phrases
    (image,) = (m for m in collection.status().modalities if m.modality == "image")
    assert list(image.recall) == ["text", "image"]
    assert image.measured_on == {"text": 512, "image": 350}


def test_a_crash_while_merging_leaves_the_old_segments(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    add(made, clustered(800, seed=1))
    before, held = made.manifest, files_of(made)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ListFiles, "join", crash)
    with pytest.raises(KeyboardInterrupt):
        made.compact()
    monkeypatch.undo()
    made.reopen()
    assert made.manifest.indexes == before.indexes
    assert {name: files_of(made)[name] for name in held} == held
    assert recall(made, clustered(40, seed=2)) > 0.94
    made.compact()
    assert segments(made) == [2800]


# --- harm --------------------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("number", [0, 1], ids=["the first segment", "a later segment"])
@pytest.mark.parametrize("ending", [".faiss", ".json"])
@pytest.mark.parametrize("harm", [cut, Path.unlink], ids=["cut short", "missing"])
def test_a_damaged_segment_is_said_and_made_again(
    number: int, ending: str, harm: Callable[[Path], None], made: Collection
) -> None:
    add(made, clustered(800, seed=1))
    harm(made.root / f"{made.manifest.indexes[number].path}{ending}")
    with pytest.raises(CollectionDamagedError) as error:
        search_loaded(made)
    assert error.value.hint == Hint(HintKind.REPAIR)
    assert Collection.doctor(made.root, repair=True)
    mended = Collection.open(made.root)
    assert sum(segments(mended)) == 2800
    assert Collection.doctor(made.root) == []
    assert recall(mended, clustered(40, seed=2)) > 0.94


def search_loaded(collection: Collection) -> None:
    Collection.open(collection.root).search(clustered(1)[0])


def rewritten(collection: Collection, number: int, **changes: object) -> None:
    """Write the facts of a segment anew, with their checksum, as another version might have."""
    with open_writer(collection.root) as writer:
        entry = writer.manifest.indexes[number]
        path = collection.root / (entry.path + ".json")
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}))
        entries = list(writer.manifest.indexes)
        entries[number] = replace(entry, checksums={**entry.checksums, ".json": file_checksum(path)})
        writer.publish(replace(writer.manifest, indexes=tuple(entries)))


@pytest.mark.parametrize("ending", [".trained", ".texts.npy"])
@pytest.mark.parametrize("missing", [False, True], ids=["altered", "missing"])
def test_what_is_copied_to_a_merged_index_is_compared_with_its_checksum(
    ending: str, missing: bool, tmp_path: Path
) -> None:
    """Altered bytes would otherwise get a new checksum, and never be noticed again."""
    collection = Collection.create(tmp_path / "c.mms", model=None, index="IVF8,SQ8")
    add(collection, clustered(700, seed=1), "text")
    add(collection, clustered(700))
    add(collection, clustered(600, seed=2))
    first, later = collection.manifest.indexes_of(SPACE.key, "image")
    assert ending in first.checksums
    path = collection.root / f"{first.path}{ending}"
    data = path.read_bytes()
    path.unlink()
    if not missing:
        path.write_bytes(data[:-40] + bytes(40))
    before = collection.manifest
    with pytest.raises(CollectionDamagedError, match=path.name) as error:
        collection.compact()
    assert error.value.hint == Hint(HintKind.REPAIR)
    collection.reopen()
    assert collection.manifest.indexes_of(SPACE.key, "image") == before.indexes_of(SPACE.key, "image") == [first, later]
    assert Collection.doctor(collection.root, repair=True)
    assert Collection.doctor(collection.root) == []


def test_a_segment_of_another_space_is_refused(made: Collection) -> None:
    add(made, clustered(800, seed=1))
    rewritten(made, 1, space=Space.of_vectors("other", DIM).to_json())
    with pytest.raises(SpaceMismatchError, match="other"):
        search_loaded(made)


def test_a_segment_that_is_newer_than_this_version_is_refused(made: Collection) -> None:
    add(made, clustered(800, seed=1))
    rewritten(made, 1, format=99)
    with pytest.raises(CollectionDamagedError) as error:
        search_loaded(made)
    assert error.value.hint == Hint(HintKind.REPAIR)


def test_an_index_from_before_there_were_segments_is_read_and_built_again_when_outgrown(made: Collection) -> None:
    with open_writer(made.root) as writer:
        (entry,) = writer.manifest.indexes
        old = replace(entry, checksums={k: v for k, v in entry.checksums.items() if k in (".faiss", ".json")})
        writer.publish(replace(writer.manifest, indexes=(old,)))
    rewritten(made, 0, measured_rows=2000)
    made.reopen()
    assert recall(made, clustered(40, seed=2)) > 0.94
    add(made, clustered(400, seed=1))
    assert segments(made) == [2000]
    add(made, clustered(400, seed=2))
    assert segments(made) == [2800]
