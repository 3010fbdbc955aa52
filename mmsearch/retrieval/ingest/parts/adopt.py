"""Taking the results of parts into a collection: its one writer names their shards in the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError, SpaceMismatchError
from mmsearch.retrieval.ingest.parts.part_store import PartRecord
from mmsearch.retrieval.store.manifest import Manifest, ShardEntry
from mmsearch.retrieval.store.own_columns import joint_types
from mmsearch.retrieval.store.side_tables import PARTS_TABLE
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, Modality, Space

PARTS_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("content", pa.string()),
        pa.field("address", pa.string()),
        pa.field("etag", pa.string()),
        pa.field("row_group", pa.int64()),
        pa.field("first_name", pa.string()),
        pa.field("last_name", pa.string()),
        pa.field("spaces", pa.string()),
        pa.field("items", pa.int64()),
        pa.field("indexed", pa.int64()),
        pa.field("skipped", pa.int64()),
        pa.field("rows", pa.int64()),
        pa.field("first_id", pa.int64()),
        pa.field("live", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What taking parts in did.

    Attributes:
        parts: how many were taken in.
        rows: how many rows they have.
        replaced: how many rows of earlier contents of the same parts were deleted.
        refused: parts that do not fit the collection, each with the reason.
    """

    parts: int
    rows: int
    replaced: int
    refused: tuple[FileNote, ...]


def parts_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The parts that the collection holds or has held, as rows of `PARTS_SCHEMA`.

    One that was replaced or removed is no longer ``live``. It stays in the table, so that its result, which may still
    lie in the folder, is not taken in again. ``spaces`` is a dict: for each modality that was embedded, the space's key
    and the number of rows.
    """
    table = snapshot.side_table(PARTS_TABLE)
    rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
    return [{**row, "spaces": json.loads(row["spaces"])} for row in rows]


def spaces_held(snapshot: Snapshot, parts: Iterable[Mapping[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    """Which (modality, space) each content was embedded for, by `content_key`, in live parts.

    Rows that a change of model has dropped since do not count.
    """
    present = {(entry.modality, entry.space) for entry in snapshot.manifest.shards}
    held: dict[str, set[tuple[str, str]]] = {}
    for part in parts:
        if part["live"]:
            pairs = held.setdefault(part["content"], set())
            for modality, (space, rows) in part["spaces"].items():
                if (modality, space) in present or (not rows and space in snapshot.manifest.spaces):
                    pairs.add((modality, space))
    return held


def adopt_parts(writer: Writer, records: Sequence[PartRecord]) -> Adopted:
    """Take the rows of finished parts into a collection, all in one commit.

    A part whose address, number and models are those of one that it holds replaces it. Of two slices of a folder, the
    new one replaces those that reach into it.

    Args:
        writer: of the collection that holds the shards of the parts.
        records: of parts that it does not hold.

    Raises:
        SpaceMismatchError: a part was embedded by models that the collection does not use.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    kept = parts_of(snapshot)
    own_types = [snapshot.own_types]
    manifest = _with_spaces(writer.manifest, records)
    entries: list[ShardEntry] = []
    taken: list[dict[str, Any]] = []
    refused: list[FileNote] = []
    old: list[dict[str, Any]] = []
    next_id = manifest.next_id
    for record in records:
        try:
            own_types = [joint_types([*own_types, record.own_types])]
        except CollectionDamagedError as error:
            refused.append(FileNote(record.address, f"a part does not fit the collection: {error}"))
            continue
        row = _row(record, next_id)
        kept = [one for one in kept if one["key"] != row["key"] or one["live"]]
        for one in kept:
            if one["live"] and _is_replaced(one, row):
                old.append(one)
                one["live"] = False
        entries += [_shifted(entry, next_id) for entry in record.shards]
        next_id += record.rows
        taken.append(row)
    dead = _ids_of(snapshot, old)
    table = _table([*kept, *taken])
    if taken:
        sources = tuple(dict.fromkeys((*manifest.sources, *(one for record in records for one in record.sources))))
        changed = replace(manifest, shards=(*manifest.shards, *entries), next_id=next_id, sources=sources)
        writer.adopt(changed, dead, {PARTS_TABLE: table})
    return Adopted(len(taken), sum(row["rows"] for row in taken), len(dead), tuple(refused))


def remove_parts(writer: Writer, addresses: Iterable[str]) -> int:
    """Delete the rows of all parts of some archives or folders; returns how many items they had."""
    gone = set(addresses)
    snapshot = Snapshot(writer.root, writer.manifest)
    parts = parts_of(snapshot)
    old = [row for row in parts if row["live"] and row["address"] in gone]
    if not old:
        return 0
    for row in old:
        row["live"] = False
    dead = _ids_of(snapshot, old)
    writer.adopt(writer.manifest, dead, {PARTS_TABLE: _table(parts)})
    return sum(row["indexed"] for row in old)


def _table(parts: Iterable[Mapping[str, Any]]) -> pa.Table:
    rows = [{**part, "spaces": json.dumps(part["spaces"], sort_keys=True)} for part in parts]
    return pa.Table.from_pylist(rows, schema=PARTS_SCHEMA)


def _row(record: PartRecord, first_id: int) -> dict[str, Any]:
    rows = {entry.modality: entry.rows for entry in record.shards}
    return {
        "key": record.key,
        "content": record.content,
        "address": record.address,
        "etag": record.etag,
        "row_group": record.index,
        "first_name": record.first_name,
        "last_name": record.last_name,
        "spaces": {modality: [space.key, rows.get(modality, 0)] for modality, space in record.spaces.items()},
        "items": record.items,
        "indexed": record.indexed,
        "skipped": record.skipped_count,
        "rows": record.rows,
        "first_id": first_id,
        "live": True,
    }


def _shifted(entry: ShardEntry, by: int) -> ShardEntry:
    return replace(entry, first_id=by, min_id=entry.min_id + by, max_id=entry.max_id + by)


def _is_replaced(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a part takes the place of another: it has newer content, or the same embedded by the same models."""
    if (old["address"], old["row_group"]) != (new["address"], new["row_group"]):
        return False
    if old["etag"] == new["etag"] and _spaces(old) != _spaces(new):
        return False
    if not old["first_name"] or not new["first_name"]:
        return bool(old["first_name"] == new["first_name"])
    return bool(old["first_name"] <= new["last_name"] and new["first_name"] <= old["last_name"])


def _spaces(part: Mapping[str, Any]) -> set[str]:
    return {space for space, _ in part["spaces"].values()}


def _ids_of(snapshot: Snapshot, parts: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """The ids of the live rows of parts, ascending."""
    ranges = [(row["first_id"], row["first_id"] + row["rows"]) for row in parts if row["rows"]]
    if not ranges:
        return np.empty(0, np.int64)
    found = []
    for rows in snapshot.all_rows().values():
        live = rows.ids if rows.live is None else rows.ids[rows.live]
        for first, after in ranges:
            start, stop = np.searchsorted(live, [first, after])
            found.append(live[start:stop])
    return np.sort(np.concatenate(found))


def _with_spaces(manifest: Manifest, records: Sequence[PartRecord]) -> Manifest:
    """The manifest with the spaces of the parts; a collection without any is searched with theirs from now on.

    Raises:
        SpaceMismatchError: the collection is searched with others.
    """
    for record in records:
        ours = manifest.spaces
        unknown = [space for space in record.spaces.values() if space.key not in ours]
        if unknown and manifest.primary_space is not None:
            used = " and ".join(manifest.searched_spaces)
            raise SpaceMismatchError(
                f"a part of {record.address} was embedded in the space {unknown[0].key}, and the collection is "
                f"searched in {used}: embed it with the models of the collection"
            )
        if manifest.primary_space is None:
            manifest = _with_models(manifest, record.spaces)
    return manifest


def _with_models(manifest: Manifest, spaces: dict[Modality, Space] | Any) -> Manifest:
    """The manifest of a collection that is searched with the models of a part."""
    lead = spaces.get("text") or spaces.get("image") or next(iter(spaces.values()))
    others = dict.fromkeys(space.key for space in spaces.values() if space.key != lead.key)
    return replace(
        manifest,
        primary_space=lead.key,
        secondary_spaces=tuple(others),
        space_by_modality={modality: space.key for modality, space in spaces.items()} if others else {},
        spaces={**manifest.spaces, **{space.key: space for space in spaces.values()}},
    )
