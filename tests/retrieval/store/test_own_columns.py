"""Types of a user's own columns: which are stored as what, and which fit together."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.own_columns import joint_type, joint_types, leaf_names, name_problem, stored_type
from mmsearch.retrieval.store.schema import FACT_NAMES


@pytest.mark.parametrize(
    ("one", "other", "joint"),
    [
        (pa.int8(), pa.int32(), pa.int32()),
        (pa.uint8(), pa.uint32(), pa.uint32()),
        (pa.uint32(), pa.int8(), pa.int64()),
        (pa.uint64(), pa.int8(), None),
        (pa.int8(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.null(), pa.list_(pa.int8()), pa.list_(pa.int8())),
        (pa.list_(pa.int8()), pa.list_(pa.float64()), pa.list_(pa.float64())),
        (pa.list_(pa.int8()), pa.list_(pa.string()), None),
        (pa.decimal128(3, 1), pa.decimal128(3, 2), pa.decimal128(4, 2)),
        (pa.decimal128(38, 0), pa.decimal128(38, 2), pa.decimal256(40, 2)),
        (pa.decimal256(76, 0), pa.decimal256(76, 2), None),
        (pa.bool_(), pa.int8(), None),
        (pa.string(), pa.binary(), None),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), None),
        (pa.timestamp("us"), pa.date32(), None),
    ],
)
def test_two_types_have_one_that_holds_both_or_none_whichever_comes_first(one, other, joint):
    assert joint_type(one, other) == joint
    assert joint_type(other, one) == joint


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.binary(4), pa.binary()),
        (pa.float16(), pa.float32()),
        (pa.date64(), pa.date32()),
        (pa.timestamp("ns", "UTC"), pa.timestamp("us", "UTC")),
        (pa.time32("s"), pa.time64("us")),
        (pa.duration("ns"), pa.duration("us")),
        (pa.list_(pa.float16(), 3), pa.list_(pa.float32())),
        (pa.large_list(pa.large_string()), pa.list_(pa.string())),
        (pa.struct([("a", pa.float16())]), pa.struct([("a", pa.float32())])),
        (pa.uuid(), pa.binary()),
        (pa.map_(pa.string(), pa.int8()), None),
        (pa.list_(pa.map_(pa.string(), pa.int8())), None),
        (pa.month_day_nano_interval(), None),
    ],
)
def test_variants_of_a_type_are_stored_as_the_plain_one(given, stored):
    assert stored_type(given) == stored


def test_columns_of_several_shards_have_one_type_each():
    parts = [{"a": pa.int8()}, {"b": pa.string(), "a": pa.null()}, {"a": pa.float32()}]
    assert joint_types(parts) == {"a": pa.float64(), "b": pa.string()}
    with pytest.raises(CollectionDamagedError, match="column 'b' has the types string and int8"):
        joint_types([*parts, {"b": pa.int8()}])


def test_names_of_the_format_are_its_own():
    assert all(name_problem(name) for name in ("id", "vector", *FACT_NAMES, "mms_later", "a.b", "", None))
    assert not any(name_problem(name) for name in ("colour", "unit price", "größe", "Path"))


def test_leaves_of_a_column_are_named_as_parquet_names_them(tmp_path):
    import pyarrow.parquet as pq

    kind = pa.struct([("a", pa.int8()), ("b", pa.list_(pa.struct([("c", pa.string())])))])
    field = pa.field("x", kind)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.nulls(1, kind)}), path)
    schema = pq.ParquetFile(path).schema
    assert leaf_names(field) == [schema.column(i).path for i in range(len(schema))]
