"""Columns of a source as rows of a collection: which one names a row, which holds its text, what the others become."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.source import Block, Choice
from mmsearch.types import MODALITIES, Modality, Space

PATH_NAMES = (
    "path",
    "image_path",
    "file_path",
    "filepath",
    "file",
    "file_name",
    "filename",
    "image",
    "url",
    "uri",
    "key",
    "id",
)
"""Names of columns that say what a vector stands for, the most telling first."""

TEXT_NAMES = ("passage", "caption", "text", "document", "content")
VECTOR_NAMES = ("vector", "embedding", "embeddings", "emb")
FORMAT_TYPES: dict[str, pa.DataType] = {
    "span_start": pa.float64(),
    "span_end": pa.float64(),
    "span_unit": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "duration_s": pa.float64(),
    "taken_at": pa.timestamp("us"),
    "taken_from": pa.string(),
    "note": pa.string(),
    "mms_camera": pa.string(),
    "mms_lat": pa.float64(),
    "mms_lon": pa.float64(),
    "mms_place": pa.string(),
    "mms_country": pa.string(),
    "mms_title": pa.string(),
    "mms_tags": pa.list_(pa.string()),
    "mms_lang": pa.string(),
    "mms_evidence": pa.string(),
    "mms_boxes": pa.list_(pa.float32()),
}
"""Columns of the format that a row of a source may fill, with the types that they are read as."""

_TAKEN = frozenset(("vector", "size", "mtime_ns", "ctime_ns", "made", "content_hash", "modality", "passage", "path"))
_SPACE_KEY = b"mmsearch.space"


def space_of_metadata(metadata: Mapping[bytes, bytes] | None) -> Space | None:
    """The space that an export of ours has written into a schema."""
    if not metadata or _SPACE_KEY not in metadata:
        return None
    try:
        return Space.from_json(json.loads(metadata[_SPACE_KEY]))
    except (ValueError, KeyError, TypeError):
        return None


def find_vector_column(schema: pa.Schema, wanted: str | None, where: str) -> str:
    """The column that holds vectors: lists of floats.

    Raises:
        UsageError: there is none, or there are several and none of them has a usual name.
    """
    if wanted is not None:
        if wanted not in schema.names or not _holds_vectors(schema.field(wanted).type):
            raise UsageError(f"{where} has no column {wanted!r} of vectors; its columns: {', '.join(schema.names)}")
        return wanted
    lists = [field.name for field in schema if _holds_vectors(field.type) and field.name not in FORMAT_TYPES]
    usual = [name for name in VECTOR_NAMES if name in lists]
    if usual or len(lists) == 1:
        return (usual or lists)[0]
    if not lists:
        raise UsageError(f"{where} has no column of vectors (lists of floats); its columns: {', '.join(schema.names)}")
    raise UsageError(f"{where} has several columns of vectors, name one of: {', '.join(lists)}")


def _holds_vectors(kind: pa.DataType) -> bool:
    types = pa.types
    listed = types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)
    return bool(listed and types.is_floating(kind.value_type))


def vectors_of_column(column: pa.ChunkedArray | pa.Array, dim: int | None, where: str, first: int) -> NDArray[Any]:
    """The vectors in a column of lists, ``[n, dim]``.

    ``dim``: what the vectors before had; ``first``: the number of the first row, for the message.

    Raises:
        UsageError: a row has no vector, or one of another length.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        place = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise UsageError(f"{where}: row {first + place} has no vector")
    if not len(array):
        return np.empty((0, dim or 0), np.float32)
    if pa.types.is_fixed_size_list(array.type):
        lengths: Any = np.full(len(array), array.type.list_size)
    else:
        lengths = np.asarray(array.value_lengths())
    wanted = int(lengths[0]) if dim is None else dim
    if len(other := np.flatnonzero(lengths != wanted)):
        place = int(other[0])
        raise UsageError(
            f"{where}: the vector of row {first + place} has {lengths[place]} numbers, and others {wanted}"
        )
    values: NDArray[Any] = array.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(array), wanted)


def table_blocks(
    table: pa.Table, vectors: NDArray[Any], choice: Choice, where: str, names: Sequence[str]
) -> Iterator[Block]:
    """Vectors and the columns beside them as blocks, one for each modality.

    Args:
        table: the columns.
        vectors: ``[n, dim]``.
        choice: what a person said about the columns.
        where: the source, for messages.
        names: what the vectors stand for if no column says it.

    Raises:
        UsageError: a column that was named is not there, or names no row.
    """
    path_column = find_path_column(table.column_names, choice.path_column, where)
    kinds = _modalities(table, choice)
    for modality in dict.fromkeys(kinds):
        places = None if len(set(kinds)) == 1 else np.flatnonzero([kind == modality for kind in kinds])
        part = table if places is None else table.take(pa.array(places))
        rows = vectors if places is None else vectors[places]
        named = list(names) if places is None else [names[place] for place in places.tolist()]
        paths = named if path_column is None else _paths(part[path_column], named)
        text_column = _text_column(table.column_names, choice, modality, where)
        texts = None if text_column is None else _strings(part[text_column])
        ours = "modality" in table.column_names and path_column == "path"
        gone = {path_column, text_column, "modality" if ours else None, "id" if ours else None}
        if ours and modality != "text":
            gone.add("passage")
        yield Block(rows, paths, modality, texts, part.select([n for n in part.column_names if n not in gone]))


def find_path_column(columns: Sequence[str], wanted: str | None, where: str) -> str | None:
    """The column that says what a vector stands for; None if none does.

    Raises:
        UsageError: there is no column of the name that was wanted.
    """
    if wanted is not None:
        if wanted not in columns:
            raise UsageError(f"{where} has no column {wanted!r}; its columns: {', '.join(columns) or 'none'}")
        return wanted
    return next((name for name in PATH_NAMES if name in columns), None)


def _text_column(columns: Sequence[str], choice: Choice, modality: Modality, where: str) -> str | None:
    if modality != "text":
        return None
    if choice.text_column is not None and choice.text_column not in columns:
        raise UsageError(f"{where} has no column {choice.text_column!r}; its columns: {', '.join(columns) or 'none'}")
    return choice.text_column or next((name for name in TEXT_NAMES if name in columns), None)


def _modalities(table: pa.Table, choice: Choice) -> list[Modality]:
    if choice.modality is not None or "modality" not in table.column_names:
        return [choice.modality or "image"] * len(table)
    given = _strings(table["modality"])
    return [kind if kind in MODALITIES else "image" for kind in given]


def _paths(column: pa.ChunkedArray, names: Sequence[str]) -> list[str]:
    """The values of the column that names rows; where it has none, the row's place in its source."""
    return [path or name for path, name in zip(_strings(column), names, strict=True)]


def _strings(column: pa.ChunkedArray) -> list[str | None]:
    return [value if isinstance(value, str) or value is None else str(value) for value in column.to_pylist()]


def clean_facts(facts: pa.Table, renamed: dict[str, str], left_out: dict[str, str]) -> dict[str, pa.Array]:
    """Columns as `Collection.add` takes them; notes in ``renamed`` and ``left_out`` what became of the others."""
    kept: dict[str, pa.Array] = {}
    for name in facts.column_names:
        column = facts[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of no chunks
            column = pa.nulls(len(facts), column.type)
        if name in FORMAT_TYPES:
            fitted = _fitted(column, FORMAT_TYPES[name])
            if fitted is not None:
                kept[name] = fitted
                continue
        new = _own_name(name)
        if not _can_be_stored(column.type):
            left_out[name] = f"values of type {column.type} cannot be stored"
            continue
        if new in kept or (new != name and new in facts.column_names):
            left_out[name] = f"there is a column {new} too"
            continue
        if new != name:
            renamed[name] = new
        kept[new] = column
    return kept


def _own_name(name: str) -> str:
    """The name that a column of a source may have in a collection."""
    new = "".join("_" if character in ".`\0" else character for character in name) or "column"
    taken = new in _TAKEN or new in FORMAT_TYPES or new == "id" or new.startswith("mms_")
    return f"source_{new}" if taken else new


def _can_be_stored(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_map(kind) or types.is_union(kind) or types.is_interval(kind) or types.is_run_end_encoded(kind):
        return False
    if types.is_nested(kind):
        return all(_can_be_stored(kind.field(place).type) for place in range(kind.num_fields))
    return True


def _fitted(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """A column in the type that the format has for it; None where its values do not fit. NaN is no value."""
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
            return column.cast(kind, safe=False)
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
