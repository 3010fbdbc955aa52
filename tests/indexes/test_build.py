"""From vectors to an index in one call."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from mmsearch.errors import UsageError
from mmsearch.indexes import build_index, plan_index
from mmsearch.indexes.build import choose_code_length
from mmsearch.indexes.vectors import as_stored_vectors

MakeRows = Callable[..., np.ndarray]


def test_ids_are_positions_where_none_are_given(unit_rows: MakeRows) -> None:
    index = build_index(unit_rows(20, 8))
    assert index.ids.tolist() == list(range(20))
    assert len(index) == 20
    assert index.dim == 8


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_is_stored_as_float16(dtype: type, unit_rows: MakeRows) -> None:
    rows = unit_rows(50, 8)
    index = build_index(rows.astype(dtype))
    assert np.array_equal(index.vectors.take_float32(np.arange(50)), rows.astype(np.float16).astype(np.float32))


def test_it_is_tuned_on_rows_and_on_the_texts_that_are_given(unit_rows: MakeRows) -> None:
    index = build_index(unit_rows(800, 16), requested="ivfpq", text_queries=unit_rows(30, 16, seed=1), recall=0.9)
    assert index.calibration is not None
    assert index.calibration.queries == {"row": 400, "text": 30}
    assert index.calibration.target == 0.9
    assert index.calibration.reached
    tried = [(point.nprobe, point.candidates) for point in index.calibration.curve]
    assert (index.calibration.nprobe, index.calibration.candidates) in tried


def test_codes_are_twice_as_long_where_rows_vary_alike_in_all_directions() -> None:
    """A short code says too little of random vectors; those of models vary in few directions."""
    rng = np.random.default_rng(0)
    plan = partial(plan_index, 5000, 256, requested="ivfpq")
    parts = {}
    for name, deviations in {"random": np.ones(256), "model": 0.97 ** np.arange(256)}.items():
        rows = (rng.normal(size=(5000, 256)) * deviations).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        parts[name] = str(choose_code_length(plan, as_stored_vectors(rows), rows[:300]).factory).rpartition(",")[2]
    assert parts == {"random": "PQ128x4fsr", "model": "PQ64x4fsr"}


@pytest.mark.parametrize("requested", ["exact", "IVF16,SQ8"])
def test_what_was_asked_for_by_name_is_built_whatever_the_rows_are(requested: str, unit_rows: MakeRows) -> None:
    rows = unit_rows(500, 16)
    plan = partial(plan_index, 500, 16, requested=requested)
    assert choose_code_length(plan, as_stored_vectors(rows), None) == plan()


@pytest.mark.parametrize("requested", ["auto", "ivfpq"])
def test_a_set_too_small_for_a_quantizer_is_searched_exactly(requested: str, unit_rows: MakeRows) -> None:
    index = build_index(unit_rows(63, 8), requested=requested)
    assert index.kind == "exact"
    assert index.calibration is None


def test_the_message_about_vectors_that_are_not_unit_counts_them(unit_rows: MakeRows) -> None:
    rows = unit_rows(10, 8)
    rows[[3, 7]] *= 2
    with pytest.raises(UsageError, match=r"vector 3 is not of unit length \(it has 2\); 2 such of 10"):
        build_index(rows)


@pytest.mark.parametrize("recall", [2, 1.01, 0, -0.5, float("nan")])
def test_a_recall_out_of_range_is_refused(recall: float, unit_rows: MakeRows) -> None:
    with pytest.raises(UsageError, match="recall must lie above 0 and at most at 1, not") as error:
        build_index(unit_rows(10, 8), recall=recall)
    assert f"{recall:g}" in str(error.value)
    with pytest.raises(UsageError, match="recall must lie above 0"):
        plan_index(10, 8, recall=recall)


def test_an_index_whose_recall_stays_below_the_target_says_so() -> None:
    """A sparse graph over rows without structure: its recall cannot be tuned up to the target."""
    rows = np.random.default_rng(0).normal(size=(6000, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = build_index(rows, requested="HNSW4", recall=0.98)
    assert index.recall is not None
    assert index.recall["row"] < 0.9
    assert not index.reaches_target
    assert repr(index) == (
        f"VectorIndex(rows=6000, dim=64, kind='approximate', recall={{'row': {index.recall['row']:.3g}}},"
        " below the target 0.98)"
    )


def test_an_index_that_reaches_its_target_says_what_was_measured(unit_rows: MakeRows) -> None:
    index = build_index(unit_rows(800, 16), requested="IVF8,SQ8", text_queries=unit_rows(30, 16, seed=1), recall=0.9)
    assert index.reaches_target
    assert index.calibration is not None
    assert index.recall == index.calibration.recall
    assert re.fullmatch(
        r"VectorIndex\(rows=800, dim=16, kind='approximate', recall=\{'row': [01]\.\d+, 'text': [01]\.\d+\}\)",
        repr(index),
    )


def test_an_exact_index_has_no_measured_recall_and_reaches_every_target(unit_rows: MakeRows) -> None:
    index = build_index(unit_rows(20, 8), recall=1)
    assert index.recall is None
    assert index.reaches_target
    assert repr(index) == "VectorIndex(rows=20, dim=8, kind='exact')"
