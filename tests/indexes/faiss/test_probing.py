"""A query probes the lists nearly as near as its nearest: few where one stands out, many where all are alike."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.centroids import Centroids
from mmsearch.indexes.faiss.probing import Probing, centroid_margins, lists_wanted, lists_within
from mmsearch.indexes.faiss.selectors import selector_of
from mmsearch.indexes.plan import IndexPlan
from mmsearch.indexes.vectors import as_stored_vectors

DIM = 16


@pytest.fixture(scope="module")
def centroids() -> Centroids:
    return of(queries(64, seed=0))


def of(rows: np.ndarray) -> Centroids:
    quantizer = faiss.IndexFlatIP(DIM)
    quantizer.add(rows)
    return Centroids(quantizer)


def queries(count: int, seed: int = 1) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def probed(centroids: Centroids, query: np.ndarray, probing: Probing) -> set[int]:
    return set(lists_within(centroids, query, probing)[1].tolist())


@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.07, 3.0])
def test_all_lists_within_the_margin_of_the_tenth_are_probed_and_no_other(centroids: Centroids, margin: float) -> None:
    for query in queries(20):
        near, lists = lists_within(centroids, query, Probing(1, margin))
        (margins,) = centroid_margins(centroids.values, query[None])
        assert set(lists.tolist()) == set(np.flatnonzero(margins <= max(margin, margins.min()) + 1e-6).tolist())
        assert np.all(np.diff(near) <= 0), "nearest first"


def test_a_query_close_to_one_centroid_probes_fewer_than_one_that_is_far_from_all(centroids: Centroids) -> None:
    close, far = centroids.values[0] * 3, queries(1)[0] * 0.3
    assert len(probed(centroids, close, Probing(1, 0.1))) < len(probed(centroids, far, Probing(1, 0.1)))


def test_looking_wider_adds_lists_and_takes_none_away(centroids: Centroids) -> None:
    for query in queries(10):
        few, more = (probed(centroids, query, Probing(4, 0.05, factor)) for factor in (1.0, 2.0))
        assert few <= more
        assert len(more) == min(2 * len(few), 64)
        assert len(probed(centroids, query, Probing(4, 0.05, 1000))) == 64


def test_more_lists_are_found_than_are_looked_at_first() -> None:
    many = of(queries(2000, seed=0))
    (margins,) = centroid_margins(many.values, queries(1))
    for count in (200, 500, 2000):
        margin = float(np.sort(margins)[count - 1]) + 1e-6
        assert probed(many, queries(1)[0], Probing(1, margin)) == set(np.argsort(margins)[:count].tolist())


@pytest.mark.parametrize("factory", ["IVF256,PQ8x4fsr", "IVF256,SQ8", "IVF256,RaBitQ", "IVF256_HNSW16,SQ8"])
def test_in_a_batch_each_query_gets_what_it_gets_alone(factory: str) -> None:
    """Queries differ in the lists that they probe: what one leaves out must not take answers from another."""
    rows = queries(6000, seed=3)
    plan = IndexPlan("faiss", "", factory, train_rows=6000)
    built = ApproximateIndex.build(as_stored_vectors(rows), np.arange(6000), plan, seed=0, threads=1)
    for margin in (-0.05, 0.02, 0.1):
        together = built.candidates(rows[:200], 20, Probing(1, margin))
        assert np.mean([own in line for own, line in zip(range(200), together, strict=True)]) > 0.9
        for row in range(0, 200, 40):
            assert np.array_equal(together[row], built.candidates(rows[row : row + 1], 20, Probing(1, margin))[0])


def test_queries_that_are_searched_together_find_what_each_finds_alone() -> None:
    """They may probe a few lists more, never fewer: what is found alone is found, unless something better is."""
    rows = queries(6000, seed=3)
    plan = IndexPlan("faiss", "", "IVF256,PQ8x4fsr", train_rows=6000)
    built = ApproximateIndex.build(as_stored_vectors(rows), np.arange(6000), plan, seed=0, threads=1)
    asked = queries(1100, seed=5)  # more than are compared with the centroids at a time
    for margin in (-0.05, 0.1, 3.0):
        together = built.candidates_together(asked, 20, Probing(1, margin), threads=2)
        alone = built.candidates(asked, 20, Probing(1, margin))
        assert together.shape == alone.shape
        nearest = np.sum(asked[:, None] * rows[np.maximum(together, 0)], axis=2).mean()
        assert nearest >= np.sum(asked[:, None] * rows[np.maximum(alone, 0)], axis=2).mean() - 0.01
        common = np.mean([len(set(one) & set(other)) for one, other in zip(together, alone, strict=True)])
        assert common > 16
    every = built.candidates_together(asked, 20, Probing(256, 3.0), selector_of(np.arange(0, 6000, 2)), threads=2)
    assert np.all(every % 2 == 0)


def test_as_many_lists_are_wanted_in_a_batch_as_are_found_for_each(centroids: Centroids) -> None:
    asked = queries(30)
    for probing in (Probing(1, -0.1), Probing(1, 0.07), Probing(2, 0.05, 2.0), Probing(4, 0.05, 1000)):
        alone = [len(lists_within(centroids, query, probing)[0]) for query in asked]
        assert lists_wanted(asked @ centroids.values.T, probing).tolist() == alone
