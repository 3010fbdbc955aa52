"""Groups of vectors."""

from __future__ import annotations

import numpy as np

from mmsearch.library.groups.cluster import cluster, joined_groups, nearest, neighbour_graph, sums_by
from mmsearch.unit import normalize_rows


def of_blobs(groups: np.ndarray, sizes: list[int]) -> list[set[int]]:
    return [
        set(groups[start : start + size].tolist()) for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False)
    ]


def test_blobs_are_groups_also_of_very_different_size(blobs):
    sizes = [90, 60, 8, 20]
    groups, fits = cluster(normalize_rows(blobs(sizes))).of_points()
    assert [len(found) for found in of_blobs(groups, sizes)] == [1, 1, 1, 1]
    assert len(set(groups.tolist())) == 4
    assert fits.min() > 0.4


def test_many_vectors_are_grouped_by_centres(blobs):
    sizes = [300, 200, 100]
    vectors = normalize_rows(blobs(sizes))
    found = cluster(vectors, most_points=60)
    assert found.by_point
    assert len(found.points) <= 60
    groups, _ = found.assign(vectors)
    assert [len(one) for one in of_blobs(groups, sizes)] == [1, 1, 1]
    fresh, _ = found.assign(normalize_rows(blobs(sizes, seed=1)))
    assert (fresh == groups).mean() > 0.99


def test_what_fits_nowhere_is_in_no_group(blobs):
    vectors = normalize_rows(np.concatenate([blobs([40, 40]), -np.eye(16, dtype=np.float32)[5:6]]))
    groups, fits = cluster(vectors).assign(vectors)
    assert groups[-1] == -1
    assert fits[-1] < 0.2
    assert (groups[:-1] >= 0).all()


def test_one_kind_is_one_group_however_large(blobs):
    """Modularity alone divides it."""
    sizes = [600, 500, 400]
    groups, _ = cluster(normalize_rows(blobs(sizes))).of_points()
    assert [len(one) for one in of_blobs(groups, sizes)] == [1, 1, 1]
    assert len(set(groups.tolist())) == 3
    finer, _ = cluster(normalize_rows(blobs(sizes)), detail=3).of_points()
    assert len(set(finer.tolist())) > 3


def test_few_and_equal_vectors():
    one = np.ones((1, 4), np.float32)
    for count in (1, 2, 3, 5):
        vectors = normalize_rows(np.repeat(one, count, axis=0))
        groups, _ = cluster(vectors).assign(vectors)
        assert len(groups) == count
        assert count == 1 or groups.tolist() == [0] * count


def test_each_edge_is_there_once(blobs):
    heads, tails, weights = neighbour_graph(normalize_rows(blobs([30, 30])), 5)
    assert (heads < tails).all()
    assert len(set(zip(heads.tolist(), tails.tolist(), strict=True))) == len(heads)
    assert (weights > 0).all()


def test_sums_and_nearest():
    vectors = np.array([[1, 0], [0, 1], [2, 0], [5, 5]], np.float32)
    assert sums_by(vectors, np.array([1, 0, 1, -1]), 3).tolist() == [[0, 1], [3, 0], [0, 0]]
    assert nearest(vectors[:3], np.eye(2, dtype=np.float32)).tolist() == [0, 1, 0]
    assert nearest(vectors[:0], vectors).tolist() == []


def test_a_start_keeps_what_still_holds_together():
    """Around one middle there are no groups by nature: those of before stay."""
    vectors = normalize_rows(np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32))
    before = cluster(vectors).group_of_point
    order = np.random.default_rng(1).permutation(300)
    anew = cluster(vectors[order]).group_of_point
    kept = cluster(vectors[order], start=before[order]).group_of_point

    def agreement(found: np.ndarray) -> float:
        pairs = before[order][:, None] == before[order]
        return float((pairs == (found[:, None] == found)).mean())

    assert agreement(kept) > max(0.97, agreement(anew))


def test_what_was_two_groups_is_not_readily_one():
    """Two middles at a cosine of 0.8 to one another, and of 0.85 to their own vectors."""
    sums = 8.5 * np.array([[1, 0], [0.8, 0.6]], np.float32)
    sizes = np.array([10, 10])

    def groups(*marks: int) -> list[int]:
        return joined_groups(sums, sizes, np.array(marks), 0.9)[0].tolist()

    assert groups(-1, -1) == groups(-1, 3) == groups(3, 3) == [0, 0]
    assert groups(3, 4) == [0, 1]
    apart = joined_groups(sums * np.float32(1.1), sizes, np.array([3, 3]), 0.9)[0]
    assert apart.tolist() == [0, 0], "what was one is more readily one"
    assert joined_groups(sums * np.float32(1.1), sizes, np.array([-1, -1]), 0.9)[0].tolist() == [0, 1]
