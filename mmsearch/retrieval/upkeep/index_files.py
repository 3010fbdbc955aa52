"""Opening the indexes and match samples of a collection. All of them can be made again from the shards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.durable import bytes_checksum
from mmsearch.errors import CollectionDamagedError, SpaceMismatchError
from mmsearch.indexes import Calibration, MatchSample, StoredVectors, VectorIndex, to_float32
from mmsearch.retrieval.store.manifest import IndexEntry
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.schema import FORMAT_VERSION, SHARD_FORMAT
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.indexes import ApproximateIndex, IndexPlan


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What the JSON file of an index segment says.

    Attributes:
        space: of its rows.
        plan: what the first segment was built by.
        rows: encoded rows, of a segment that was added or merged.
        calibration: if recall was measured when the segment was written.
        measured_rows: rows of the whole index when recall was measured.
        distant_threshold: of the first segment: see `mmsearch.indexes.Drift`. In the file: ``far``.
        distant_share: of the rows of a segment that was added or merged. In the file: ``far_share``.
    """

    space: Space
    plan: IndexPlan
    rows: int | None = None
    calibration: Calibration | None = None
    measured_rows: int | None = None
    distant_threshold: float | None = None
    distant_share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The object in the file; what is None is left out."""
        known = {
            "plan": self.plan.to_json(),
            "rows": self.rows,
            "calibration": self.calibration.to_json() if self.calibration else None,
            "measured_rows": self.measured_rows,
            "far": self.distant_threshold,
            "far_share": self.distant_share,
            "format": SHARD_FORMAT,
            "space": self.space.to_json(),
        }
        return {key: value for key, value in known.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], entry: IndexEntry) -> IndexFacts:
        """The inverse of `to_json`. Older versions did not write ``measured_rows``: it is taken from the entry."""
        from mmsearch.indexes import IndexPlan  # imported only here: exact search needs none

        calibration = Calibration.from_json(data["calibration"]) if "calibration" in data else None
        return cls(
            space=Space.from_json(data["space"]),
            plan=IndexPlan.from_json(data["plan"]),
            rows=data.get("rows"),
            calibration=calibration,
            measured_rows=data.get("measured_rows", entry.rows if calibration else None),
            distant_threshold=data.get("far"),
            distant_share=data.get("far_share"),
        )


@dataclass(frozen=True, slots=True)
class MeasuredRecall:
    """The newest calibration of an index, and how many rows the index had then."""

    calibration: Calibration
    rows: int


def open_index(snapshot: Snapshot, space: Space, modality: Modality) -> VectorIndex:
    """The index of a (space, modality) over the rows of a snapshot; exact if none was built.

    Its FAISS files are loaded when a search first needs them.

    Raises:
        SpaceMismatchError: the index is of another space.
        CollectionDamagedError: its JSON file is altered, or of a newer format.
    """
    rows = snapshot.rows(space.key, modality)
    vectors = StoredVectors(rows.vector_blocks, space.dim)
    entries = snapshot.manifest.indexes_of(space.key, modality)
    if not entries:
        return VectorIndex(vectors, rows.ids)
    all_facts = read_all_facts(snapshot.root, entries)
    for entry, facts in zip(entries, all_facts, strict=True):
        if facts.space != space:
            raise SpaceMismatchError(f"index {snapshot.root / entry.path} is of space {facts.space}, not of {space}")
    first, *later = (f"{entry.path}.faiss" for entry in entries)

    def load() -> ApproximateIndex:
        from mmsearch.indexes import ApproximateIndex

        root = snapshot.root
        return ApproximateIndex.load(at_hand(root, first), [at_hand(root, name) for name in later])

    calibration = latest_recall(snapshot.root, entries, all_facts).calibration
    return VectorIndex(vectors, rows.ids, load, calibration, entries[-1].covers_to)


def read_index_facts(root: Path, entry: IndexEntry) -> IndexFacts:
    """Read the JSON file of a segment.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is altered, or of a newer format.
    """
    path = at_hand(root, f"{entry.path}.json")
    data = path.read_bytes()
    if bytes_checksum(data) == entry.checksums[".json"]:
        facts = json.loads(data)
        if facts["format"] <= FORMAT_VERSION:
            return IndexFacts.from_json(facts, entry)
    raise CollectionDamagedError(f"index {path} cannot be read")


def read_all_facts(root: Path, entries: Sequence[IndexEntry]) -> list[IndexFacts]:
    """The facts of all segments of an index, each read once; raises what `read_index_facts` does."""
    return [read_index_facts(root, entry) for entry in entries]


def latest_recall(root: Path, entries: Sequence[IndexEntry], all_facts: Sequence[IndexFacts]) -> MeasuredRecall:
    """The newest calibration among the facts of an index.

    Raises:
        CollectionDamagedError: none of the segments has one.
    """
    for facts in reversed(all_facts):
        if facts.calibration is not None and facts.measured_rows is not None:
            return MeasuredRecall(facts.calibration, facts.measured_rows)
    raise CollectionDamagedError(f"index {root / entries[0].path} has no calibration")


def read_match_sample(snapshot: Snapshot, space: Space, modality: Modality) -> MatchSample | None:
    """The stored match sample of a (space, modality).

    None if the caller can draw the same one: none is stored yet, or it is lost and the number of live rows is still the
    one that it was drawn from.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is altered, and another sample would change the order of hits silently.
    """
    entry = snapshot.manifest.match_sample_of(space.key, modality)
    if entry is None:
        return None
    can_be_drawn = entry.of_rows == snapshot.rows(space.key, modality).live_count
    try:
        path = at_hand(snapshot.root, entry.path)
        data = path.read_bytes()
    except FileNotFoundError:
        if can_be_drawn:
            return None
        raise
    if bytes_checksum(data) == entry.checksum:
        # Not `np.load`: it parses the header with `ast`, which sometimes fails in threads (CPython 3.11).
        row = np.dtype([("id", "<i8"), ("vector", "<f2", (space.dim,))])
        stored = np.frombuffer(data, row, entry.rows, len(data) - entry.rows * row.itemsize)
        return MatchSample(stored["id"], to_float32(stored["vector"]))
    if can_be_drawn:
        return None
    raise CollectionDamagedError(f"{path} is damaged")
