"""Upkeep after rows were added or removed: merges small shards, draws match samples, brings indexes up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file, file_checksum
from mmsearch.indexes import (
    MATCH_SAMPLE_ROWS,
    TEXT_QUERY_COUNT,
    StoredVectors,
    corpus_queries,
    match_sample_positions,
)
from mmsearch.notices import Notice
from mmsearch.retrieval.store.manifest import MatchSampleEntry
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import LARGEST_SHARD_CLASS, Writer, merges_due
from mmsearch.retrieval.upkeep.index_builder import (
    LoadTextQueries,
    can_be_merged,
    drop_index,
    merge_segments,
    update_index,
)
from mmsearch.retrieval.upkeep.index_job import IndexJob
from mmsearch.retrieval.upkeep.lexical_builder import update_words
from mmsearch.retrieval.upkeep.probe_texts import make_probe_texts
from mmsearch.types import Modality, Space

_BATCH = 64  # texts embedded at a time

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors ``[n, dim]`` of the space; `TextEncoder.encode_texts`."""


def maintain(
    writer: Writer,
    space: Space,
    *,
    memory: int | None = None,
    threads: int | None = None,
    embed: EmbedTexts | None = None,
    parallel: int = 1,
) -> list[Notice]:
    """Merge small shards, then bring the match samples and indexes of a space up to date; returns notices for the user.

    Args:
        writer: of the collection.
        space: its modalities are maintained.
        memory: bytes for building indexes; default a quarter of the free memory.
        threads: for building indexes, at most; default one for each processor.
        embed: embeds the probe texts that indexes are calibrated with; None for a space without a text encoder.
        parallel: processes that encode and merge at a time.
    """
    notices: list[Notice] = []
    for modality in writer.manifest.modalities(space.key):
        merge_small_shards(writer, space.key, modality)
        _update_match_sample(writer, space, modality)
        snapshot = Snapshot(writer.root, writer.manifest)
        update_words(writer, space.key, modality)
        text_queries = text_queries_of(snapshot, space, modality, embed)
        notices += update_index(IndexJob(writer, space, modality, memory, threads, parallel), text_queries)
    return notices


def merge_small_shards(writer: Writer, space: str, modality: Modality) -> None:
    """Merge shards as `merges_due` says, until none is due."""
    deleted = Snapshot(writer.root, writer.manifest).deleted_ids
    while due := merges_due(writer.manifest.shards_of(space, modality), LARGEST_SHARD_CLASS):
        for entries in due:
            writer.merge(entries, deleted)


def compact(writer: Writer, *, parallel: int = 1) -> None:
    """Leave one shard and one index segment for each (space, modality), without deleted rows and tombstones.

    Facts that were changed later are moved into the shards. ``parallel`` processes merge and encode the index.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    deleted = snapshot.deleted_ids
    for key, space in writer.manifest.spaces.items():
        for modality in writer.manifest.modalities(key):
            job = IndexJob(writer, space, modality, parallel=parallel)
            if not _can_be_merged(job) and job.rows().live is not None:
                drop_index(writer, key, modality)  # `maintain` builds it again without the dead rows
            entries = writer.manifest.shards_of(key, modality)
            if len(entries) > 1 or len(deleted) or snapshot.fact_updates.touches(snapshot.rows(key, modality).ids):
                writer.merge(entries, deleted)
            update_words(writer, key, modality, whole=True)
        maintain(writer, space, parallel=parallel)  # encodes what no segment covers
        for modality in writer.manifest.modalities(key):
            job = IndexJob(writer, space, modality, parallel=parallel)
            if _can_be_merged(job):
                merge_segments(job, all_of_them=True)
    writer.publish(replace(writer.manifest, tombstones=(), fact_updates=()))


def _can_be_merged(job: IndexJob) -> bool:
    return job.can_be_extended and can_be_merged(job)


def _update_match_sample(writer: Writer, space: Space, modality: Modality) -> None:
    """Draw the match sample again if the rows have grown by half since, or were too few to fill it."""
    entry = writer.manifest.match_sample_of(space.key, modality)
    rows = Snapshot(writer.root, writer.manifest).rows(space.key, modality)
    count = rows.live_count
    if entry is not None and (
        entry.of_rows == count or MATCH_SAMPLE_ROWS <= entry.of_rows <= count <= 1.5 * entry.of_rows
    ):
        return
    positions = match_sample_positions(rows.ids, rows.live)
    stored = np.empty(len(positions), [("id", "<i8"), ("vector", "<f2", (space.dim,))])
    stored["id"], stored["vector"] = rows.ids[positions], rows.vectors_at(positions)
    name, manifest = writer.new_path(writer.manifest, f"indexes/{space.key}/{modality}", ".npy")
    path = writer.root / name
    with durable_file(path) as sink:
        np.save(sink, stored)
    drawn = MatchSampleEntry(name, space.key, modality, len(stored), count, file_checksum(path))
    kept = tuple(s for s in manifest.match_samples if s != entry)
    writer.publish(replace(manifest, match_samples=(*kept, drawn)))


def text_queries_of(snapshot: Snapshot, space: Space, modality: Modality, embed: EmbedTexts | None) -> LoadTextQueries:
    """Text queries for an index: half probe texts, half texts of the collection, in random order.

    If there are fewer of the collection, there are more probe texts. An index of texts gets probe texts only.
    """

    def load() -> NDArray[np.float32] | None:
        parts: list[NDArray[np.float32]] = []
        if modality != "text" and "text" in snapshot.manifest.modalities(space.key):
            stored = StoredVectors(snapshot.rows(space.key, "text").vector_blocks, space.dim)
            count = TEXT_QUERY_COUNT if embed is None else TEXT_QUERY_COUNT // 2
            parts.append(corpus_queries(stored, seed=1, count=count))
        if embed is not None:
            texts = make_probe_texts(TEXT_QUERY_COUNT - sum(map(len, parts)))
            parts += [embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        if not parts:
            return None
        mixed = np.concatenate(parts)
        return mixed[np.random.default_rng(0).permutation(len(mixed))]

    return load
