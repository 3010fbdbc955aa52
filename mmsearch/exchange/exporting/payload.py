"""The payload of rows: the columns that leave a collection with the vectors, as Arrow and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from mmsearch.own_facts import OwnFacts
from mmsearch.types import Space

SPACE_KEY = b"mmsearch.space"
"""The entry of a schema's metadata that names the space, as shards have it."""

KEPT_AT_HOME = frozenset(("id", "vector", "content_hash", "size", "mtime_ns", "ctime_ns", "made", "mms_source"))
"""Columns that say how files were indexed; a row that is imported again gets them from the file."""


def payload_columns(names: list[str]) -> list[str]:
    """Those columns of a shard that leave with a row."""
    return [name for name in names if name not in KEPT_AT_HOME]


def arrow_schema(space: Space, payload: pa.Schema, dtype: str) -> pa.Schema:
    """``id``, the payload and ``vector``, with the space in the metadata."""
    value = pa.float16() if dtype == "float16" else pa.float32()
    return pa.schema(
        [pa.field("id", pa.int64(), nullable=False), *payload, pa.field("vector", pa.list_(value, space.dim))],
        metadata=space_metadata(space),
    )


def space_metadata(space: Space) -> dict[bytes, bytes]:
    """The metadata of a schema that names a space."""
    return {SPACE_KEY: json.dumps(space.to_json()).encode()}


def arrow_rows(schema: pa.Schema, ids: Any, payload: pa.Table, vectors: Any) -> pa.Table:
    """Rows as a table of the schema that `arrow_schema` gives."""
    flat = pa.array(vectors.reshape(-1))
    listed = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.Table.from_arrays([pa.array(ids), *payload.columns, listed], schema=schema)


def json_rows(payload: pa.Table) -> list[dict[str, Any]]:
    """The payload of each row as JSON has it (see `OwnFacts.to_json`); columns without a value are left out."""
    return [
        OwnFacts({name: value for name, value in row.items() if value is not None}).to_json()
        for row in payload.to_pylist()
    ]
