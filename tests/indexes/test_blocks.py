"""Vectors in blocks behave as one matrix, wherever the blocks are cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.indexes.blocks import Vectors

ROWS = np.random.default_rng(0).normal(size=(57, 5)).astype(np.float16)
cuts = st.lists(st.integers(0, len(ROWS)), max_size=6).map(sorted)


@given(cuts, st.lists(st.integers(0, len(ROWS) - 1), max_size=80))
def test_take_gives_the_rows_in_the_order_asked_for_repeats_too(where: list[int], positions: list[int]) -> None:
    vectors = Vectors(np.split(ROWS, where), 5)
    taken = vectors.take(np.array(positions, np.int64))
    assert taken.dtype == np.float32
    assert np.array_equal(taken, ROWS[positions].astype(np.float32).reshape(-1, 5))


@given(cuts, st.integers(0, 57), st.integers(0, 57), st.integers(1, 20))
def test_slices_cover_a_range_once_in_order_and_copy_nothing(where: list[int], a: int, b: int, rows: int) -> None:
    start, stop = sorted((a, b))
    parts = list(Vectors(np.split(ROWS, where), 5).slices(start, stop, rows))
    assert [at for at, _ in parts] == (start + np.cumsum([0, *(len(part) for _, part in parts[:-1])])).tolist()[
        : len(parts)
    ]
    assert sum(len(part) for _, part in parts) == stop - start
    for at, part in parts:
        assert len(part) <= rows
        assert np.array_equal(part, ROWS[at : at + len(part)])
        assert np.shares_memory(part, ROWS)
