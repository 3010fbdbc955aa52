"""Later rows are encoded with what an index learned, searched with it, and merged into it without training anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmsearch.durable import durable_file
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import RowsOfFile, train_index
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.faiss.segments import Drift, TrainedIndex
from mmsearch.indexes.faiss.selectors import selector_of
from mmsearch.indexes.plan import plan_index
from mmsearch.indexes.vectors import as_stored_vectors

FACTORIES = [
    "ivfpq",
    "QW,IVF8,PQ4",
    "IVF8,PQ8x4fsr",
    "IVF8,SQ8",
    "IVF8,PQ8x4",
    "rabitq",
    "IVF8,RaBitQ4",
    "PCA12,IVF8,SQ8",
    "QW,IVF8(IVF4,Flat),PQ8x4fsr",
    "IVF8(IVF4,Flat),RaBitQ",
]
EARLY, LATE, DIM, ALL_LISTS = 600, 300, 16, Probing(10_000)

every_kind = pytest.mark.parametrize("factory", FACTORIES)


class Parts:
    """An index of 600 rows in files, and 300 later rows that it has not seen."""

    def __init__(self, factory: str, rows: np.ndarray, folder: Path) -> None:
        self.rows, self.ids, self.folder = rows, np.arange(len(rows), dtype=np.int64) * 2 + 10, folder
        plan = plan_index(EARLY, DIM, requested=factory)
        early = ApproximateIndex.build(as_stored_vectors(rows[:EARLY]), self.ids[:EARLY], plan, seed=0, threads=1)
        early.save(folder / "first.faiss")
        early.save_trained(folder / "trained.faiss")

    def trained(self) -> TrainedIndex:
        return TrainedIndex.load(self.folder / "trained.faiss")

    def later(self, start: int, stop: int) -> Path:
        """Encode later rows into a segment file."""
        path = self.folder / f"{start}.faiss"
        self.trained().encode(as_stored_vectors(self.rows[start:stop]), self.ids[start:stop]).save(path)
        return path

    def merged(self, paths: list[Path], dead: np.ndarray, *, whole: bool = False) -> Path:
        """Merge files of the index, or of some segments, into a new file."""
        list_files = self.trained().list_files
        list_files.merge([RowsOfFile(path) for path in paths], 0, list_files.lists, dead, self.folder / "lists")
        target = self.folder / "merged.faiss"
        with durable_file(target) as sink:
            list_files.join([self.folder / "lists"], sink, whole=whole)
        return target


@pytest.fixture
def parts(unit_rows: Callable[..., np.ndarray], tmp_path: Path) -> Callable[[str], Parts]:
    rows = unit_rows(EARLY + LATE, DIM).astype(np.float16)
    return lambda factory: Parts(factory, rows, tmp_path)


def finds(index: ApproximateIndex, parts: Parts, start: int, stop: int) -> float:
    """The share of rows that are proposed for themselves, among 60."""
    proposed = index.candidates(parts.rows[start:stop].astype(np.float32), 60, ALL_LISTS)
    return float(np.mean([own in line for own, line in zip(parts.ids[start:stop], proposed, strict=True)]))


@every_kind
@pytest.mark.parametrize("mapped", [True, False])
def test_early_and_late_rows_are_proposed_together(factory: str, mapped: bool, parts: Callable[[str], Parts]) -> None:
    made = parts(factory)
    later = [made.later(600, 700), made.later(700, 900)]
    index = ApproximateIndex.load(made.folder / "first.faiss", later, mapped=mapped)
    assert len(index) == 900
    assert index.list_sizes.sum() == 900
    assert finds(index, made, 0, 600) > 0.98
    assert finds(index, made, 600, 900) > 0.98


@every_kind
def test_a_filter_holds_in_every_segment(factory: str, parts: Callable[[str], Parts]) -> None:
    made = parts(factory)
    index = ApproximateIndex.load(made.folder / "first.faiss", [made.later(600, 900)])
    allowed = made.ids[1::2]
    proposed = index.candidates(made.rows[:30].astype(np.float32), 200, ALL_LISTS, selector_of(allowed))
    assert np.all(np.isin(proposed[proposed >= 0], allowed))
    assert np.any(proposed > made.ids[600])
    assert np.any((proposed >= 0) & (proposed < made.ids[600]))


@every_kind
def test_segments_are_one_index_cut_in_pieces(factory: str, parts: Callable[[str], Parts]) -> None:
    """Proposals of an index that took all rows at once, and of the same one in segments, are the same."""
    made = parts(factory)
    index = ApproximateIndex.load(made.folder / "first.faiss", [made.later(600, 700), made.later(700, 900)])
    whole = ApproximateIndex.load(made.folder / "first.faiss", mapped=False)
    whole.add(as_stored_vectors(made.rows), made.ids, 600)
    for probing in (Probing(1), Probing(3), Probing(0, 0.05), ALL_LISTS):
        one, other = (i.candidates(made.rows[::9].astype(np.float32), 40, probing) for i in (index, whole))
        assert np.mean([len(set(a) & set(b)) / len(set(b)) for a, b in zip(one, other, strict=True)]) > 0.97


@every_kind
def test_merging_keeps_the_living_and_drops_the_dead(factory: str, parts: Callable[[str], Parts]) -> None:
    made = parts(factory)
    later = [made.later(600, 700), made.later(700, 800), made.later(800, 900)]
    dead = made.ids[650:750]
    merged = made.merged(later, dead)
    assert len(made.trained().read(merged)) == 200
    index = ApproximateIndex.load(made.folder / "first.faiss", [merged])
    proposed = index.candidates(made.rows[600:900].astype(np.float32), 60, ALL_LISTS)
    assert not np.any(np.isin(proposed, dead))
    assert finds(index, made, 750, 900) > 0.98


@every_kind
def test_all_segments_merge_into_the_first(factory: str, parts: Callable[[str], Parts]) -> None:
    made = parts(factory)
    dead = made.ids[[3, 650]]
    later = [made.later(600, 700), made.later(700, 900)]
    index = ApproximateIndex.load(made.merged([made.folder / "first.faiss", *later], dead, whole=True))
    assert len(index) == 898
    assert finds(index, made, 700, 900) > 0.98
    proposed = index.candidates(made.rows.astype(np.float32), 60, ALL_LISTS)
    assert not np.any(np.isin(proposed, dead))


def test_a_segment_does_not_hold_the_centroids_again(parts: Callable[[str], Parts]) -> None:
    made = parts("IVF512,SQ8")
    centroids = 512 * DIM * 4
    path = made.later(600, 610)
    assert path.stat().st_size < centroids
    assert (made.folder / "trained.faiss").stat().st_size > centroids


def test_a_segment_of_another_index_is_refused(parts: Callable[[str], Parts], tmp_path: Path) -> None:
    made = parts("IVF8,SQ8")
    path = made.later(600, 610)
    plan = plan_index(EARLY, DIM, requested="IVF16,SQ8")
    other = ApproximateIndex.build(as_stored_vectors(made.rows[:EARLY]), made.ids[:EARLY], plan, seed=0, threads=1)
    other.save(tmp_path / "other.faiss")
    with pytest.raises(CollectionDamagedError, match="no segment of the index"):
        ApproximateIndex.load(tmp_path / "other.faiss", [path])


def test_rows_like_those_learned_from_do_not_drift_and_others_do(parts: Callable[[str], Parts]) -> None:
    made = parts("IVF16,SQ8")
    trained = made.trained()
    drift = Drift.measure(trained, as_stored_vectors(made.rows[:EARLY]))
    assert drift.distant_share(trained, as_stored_vectors(made.rows[EARLY:])) < 0.2
    strangers = np.random.default_rng(1).normal(size=(200, DIM))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    assert drift.distant_share(trained, as_stored_vectors(strangers)) > 0.5


def test_a_trained_index_encodes_each_segment_by_itself(parts: Callable[[str], Parts]) -> None:
    made = parts("IVF8,SQ8")
    trained = made.trained()
    segments = [trained.encode(as_stored_vectors(made.rows[600:some]), made.ids[600:some]) for some in (700, 650)]
    assert [len(segment) for segment in segments] == [100, 50]


@pytest.mark.parametrize("factory", ["QW,IVF8(IVF4,Flat),PQ8x4fsr", "IVF8,RaBitQ4"])
def test_a_trained_index_and_rows_make_the_same_segment_wherever_they_are_encoded(
    factory: str, parts: Callable[[str], Parts], tmp_path: Path
) -> None:
    """A worker needs the file of the trained index and its rows; nothing else, and no other worker, has a say."""
    made = parts(factory)
    script = (
        "import sys, numpy as np; from pathlib import Path; from mmsearch.indexes import StoredVectors, TrainedIndex\n"
        "trained, rows, ids, target = map(Path, sys.argv[1:]); rows = np.load(rows)\n"
        "TrainedIndex.load(trained).encode(StoredVectors([rows], rows.shape[1]), np.load(ids), threads=1).save(target)"
    )
    np.save(tmp_path / "rows.npy", made.rows[600:700])
    np.save(tmp_path / "ids.npy", made.ids[600:700])
    there = tmp_path / "there.faiss"
    names = [tmp_path / name for name in ("trained.faiss", "rows.npy", "ids.npy")]
    subprocess.run([sys.executable, "-c", script, *names, there], check=True)
    assert there.read_bytes() == made.later(600, 700).read_bytes()


def test_training_from_the_same_sample_and_seed_makes_the_same_index(unit_rows: Callable[..., np.ndarray]) -> None:
    plan = plan_index(EARLY, DIM, requested="QW,IVF16(IVF4,Flat),PQ8x4fsr")
    sample = unit_rows(EARLY, DIM)
    first, again, other = (train_index(sample, plan, seed=seed, threads=1) for seed in (1, 1, 2))
    encoded = [
        trained.encode(as_stored_vectors(sample), np.arange(EARLY), threads=1) for trained in (first, again, other)
    ]
    sizes = [[one.inverted_file.invlists.list_size(n) for n in range(16)] for one in encoded]
    assert sizes[0] == sizes[1] != sizes[2]
