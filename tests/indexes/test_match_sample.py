"""`match`: cosines standardised by a fixed random sample of their modality."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.indexes.match_sample import MATCH_SAMPLE_ROWS, MatchSample, match_sample_positions


def unit(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def deviation(cosines: np.ndarray) -> float:
    """The deviation of cosines with eight more of deviation 0.1 thought in, and that of their mean."""
    own = (len(cosines) * cosines.var() + 8 * 0.1**2) / (len(cosines) + 8)
    return float(np.sqrt(own * (1 + 1 / len(cosines))))


@settings(max_examples=50, deadline=None)
@given(count=st.integers(3, 60), seed=st.integers(0, 1000))
def test_a_match_is_the_cosine_less_the_mean_of_all_others_over_their_deviation(count, seed):
    rows, query = unit(count, seed=seed), unit(1, seed=seed + 1)[0]
    cosines = rows @ query
    sample = MatchSample(np.arange(count), rows)
    found = sample.z_scores(query, np.arange(count), cosines)[0]
    for i in range(count):
        others = np.delete(cosines, i)
        assert found[i] == pytest.approx((cosines[i] - others.mean()) / deviation(others), abs=1e-3)


def test_a_row_outside_the_sample_is_measured_by_the_whole_sample():
    rows, query = unit(50), unit(1, seed=9)[0]
    others = rows @ query
    (found,), _ = MatchSample(np.arange(50), rows).z_scores(query, np.array([99]), np.array([0.5], np.float32))
    assert found == pytest.approx((0.5 - others.mean()) / deviation(others), abs=1e-4)


def test_among_two_rows_none_stands_out_by_far_and_among_many_their_own_scatter_counts():
    """One of two notes must not come before a hundred photographs because it differs from the other."""
    query = np.float32([1, 0])
    few = MatchSample(np.arange(2), np.float32([[0.05, 0.999], [0.12, 0.993]]))
    assert few.z_scores(query, np.array([1]), np.float32([0.12]))[0][0] < 1
    many = unit(2000, seed=3)
    cosines = many @ unit(1, seed=4)[0]
    found = MatchSample(np.arange(2000), many).z_scores(unit(1, seed=4)[0], np.array([5000]), np.float32([0.9]))[0][0]
    assert found == pytest.approx((0.9 - cosines.mean()) / cosines.std(), rel=0.01)


@pytest.mark.parametrize("count", [0, 1])
def test_where_nothing_is_there_to_stand_out_from_the_match_is_zero(count):
    sample = MatchSample(np.arange(count), unit(count))
    assert sample.z_scores(unit(1)[0], np.array([0]), np.array([0.9], np.float32))[0].tolist() == [0.0]


def test_rows_that_are_all_alike_do_not_blow_up_small_differences():
    rows = np.repeat(unit(1), 20, axis=0)
    found = MatchSample(np.arange(20), rows).z_scores(
        unit(1, seed=1)[0], np.array([99]), np.float32([rows[0] @ unit(1, seed=1)[0]])
    )
    assert abs(found[0][0]) < 1e-3


def test_a_small_collection_is_its_own_sample_without_the_dead():
    live = np.array([True, False, True])
    assert match_sample_positions(np.arange(3), live).tolist() == [0, 2]
    assert match_sample_positions(np.arange(MATCH_SAMPLE_ROWS), None).tolist() == list(range(MATCH_SAMPLE_ROWS))


def test_a_sample_is_the_same_whoever_draws_and_spread_over_the_rows():
    ids = np.arange(1, 50_001)
    positions = match_sample_positions(ids, None)
    assert len(np.unique(positions)) == MATCH_SAMPLE_ROWS
    np.testing.assert_array_equal(positions, match_sample_positions(ids, None))
    tenths = np.histogram(positions, bins=10, range=(0, 50_000))[0]
    assert tenths.min() > MATCH_SAMPLE_ROWS / 10 * 0.6


def test_a_sample_keeps_most_of_its_rows_when_rows_are_added():
    before = set(match_sample_positions(np.arange(50_000), None).tolist())
    after = set(match_sample_positions(np.arange(55_000), None).tolist())
    assert len(before & after) > 0.85 * MATCH_SAMPLE_ROWS
