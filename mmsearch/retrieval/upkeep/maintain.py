"""Keeping a collection in order after rows came or went: small shards merged, samples drawn, indexes built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file, file_checksum
from mmsearch.indexes.calibrate import TEXTS, corpus_queries
from mmsearch.indexes.match_sample import SAMPLE_ROWS, draw
from mmsearch.indexes.vectors import StoredVectors
from mmsearch.notices import Notice
from mmsearch.retrieval.store.manifest import MatchSampleEntry
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.retrieval.upkeep.index_builder import IndexJob, Texts, drop_index, merge_segments, update_index
from mmsearch.retrieval.upkeep.probe_texts import phrases
from mmsearch.types import Modality, Space

_BATCH = 64  # phrases embedded at a time

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors ``[n, dim]`` of the space; `TextEncoder.encode_texts`."""


def maintain(
    writer: Writer,
    space: Space,
    *,
    memory: int | None = None,
    threads: int | None = None,
    embed: EmbedTexts | None = None,
) -> list[Notice]:
    """Merge small shards, then bring samples and indexes of the space up to date; returns what is to be said.

    ``memory`` and ``threads`` bound the building of indexes; ``embed`` embeds the phrases that they are measured with.
    """
    notices: list[Notice] = []
    for modality in writer.manifest.modalities(space.key):
        merge_small_shards(writer, space.key, modality)
        _update_sample(writer, space, modality)
        snapshot = Snapshot(writer.root, writer.manifest)
        texts = _calibration_texts(snapshot, space, modality, embed)
        notices += update_index(IndexJob(writer, space, modality, memory, threads), texts)
    return notices


def merge_small_shards(writer: Writer, space: str, modality: Modality) -> None:
    """Merge shards as `merges_due` says, until none is due."""
    dead = Snapshot(writer.root, writer.manifest).deleted_ids
    while due := merges_due(writer.manifest.shards_of(space, modality)):
        for entries in due:
            writer.merge(entries, dead)


def compact(writer: Writer) -> None:
    """One shard and one index segment for each (space, modality), no dead rows, no tombstones."""
    dead = Snapshot(writer.root, writer.manifest).deleted_ids
    for key, space in writer.manifest.spaces.items():
        for modality in writer.manifest.modalities(key):
            work = IndexJob(writer, space, modality)
            if work.entries and work.can_be_extended:
                merge_segments(work, all_of_them=True)
            elif work.rows().live is not None:
                drop_index(writer, key, modality)  # built again without the dead rows
            entries = writer.manifest.shards_of(key, modality)
            if len(entries) > 1 or len(dead):
                writer.merge(entries, dead)
        maintain(writer, space)
    writer.publish(replace(writer.manifest, tombstones=()))


def _update_sample(writer: Writer, space: Space, modality: Modality) -> None:
    """Draw the sample anew when the rows have grown by half since it was drawn, or were too few to fill it."""
    entry = writer.manifest.match_sample_of(space.key, modality)
    rows = Snapshot(writer.root, writer.manifest).rows(space.key, modality)
    count = rows.live_count
    if entry is not None and (entry.of_rows == count or SAMPLE_ROWS <= entry.of_rows <= count <= 1.5 * entry.of_rows):
        return
    positions = draw(rows.ids, rows.live)
    stored = np.empty(len(positions), [("id", "<i8"), ("vector", "<f2", (space.dim,))])
    stored["id"], stored["vector"] = rows.ids[positions], rows.vectors_at(positions)
    name, manifest = writer.new_path(writer.manifest, f"indexes/{space.key}/{modality}", ".npy")
    path = writer.root / name
    with durable_file(path) as sink:
        np.save(sink, stored)
    drawn = MatchSampleEntry(name, space.key, modality, len(stored), count, file_checksum(path))
    kept = tuple(s for s in manifest.match_samples if s != entry)
    writer.publish(replace(manifest, match_samples=(*kept, drawn)))


def _calibration_texts(snapshot: Snapshot, space: Space, modality: Modality, embed: EmbedTexts | None) -> Texts:
    """Queries of words: phrases that people might type, and the collection's own texts, which are most like its theme.

    Half of either, mixed; more of one where there are fewer of the other.
    """

    def texts() -> NDArray[np.float32] | None:
        stored = modality != "text" and "text" in snapshot.manifest.modalities(space.key)
        parts: list[NDArray[np.float32]] = []
        if stored:
            own = StoredVectors(snapshot.rows(space.key, "text").vector_blocks, space.dim)
            parts.append(corpus_queries(own, seed=1, count=TEXTS if embed is None else TEXTS // 2))
        if embed is not None:
            asked = phrases(TEXTS - sum(map(len, parts)))
            parts += [embed(asked[start : start + _BATCH]) for start in range(0, len(asked), _BATCH)]
        if not parts:
            return None
        mixed = np.concatenate(parts)
        return mixed[np.random.default_rng(0).permutation(len(mixed))]

    return texts
