"""Rows of half precision are compared where they lie, aligned or not, and as they are there."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest

from mmsearch.indexes.faiss import float16_scan


def unit_rows(count: int, dim: int) -> np.ndarray:
    rows = np.random.default_rng(count).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def at_odd_address(rows: np.ndarray) -> np.ndarray:
    """The same rows one byte off, as they may lie in a file."""
    copy = np.ndarray(rows.shape, np.float16, buffer=bytearray(rows.nbytes + 1), offset=1)
    copy[:] = rows
    return copy


@pytest.mark.parametrize("dim", [1, 5, 64, 100])
@pytest.mark.parametrize("place", [np.asarray, at_odd_address])
def test_the_nearest_rows_are_those_of_a_matrix_product(dim: int, place: Any) -> None:
    rows, queries = unit_rows(300, dim), unit_rows(3, dim).astype(np.float32)
    scores, places = float16_scan.nearest(place(rows), queries, 300)
    truth = queries @ rows.astype(np.float32).T
    assert np.allclose(scores, -np.sort(-truth, axis=1), atol=1e-5)
    assert np.allclose(np.take_along_axis(truth, places, axis=1), scores, atol=1e-5)


def test_only_rows_that_are_allowed_answer() -> None:
    rows = unit_rows(50, 16)
    allowed = np.arange(50) % 7 == 0
    _, places = float16_scan.nearest(rows, rows[:2].astype(np.float32), 10, allowed)
    assert {*places.ravel().tolist()} == {*np.flatnonzero(allowed).tolist(), -1}


def test_products_stand_in_the_order_of_the_rows() -> None:
    rows = unit_rows(40, 16)
    assert np.allclose(
        float16_scan.products(rows, rows[3].astype(np.float32)), rows.astype(np.float32) @ rows[3], atol=1e-4
    )


def test_rows_are_seen_in_place_and_not_copied() -> None:
    rows = unit_rows(8, 16)
    for changed in (5, 2):  # the index of the first scan is used again
        index, held = float16_scan._index_of(rows)
        rows[:, 0] = 0
        rows[changed, 0] = 2
        axis = np.eye(16, dtype=np.float32)[:1]
        assert index.search(axis, 1)[1].tolist() == [[changed]]
        assert np.shares_memory(held, rows)


def test_a_scan_sees_nothing_of_the_scan_before() -> None:
    many, few = unit_rows(40, 16), unit_rows(3, 16)[::-1]
    float16_scan.nearest(many, many[:1].astype(np.float32), 40)
    scores, places = float16_scan.nearest(few, few[1:2].astype(np.float32), 3)
    assert sorted(places[0].tolist()) == [0, 1, 2]
    assert np.allclose(scores[0], np.sort(few.astype(np.float32) @ few[1])[::-1], atol=1e-3)


def test_a_faiss_that_set_codess_no_memory_gets_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_rows(30, 16)
    before = float16_scan.nearest(rows, rows[:2].astype(np.float32), 5)
    monkeypatch.setattr(faiss, "MaybeOwnedVectorUInt8", SimpleNamespace())
    after = float16_scan.nearest(rows, rows[:2].astype(np.float32), 5)
    assert np.array_equal(before[1], after[1])


def test_a_process_without_faiss_is_not_made_to_load_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert float16_scan.is_available()
    monkeypatch.delitem(sys.modules, "faiss")
    assert not float16_scan.is_available()
