"""Rows that lie in blocks are addressed as if they were one matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.indexes.vectors import CACHE_ROWS, StoredVectors, as_stored_vectors, to_float32

sizes = st.lists(st.integers(0, 9), max_size=6)


def numbered(lengths: list[int]) -> tuple[np.ndarray, StoredVectors]:
    """A matrix whose rows all differ, and the same cut into blocks of these lengths, empty ones too."""
    total = sum(lengths)
    matrix = np.arange(3 * total, dtype=np.float16).reshape(total, 3)
    return matrix, StoredVectors(np.split(matrix, np.cumsum(lengths)[:-1]) if lengths else [], 3)


@given(sizes)
def test_its_length_is_that_of_all_blocks(lengths: list[int]) -> None:
    assert len(numbered(lengths)[1]) == sum(lengths)


@given(sizes, st.data())
def test_rows_are_taken_in_the_order_asked_for_also_twice(lengths: list[int], data: st.DataObject) -> None:
    matrix, vectors = numbered(lengths)
    wanted = data.draw(st.lists(st.integers(0, len(matrix) - 1), max_size=20) if len(matrix) else st.just([]))
    taken = vectors.take_float32(np.array(wanted, np.int64))
    assert taken.dtype == np.float32
    assert np.array_equal(taken, matrix[np.array(wanted, np.int64)].astype(np.float32))


def test_a_sample_is_what_is_taken(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 8)).astype(np.float16)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    vectors = StoredVectors([mapped[:1300], mapped[1300:]], 8)
    positions = np.flatnonzero(np.random.default_rng(1).random(5000) < 0.6)
    assert len(positions) > 2 * CACHE_ROWS
    assert np.array_equal(vectors.sample_float32(positions), vectors.take_float32(positions))
    assert vectors.sample_float32(positions[:0]).shape == (0, 8)


@given(sizes, st.integers(0, 60), st.integers(0, 60), st.integers(1, 12))
def test_slices_cover_a_range_once_and_in_order(lengths: list[int], start: int, stop: int, rows: int) -> None:
    matrix, vectors = numbered(lengths)
    parts = list(vectors.iter_float16(start, stop, rows))
    assert all(0 < len(block) <= rows for _, block in parts)
    assert all(np.array_equal(block, matrix[first : first + len(block)]) for first, block in parts)
    covered = [row for first, block in parts for row in range(first, first + len(block))]
    assert covered == list(range(start, min(stop, len(matrix))))


def test_slices_are_views_of_the_blocks_and_no_copies() -> None:
    block = np.zeros((10, 3), np.float16)
    assert all(np.shares_memory(part, block) for _, part in StoredVectors([block], 3).iter_float16(0, 10, 4))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_array_becomes_one_block_of_float16(dtype: type) -> None:
    vectors = as_stored_vectors(np.eye(3, dtype=dtype))
    assert [block.dtype for _, block in vectors.iter_float16(0, 3)] == [np.float16]
    assert as_stored_vectors(vectors) is vectors


def test_every_finite_half_becomes_the_same_number_in_single_precision() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    assert len(finite) == 2 * 31 * 1024
    floats = to_float32(finite)
    assert floats.dtype == np.float32
    assert np.array_equal(floats, finite.astype(np.float32))
    assert np.array_equal(np.signbit(floats), np.signbit(finite)), "zero has two signs"


def test_halves_at_an_odd_address_are_converted_into_a_given_array() -> None:
    rows = np.ndarray((5, 7), np.float16, buffer=bytearray(71), offset=1)
    rows[:] = np.random.default_rng(0).normal(size=(5, 7))
    out = np.zeros((9, 7), np.float32)
    to_float32(rows, out=out[2:7])
    assert np.array_equal(out[2:7], rows.astype(np.float32))
    assert not out[:2].any()
    assert not out[7:].any()
