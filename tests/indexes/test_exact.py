"""Brute force gives one answer, however the rows lie and whatever else is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.indexes import exact
from mmsearch.indexes.exact import rescore, search_exact
from mmsearch.indexes.faiss import float16_scan
from mmsearch.indexes.vectors import StoredVectors

MakeRows = Callable[..., np.ndarray]


def rows_with_ties(count: int, dim: int, distinct: int, seed: int) -> np.ndarray:
    """Unit float16 rows drawn from ``distinct`` vectors, so that many are equal."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(distinct, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16)[rng.integers(distinct, size=count)]


def same(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 2500),
    dim=st.sampled_from([1, 7, 32, 33]),
    distinct=st.integers(1, 50),
    queries=st.integers(1, 6),
    k=st.integers(1, 40),
    share=st.sampled_from([None, 0.9, 0.5, 0.1]),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    threads=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_the_answer_depends_on_neither_blocks_nor_threads_nor_batch(
    count: int,
    dim: int,
    distinct: int,
    queries: int,
    k: int,
    share: float | None,
    cuts: list[float],
    threads: int,
    seed: int,
) -> None:
    rows = rows_with_ties(count, dim, distinct, seed)
    asked = rows_with_ties(queries, dim, queries, seed + 100).astype(np.float32)
    allowed = None if share is None else np.random.default_rng(seed).random(count) < share
    whole = search_exact(StoredVectors([rows], dim), asked, k, allowed=allowed, threads=1)

    blocks = StoredVectors(np.split(rows, sorted(int(cut * count) for cut in cuts)), dim)
    assert same(whole, search_exact(blocks, asked, k, allowed=allowed, threads=threads))
    for row, query in enumerate(asked):
        alone = search_exact(blocks, query[None], k, allowed=allowed, threads=threads)
        assert same((whole[0][row : row + 1], whole[1][row : row + 1]), alone)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 2500),
    dim=st.sampled_from([1, 7, 32, 33]),
    distinct=st.integers(1, 50),
    k=st.integers(1, 40),
    share=st.sampled_from([None, 0.9, 0.5, 0.1]),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    seed=st.integers(0, 5),
)
def test_rows_compared_in_place_give_what_rows_turned_into_floats_give(
    count: int, dim: int, distinct: int, k: int, share: float | None, cuts: list[float], seed: int
) -> None:
    rows = rows_with_ties(count, dim, distinct, seed)
    vectors = StoredVectors(np.split(rows, sorted(int(cut * count) for cut in cuts)), dim)
    asked = rows_with_ties(3, dim, 3, seed + 100).astype(np.float32)
    allowed = None if share is None else np.random.default_rng(seed).random(count) < share
    proposed = np.random.default_rng(seed).permuted(np.tile(np.arange(-3, count), (3, 1)), axis=1)
    answers = []
    for in_place in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(float16_scan, "is_available", lambda here=in_place: here)
            answers.append((search_exact(vectors, asked, k, allowed=allowed), rescore(vectors, asked, proposed, k)))
    assert same(answers[0][0], answers[1][0])
    assert same(answers[0][1], answers[1][1])


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 300), k=st.integers(1, 320), scores_held=st.integers(1, 500), seed=st.integers(0, 5))
def test_small_chunks_on_several_threads_give_what_one_chunk_gives(
    count: int, k: int, scores_held: int, seed: int
) -> None:
    vectors = StoredVectors([rows_with_ties(count, 8, 10, seed)], 8)
    asked = rows_with_ties(3, 8, 3, seed + 100).astype(np.float32)
    whole = search_exact(vectors, asked, k, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_CHUNK_SCORES", scores_held)
        patch.setattr(exact, "_MIN_PRODUCTS_FOR_THREADS", 0)
        patch.setattr(exact, "_COPIED_ROWS", 7)
        assert same(whole, search_exact(vectors, asked, k, threads=3))
        few = np.arange(count) % 5 == 0
        among_few = search_exact(vectors, asked, k, allowed=few, threads=3)
    assert same(among_few, search_exact(vectors, asked, k, allowed=few, threads=1))


@pytest.mark.parametrize("dim", [7, 32, 100, 512])
@pytest.mark.parametrize("cut", [0, 1, 17, 1025])
@pytest.mark.parametrize("share", [1, 2, 6], ids=["all rows", "every second", "every sixth"])
def test_equal_rows_stand_by_ascending_position(dim: int, cut: int, share: int) -> None:
    """BLAS sums the rows at the end of a block in another order: their scores differ in the last bit."""
    rows = np.repeat(rows_with_ties(1, dim, 1, 0), 1501, axis=0)
    allowed = np.arange(1501) % share == 0
    asked = rows_with_ties(5, dim, 5, 1).astype(np.float32)
    scores, positions = search_exact(StoredVectors([rows[:cut], rows[cut:]], dim), asked, 10, allowed=allowed)
    assert np.array_equal(positions, np.broadcast_to(np.flatnonzero(allowed)[:10], (5, 10)))
    assert np.all(scores == scores[:, :1])


def test_the_order_is_that_of_float64(unit_rows: MakeRows) -> None:
    rows, asked = unit_rows(2000, 24).astype(np.float16), unit_rows(50, 24, seed=1)
    scores, positions = search_exact(StoredVectors([rows], 24), asked, 20)
    cosines = asked.astype(np.float64) @ rows.astype(np.float64).T
    assert np.allclose(scores, -np.sort(-cosines, axis=1)[:, :20], atol=1e-6)
    assert np.allclose(scores, np.take_along_axis(cosines, positions, axis=1), atol=1e-6)


def test_places_that_no_row_fills_hold_minus_infinity_and_minus_one() -> None:
    scores, positions = search_exact(
        StoredVectors([np.eye(3, dtype=np.float16)], 3), np.eye(3, dtype=np.float32)[:1], 5
    )
    assert scores.tolist() == [[1, 0, 0, -np.inf, -np.inf]]
    assert positions.tolist() == [[0, 1, 2, -1, -1]]


def test_no_queries_give_no_lines() -> None:
    scores, positions = search_exact(StoredVectors([np.eye(3, dtype=np.float16)], 3), np.empty((0, 3), np.float32), 2)
    assert scores.shape == positions.shape == (0, 2)


def test_rescoring_orders_candidates_and_passes_over_missing_ones() -> None:
    vectors = StoredVectors([np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float16)], 2)
    proposed = np.array([[2, -1, 1, 0], [-1, -1, -1, 2]])
    scores, positions = rescore(vectors, np.array([[1, 0], [1, 0]], np.float32), proposed, 3)
    assert positions.tolist() == [[0, 1, 2], [2, -1, -1]]
    assert np.allclose(scores, [[1, 0.6, 0], [0, -np.inf, -np.inf]], atol=1e-3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("queries", [1, 200])
def test_a_pass_over_mapped_rows_leaves_none_of_them_in_memory(tmp_path: Path, queries: int) -> None:
    np.save(tmp_path / "rows.npy", np.eye(64, dtype=np.float16)[np.arange(200_000) % 64])
    vectors = StoredVectors([np.load(tmp_path / "rows.npy", mmap_mode="r")], 64)
    asked = np.eye(64, dtype=np.float32)[np.arange(queries) % 64]
    before = mapped_bytes()
    search_exact(vectors, asked, 3, threads=2)
    held = mapped_bytes() - before
    search_exact(vectors, asked, 3, threads=2, release_pages=True)
    assert held > 20_000_000
    assert mapped_bytes() - before < 5_000_000


def mapped_bytes() -> int:
    """Pages of files that this process has in memory."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")]
    return int(line.split()[1]) * 1024
