"""Unit length: the same numbers as before it was one module, and what happens to rows without a direction."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import mmsearch
from mmsearch.unit import normalize, normalize_rows, row_lengths


@pytest.fixture
def rows() -> np.ndarray:
    """Rows of many lengths, float32 ``[300, 64]``."""
    random = np.random.default_rng(0)
    return (random.standard_normal((300, 64)) * random.uniform(1e-3, 1e3, (300, 1))).astype(np.float32)


def test_rows_keep_their_direction_and_get_length_one(rows):
    unit = normalize_rows(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(unit * row_lengths(rows)[:, None], rows, rtol=1e-6)


def test_the_bits_are_those_of_a_plain_division(rows):
    assert (normalize_rows(rows) == rows / np.linalg.norm(rows, axis=1, keepdims=True)).all()
    for row in rows:
        assert (normalize(row) == row / np.linalg.norm(row)).all()


def test_a_row_does_not_depend_on_those_beside_it(rows):
    assert (normalize_rows(rows)[7] == normalize_rows(rows[7:8])[0]).all()


def test_zeros_stay_zeros(rows):
    rows[3] = 0
    assert not normalize_rows(rows)[3].any()
    assert not normalize(rows[3]).any()
    assert np.isfinite(normalize_rows(rows)).all()


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_seen_in_the_lengths_and_raises_no_warning(rows):
    rows[1, 0], rows[2, 0] = np.inf, np.nan
    assert np.flatnonzero(~np.isfinite(row_lengths(rows))).tolist() == [1, 2]
    assert np.isnan(normalize_rows(rows)[1, 0])
    assert np.isnan(normalize_rows(rows)[2]).all()


def test_no_rows_give_no_rows():
    assert normalize_rows(np.empty((0, 8), np.float32)).shape == (0, 8)


def test_no_other_module_divides_by_a_length():
    """But for the layer of `mini` whose formula adds 1e-6."""
    package = Path(mmsearch.__file__).parent
    dividing = re.compile(r"/\s*\(?\s*np\.linalg\.norm\(")
    lines = [(path.name, line) for path in package.rglob("*.py") for line in path.read_text("utf-8").splitlines()]
    found = {name for name, line in lines if dividing.search(line) and "1e-6" not in line}
    assert len(lines) > 10_000
    assert found == set()
