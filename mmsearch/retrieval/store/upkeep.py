"""Keeping a collection in order after rows came or went: small shards merged, samples drawn, indexes built."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from mmsearch.indexes import IndexPlan, plan_index
from mmsearch.indexes.blocks import Vectors
from mmsearch.indexes.build import train_and_calibrate
from mmsearch.indexes.calibrate import QUERIES, corpus_queries
from mmsearch.indexes.sample import SAMPLE_ROWS, draw
from mmsearch.retrieval.store.files import checksum, fsync_file
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest, SampleEntry
from mmsearch.retrieval.store.schema import FORMAT_VERSION
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.types import Modality, Space

REBUILD_GROWTH = 1.25
"""A tail beyond this share of the indexed rows is searched row by row no longer: the index is built again."""


def maintain(writer: Writer, space: Space, *, memory: int | None = None) -> list[str]:
    """Merge small shards, then bring samples and indexes of the space up to date; returns what is to be said."""
    notices: list[str] = []
    for modality in writer.manifest.modalities(space.key):
        merge_small_shards(writer, space.key, modality)
        _update_sample(writer, space, modality)
        notices += _update_index(writer, space, modality, memory)
    return notices


def merge_small_shards(writer: Writer, space: str, modality: Modality) -> None:
    """Merge shards as `merges_due` says, until none is due."""
    dead = Snapshot(writer.root, writer.manifest).dead
    while due := merges_due(writer.manifest.shards_of(space, modality)):
        for entries in due:
            writer.merge(entries, dead)


def compact(writer: Writer) -> None:
    """One shard for each (space, modality), no dead rows, no tombstones; indexes with dead rows are built again."""
    snapshot = Snapshot(writer.root, writer.manifest)
    dead = snapshot.dead
    for key, space in writer.manifest.spaces.items():
        for modality in writer.manifest.modalities(key):
            if snapshot.rows(key, modality).live is not None:
                _drop_index(writer, key, modality)
            entries = writer.manifest.shards_of(key, modality)
            if len(entries) > 1 or len(dead):
                writer.merge(entries, dead)
        maintain(writer, space)
    writer.publish(replace(writer.manifest, dead=()))


def _update_sample(writer: Writer, space: Space, modality: Modality) -> None:
    """Draw the sample anew when the rows have grown by half since it was drawn, or were too few to fill it."""
    entry = writer.manifest.sample_of(space.key, modality)
    rows = Snapshot(writer.root, writer.manifest).rows(space.key, modality)
    count = rows.live_count
    if entry is not None and (entry.of_rows == count or SAMPLE_ROWS <= entry.of_rows <= count <= 1.5 * entry.of_rows):
        return
    positions = draw(rows.ids, rows.live)
    stored = np.empty(len(positions), [("id", "<i8"), ("vector", "<f2", (space.dim,))])
    stored["id"], stored["vector"] = rows.ids[positions], rows.vectors_at(positions)
    name, manifest = writer.new_path(writer.manifest, f"indexes/{space.key}/{modality}", ".npy")
    path = writer.root / name
    np.save(path, stored)
    fsync_file(path)
    drawn = SampleEntry(name, space.key, modality, len(stored), count, checksum(path))
    kept = tuple(s for s in manifest.samples if s != entry)
    writer.publish(replace(manifest, samples=(*kept, drawn)))


def _update_index(writer: Writer, space: Space, modality: Modality, memory: int | None) -> list[str]:
    manifest = writer.manifest
    snapshot = Snapshot(writer.root, manifest)
    rows = snapshot.rows(space.key, modality)
    requested = manifest.settings.index
    plan = plan_index(rows.live_count, space.dim, requested=requested, memory_bytes=memory)
    entry = manifest.index_of(space.key, modality)
    if plan.kind == "exact":
        if entry is not None:
            _drop_index(writer, space.key, modality)
        return []
    if entry is not None and _still_good(entry, rows, manifest):
        return []
    return _build_index(writer, snapshot, space, modality, plan)


def _still_good(entry: IndexEntry, rows: Rows, manifest: Manifest) -> bool:
    return (
        entry.requested == _requested(manifest)
        and len(rows) <= REBUILD_GROWTH * entry.rows
        and 2 * rows.live_count >= entry.rows
    )


def _requested(manifest: Manifest) -> str:
    """What an index was built for: another request or recall target makes it stale."""
    return f"{manifest.settings.index} recall {manifest.settings.recall:g}"


def _build_index(writer: Writer, snapshot: Snapshot, space: Space, modality: Modality, plan: IndexPlan) -> list[str]:
    rows = snapshot.rows(space.key, modality)
    target = writer.manifest.settings.recall
    approximate, calibration = train_and_calibrate(
        Vectors(rows.vector_blocks, space.dim),
        rows.ids,
        plan,
        text_queries=_text_queries(snapshot, space, modality),
        recall=target,
    )
    stem, manifest = writer.new_path(writer.manifest, f"indexes/{space.key}/{modality}", "")
    paths = {ending: writer.root / f"{stem}{ending}" for ending in (".faiss", ".json")}
    approximate.save(paths[".faiss"])
    facts = {
        "format": FORMAT_VERSION,
        "space": space.to_json(),
        "plan": plan.to_json(),
        "calibration": calibration.to_json(),
    }
    paths[".json"].write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    for path in paths.values():
        fsync_file(path)
    checksums = {ending: checksum(path) for ending, path in paths.items()}
    built = IndexEntry(stem, space.key, modality, len(rows), int(rows.ids[-1]), _requested(manifest), checksums)
    kept = tuple(i for i in manifest.indexes if (i.space, i.modality) != (space.key, modality))
    writer.publish(replace(manifest, indexes=(*kept, built)))
    if calibration.reached:
        return []
    reached = ", ".join(f"{kind} {value:.3f}" for kind, value in calibration.recall.items())
    return [f"the {modality} index does not reach recall {target:g} with all its lists probed ({reached})"]


def _text_queries(snapshot: Snapshot, space: Space, modality: Modality) -> Any:
    """Texts of the collection as queries for an index of another modality: what people will type is most like them."""
    if modality == "text" or "text" not in snapshot.manifest.modalities(space.key):
        return None
    texts = snapshot.rows(space.key, "text")
    return corpus_queries(Vectors(texts.vector_blocks, space.dim), seed=1, count=QUERIES)


def _drop_index(writer: Writer, space: str, modality: Modality) -> None:
    kept = tuple(i for i in writer.manifest.indexes if (i.space, i.modality) != (space, modality))
    if kept != writer.manifest.indexes:
        writer.publish(replace(writer.manifest, indexes=kept))
