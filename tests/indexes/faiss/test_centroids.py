"""Centroids at four bits a value: a first look at all of them that loses none of the nearest, and exact products."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from mmsearch.indexes.faiss.centroids import Centroids


def made(rows: np.ndarray) -> Centroids:
    quantizer = faiss.IndexFlatIP(rows.shape[1])
    quantizer.add(rows)
    return Centroids(quantizer)


def unit(count: int, dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32) + 0.3
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("lists", "dim"), [(1, 8), (7, 5), (40, 1), (1000, 33), (4096, 64)])
def test_the_nearest_centroids_are_found_in_order_with_their_exact_products(lists: int, dim: int) -> None:
    rows, width = unit(lists, dim), 256
    centroids = made(rows)
    assert len(centroids) == lists
    for query in unit(20, dim, seed=1):
        products = rows @ query
        nearness, numbers = centroids.nearest(query, width)
        assert len(numbers) == min(width, lists) == len(set(numbers.tolist()))
        assert np.allclose(nearness, products[numbers], atol=1e-6)
        assert np.all(np.diff(nearness) <= 0)
        nearest = np.sort(products)[::-1][: width // 4]
        assert np.allclose(nearness[: width // 4], nearest, atol=1e-6), "of the first quarter none is missing"


def test_many_queries_are_compared_with_all_centroids() -> None:
    rows, queries = unit(70, 33), unit(5, 33, seed=1)
    assert np.allclose(made(rows).products(queries[::2]), queries[::2] @ rows.T, atol=1e-6)


def test_all_can_be_asked_for() -> None:
    centroids = made(unit(300, 16))
    assert sorted(centroids.nearest(unit(1, 16)[0], 10_000)[1].tolist()) == list(range(300))


def test_centroids_that_are_all_equal_have_no_deviation_and_are_found_all_the_same() -> None:
    centroids = made(np.repeat(unit(1, 16), 50, axis=0))
    nearness, numbers = centroids.nearest(unit(1, 16)[0], 50)
    assert np.allclose(nearness, 1)
    assert sorted(numbers.tolist()) == list(range(50))


def test_centroids_that_lie_in_a_graph_are_compared_as_others_are() -> None:
    rows = unit(500, 16)
    graph = faiss.IndexHNSWFlat(16, 8, faiss.METRIC_INNER_PRODUCT)
    graph.add(rows)
    query = unit(1, 16, seed=1)[0]
    assert np.array_equal(Centroids(graph).nearest(query, 500)[1], np.argsort(-(rows @ query)))


def test_each_value_is_put_at_the_nearest_of_its_sixteen_levels() -> None:
    rows = unit(2000, 6)
    centroids = made(rows)
    codes = centroids._coarse
    levels = faiss.vector_to_array(codes.pq.centroids).reshape(6, 16)
    reconstructed = np.stack([codes.reconstruct(row) for row in range(0, 2000, 97)])
    nearest = np.abs(rows[::97, :, None] - levels).argmin(axis=2)
    assert np.allclose(reconstructed, np.take_along_axis(levels[None], nearest[..., None], axis=2)[..., 0], atol=1e-6)
