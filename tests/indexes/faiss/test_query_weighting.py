"""Weighted codes keep products with queries, and spend their bits where queries look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.indexes.faiss import query_weighting

DIM = 16


def varying(count: int, deviations: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, len(deviations))).astype(np.float32) * deviations


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return varying(4000, np.linspace(2, 0.2, DIM).astype(np.float32))


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    """Queries that look where rows vary least, around a mean of their own."""
    return varying(500, np.linspace(0.1, 1, DIM).astype(np.float32), seed=1) + 0.5


def test_products_are_what_they_were(rows: np.ndarray, words: np.ndarray) -> None:
    of_rows, of_queries = query_weighting.fit_transforms(rows, [words, rows], 4)
    assert np.allclose((words @ of_queries.T) @ (rows @ of_rows.T).T, words @ rows.T, atol=1e-3)
    assert np.allclose(np.linalg.inv(of_queries).T, of_rows, rtol=1e-2, atol=1e-3)


def test_a_distance_of_weighted_rows_is_the_error_of_products_with_the_queries(
    rows: np.ndarray, words: np.ndarray
) -> None:
    of_rows, _ = query_weighting.fit_transforms(rows, [words], 4)
    wrong = varying(300, np.ones(DIM, np.float32), seed=2)
    distances = np.sum((wrong @ of_rows.T) ** 2, axis=1)
    errors = np.mean((wrong @ words.T) ** 2, axis=1)
    assert np.corrcoef(distances, errors)[0, 1] > 0.99


def test_a_few_directions_say_nearly_all_of_what_queries_tell_rows_apart_by(
    rows: np.ndarray, words: np.ndarray
) -> None:
    """The errors of leaving out what varies least: once rows are weighted, and as they are."""
    of_rows, of_queries = query_weighting.fit_transforms(rows[::2], [words[::2]], DIM)
    held_out, asked = rows[1::2], words[1::2]

    def error(some: np.ndarray, queries: np.ndarray) -> float:
        left_out = np.argsort(-some.var(axis=0))[4:]
        return float(np.mean((some[:, left_out] @ queries[:, left_out].T) ** 2))

    assert error(held_out @ of_rows.T, asked @ of_queries.T) < 0.5 * error(held_out, asked)


def test_each_kind_of_query_counts_alike_however_much_its_products_vary(rows: np.ndarray, words: np.ndarray) -> None:
    once, louder = (query_weighting.fit_transforms(rows, [words, scale * rows], 4)[0] for scale in (1, 100))
    assert np.allclose(np.abs(once), np.abs(louder), rtol=1e-2, atol=1e-3)


@given(st.lists(st.floats(1e-9, 1e3), min_size=12, max_size=12), st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_directions_are_dealt_out_once_each_in_equal_stretches(variances: list[float], parts: int) -> None:
    order = query_weighting.allocate_dimensions(np.array(variances), parts)
    assert sorted(order.tolist()) == list(range(12))


def test_each_part_is_dealt_about_the_same_product_of_variances() -> None:
    variances = np.exp(-np.arange(64) / 8)
    logs = np.log(variances[query_weighting.allocate_dimensions(variances, 16)]).reshape(16, 4).sum(axis=1)
    assert np.ptp(logs) < 1.0
    in_order = np.log(variances).reshape(16, 4).sum(axis=1)
    assert np.ptp(in_order) > 20


def test_what_is_lost_of_evenly_spread_rows_is_a_quarter_for_each_bit() -> None:
    """A Gaussian variable loses a factor of four for each bit (Shannon): two bits leave a sixteenth."""
    even = varying(20_000, np.ones(DIM, np.float32))
    assert query_weighting.distortion_bound(even, [even], 2 * DIM) == pytest.approx(1 / 16, rel=0.05)
    assert query_weighting.distortion_bound(even, [even], DIM) == pytest.approx(1 / 4, rel=0.05)


def test_less_is_lost_where_rows_vary_in_few_directions(rows: np.ndarray) -> None:
    few = rows * np.where(np.arange(DIM) < 4, 1, 0.01).astype(np.float32)
    assert query_weighting.distortion_bound(few, [few], DIM) < 0.1 * query_weighting.distortion_bound(rows, [rows], DIM)


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_rows_than_dimensions_still_give_weights(count: int) -> None:
    rows = varying(count, np.ones(DIM, np.float32))
    of_rows, of_queries = query_weighting.fit_transforms(rows, [rows, np.empty((0, DIM), np.float32)], 4)
    assert np.allclose(of_rows @ of_queries.T, np.eye(DIM), atol=1e-2)
