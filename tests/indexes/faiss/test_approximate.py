"""What lies between the engine and FAISS: training, candidates under a filter, files that are cut."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mmsearch
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.faiss.selectors import selector_of
from mmsearch.indexes.plan import plan_index
from mmsearch.indexes.vectors import StoredVectors, as_stored_vectors

ROOT = Path(mmsearch.__path__[0]).parent
ROWS, DIM = 600, 16
FACTORIES = [
    "ivfpq",
    "IVF16,SQ8",
    "IVF8,PQ8x4",
    "QW,IVF8,PQ8x4fsr",
    "QW,IVF8,PQ4",
    "OPQ8,IVF4,PQ8x4fs",
    "PCA8,IVF4,Flat",
    "HNSW8",
    "SQ8",
    "Flat",
    "rabitq",
    "IVF4,RaBitQ4",
]
# Every list, and beyond every row's place in it: nothing is left to chance but the codes.
ALL_LISTS = Probing(10_000)

MakeRows = Callable[..., np.ndarray]
Build = Callable[[str], ApproximateIndex]


@pytest.fixture(scope="module")
def rows(unit_rows: MakeRows) -> np.ndarray:
    return unit_rows(ROWS, DIM).astype(np.float16)


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return np.arange(ROWS, dtype=np.int64) * 3 + 100


@pytest.fixture
def build(rows: np.ndarray, ids: np.ndarray) -> Build:
    def built(requested: str) -> ApproximateIndex:
        plan = plan_index(ROWS, DIM, requested=requested)
        return ApproximateIndex.build(as_stored_vectors(rows), ids, plan, seed=0, threads=None)

    return built


@pytest.mark.parametrize("factory", FACTORIES)
def test_it_builds_without_a_word_and_holds_every_row(
    factory: str, build: Build, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(build(factory)) == ROWS
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("factory", FACTORIES)
def test_it_proposes_a_row_for_itself(factory: str, build: Build, rows: np.ndarray, ids: np.ndarray) -> None:
    proposed = build(factory).candidates(rows.astype(np.float32), 100, ALL_LISTS)
    assert np.mean([own in line for own, line in zip(ids, proposed, strict=True)]) > 0.99


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("spread", [1, 10**9], ids=["dense ids", "ids far apart"])
def test_under_a_filter_it_proposes_only_what_is_allowed(factory: str, spread: int, rows: np.ndarray) -> None:
    ids = np.arange(ROWS, dtype=np.int64) * spread
    plan = plan_index(ROWS, DIM, requested=factory)
    built = ApproximateIndex.build(as_stored_vectors(rows), ids, plan, seed=0, threads=None)
    proposed = built.candidates(rows[:20].astype(np.float32), 50, ALL_LISTS, selector_of(ids[::2]))
    assert np.count_nonzero(proposed >= 0) > 500
    assert np.all(np.isin(proposed[proposed >= 0], ids[::2]))


def test_under_a_filter_that_nothing_passes_it_proposes_nothing(build: Build, rows: np.ndarray) -> None:
    nothing = build("ivfpq").candidates(rows[:2].astype(np.float32), 5, ALL_LISTS, selector_of(np.empty(0, np.int64)))
    assert np.all(nothing == -1)


def test_rows_can_be_added_to_an_index_that_was_read_into_memory(
    build: Build, unit_rows: MakeRows, tmp_path: Path
) -> None:
    build("ivfpq").save(tmp_path / "a.faiss")
    late = unit_rows(5, DIM, seed=3)
    loaded = ApproximateIndex.load(tmp_path / "a.faiss", mapped=False)
    loaded.add(as_stored_vectors(late), np.arange(9000, 9005), 0)
    assert len(loaded) == ROWS + 5
    assert 9002 in loaded.candidates(late[2:3], 50, ALL_LISTS)


def test_adding_to_a_mapped_index_is_refused_before_faiss_ends_the_process(
    build: Build, unit_rows: MakeRows, tmp_path: Path
) -> None:
    build("IVF16,SQ8").save(tmp_path / "a.faiss")
    with pytest.raises(RuntimeError, match="unmapped"):
        ApproximateIndex.load(tmp_path / "a.faiss").add(as_stored_vectors(unit_rows(5, DIM)), np.arange(9000, 9005), 0)


def test_the_number_of_threads_that_faiss_uses_is_left_as_it_was(rows: np.ndarray, ids: np.ndarray) -> None:
    import faiss

    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(3)
        ApproximateIndex.build(
            as_stored_vectors(rows), ids, plan_index(ROWS, DIM, requested="ivfpq"), seed=0, threads=2
        )
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_another_seed_trains_another_index(rows: np.ndarray, ids: np.ndarray, tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        plan = plan_index(ROWS, DIM, requested="ivfpq")
        ApproximateIndex.build(StoredVectors([rows], DIM), ids, plan, seed=seed, threads=None).save(tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("factory", ["ivfpq", "IVF16,SQ8"])
def test_a_file_cut_anywhere_is_damage_and_never_the_end_of_the_process(
    factory: str, mapped: bool, build: Build, tmp_path: Path
) -> None:
    """FAISS itself crashes on some cuts of a mapped file: each is tried in another process, all by one."""
    build(factory).save(tmp_path / "whole.faiss")
    program = f"""
from pathlib import Path
from mmsearch.errors import CollectionDamagedError, Hint, HintKind
from mmsearch.indexes.faiss.approximate import ApproximateIndex
folder = Path({str(tmp_path)!r})
whole = (folder / "whole.faiss").read_bytes()
lengths = [*range(0, 200, 5), *range(200, len(whole), len(whole) // 40), *range(len(whole) - 20, len(whole))]
for length in lengths:
    (folder / "cut.faiss").write_bytes(whole[:length])
    try:
        ApproximateIndex.load(folder / "cut.faiss", mapped={mapped})
    except CollectionDamagedError as error:
        assert error.hint == Hint(HintKind.REPAIR) and chr(10) not in str(error)
    else:
        raise SystemExit(f"cut to {{length}} of {{len(whole)}} bytes, it was loaded")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_no_index_is_damage_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty.faiss").write_bytes(b"")
    (tmp_path / "other.faiss").write_bytes(b"not an index at all" + (19).to_bytes(8, "little"))
    for name in ("empty", "other"):
        with pytest.raises(CollectionDamagedError, match=f"{name}.faiss"):
            ApproximateIndex.load(tmp_path / f"{name}.faiss")
    with pytest.raises(
        FileNotFoundError, match=r"missing\.faiss"
    ):  # swept perhaps: a reader then looks for a newer one
        ApproximateIndex.load(tmp_path / "missing.faiss")


def test_a_file_is_what_faiss_reads_too(build: Build, tmp_path: Path) -> None:
    import faiss

    build("IVF16,SQ8").save(tmp_path / "a.faiss")
    assert faiss.read_index(str(tmp_path / "a.faiss")).ntotal == ROWS
