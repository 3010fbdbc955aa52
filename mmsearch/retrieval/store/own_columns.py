"""A user's own columns: which names and types they may have, and the one type that a column has in a collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.schema import FORMAT_COLUMNS, RESERVED_PREFIX

_SAME = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_date32, pa.types.is_decimal)
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
_MOST_DIGITS = 76  # of a decimal256


def name_problem(name: object) -> str | None:
    """Why a column of a user's may not have that name; None where it may."""
    if not isinstance(name, str) or not name:
        return "must be a text of at least one character"
    if any(character in name for character in ".`\0"):
        return "may not hold a dot, a backquote or a zero byte"
    if name in FORMAT_COLUMNS:
        return "belongs to the format"
    if name.startswith(RESERVED_PREFIX):
        return f"begins with {RESERVED_PREFIX}, which is kept for later columns of the format"
    return None


def stored_type(given: pa.DataType) -> pa.DataType | None:
    """The type that values of a type are stored as; None where they cannot be stored.

    Variants of one type become the plain one (categories and large strings become strings), half floats become
    float32, and times are kept to the microsecond.
    """
    if isinstance(given, pa.BaseExtensionType):
        return stored_type(given.storage_type)
    if any(is_kind(given) for is_kind in _SAME) or pa.types.is_float32(given) or pa.types.is_float64(given):
        return given
    if any(is_kind(given) for is_kind in _STRINGS):
        return pa.string()
    if any(is_kind(given) for is_kind in _BYTES):
        return pa.binary()
    if pa.types.is_float16(given):
        return pa.float32()
    if pa.types.is_date64(given):
        return pa.date32()
    if pa.types.is_timestamp(given):
        return pa.timestamp("us", given.tz)
    if pa.types.is_time(given):
        return pa.time64("us")
    if pa.types.is_duration(given):
        return pa.duration("us")
    if pa.types.is_dictionary(given):
        return stored_type(given.value_type)
    if any(is_kind(given) for is_kind in _LISTS):
        element = stored_type(given.value_type)
        return None if element is None else _list_of(element)
    if pa.types.is_struct(given):
        fields = {field.name: stored_type(field.type) for field in given}
        return None if None in fields.values() else pa.struct(list(fields.items()))
    return None


def joint_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of two stored types; None where none does.

    Numbers widen (integers to floats as well) and nulls fit everything; otherwise the types must be equal.
    """
    if one.equals(other) or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return _joint_integer(one, other)
    if _is_number(one) and _is_number(other):
        both_single = pa.types.is_float32(one) and pa.types.is_float32(other)
        return pa.float32() if both_single else pa.float64()
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        scale = max(one.scale, other.scale)
        digits = scale + max(one.precision - one.scale, other.precision - other.scale)
        return None if digits > _MOST_DIGITS else (pa.decimal128 if digits <= 38 else pa.decimal256)(digits, scale)
    if pa.types.is_list(one) and pa.types.is_list(other):
        element = joint_type(one.value_type, other.value_type)
        return None if element is None else _list_of(element)
    return None


def _list_of(element: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", element))  # the name that Parquet gives it


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _joint_integer(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_signed_integer(one) == pa.types.is_signed_integer(other):
        return one if one.bit_width >= other.bit_width else other
    unsigned = other if pa.types.is_signed_integer(one) else one
    return None if unsigned.bit_width == 64 else pa.int64()


def joint_types(parts: Iterable[Mapping[str, pa.DataType]]) -> dict[str, pa.DataType]:
    """The columns of several shards by name, each with the type that holds the values of all.

    Raises:
        CollectionDamagedError: no type holds a column's values; `Collection.add` does not let that happen.
    """
    joint: dict[str, pa.DataType] = {}
    for part in parts:
        for name, kind in part.items():
            both = joint_type(joint.get(name, kind), kind)
            if both is None:
                raise CollectionDamagedError(f"column {name!r} has the types {joint[name]} and {kind}")
            joint[name] = both
    return joint


def with_types(table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    """The table with its columns that ``types`` names cast to these types."""
    for place, name in enumerate(table.column_names):
        if name in types and not table.schema.field(place).type.equals(types[name]):
            table = table.set_column(place, name, table.column(place).cast(types[name], safe=False))
    return table


def leaf_names(field: pa.Field) -> list[str]:
    """Parquet's names of the values of a column: ``tags.list.element`` for a list, the name itself for a number."""
    if pa.types.is_list(field.type):
        return [f"{field.name}.list.{leaf}" for leaf in leaf_names(pa.field("element", field.type.value_type))]
    if pa.types.is_struct(field.type):
        return [f"{field.name}.{leaf}" for inner in field.type for leaf in leaf_names(inner)]
    return [field.name]
