"""A query vector moved by marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.retrieval.search.feedback import refine
from mmsearch.unit import normalize, normalize_rows

DIM = 32
NONE = np.empty((0, DIM), np.float32)


def unit(count: int, seed: int, around: np.ndarray | None = None) -> np.ndarray:
    """Unit vectors in random directions, ``around`` a common one if it is given."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return normalize_rows(rows if around is None else normalize_rows(rows) + around)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(normalize(one) @ normalize(other))


@given(seed=st.integers(0, 1_000), count=st.integers(1, 8), rows=st.sampled_from([0, 1, 3, 300]))
def test_a_liked_row_draws_the_query_near_and_one_that_is_not_drives_it_away(seed, count, rows):
    query, *marks = unit(1 + count, seed)
    marks = np.stack(marks)
    samples = [unit(rows, seed + 1)] if rows else []
    centre = np.mean(marks, axis=0)
    assert cosine(refine(query, marks, NONE, samples), centre) > cosine(query, centre)
    assert cosine(refine(query, NONE, marks, samples), centre) < cosine(query, centre)


def test_marks_weigh_the_same_however_far_rows_lie_from_the_query():
    """Cosines of words with pictures differ less in some models than in others."""
    sample = unit(500, 0)
    liked = unit(1, 1)
    far = np.zeros(2 * DIM, np.float32)
    query = unit(1, 2)[0]
    for share in (1.0, 0.1):  # of the query's length that lies where pictures do
        far[:DIM], far[DIM:] = share * query, np.sqrt(1 - share**2) * unit(1, 3)[0]
        wide = [np.pad(rows, ((0, 0), (0, DIM))) for rows in (sample, liked)]
        refined = refine(far, wide[1], np.empty((0, 2 * DIM), np.float32), [wide[0]])
        assert cosine(refined[:DIM], query) == pytest.approx(cosine(refined[:DIM], liked[0]), abs=0.1)


def test_the_gap_between_modalities_is_no_reason_to_move():
    """A liked picture draws the query to what the picture shows, not to pictures as such."""
    gap = 3 * normalize(np.ones(DIM, np.float32))
    pictures, texts = unit(500, 0, around=gap), unit(500, 1, around=-gap)
    query = texts[0]
    refined = normalize(refine(query, pictures[:1], NONE, [texts, pictures]))
    assert abs(refined @ normalize(gap) - query @ normalize(gap)) < 0.35
    assert refined @ pictures[0] > np.quantile(pictures @ refined, 0.99)


def test_more_likes_weigh_more_and_more_that_is_not_liked_does_not():
    sample = [unit(500, 0)]
    query, mark = unit(2, 1)
    liked = [cosine(refine(query, np.tile(mark, (n, 1)), NONE, sample), mark) for n in (1, 3, 9)]
    assert liked == sorted(liked)
    assert liked[2] > liked[0] + 0.1
    unliked = [cosine(refine(query, NONE, np.tile(mark, (n, 1)), sample), mark) for n in (1, 9)]
    assert unliked[0] == pytest.approx(unliked[1], abs=1e-5)


def test_likes_alone_point_to_what_they_have_in_common():
    common = unit(1, 5)[0]
    marks = unit(6, 6, around=common)
    assert cosine(refine(None, marks, NONE, [unit(500, 7)]), common) > max(marks @ common)


def test_marks_that_cancel_out_leave_nothing():
    mark = unit(1, 0)
    assert np.linalg.norm(refine(None, np.concatenate([mark, -mark]), NONE, [])) < 1e-6
