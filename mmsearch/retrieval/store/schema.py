"""The columns of a shard, and the way from items to columns and from columns to hits."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mmsearch.types import Facts, Item, Modality, Space, Span, SpanUnit

FORMAT_VERSION = 1

_WORDS = pa.dictionary(pa.int32(), pa.string())
FACT_FIELDS = [
    pa.field("path", pa.binary(), nullable=False),
    pa.field("content_hash", pa.binary(16)),
    pa.field("size", pa.int64(), nullable=False),
    pa.field("mtime_ns", pa.int64(), nullable=False),
    pa.field("modality", _WORDS, nullable=False),
    pa.field("span_start", pa.float64()),
    pa.field("span_end", pa.float64()),
    pa.field("span_unit", _WORDS),
    pa.field("passage", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("duration_s", pa.float64()),
    pa.field("taken_at", pa.timestamp("us")),
    pa.field("note", pa.string()),
    pa.field("ctime_ns", pa.int64()),
    pa.field("made", pa.string()),
    pa.field("taken_from", _WORDS),
]
FACT_SCHEMA = pa.schema(FACT_FIELDS)
FACT_NAMES = [field.name for field in FACT_FIELDS]


def shard_schema(space: Space) -> pa.Schema:
    """All columns of a shard of ``space``; the schema's metadata carries format version and space."""
    element = pa.field("element", pa.float16(), nullable=False)
    fields = [
        pa.field("id", pa.int64(), nullable=False),
        *FACT_FIELDS,
        pa.field("vector", pa.list_(element, space.dim), nullable=False),
    ]
    metadata = {"mmsearch.format": str(FORMAT_VERSION), "mmsearch.space": json.dumps(space.to_json())}
    return pa.schema(fields, metadata=metadata)


def facts_table(items: Sequence[Item]) -> pa.Table:
    """Items as columns: every column of a shard but ``id`` and ``vector``."""
    columns: dict[str, list[Any]] = {
        "path": [item.path for item in items],
        "content_hash": [item.content_hash for item in items],
        "size": [item.size for item in items],
        "mtime_ns": [item.mtime_ns for item in items],
        "modality": [item.modality for item in items],
        "span_start": [item.span.start if item.span else None for item in items],
        "span_end": [item.span.end if item.span else None for item in items],
        "span_unit": [item.span.unit if item.span else None for item in items],
        "passage": [_storable(item.passage) for item in items],
        "width": [item.facts.width for item in items],
        "height": [item.facts.height for item in items],
        "duration_s": [item.facts.duration_s for item in items],
        "taken_at": [_wall_clock(item.facts.taken_at) for item in items],
        "note": [item.facts.note for item in items],
        "ctime_ns": [item.ctime_ns for item in items],
        "made": [item.made for item in items],
        "taken_from": [item.facts.taken_from for item in items],
    }
    arrays = [pa.array(columns[field.name], type=field.type) for field in FACT_FIELDS]
    return pa.Table.from_arrays(arrays, schema=FACT_SCHEMA)


def with_all_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The named columns in that order; facts that a shard of an earlier version does not hold are null.

    All fields may be null in what is returned, whether a column was missing or not: tables of an earlier and of a
    later shard have one schema and can be put together.
    """
    columns = [
        table[name] if name in table.column_names else pa.nulls(table.num_rows, FACT_SCHEMA.field(name).type)
        for name in names
    ]
    return pa.Table.from_arrays(columns, names=list(names))


def item_of(row: dict[str, Any]) -> Item:
    """The inverse of `facts_table` for one row (a dict of its columns)."""
    return Item(
        path=row["path"],
        content_hash=row["content_hash"] or b"",
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        modality=modality_of(row),
        span=span_of(row),
        passage=row["passage"],
        facts=Facts(row["width"], row["height"], row["duration_s"], row["taken_at"], row["note"], row["taken_from"]),
        ctime_ns=row["ctime_ns"],
        made=row["made"],
    )


def span_of(row: dict[str, Any]) -> Span | None:
    """The span in a row's three span columns."""
    unit: SpanUnit | None = row["span_unit"]
    return Span(row["span_start"], row["span_end"], unit) if unit else None


def modality_of(row: dict[str, Any]) -> Modality:
    """The row's modality."""
    modality: Modality = row["modality"]
    return modality


def _wall_clock(moment: dt.datetime | None) -> dt.datetime | None:
    # A camera's clock shows local time; people search by the date on the wall, so the zone is dropped.
    return moment.replace(tzinfo=None) if moment else None


def _storable(text: str | None) -> str | None:
    # Lone surrogates have no UTF-8 form, and Parquet strings are UTF-8.
    return text.encode("utf-8", "replace").decode() if text else text
