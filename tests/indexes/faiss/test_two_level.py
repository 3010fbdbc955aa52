"""Centroids in two levels: nearly every row finds its nearest list, and FAISS can search the file as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.errors import UsageError
from mmsearch.indexes import ApproximateIndex, plan_index
from mmsearch.indexes.faiss import two_level
from mmsearch.indexes.faiss.factory import ivf_of, untrained_index
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.faiss.two_level import TwoLevels
from mmsearch.indexes.vectors import as_stored_vectors

DIM, LISTS, GROUPS = 16, 64, 16
FACTORY = f"QW,IVF{LISTS}(IVF{GROUPS},Flat),PQ8x4fsr"


@pytest.fixture
def rows(unit_rows: Callable[..., np.ndarray]) -> np.ndarray:
    return unit_rows(4000, DIM)


def by_all(levels: TwoLevels, rows: np.ndarray) -> np.ndarray:
    return np.argmax(rows @ levels.centroids.T, axis=1)


def test_all_lists_have_unit_centroids_and_those_of_a_group_are_neighbours(rows: np.ndarray) -> None:
    levels = TwoLevels.train(rows, LISTS, GROUPS, seed=0)
    assert levels.centroids.shape == (LISTS, DIM)
    assert np.allclose(np.linalg.norm(levels.centroids, axis=1), 1, atol=1e-4)
    assert np.all(np.diff(levels.group_of) >= 0)


def test_a_row_is_assigned_to_its_nearest_list_but_for_a_few(rows: np.ndarray) -> None:
    levels = TwoLevels.train(rows, LISTS, GROUPS, seed=0)
    nearness, lists = levels.assigner().search(rows, 1)
    assert np.mean(lists[:, 0] == by_all(levels, rows)) > 0.97
    assert np.allclose(nearness[:, 0], np.einsum("ij,ij->i", rows, levels.centroids[lists[:, 0]]), atol=1e-5)


def test_probing_all_groups_finds_the_nearest_list_of_every_row(rows: np.ndarray) -> None:
    levels = TwoLevels.train(rows, LISTS, GROUPS, seed=0)
    found = levels.assigner(probed=GROUPS).search(rows, 1)
    assert np.array_equal(found[1][:, 0], by_all(levels, rows))


def test_lists_are_as_near_to_the_rows_as_those_of_plain_k_means(rows: np.ndarray) -> None:
    plain = faiss.Kmeans(DIM, LISTS, niter=10, seed=1, spherical=True, min_points_per_centroid=1)
    plain.train(rows)
    levels = TwoLevels.train(rows, LISTS, GROUPS, seed=0)
    ours, theirs = (np.mean(np.max(rows @ one.T, axis=1)) for one in (levels.centroids, plain.centroids))
    assert ours > theirs - 0.01


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) > 0),
    share=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_every_group_with_rows_gets_lists_and_none_more_than_its_rows(sizes: list[int], share: float) -> None:
    counts = np.array(sizes)
    filled = int(np.sum(counts > 0))
    total = filled + int(share * (counts.sum() - filled))
    shares = two_level._allocate(counts, total)
    assert shares.sum() == total
    assert np.all(shares <= counts)
    assert np.all((shares > 0) == (counts > 0))


def test_the_levels_that_an_index_stores_are_the_ones_that_were_trained(rows: np.ndarray, tmp_path: Path) -> None:
    levels = TwoLevels.train(rows, LISTS, GROUPS, seed=0)
    index = untrained_index(f"IVF{LISTS}(IVF{GROUPS},Flat),SQ8", DIM)
    levels.store(index.quantizer)
    faiss.write_index(index, str(tmp_path / "index"))
    for mode in (0, faiss.IO_FLAG_MMAP_IFC):
        read = ivf_of(faiss.read_index(str(tmp_path / "index"), mode))
        stored = TwoLevels.of(read.quantizer)
        assert np.array_equal(stored.centroids, levels.centroids)
        assert np.array_equal(stored.groups, levels.groups)
        assert np.array_equal(stored.group_of, levels.group_of)


@pytest.mark.parametrize("factory", [FACTORY, f"IVF{LISTS}(IVF{GROUPS},Flat),RaBitQ"])
def test_faiss_itself_searches_the_index(factory: str, rows: np.ndarray) -> None:
    plan = plan_index(len(rows), DIM, requested=factory)
    ids = np.arange(len(rows))
    index = ApproximateIndex.build(as_stored_vectors(rows), ids, plan, seed=0, threads=1)
    queries = rows[::100]
    ours = index.candidates(queries, 20, Probing(8))
    faiss.extract_index_ivf(index.faiss_index).nprobe = 8
    theirs = index.faiss_index.search(queries, 20)[1]
    assert np.mean([len(set(a) & set(b)) / 20 for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)]) > 0.9


def test_two_levels_behind_a_rotation_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="two levels"):
        untrained_index(f"OPQ8,IVF{LISTS}(IVF{GROUPS},Flat),PQ8", DIM)
