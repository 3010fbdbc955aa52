"""What a front and its readers send each other comes out as it went in; anything else is refused."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.indexes import Sought
from mmsearch.retrieval.search.copies import CopyKeys
from mmsearch.retrieval.search.filters import Filters
from mmsearch.retrieval.search.place_filters import Circle, PlaceFilter
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.scale.readers import wire


@given(
    st.lists(
        st.tuples(st.sampled_from(["<f4", "<f8", "<i8"]), st.lists(st.integers(0, 5), min_size=1, max_size=3)),
        max_size=4,
    )
)
def test_objects_and_arrays_come_out_as_they_went_in(kinds):
    arrays = [np.arange(int(np.prod(shape))).astype(kind).reshape(shape) for kind, shape in kinds]
    about, found = wire.unpack(wire.pack({"a": [1, "ä", None]}, arrays))
    assert about == {"a": [1, "ä", None]}
    for one, other in zip(arrays, found, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="no message"):
        wire.unpack(data)


def test_objects_of_python_and_cut_messages_are_refused():
    whole = wire.pack({}, [np.zeros(4)])
    for wrong in (whole[:-1], whole + b"x", whole.replace(b"<f8", b"|O8")):
        with pytest.raises(ValueError, match="no message"):
            wire.unpack(wrong)


def test_which_rows_may_answer_comes_out_as_it_went_in():
    circle = Circle(38.7, -9.1, 2.5)
    filters = Filters(
        under=(b"/a\xff", b"/b"),
        after=dt.datetime(2020, 1, 2, 3),
        where="width > 3",
        near=circle,
        place=PlaceFilter(("Paris",), "FR", circle),
        cameras=("X 1",),
    )
    phrase = Sought(("two", "words"), prefix=True)
    scope = SearchScope(("image", "video"), filters, exact=True, phrases=(phrase,), lexical=True)
    sent = json.loads(json.dumps(wire.scope_to_json(scope, lambda one: {"image": {b"/x\xfe"}})))
    known = {}
    assert wire.scope_from_json(sent, known.__setitem__, lambda name: name) == scope
    assert known == {phrase: {"image": {b"/x\xfe"}}}


def test_what_rows_are_copies_by_comes_out_as_it_went_in():
    keys = CopyKeys({(b"\x00\xff", None), (b"b", 1.5)}, {b"c"})
    assert wire.keys_from_json(json.loads(json.dumps(wire.keys_to_json(keys)))) == keys
