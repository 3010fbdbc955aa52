"""The columns of a shard, and how items become columns and columns become items."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from mmsearch.own_facts import NO_OWN_FACTS, OwnFacts
from mmsearch.types import Facts, Item, Modality, Space, Span, SpanUnit

FORMAT_VERSION = 2
"""The newest format that is read."""

SHARD_FORMAT = 1
"""The format of shards. A manifest has format 2 if it names shards whose ids it shifts, else format 1."""

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
    pa.field("mms_camera", _WORDS),
    pa.field("mms_lat", pa.float64()),
    pa.field("mms_lon", pa.float64()),
    pa.field("mms_place", _WORDS),
    pa.field("mms_country", _WORDS),
    pa.field("mms_title", pa.string()),
    pa.field("mms_tags", pa.list_(pa.field("element", pa.string()))),
    pa.field("mms_lang", _WORDS),
    pa.field("mms_evidence", _WORDS),
    pa.field("mms_boxes", pa.list_(pa.field("element", pa.float32()))),
    pa.field("mms_source", pa.dictionary(pa.int32(), pa.binary())),
]
FACT_SCHEMA = pa.schema(FACT_FIELDS)
FACT_NAMES = [field.name for field in FACT_FIELDS]

RESERVED_PREFIX = "mms_"
"""Columns that the format gains later begin with it, so that they never meet a user's own."""

FORMAT_COLUMNS = frozenset(("id", "vector", *FACT_NAMES))


def is_own_column(name: str) -> bool:
    """Whether a column of a shard is a user's own, not one of the format."""
    return name not in FORMAT_COLUMNS and not name.startswith(RESERVED_PREFIX)


def shard_schema(space: Space, own_fields: Sequence[pa.Field] = ()) -> pa.Schema:
    """All columns of a shard, with a user's own. The schema's metadata carries the format's version and the space."""
    element = pa.field("element", pa.float16(), nullable=False)
    fields = [
        pa.field("id", pa.int64(), nullable=False),
        *FACT_FIELDS,
        *own_fields,
        pa.field("vector", pa.list_(element, space.dim), nullable=False),
    ]
    metadata = {"mmsearch.format": str(SHARD_FORMAT), "mmsearch.space": json.dumps(space.to_json())}
    return pa.schema(fields, metadata=metadata)


def facts_table(items: Sequence[Item], own_types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """Items as columns: every column of a shard but ``id`` and ``vector``.

    ``own_types``: the user's own columns that any of the items may have values in.
    """
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
        "mms_camera": [_storable(item.facts.camera) for item in items],
        "mms_lat": [item.facts.lat for item in items],
        "mms_lon": [item.facts.lon for item in items],
        "mms_place": [item.facts.place for item in items],
        "mms_country": [item.facts.country for item in items],
        "mms_title": [_storable(item.facts.title) for item in items],
        "mms_tags": [[_storable(tag) for tag in item.facts.tags] or None for item in items],
        "mms_lang": [_storable(item.lang or item.facts.lang) for item in items],
        "mms_evidence": [item.evidence for item in items],
        "mms_boxes": [item.boxes or None for item in items],
        "mms_source": [item.source for item in items],
    }
    arrays = [pa.array(columns[field.name], type=field.type) for field in FACT_FIELDS]
    table = pa.Table.from_arrays(arrays, schema=FACT_SCHEMA)
    used = {name for item in items for name in item.own_facts}
    for name, kind in (own_types or {}).items():
        if name in used:
            table = table.append_column(name, pa.array([item.own_facts.get(name) for item in items], type=kind))
    return table


def with_all_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The named columns in that order; a column that the shard lacks is null.

    Shards of earlier versions lack columns of the format, and most shards lack a user's own, which are of type null
    then. All fields may be null in what is returned, whether a column was missing or not: tables of two shards have
    one schema and can be put together.
    """

    def nulls(name: str) -> pa.Array:
        return pa.nulls(table.num_rows, FACT_SCHEMA.field(name).type if name in FACT_NAMES else pa.null())

    columns = [table[name] if name in table.column_names else nulls(name) for name in names]
    return pa.Table.from_arrays(columns, names=list(names))


def item_of(row: dict[str, Any]) -> Item:
    """The inverse of `facts_table`, for one row as a dict of its columns."""
    return Item(
        path=row["path"],
        content_hash=row["content_hash"] or b"",
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        modality=modality_of(row),
        span=span_of(row),
        passage=row["passage"],
        facts=Facts(
            row["width"],
            row["height"],
            row["duration_s"],
            row["taken_at"],
            row["note"],
            row["taken_from"],
            row["mms_camera"],
            row["mms_lat"],
            row["mms_lon"],
            row["mms_place"],
            row["mms_country"],
            row["mms_title"],
            tuple(row["mms_tags"] or ()),
            row["mms_lang"],
        ),
        ctime_ns=row["ctime_ns"],
        made=row["made"],
        own_facts=own_facts_of(row),
        evidence=row["mms_evidence"],
        boxes=tuple(row["mms_boxes"] or ()),
        lang=row["mms_lang"],
        source=row["mms_source"],
    )


def own_facts_of(row: Mapping[str, Any]) -> OwnFacts:
    """The row's values in the user's own columns; those that are null are left out."""
    found = {name: value for name, value in row.items() if value is not None and is_own_column(name)}
    return OwnFacts(found) if found else NO_OWN_FACTS


def is_without_file(row: Mapping[str, Any]) -> bool:
    """Whether the row was added under a name that was no file: then it has no size, no time and no content."""
    return not row["size"] and not row["mtime_ns"] and not row["content_hash"]


def span_of(row: dict[str, Any]) -> Span | None:
    """The span in a row's three span columns; None for the whole file."""
    unit: SpanUnit | None = row["span_unit"]
    return Span(row["span_start"], row["span_end"], unit) if unit else None


def modality_of(row: dict[str, Any]) -> Modality:
    """The row's modality."""
    modality: Modality = row["modality"]
    return modality


def _wall_clock(moment: dt.datetime | None) -> dt.datetime | None:
    # A camera's clock shows local time, and people search by the date on the wall; so the zone is dropped.
    return moment.replace(tzinfo=None) if moment else None


def _storable(text: str | None) -> str | None:
    # Lone surrogates have no UTF-8 form, and Parquet strings are UTF-8.
    return text.encode("utf-8", "replace").decode() if text else text
