"""What goes out and comes in again is the same: vectors bit for bit, paths, and all that is known of a row."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mmsearch import Collection
from mmsearch.exchange import export_vectors, import_vectors
from mmsearch.exchange.exporting.payload import KEPT_AT_HOME
from mmsearch.exchange.importing.columns import FORMAT_TYPES
from mmsearch.retrieval.store.schema import FACT_NAMES

AGAIN = ("parquet", "npy", "lance", "qdrant edge", "qdrant client")
"""Kinds that can be imported again."""


def rows_of(collection: Collection) -> dict[tuple, tuple]:
    """The rows of a collection by what tells them apart: vector and facts of each."""
    ids = [record.id for record in collection]
    found = {}
    for record, vector in zip(collection.records(ids), collection.vectors(ids).vectors, strict=True):
        facts = record.to_json()
        facts.pop("id")
        found[record.path, str(record.span), record.text] = (vector.tobytes(), facts)
    return found


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_collection_that_went_out_comes_in_the_same(shop, kind, tmp_path, dtype):
    if kind.name not in AGAIN:
        pytest.skip("it is not a source")
    place = kind.at(tmp_path)
    export_vectors(shop, kind.to, place, dtype=dtype)
    with Collection.create(tmp_path / "copy.mms", model=None) as copy:
        done = import_vectors(copy, place, space=None if kind.to in ("parquet", "npy", "lance") else "ours")
        assert (done.found, done.added, done.skipped, done.scaled) == (60, 60, 0, 0)
        assert done.rows == {"image": 40, "text": 20}
        assert (done.renamed, done.left_out) == ({}, {})
        assert copy.space == shop.space
        assert rows_of(copy) == rows_of(shop)


def test_each_column_of_the_format_goes_out_and_in_or_stays_at_home():
    """A column that the format gains must be added to one of the two lists."""
    out_and_in = {*FORMAT_TYPES, "path", "modality", "passage"}
    assert out_and_in | KEPT_AT_HOME == {*FACT_NAMES, "id", "vector"}
    assert not out_and_in & KEPT_AT_HOME


@settings(max_examples=10, deadline=None)
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-4, 4, width=16)
    ).filter(lambda array: bool((np.linalg.norm(array, axis=1) > 1e-2).all())),
    st.sampled_from(["parquet", "npy"]),
    st.sampled_from(["float16", "float32"]),
)
def test_vectors_of_any_dimension_go_out_and_in_bit_for_bit(array, to, dtype):
    with tempfile.TemporaryDirectory() as folder:
        names = [f"/{i}" for i in range(len(array))]
        with (
            Collection.create(Path(folder, "a.mms"), model=None) as one,
            Collection.create(Path(folder, "b.mms"), model=None) as other,
        ):
            one.add(array, paths=names, modality="image", space="s")
            export_vectors(one, to, Path(folder, "out"), dtype=dtype)
            import_vectors(other, Path(folder, "out"))
            assert rows_of(other) == rows_of(one)


def test_vectors_of_a_model_come_back_into_its_space_and_words_find_them(collection, tmp_path):
    export_vectors(collection, "parquet", tmp_path / "out")
    with Collection.create(tmp_path / "copy.mms", model=None) as copy:
        import_vectors(copy, tmp_path / "out")
        assert copy.space == collection.space
        ours = [(hit.path, round(hit.score, 3)) for hit in collection.search("a red disc", k=3, to="image")]
        assert [(hit.path, round(hit.score, 3)) for hit in copy.search("a red disc", k=3, to="image")] == ours
