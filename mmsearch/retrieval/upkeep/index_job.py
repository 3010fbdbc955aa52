"""The index of a modality as its files: what the manifest names, and how a new segment takes the place of old ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink, bytes_checksum, durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import StoredVectors, TrainedIndex
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.index_files import IndexFacts
from mmsearch.retrieval.upkeep.index_parts import PartMaker, unfinished_files
from mmsearch.retrieval.upkeep.index_tasks import rows_between
from mmsearch.types import Modality, Space

INDEX, TRAINED, TEXT_QUERIES, FACTS = ".faiss", ".trained", ".texts.npy", ".json"
"""Endings of the files of a segment; only the first has the two in the middle."""

Write = Callable[[Sink], object]


@dataclass(frozen=True, slots=True)
class IndexJob:
    """The index of a (space, modality) that is brought up to date.

    ``memory`` (bytes) and ``threads`` bound the work; None for the defaults of `build_index`. ``parallel`` processes
    encode and merge.
    """

    writer: Writer
    space: Space
    modality: Modality
    memory: int | None = None
    threads: int | None = None
    parallel: int = 1

    @property
    def root(self) -> Path:
        """The folder of the collection."""
        return self.writer.root

    @property
    def entries(self) -> list[IndexEntry]:
        """The segments in the manifest, in order."""
        return self.writer.manifest.indexes_of(self.space.key, self.modality)

    @property
    def can_be_extended(self) -> bool:
        """Whether the trained index was stored, so that later rows can be encoded."""
        return bool(self.entries) and TRAINED in self.entries[0].checksums

    @property
    def target(self) -> float:
        """The recall@10 to reach."""
        return self.writer.manifest.settings.recall

    def path(self, entry: IndexEntry, ending: str = INDEX) -> Path:
        """The path of one of a segment's files."""
        return at_hand(self.root, f"{entry.path}{ending}")

    def read(self, entry: IndexEntry, ending: str) -> bytes:
        """The bytes of one of a segment's files.

        Raises:
            CollectionDamagedError: the file is gone, or differs from its checksum.
        """
        path = self.root / f"{entry.path}{ending}"
        try:
            data = self.path(entry, ending).read_bytes()
        except FileNotFoundError as error:
            raise CollectionDamagedError(f"{path} is missing") from error
        if bytes_checksum(data) != entry.checksums[ending]:
            raise CollectionDamagedError(f"{path} is damaged")
        return data

    def load_trained(self) -> TrainedIndex:
        """The trained index, without rows.

        Raises:
            CollectionDamagedError: its file is gone or altered.
        """
        path = self.root / f"{self.entries[0].path}{TRAINED}"
        try:
            return TrainedIndex.load(self.path(self.entries[0], TRAINED))
        except FileNotFoundError as error:
            raise CollectionDamagedError(f"{path} is missing") from error

    def rows(self) -> Rows:
        """The rows of the modality, as the manifest names them now."""
        return Snapshot(self.root, self.writer.manifest).rows(self.space.key, self.modality)

    def vectors(self, rows: Rows, start: int = 0) -> tuple[StoredVectors, NDArray[np.int64]]:
        """Vectors and ids of the rows from position ``start`` on."""
        return rows_between(rows.vector_blocks, start, len(rows), self.space.dim), rows.ids[start:]

    @property
    def folder(self) -> Path:
        """Where the files of the index lie."""
        return self.root / "indexes" / self.space.key / self.modality

    @contextmanager
    def part_maker(self, trained: Path | None = None) -> Iterator[PartMaker]:
        """Encodes and merges with the trained index, or with that of another file; deletes its files at the end."""
        with unfinished_files(self.folder) as unfinished:
            yield PartMaker(trained or self.path(self.entries[0], TRAINED), self.parallel, unfinished)


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment to publish: what writes its files by ending, its facts, its rows, and the last id that it covers."""

    files: Mapping[str, Write]
    facts: IndexFacts
    rows: int
    covers_to: int


def publish(job: IndexJob, segment: NewSegment, *, replaced: Sequence[IndexEntry] = ()) -> None:
    """Write the files of a segment, then name it in the manifest instead of the ``replaced`` ones."""
    writer = job.writer
    stem, manifest = writer.new_path(writer.manifest, f"indexes/{job.space.key}/{job.modality}", "")
    facts = (json.dumps(segment.facts.to_json(), indent=1) + "\n").encode()
    files: dict[str, Write] = {**segment.files, FACTS: partial(write_bytes, facts)}
    checksums = {}
    for ending, write in files.items():
        path = writer.root / f"{stem}{ending}"
        with durable_file(path) as sink:
            write(sink)
        checksums[ending] = file_checksum(path)
    entry = IndexEntry(
        path=stem,
        space=job.space.key,
        modality=job.modality,
        rows=segment.rows,
        covers_to=segment.covers_to,
        requested=requested_index(manifest),
        checksums=checksums,
    )
    gone = {one.path for one in replaced}
    kept = [one for one in manifest.indexes if one.path not in gone]
    ordered = sorted([*kept, entry], key=lambda one: (one.space, one.modality, one.covers_to))
    writer.publish(replace(manifest, indexes=tuple(ordered)))


def copy_file(path: Path, sink: Sink) -> None:
    """Write what a file holds."""
    with path.open("rb") as file:
        shutil.copyfileobj(file, sink, 1 << 22)


def write_bytes(data: bytes, sink: Sink) -> None:
    """Write bytes."""
    sink.write(data)


def requested_index(manifest: Manifest) -> str:
    """What an index was built for: with another kind or recall target it is built again."""
    return f"{manifest.settings.index} recall {manifest.settings.recall:g}"


def merged_facts(entries: Sequence[IndexEntry], all_facts: Sequence[IndexFacts]) -> IndexFacts:
    """The facts of merged segments: the newest calibration among them, and the distant share of all their rows."""
    merged = replace(all_facts[-1], rows=sum(entry.rows for entry in entries), distant_threshold=None)
    for facts in all_facts:
        if facts.calibration is not None:
            merged = replace(merged, calibration=facts.calibration, measured_rows=facts.measured_rows)
    shares = [
        (entry.rows, facts.distant_share)
        for entry, facts in zip(entries, all_facts, strict=True)
        if facts.distant_share is not None
    ]
    if shares:
        share = sum(rows * share for rows, share in shares) / max(sum(rows for rows, _ in shares), 1)
        merged = replace(merged, distant_share=share)
    return merged


def last_covered(entries: Sequence[IndexEntry]) -> int:
    """The last id that any of the segments covers."""
    return max(entry.covers_to for entry in entries)
