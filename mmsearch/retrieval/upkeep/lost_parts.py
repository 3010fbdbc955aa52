"""Parts of corpora whose rows or whose table were lost: what is left of them goes, so that they can come again."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.store.manifest import Manifest, ShardEntry
from mmsearch.retrieval.store.side_tables import (
    PARTS_FOLDER,
    PARTS_TABLE,
    SIDE_TABLES_FOLDER,
    read_side_table,
    write_side_table,
)
from mmsearch.retrieval.store.snapshot import Snapshot


def rows_of_unknown_parts(root: Path, manifest: Manifest) -> list[int]:
    """The ids of all rows of parts, in a collection that has no table of its parts: they would be taken in twice."""
    if any(entry.name == PARTS_TABLE for entry in manifest.side_tables):
        return []
    ids: list[int] = []
    for rows in Snapshot(root, manifest).all_rows().values():
        has_source = rows.facts(["mms_source"])["mms_source"].is_valid().to_numpy()
        ids += rows.ids[has_source].tolist()
    return ids


def forget_parts(root: Path, manifest: Manifest, lost: ShardEntry) -> tuple[Manifest, list[int]]:
    """The manifest whose table of parts has none with rows in a lost shard, and the ids of their other rows.

    The records of these parts are deleted, so that workers make them again.
    """
    try:
        table = read_side_table(root, manifest, PARTS_TABLE)
    except (MMSearchError, OSError):
        return manifest, []  # it is damaged itself
    if table is None:
        return manifest, []
    table = table.sort_by("first_id")
    first = table["first_id"].to_numpy()
    touched = (first <= lost.max_id) & (first + table["rows"].to_numpy() > lost.min_id)
    if not touched.any():
        return manifest, []
    for key in table.filter(pa.array(touched))["key"].to_pylist():
        with suppress(OSError):
            (root / PARTS_FOLDER / f"{key}.json").unlink(missing_ok=True)
    kept = table.filter(pa.array(~touched))
    name = f"{SIDE_TABLES_FOLDER}/{PARTS_TABLE}/{manifest.next_seq:06d}-{secrets.token_hex(3)}.parquet"
    entry = write_side_table(root, PARTS_TABLE, name, kept)
    others = [one for one in manifest.side_tables if one.name != PARTS_TABLE]
    tables = tuple(sorted([*others, entry], key=lambda one: one.name))
    manifest = replace(manifest, side_tables=tables, next_seq=manifest.next_seq + 1)
    ids: list[int] = []
    for rows in Snapshot(root, manifest).all_rows().values():
        part = np.searchsorted(first[touched], rows.ids, side="right") - 1
        inside = (part >= 0) & (rows.ids < (first + table["rows"].to_numpy())[touched][part])
        ids += rows.ids[inside].tolist()
    return manifest, ids
