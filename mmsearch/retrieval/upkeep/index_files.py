"""Indexes and samples of a collection, opened for searching. All are disposable: the shards can make them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.durable import bytes_checksum
from mmsearch.errors import CollectionDamagedError, SpaceMismatchError
from mmsearch.indexes import VectorIndex
from mmsearch.indexes.calibrate import Calibration
from mmsearch.indexes.match_sample import Sample
from mmsearch.indexes.vectors import StoredVectors, as_floats
from mmsearch.retrieval.store.manifest import IndexEntry
from mmsearch.retrieval.store.schema import FORMAT_VERSION
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.indexes.faiss.approximate import ApproximateIndex


def open_index(snapshot: Snapshot, space: Space, modality: Modality) -> VectorIndex:
    """The index of a (space, modality) over the snapshot's rows; exact where none was built."""
    rows = snapshot.rows(space.key, modality)
    vectors = StoredVectors(rows.vector_blocks, space.dim)
    entries = snapshot.manifest.indexes_of(space.key, modality)
    if not entries:
        return VectorIndex(vectors, rows.ids)
    stems = [snapshot.root / entry.path for entry in entries]
    for entry, stem in zip(entries, stems, strict=True):
        facts = read_index_facts(snapshot.root, entry)
        if facts["space"] != space.to_json():
            raise SpaceMismatchError(f"index {stem} is of space {facts['space']}, not of {space.to_json()}")
    first, *later = (stem.with_suffix(".faiss") for stem in stems)

    def load() -> ApproximateIndex:
        from mmsearch.indexes.faiss.approximate import ApproximateIndex

        return ApproximateIndex.load(first, later)

    return VectorIndex(
        vectors,
        rows.ids,
        load,
        Calibration.from_json(measured(snapshot.root, entries)["calibration"]),
        entries[-1].covers_to,
    )


def measured(root: Path, entries: Sequence[IndexEntry]) -> dict[str, Any]:
    """The facts of the newest segment with which recall was measured, and of how many rows that was."""
    for entry in reversed(entries):
        facts = read_index_facts(root, entry)
        if "calibration" in facts:
            return {"measured_rows": entry.rows, **facts}
    raise CollectionDamagedError(f"index {root / entries[0].path} has no calibration")


def read_index_facts(root: Path, entry: IndexEntry) -> dict[str, Any]:
    """Plan and calibration of an index, from the JSON file beside it.

    Raises:
        CollectionDamagedError: the file is cut or altered, or of a newer format.
    """
    path = (root / entry.path).with_suffix(".json")
    data = path.read_bytes()
    if bytes_checksum(data) == entry.checksums[".json"]:
        facts: dict[str, Any] = json.loads(data)
        if facts["format"] <= FORMAT_VERSION:
            return facts
    raise CollectionDamagedError(f"index {path} cannot be read")


def read_match_sample(snapshot: Snapshot, space: Space, modality: Modality) -> Sample | None:
    """The stored sample of a (space, modality); None where the searcher can draw the same: there is none yet, or it is
    lost and as many rows live as when it was drawn.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is cut or altered. Another sample would change the order of answers without a word.
    """
    entry = snapshot.manifest.match_sample_of(space.key, modality)
    if entry is None:
        return None
    path = snapshot.root / entry.path
    can_be_drawn = entry.of_rows == snapshot.rows(space.key, modality).live_count
    if can_be_drawn and not path.exists():
        return None
    data = path.read_bytes()
    if bytes_checksum(data) == entry.checksum:
        # Not `np.load`: it parses the header with `ast`, which fails now and then in threads (CPython 3.11).
        row = np.dtype([("id", "<i8"), ("vector", "<f2", (space.dim,))])
        stored = np.frombuffer(data, row, entry.rows, len(data) - entry.rows * row.itemsize)
        return Sample(stored["id"], as_floats(stored["vector"]))
    if can_be_drawn:
        return None
    raise CollectionDamagedError(f"{path} is damaged")
