"""Brings the index of a modality up to date at the cost of the change: builds, extends, merges, seldom trains again.

An index consists of segments, each an entry of the manifest, ordered by the ids that they cover. The first segment is
trained on the rows of its time. Rows that come later are scanned while they are few, then encoded into a segment of
their own with the trained index. Small segments are merged, as shards are. An index is trained again if the new rows
have drifted from what it was trained for, so that its recall falls below the target; a notice says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file
from mmsearch.indexes import (
    DISTANT_QUANTILE,
    ApproximateIndex,
    Calibration,
    Drift,
    IndexPlan,
    RowsOfFile,
    Segment,
    TrainedIndex,
    calibrate,
    calibration_queries,
    choose_code_length,
    plan_index,
    sample_positions,
    train_and_calibrate,
    train_index,
)
from mmsearch.notices import Notice, NoticeKind, index_below_recall
from mmsearch.retrieval.store.manifest import IndexEntry
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.retrieval.upkeep.index_files import IndexFacts, latest_recall, read_all_facts
from mmsearch.retrieval.upkeep.index_job import (
    INDEX,
    TEXT_QUERIES,
    TRAINED,
    IndexJob,
    NewSegment,
    Write,
    copy_file,
    last_covered,
    merged_facts,
    publish,
    requested_index,
    write_bytes,
)
from mmsearch.retrieval.upkeep.index_parts import PART_ROWS, PartMaker, UnfinishedFiles, unfinished_files
from mmsearch.types import Modality

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
_KEPT = (TRAINED, TEXT_QUERIES)  # files of the first segment that stay what they are when it is merged

Planner = Callable[..., IndexPlan]
"""A partial `plan_index` for the rows of a modality; `choose_code_length` completes it."""

LoadTextQueries = Callable[[], NDArray[np.float32] | None]
"""Embeds the text queries that an index is built with, float32 ``[q, dim]``; returns None if there are none."""


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
    if not entries or entries[0].requested != requested_index(job.writer.manifest):
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
    if not can_be_merged(job):
        return
    dead = Snapshot(job.root, job.writer.manifest).deleted_ids
    rows = job.rows()
    first, *later = job.entries
    indexed = first.rows + sum(entry.rows for entry in later)
    outweighed = sum(entry.rows for entry in later) > first.rows or indexed > 2 * rows.live_count
    if outweighed or (all_of_them and (later or indexed > rows.live_count)):
        _merge(job, job.entries, dead)
        return
    while due := merges_due(job.entries[1:]):
        for entries in due:
            _merge(job, entries, dead)


def can_be_merged(job: IndexJob) -> bool:
    """Whether the segments can be merged: those of codes with a layout that is not known are left alone."""
    return job.load_trained().list_files.can_be_merged


def drop_index(writer: Writer, space: str, modality: Modality) -> None:
    """Remove the index of a modality from the manifest."""
    kept = tuple(i for i in writer.manifest.indexes if (i.space, i.modality) != (space, modality))
    if kept != writer.manifest.indexes:
        writer.publish(replace(writer.manifest, indexes=kept))


def _build(job: IndexJob, rows: Rows, planner: Planner, text_queries: LoadTextQueries) -> list[Notice]:
    vectors, ids = job.vectors(rows)
    texts = text_queries()
    plan = choose_code_length(planner, vectors, texts)
    if len(rows) > PART_ROWS and plan.has_lists:
        return _build_in_parts(job, rows, plan, texts)
    approximate, calibration = train_and_calibrate(
        vectors, ids, plan, text_queries=texts, recall=job.target, threads=job.threads
    )
    files: dict[str, Write] = {INDEX: approximate.save}
    if approximate.is_extendable:
        files[TRAINED] = approximate.save_trained
    return _publish_first(job, rows, plan, approximate, calibration, texts, files)


def _build_in_parts(job: IndexJob, rows: Rows, plan: IndexPlan, texts: NDArray[np.float32] | None) -> list[Notice]:
    """Train on a sample, encode the rows in parts, and merge these, so that memory holds one part at a time."""
    vectors, _ = job.vectors(rows)
    sample = vectors.sample_float32(sample_positions(len(vectors), plan.train_rows, seed=0))
    trained = train_index(sample, plan, text_queries=texts, threads=job.threads)
    del sample
    with unfinished_files(job.folder) as unfinished:
        path = unfinished.new(TRAINED)
        trained.save(path)
        maker = PartMaker(path, job.parallel, unfinished)
        parts = maker.encode(job.root, job.space.key, job.modality, 0, len(rows), job.threads)
        return publish_ranges(job, plan, path, maker.merge(parts, np.empty(0, np.int64)), unfinished, texts)


def publish_ranges(
    job: IndexJob,
    plan: IndexPlan,
    trained: Path,
    ranges: Sequence[Path],
    unfinished: UnfinishedFiles,
    texts: NDArray[np.float32] | None,
) -> list[Notice]:
    """Join merged lists that hold all rows to a new index, calibrate it, and put it in the place of the old one.

    Calibration holds the finished index in memory, as searches will.
    """
    rows, whole = job.rows(), unfinished.new(INDEX)
    vectors, ids = job.vectors(rows)
    with durable_file(whole, sync_folder=False) as sink:
        TrainedIndex.load(trained).list_files.join(ranges, sink, whole=True)
    approximate = ApproximateIndex.load(whole)
    queries = calibration_queries(vectors, texts)
    calibration = calibrate(approximate, vectors, ids, queries, target=job.target, threads=job.threads)
    files: dict[str, Write] = {INDEX: partial(copy_file, whole), TRAINED: partial(copy_file, trained)}
    return _publish_first(job, rows, plan, approximate, calibration, texts, files)


def _publish_first(
    job: IndexJob,
    rows: Rows,
    plan: IndexPlan,
    approximate: ApproximateIndex,
    calibration: Calibration,
    texts: NDArray[np.float32] | None,
    files: dict[str, Write],
) -> list[Notice]:
    """Put a new index, written by ``files``, in the place of the old one; one that was trained with ``texts``."""
    facts = IndexFacts(job.space, plan, calibration=calibration, measured_rows=len(rows))
    if TRAINED in files:
        vectors, _ = job.vectors(rows)
        facts = replace(facts, distant_threshold=Drift.measure(approximate, vectors).distant_threshold)
        if texts is not None:
            files[TEXT_QUERIES] = lambda sink: np.save(sink, np.asarray(texts, np.float16))
    publish(job, NewSegment(files, facts, len(rows), int(rows.ids[-1])), replaced=job.entries)
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
    segment = _encode(job, trained, rows, covered)
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
    publish(job, NewSegment({INDEX: segment.save}, facts, len(ids), int(ids[-1])))
    return notices


def _encode(job: IndexJob, trained: TrainedIndex, rows: Rows, start: int) -> Segment:
    """The rows from position ``start`` on; in parts where they are many."""
    if len(rows) - start <= PART_ROWS // (2 if job.parallel > 1 else 1) or not trained.list_files.can_be_merged:
        return trained.encode(*job.vectors(rows, start), threads=job.threads)
    with job.part_maker() as maker, unfinished_files(job.folder) as unfinished:
        parts = maker.encode(job.root, job.space.key, job.modality, start, len(rows), job.threads)
        joined = unfinished.new(INDEX)
        with durable_file(joined, sync_folder=False) as sink:
            maker.list_files.join(maker.merge(parts, np.empty(0, np.int64)), sink, whole=False)
        return trained.read(joined)


def _calibrate_again(job: IndexJob, rows: Rows, index: ApproximateIndex) -> Calibration:
    """Calibrate all segments together, with rows of today and the text queries that the index was built with."""
    vectors, ids = job.vectors(rows)
    first = job.entries[0]
    texts = None
    if TEXT_QUERIES in first.checksums:
        texts = np.load(io.BytesIO(job.read(first, TEXT_QUERIES)), allow_pickle=False).astype(np.float32)
    queries = calibration_queries(vectors, texts)
    return calibrate(index, vectors, ids, queries, target=job.target, threads=job.threads)


def _merge(job: IndexJob, entries: Sequence[IndexEntry], dead: NDArray[np.int64]) -> None:
    """Merge segments without the rows ``dead``; if the first is one, the new one gets its other files too."""
    whole = entries[0] == job.entries[0]
    all_facts = read_all_facts(job.root, entries)
    facts = merged_facts(entries, all_facts)
    with job.part_maker() as maker:
        ranges = maker.merge([RowsOfFile(job.path(entry)) for entry in entries], dead)
        files: dict[str, Write] = {INDEX: partial(maker.list_files.join, ranges, whole=whole)}
        if whole:
            kept = {ending: job.read(entries[0], ending) for ending in _KEPT if ending in entries[0].checksums}
            files |= {ending: partial(write_bytes, data) for ending, data in kept.items()}
            facts = replace(facts, distant_threshold=all_facts[0].distant_threshold)
        segment = NewSegment(files, facts, maker.list_files.count(ranges), last_covered(entries))
        publish(job, segment, replaced=entries)
