"""Bringing the index of a modality up to date at the cost of the change: built once, extended, merged, seldom rebuilt.

An index is a row of segments, each an entry of the manifest, in order of the ids that they cover. The first was trained
on the rows of its time. Rows that came later are scanned while they are few, then encoded into a segment of their own
with what the first one learned. Small segments are merged as shards are. Nothing is trained anew unless the rows have
drifted from what was learned, measured by recall on the calibration queries; and then that is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file, file_checksum
from mmsearch.indexes import IndexPlan, plan_index
from mmsearch.indexes.build import calibration_queries, fitted, train_and_calibrate
from mmsearch.indexes.calibrate import Calibration, calibrate
from mmsearch.indexes.faiss import index_io
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.faiss.segments import FAR_QUANTILE, Drift, encode, merge
from mmsearch.indexes.vectors import StoredVectors
from mmsearch.notices import Notice, NoticeKind, index_below_recall
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest
from mmsearch.retrieval.store.schema import FORMAT_VERSION
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.retrieval.upkeep.index_files import measured, read_index_facts
from mmsearch.types import Modality, Space

TAIL_ROWS = 512
"""Rows up to which those that no segment covers are scanned: that takes a tenth of a millisecond for each hundred."""

MEASURE_GROWTH = 1.25
"""Recall is measured again when the rows have grown by this since it was."""

REBUILD_GROWTH = 1.25
"""An index that cannot be extended (a graph, a flat one, one of an older version) is built again at this growth."""

TRAINED_GROWTH = 8
"""Rows for each that an index was trained for, beyond which its lists are too long to be probed cheaply."""

FAR_SHARE = 5 * FAR_QUANTILE
"""Share of added rows far from their centroids from which recall is measured again at once."""

_LEARNED, _TEXTS = ".trained", ".texts.npy"

Plan = Callable[..., IndexPlan]
"""`plan_index` for the rows of a modality, but for what is measured when an index is built."""

Texts = Callable[[], NDArray[np.float32] | None]
"""Queries of words for an index, float32 ``[q, dim]``, embedded when they are called for; None where there are none."""


@dataclass(frozen=True, slots=True)
class IndexJob:
    """What an index of a modality is made for, and with. ``memory`` and ``threads`` bound the work."""

    writer: Writer
    space: Space
    modality: Modality
    memory: int | None = None
    threads: int | None = None

    @property
    def entries(self) -> list[IndexEntry]:
        """The segments that are there."""
        return self.writer.manifest.indexes_of(self.space.key, self.modality)

    @property
    def can_be_extended(self) -> bool:
        """Whether what the index learned was kept, so that later rows can be encoded."""
        return bool(self.entries) and _LEARNED in self.entries[0].checksums

    def stem(self, entry: IndexEntry) -> Path:
        """The path of a segment's files without their endings."""
        return self.writer.root / entry.path

    def rows(self) -> Rows:
        """The rows, as they are now."""
        return Snapshot(self.writer.root, self.writer.manifest).rows(self.space.key, self.modality)

    def vectors(self, rows: Rows, start: int = 0) -> tuple[StoredVectors, NDArray[np.int64]]:
        """Vectors and ids of the rows from a position on."""
        blocks = rows.vector_blocks
        starts = np.cumsum([0] + [len(block) for block in blocks])
        kept = [block[max(start - int(s), 0) :] for s, block in zip(starts, blocks, strict=False)]
        return StoredVectors(kept, self.space.dim), rows.ids[start:]


def update_index(work: IndexJob, texts: Texts) -> list[Notice]:
    """Build, extend or merge the index of a modality as its rows ask for; returns what is to be said."""
    settings = work.writer.manifest.settings
    rows = work.rows()
    plan = partial(
        plan_index,
        rows.live_count,
        work.space.dim,
        requested=settings.index,
        memory_bytes=work.memory,
        recall=settings.recall,
    )
    entries = work.entries
    if plan().kind == "exact":
        drop_index(work.writer, work.space.key, work.modality)
        return []
    if not entries or entries[0].requested != _requested(work.writer.manifest):
        return _build(work, rows, plan, texts)
    covered = int(np.searchsorted(rows.ids, entries[-1].covers_to, side="right"))
    if not work.can_be_extended:
        outgrown = len(rows) > REBUILD_GROWTH * entries[0].rows or 2 * rows.live_count < entries[0].rows
        return _build(work, rows, plan, texts) if outgrown else []
    notices: list[Notice] = []
    if len(rows) - covered > TAIL_ROWS:
        notices = _extend(work, rows, covered, plan, texts)
    merge_segments(work)
    return notices


def merge_segments(work: IndexJob, *, all_of_them: bool = False) -> None:
    """Merge neighbouring small segments; all into the first where they outweigh it, or ``all_of_them`` are to be.

    What is dead is dropped on the way. The old segments stay until the manifest names the new one.
    """
    dead = Snapshot(work.writer.root, work.writer.manifest).deleted_ids
    rows = work.rows()
    first, *later = work.entries
    indexed = first.rows + sum(entry.rows for entry in later)
    outweighed = sum(entry.rows for entry in later) > first.rows or indexed > 2 * rows.live_count
    if outweighed or (all_of_them and (later or indexed > rows.live_count)):
        _merge_all(work, dead)
        return
    while due := merges_due(work.entries[1:]):
        for entries in due:
            learned = index_io.read(work.stem(first).with_suffix(_LEARNED), mapped=False)
            merged = merge(learned, [_faiss(work, e) for e in entries], dead, whole=False)
            facts = _newest_facts(work, entries)
            files = {".faiss": lambda sink, made=merged: index_io.write_segment(made, sink)}
            _publish(work, entries, files, facts, int(merged.ntotal))


def drop_index(writer: Writer, space: str, modality: Modality) -> None:
    """Name no index of a modality any more."""
    kept = tuple(i for i in writer.manifest.indexes if (i.space, i.modality) != (space, modality))
    if kept != writer.manifest.indexes:
        writer.publish(replace(writer.manifest, indexes=kept))


def _build(work: IndexJob, rows: Rows, plan: Plan, texts: Texts, why: Notice | None = None) -> list[Notice]:
    vectors, ids = work.vectors(rows)
    asked = texts()
    fits = fitted(plan, vectors, asked)
    target = work.writer.manifest.settings.recall
    approximate, calibration = train_and_calibrate(
        vectors, ids, fits, text_queries=asked, recall=target, threads=work.threads
    )
    facts: dict[str, Any] = {"plan": fits.to_json(), "calibration": calibration.to_json(), "measured_rows": len(rows)}
    files: dict[str, Any] = {".faiss": approximate.save}
    if approximate.extends:
        files[_LEARNED] = approximate.save_trained
        facts["far"] = Drift.of(approximate.faiss_index, vectors).far
        if asked is not None:
            files[_TEXTS] = lambda sink: np.save(sink, np.asarray(asked, np.float16))
    _publish(work, work.entries, files, facts, len(rows), covers_to=int(rows.ids[-1]))
    return ([why] if why else []) + _recall_notice(work, calibration, target)


def _recall_notice(work: IndexJob, calibration: Calibration, target: float) -> list[Notice]:
    return [] if calibration.reached else [index_below_recall(work.modality, target, calibration.recall)]


def _extend(work: IndexJob, rows: Rows, covered: int, plan: Plan, texts: Texts) -> list[Notice]:
    """Encode the rows that no segment covers into a new one; measure again, or train anew, where that is due."""
    first, *later = work.entries
    base = read_index_facts(work.writer.root, first)
    learned = index_io.read(work.stem(first).with_suffix(_LEARNED), mapped=False)
    vectors, ids = work.vectors(rows, covered)
    far = Drift(base["far"]).share(learned, vectors)
    segment = encode(learned, vectors, ids, threads=work.threads)
    facts: dict[str, Any] = {"plan": base["plan"], "rows": len(ids), "far_share": far}
    notices: list[Notice] = []
    last = measured(work.writer.root, work.entries)
    drifted = far > FAR_SHARE and len(ids) > 0.02 * len(rows)
    if drifted or len(rows) > MEASURE_GROWTH * last["measured_rows"]:
        path = work.stem(first).with_suffix(".faiss")
        whole = ApproximateIndex.load(path, [_faiss(work, entry) for entry in later])
        whole.attach(segment)
        new, old = _measured_again(work, rows, whole), Calibration.from_json(base["calibration"])
        outgrown = len(rows) > TRAINED_GROWTH * base["measured_rows"]
        if outgrown or (old.reached and not new.reached):
            values = {"rows": len(rows), "trained_for": base["measured_rows"], "far_share": None if outgrown else far}
            why = Notice(NoticeKind.INDEX_TRAINED_ANEW, {"modality": work.modality, **values})
            return _build(work, rows, plan, texts, why)
        facts |= {"calibration": new.to_json(), "measured_rows": len(rows)}
        if drifted:
            values = {"modality": work.modality, "far_share": far, "recall": dict(new.recall)}
            notices = [Notice(NoticeKind.INDEX_MEASURED_ANEW, values)]
    files = {".faiss": lambda sink: index_io.write_segment(segment, sink)}
    _publish(work, [], files, facts, len(ids), covers_to=int(ids[-1]))
    return notices


def _measured_again(work: IndexJob, rows: Rows, whole: ApproximateIndex) -> Calibration:
    """Recall of all segments together, on the texts that the index was built with and rows of today."""
    vectors, ids = work.vectors(rows)
    path = work.stem(work.entries[0]).with_suffix(_TEXTS)
    texts = np.load(path, allow_pickle=False).astype(np.float32) if path.exists() else None
    target = work.writer.manifest.settings.recall
    queries = calibration_queries(vectors, texts)
    return calibrate(whole, vectors, ids, queries, target=target, threads=work.threads)


def _merge_all(work: IndexJob, dead: NDArray[np.int64]) -> None:
    entries = work.entries
    stem = work.stem(entries[0])
    index = index_io.read(stem.with_suffix(".faiss"), mapped=False)
    merged = merge(index, [_faiss(work, entry) for entry in entries[1:]], dead, whole=True)
    files: dict[str, Any] = {".faiss": lambda sink: index_io.write(merged, sink)}
    for ending in (_LEARNED, _TEXTS):
        if ending in entries[0].checksums:
            files[ending] = lambda sink, kept=ending: sink.write(stem.with_suffix(kept).read_bytes())
    base = read_index_facts(work.writer.root, entries[0])
    facts = {**base, **_newest_facts(work, entries), "far": base["far"]}
    _publish(work, entries, files, facts, int(ivf_of(merged).ntotal))


def _newest_facts(work: IndexJob, entries: Sequence[IndexEntry]) -> dict[str, Any]:
    """Facts of merged segments: of the newest, with the newest calibration among them, and the far share of all."""
    told = [read_index_facts(work.writer.root, entry) for entry in entries]
    facts = {**told[-1], "rows": sum(entry.rows for entry in entries)}
    for one in told:
        facts |= {key: one[key] for key in ("calibration", "measured_rows") if key in one}
    shares = [(entry.rows, one["far_share"]) for entry, one in zip(entries, told, strict=True) if "far_share" in one]
    if shares:
        facts["far_share"] = sum(rows * share for rows, share in shares) / max(sum(rows for rows, _ in shares), 1)
    return facts


def _publish(
    work: IndexJob,
    replaced: Sequence[IndexEntry],
    files: dict[str, Any],
    facts: dict[str, Any],
    rows: int,
    *,
    covers_to: int | None = None,
) -> None:
    """Write a segment's files and let the manifest name it in the place of ``replaced``."""
    writer = work.writer
    stem, manifest = writer.new_path(writer.manifest, f"indexes/{work.space.key}/{work.modality}", "")
    checksums = {}
    about = {**facts, "format": FORMAT_VERSION, "space": work.space.to_json()}
    writes = {**files, ".json": lambda sink: sink.write((json.dumps(about, indent=1) + "\n").encode())}
    for ending, write in writes.items():
        path = writer.root / f"{stem}{ending}"
        with durable_file(path) as sink:
            write(sink)
        checksums[ending] = file_checksum(path)
    end = max(entry.covers_to for entry in replaced) if covers_to is None else covers_to
    entry = IndexEntry(stem, work.space.key, work.modality, rows, end, _requested(manifest), checksums)
    gone = {one.path for one in replaced}
    kept = [one for one in manifest.indexes if one.path not in gone]
    ordered = sorted([*kept, entry], key=lambda one: (one.space, one.modality, one.covers_to))
    writer.publish(replace(manifest, indexes=tuple(ordered)))


def _faiss(work: IndexJob, entry: IndexEntry) -> Path:
    return work.stem(entry).with_suffix(".faiss")


def _requested(manifest: Manifest) -> str:
    """What an index was built for: another request or recall target makes it stale."""
    return f"{manifest.settings.index} recall {manifest.settings.recall:g}"
