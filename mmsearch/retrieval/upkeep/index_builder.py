"""Brings the index of a modality up to date at the cost of the change: builds, extends, merges, seldom trains again.

An index consists of segments, each an entry of the manifest, ordered by the ids that they cover. The first segment is
trained on the rows of its time. Rows that come later are scanned while they are few, then encoded into a segment of
their own with the trained index. Small segments are merged, as shards are. An index is trained again if the new rows
have drifted from what it was trained for, so that its recall falls below the target; a notice says so.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink, bytes_checksum, durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import (
    DISTANT_QUANTILE,
    ApproximateIndex,
    Calibration,
    Drift,
    IndexPlan,
    StoredVectors,
    TrainedIndex,
    calibrate,
    calibration_queries,
    choose_code_length,
    plan_index,
    train_and_calibrate,
)
from mmsearch.notices import Notice, NoticeKind, index_below_recall
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.retrieval.upkeep.index_files import IndexFacts, latest_recall, read_all_facts
from mmsearch.types import Modality, Space

TAIL_ROWS = 512
"""Rows that no segment covers are scanned up to this many; each hundred takes a tenth of a millisecond."""

MEASURE_GROWTH = 1.25
"""Recall is measured again when the rows have grown by this factor since."""

REBUILD_GROWTH = 1.25
"""An index that cannot be extended (a graph, a flat one, one of an older version) is built again at this growth."""

TRAINED_GROWTH = 8
"""An index is trained again at this growth since it was trained: its lists are too long to be probed cheaply."""

DISTANT_SHARE = 5 * DISTANT_QUANTILE
"""Recall is measured again at once if more than this share of added rows is distant from the centroids."""

_MIN_DRIFTED_SHARE = 0.02  # of all rows: fewer added rows say nothing about drift
_INDEX, _TRAINED, _TEXT_QUERIES, _FACTS = ".faiss", ".trained", ".texts.npy", ".json"

Planner = Callable[..., IndexPlan]
"""A partial `plan_index` for the rows of a modality; `choose_code_length` completes it."""

LoadTextQueries = Callable[[], NDArray[np.float32] | None]
"""Embeds the text queries that an index is built with, float32 ``[q, dim]``; returns None if there are none."""

Write = Callable[[Sink], object]


@dataclass(frozen=True, slots=True)
class IndexJob:
    """The index of a (space, modality) that is brought up to date.

    ``memory`` (bytes) and ``threads`` bound the work; None for the defaults of `build_index`.
    """

    writer: Writer
    space: Space
    modality: Modality
    memory: int | None = None
    threads: int | None = None

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
        return bool(self.entries) and _TRAINED in self.entries[0].checksums

    @property
    def target(self) -> float:
        """The recall@10 to reach."""
        return self.writer.manifest.settings.recall

    def path(self, entry: IndexEntry, ending: str = _INDEX) -> Path:
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
        """The trained index, without rows."""
        return TrainedIndex.load(self.path(self.entries[0], _TRAINED))

    def rows(self) -> Rows:
        """The rows of the modality, as the manifest names them now."""
        return Snapshot(self.root, self.writer.manifest).rows(self.space.key, self.modality)

    def vectors(self, rows: Rows, start: int = 0) -> tuple[StoredVectors, NDArray[np.int64]]:
        """Vectors and ids of the rows from position ``start`` on."""
        blocks = rows.vector_blocks
        starts = np.cumsum([0] + [len(block) for block in blocks])
        cuts = zip(blocks, np.maximum(start - starts, 0).tolist(), strict=False)
        kept = [block[cut:] if cut else block for block, cut in cuts if cut < len(block)]
        return StoredVectors(kept, self.space.dim), rows.ids[start:]


@dataclass(frozen=True, slots=True)
class _NewSegment:
    """A segment to publish: what writes its files by ending, its facts, its rows, and the last id that it covers."""

    files: Mapping[str, Write]
    facts: IndexFacts
    rows: int
    covers_to: int


def update_index(job: IndexJob, text_queries: LoadTextQueries) -> list[Notice]:
    """Build, extend or merge the index of a modality, as its rows require; returns notices for the user."""
    settings = job.writer.manifest.settings
    rows = job.rows()
    planner = partial(
        plan_index,
        rows.live_count,
        job.space.dim,
        requested=settings.index,
        memory_bytes=job.memory,
        recall=settings.recall,
    )
    entries = job.entries
    if planner().kind == "exact":
        drop_index(job.writer, job.space.key, job.modality)
        return []
    if not entries or entries[0].requested != _requested(job.writer.manifest):
        return _build(job, rows, planner, text_queries)
    covered = int(np.searchsorted(rows.ids, entries[-1].covers_to, side="right"))
    if not job.can_be_extended:
        outgrown = len(rows) > REBUILD_GROWTH * entries[0].rows or 2 * rows.live_count < entries[0].rows
        return _build(job, rows, planner, text_queries) if outgrown else []
    notices: list[Notice] = []
    if len(rows) - covered > TAIL_ROWS:
        notices = _extend(job, rows, covered, planner, text_queries)
    merge_segments(job)
    return notices


def merge_segments(job: IndexJob, *, all_of_them: bool = False) -> None:
    """Merge small neighbouring segments, without their dead rows.

    All segments are merged into the first one if they outweigh it, or with ``all_of_them``. The files of the old
    segments stay until the manifest names the new one.
    """
    dead = Snapshot(job.root, job.writer.manifest).deleted_ids
    rows = job.rows()
    first, *later = job.entries
    indexed = first.rows + sum(entry.rows for entry in later)
    outweighed = sum(entry.rows for entry in later) > first.rows or indexed > 2 * rows.live_count
    if outweighed or (all_of_them and (later or indexed > rows.live_count)):
        _merge_all(job, dead)
        return
    while due := merges_due(job.entries[1:]):
        trained = job.load_trained()
        for entries in due:
            merged = trained.merge([job.path(entry) for entry in entries], dead)
            facts = _merged_facts(entries, read_all_facts(job.root, entries))
            segment = _NewSegment({_INDEX: merged.save}, facts, len(merged), _covers_to(entries))
            _publish(job, segment, replaced=entries)


def drop_index(writer: Writer, space: str, modality: Modality) -> None:
    """Remove the index of a modality from the manifest."""
    kept = tuple(i for i in writer.manifest.indexes if (i.space, i.modality) != (space, modality))
    if kept != writer.manifest.indexes:
        writer.publish(replace(writer.manifest, indexes=kept))


def _build(job: IndexJob, rows: Rows, planner: Planner, text_queries: LoadTextQueries) -> list[Notice]:
    vectors, ids = job.vectors(rows)
    texts = text_queries()
    plan = choose_code_length(planner, vectors, texts)
    approximate, calibration = train_and_calibrate(
        vectors, ids, plan, text_queries=texts, recall=job.target, threads=job.threads
    )
    facts = IndexFacts(job.space, plan, calibration=calibration, measured_rows=len(rows))
    files: dict[str, Write] = {_INDEX: approximate.save}
    if approximate.is_extendable:
        files[_TRAINED] = approximate.save_trained
        facts = replace(facts, distant_threshold=Drift.measure(approximate, vectors).distant_threshold)
        if texts is not None:
            files[_TEXT_QUERIES] = lambda sink: np.save(sink, np.asarray(texts, np.float16))
    _publish(job, _NewSegment(files, facts, len(rows), int(rows.ids[-1])), replaced=job.entries)
    return [] if calibration.reached else [index_below_recall(job.modality, job.target, calibration.recall)]


def _extend(job: IndexJob, rows: Rows, covered: int, planner: Planner, text_queries: LoadTextQueries) -> list[Notice]:
    """Encode the rows from position ``covered`` on into a segment; measure or train again if that is due."""
    entries = job.entries
    all_facts = read_all_facts(job.root, entries)
    first, last = all_facts[0], latest_recall(job.root, entries, all_facts)
    assert first.calibration is not None
    assert first.measured_rows is not None
    assert first.distant_threshold is not None
    trained = job.load_trained()
    vectors, ids = job.vectors(rows, covered)
    share = Drift(first.distant_threshold).distant_share(trained, vectors)
    segment = trained.encode(vectors, ids, threads=job.threads)
    facts = IndexFacts(job.space, first.plan, rows=len(ids), distant_share=share)
    notices: list[Notice] = []
    drifted = share > DISTANT_SHARE and len(ids) > _MIN_DRIFTED_SHARE * len(rows)
    if drifted or len(rows) > MEASURE_GROWTH * last.rows:
        index = ApproximateIndex.load(job.path(entries[0]), [job.path(entry) for entry in entries[1:]])
        index.attach(segment)
        calibration = _calibrate_again(job, rows, index)
        outgrown = len(rows) > TRAINED_GROWTH * first.measured_rows
        if outgrown or (first.calibration.reached and not calibration.reached):
            why = {"rows": len(rows), "trained_for": first.measured_rows, "far_share": None if outgrown else share}
            trained_anew = Notice(NoticeKind.INDEX_TRAINED_ANEW, {"modality": job.modality, **why})
            return [trained_anew, *_build(job, rows, planner, text_queries)]
        facts = replace(facts, calibration=calibration, measured_rows=len(rows))
        if drifted:
            values = {"modality": job.modality, "far_share": share, "recall": dict(calibration.recall)}
            notices = [Notice(NoticeKind.INDEX_MEASURED_ANEW, values)]
    _publish(job, _NewSegment({_INDEX: segment.save}, facts, len(ids), int(ids[-1])))
    return notices


def _calibrate_again(job: IndexJob, rows: Rows, index: ApproximateIndex) -> Calibration:
    """Calibrate all segments together, with rows of today and the text queries that the index was built with."""
    vectors, ids = job.vectors(rows)
    first = job.entries[0]
    texts = None
    if _TEXT_QUERIES in first.checksums:
        texts = np.load(io.BytesIO(job.read(first, _TEXT_QUERIES)), allow_pickle=False).astype(np.float32)
    queries = calibration_queries(vectors, texts)
    return calibrate(index, vectors, ids, queries, target=job.target, threads=job.threads)


def _merge_all(job: IndexJob, dead: NDArray[np.int64]) -> None:
    """Merge all segments into the first one, which keeps its trained index and text queries."""
    entries = job.entries
    first, *later = entries
    kept = {ending: job.read(first, ending) for ending in (_TRAINED, _TEXT_QUERIES) if ending in first.checksums}
    index = ApproximateIndex.load(job.path(first), [job.path(entry) for entry in later], mapped=False)
    index.merge_segments(dead)
    files: dict[str, Write] = {_INDEX: index.save}
    files |= {ending: partial(_write_bytes, data) for ending, data in kept.items()}
    all_facts = read_all_facts(job.root, entries)
    facts = replace(_merged_facts(entries, all_facts), distant_threshold=all_facts[0].distant_threshold)
    _publish(job, _NewSegment(files, facts, len(index), _covers_to(entries)), replaced=entries)


def _merged_facts(entries: Sequence[IndexEntry], all_facts: Sequence[IndexFacts]) -> IndexFacts:
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


def _covers_to(entries: Sequence[IndexEntry]) -> int:
    return max(entry.covers_to for entry in entries)


def _publish(job: IndexJob, segment: _NewSegment, *, replaced: Sequence[IndexEntry] = ()) -> None:
    """Write the files of a segment, then name it in the manifest instead of the ``replaced`` ones."""
    writer = job.writer
    stem, manifest = writer.new_path(writer.manifest, f"indexes/{job.space.key}/{job.modality}", "")
    facts = (json.dumps(segment.facts.to_json(), indent=1) + "\n").encode()
    files: dict[str, Write] = {**segment.files, _FACTS: partial(_write_bytes, facts)}
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
        requested=_requested(manifest),
        checksums=checksums,
    )
    gone = {one.path for one in replaced}
    kept = [one for one in manifest.indexes if one.path not in gone]
    ordered = sorted([*kept, entry], key=lambda one: (one.space, one.modality, one.covers_to))
    writer.publish(replace(manifest, indexes=tuple(ordered)))


def _write_bytes(data: bytes, sink: Sink) -> None:
    sink.write(data)


def _requested(manifest: Manifest) -> str:
    """What an index was built for: with another kind or recall target it is built again."""
    return f"{manifest.settings.index} recall {manifest.settings.recall:g}"
