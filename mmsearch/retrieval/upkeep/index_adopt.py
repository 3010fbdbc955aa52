"""An index whose rows others have encoded: trained once on a sample, encoded wherever the rows are made, then adopted.

`train_for` writes the trained index, which is handed to every worker. Each encodes the shard that it has made
(`index_tasks.encode_shard`); nobody needs the collection for it. Whoever commits the shards then adopts the segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import file_checksum
from mmsearch.errors import CollectionDamagedError, UsageError
from mmsearch.indexes import (
    Drift,
    IndexPlan,
    RowsOfFile,
    StoredVectors,
    choose_code_length,
    plan_index,
    train_index,
)
from mmsearch.notices import Notice
from mmsearch.retrieval.store.manifest import IndexSettings
from mmsearch.retrieval.upkeep.index_builder import publish_ranges
from mmsearch.retrieval.upkeep.index_files import IndexFacts, read_index_facts
from mmsearch.retrieval.upkeep.index_job import INDEX, TRAINED, IndexJob, NewSegment, Write, publish
from mmsearch.retrieval.upkeep.index_parts import PartMaker, unfinished_files

NO_ROWS = np.empty(0, np.int64)


def train_for(
    rows: int,
    sample: NDArray[np.float16],
    target: Path,
    *,
    settings: IndexSettings | None = None,
    text_queries: NDArray[np.float32] | None = None,
    memory: int | None = None,
    threads: int | None = None,
) -> IndexPlan:
    """Train the index of so many ``rows`` that are still to be made, and write it to ``target``.

    Args:
        rows: how many there will be.
        sample: some of them, drawn at random: unit vectors float16 ``[n, dim]``. More than `IndexPlan.train_rows` are
            not used.
        target: the new file, which every worker gets.
        settings: what index is asked for; default that of a new collection.
        text_queries: as for `mmsearch.indexes.build_index`; the same ones are given to `adopt_segments`.
        memory: bytes for training and codes; default a quarter of the free memory.
        threads: at most; default one for each processor.

    Returns:
        The plan, for `adopt_segments`; it can be stored as JSON.

    Raises:
        UsageError: so few rows are searched without an index, or with one that cannot be encoded in parts.
    """
    asked = settings or IndexSettings()
    planner = partial(
        plan_index, rows, sample.shape[1], requested=asked.index, memory_bytes=memory, recall=asked.recall
    )
    vectors = StoredVectors([sample], sample.shape[1])
    plan = choose_code_length(planner, vectors, text_queries)
    if not plan.has_lists:
        raise UsageError(f"{rows:,} rows need no index that is encoded in parts: {plan.reason}")
    chosen = vectors.sample_float32(np.arange(0, len(sample), max(1, len(sample) // plan.train_rows)))
    train_index(chosen[: plan.train_rows], plan, text_queries=text_queries, threads=threads).save(target)
    return plan


def adopt_segments(
    job: IndexJob,
    trained: Path,
    plan: IndexPlan,
    segments: Sequence[RowsOfFile],
    *,
    text_queries: NDArray[np.float32] | None = None,
) -> list[Notice]:
    """Merge segments that were encoded elsewhere, and publish them as the index, or as its next segment.

    The shards are committed before, and the segments together hold the rows that no segment covers yet. ``shift`` of a
    segment is by how much the ids of its rows are greater now than they were in its shard.

    Raises:
        UsageError: the collection has an index that was trained otherwise.
        CollectionDamagedError: the segments hold other rows than there are to cover, or cannot be read.
    """
    rows = job.rows()
    entries = job.entries
    if entries and entries[0].checksums.get(TRAINED) != file_checksum(trained):
        raise UsageError(f"the index of {job.modality} in {job.root} was not trained by {trained}")
    covered = int(np.searchsorted(rows.ids, entries[-1].covers_to, side="right")) if entries else 0
    with unfinished_files(job.folder) as unfinished:
        maker = PartMaker(trained, job.parallel, unfinished)
        ranges = maker.merge(segments, NO_ROWS)
        count = maker.list_files.count(ranges)
        if count != len(rows) - covered:
            raise CollectionDamagedError(
                f"the segments hold {count:,} rows, and {len(rows) - covered:,} rows of {job.root} are in no index"
            )
        if not count:
            return []
        vectors, ids = job.vectors(rows, covered)
        if not maker.list_files.holds(ranges, ids):
            raise CollectionDamagedError(f"the segments hold other ids than the rows of {job.root} have")
        if entries:
            first = read_index_facts(job.root, entries[0])
            drift = Drift(first.distant_threshold or 0.0)
            share = drift.distant_share(job.load_trained(), vectors)
            facts = IndexFacts(job.space, first.plan, rows=count, distant_share=share)
            files: dict[str, Write] = {INDEX: partial(maker.list_files.join, ranges, whole=False)}
            publish(job, NewSegment(files, facts, count, int(ids[-1])))
            return []
        return publish_ranges(job, plan, trained, ranges, unfinished, text_queries)
