"""Arrow's numbers as numpy's, sliced and chunked, without pandas."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.retrieval.store.arrow_numbers import as_numpy


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint8(), pa.float32(), pa.float64(), pa.bool_()])
@given(values=st.lists(st.integers(0, 1), max_size=40), start=st.integers(0, 40), count=st.integers(0, 40))
def test_they_are_what_to_numpy_gives(kind, values, start, count):
    array = pa.array([bool(value) if kind == pa.bool_() else value for value in values], kind).slice(start, count)
    expected = array.to_numpy(zero_copy_only=False)
    assert as_numpy(array).dtype == expected.dtype
    assert np.array_equal(as_numpy(array), expected)
    assert np.array_equal(as_numpy(pa.chunked_array([array, array])), np.concatenate([expected, expected]))


def test_nulls_are_filled():
    array = pa.array([1, None, 3, None], pa.int64())
    assert as_numpy(array, null=-7).tolist() == [1, -7, 3, -7]
    assert as_numpy(array.slice(1), null=9).tolist() == [9, 3, 9]
    assert as_numpy(pa.array([None, True])).tolist() == [False, True]
