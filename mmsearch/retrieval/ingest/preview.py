"""A dry run: what an indexing run would do, judged by names, times and first bytes; nothing is decoded or written."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.decoding import open_decoder
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.options import Check, IngestOptions
from mmsearch.retrieval.ingest.pipeline_result import PipelineResult
from mmsearch.retrieval.ingest.run import PlannedRun, decode_spec, make_report, plan_run
from mmsearch.retrieval.media.workers.jobs import Decoded, Job
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import FileNote, Report


def preview(
    snapshot: Snapshot, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions, watch: Watcher
) -> Report:
    """The report of a run over ``paths``, as far as it is known without decoding a file.

    ``indexed`` counts the files that would be read and embedded; some of them may turn out to be damaged, empty, moved
    or copied. ``skipped`` lists, with reasons, what would be skipped: links, what cannot be read, files of a kind that
    is not read or not asked for, and files that an earlier run skipped. ``marked`` lists the files that have rows and
    would be embedded again. Of new and changed files the first bytes are read, in the decoding workers.

    Raises:
        UsageError: a path does not exist and no file under it is stored.
    """
    start = time.perf_counter()
    clock = Stopwatch()
    watch(Progress("scan"))
    with clock.timing("scan"):
        run = plan_run(snapshot, routing, paths, options)
    result = PipelineResult(moved=len(run.plan.renamed), removed=len(run.plan.deleted))
    if run.plan.to_read:
        with clock.timing("decode"):
            _sniff_files(run, routing, options, result, watch)
    return make_report(run.plan, result, clock, time.perf_counter() - start)


def _sniff_files(
    run: PlannedRun, routing: ModelRouting, options: IngestOptions, result: PipelineResult, watch: Watcher
) -> None:
    """Add to ``result`` which of the files to read would be embedded, and which skipped, by their first bytes."""
    found = {file.path: file for file in run.plan.to_read}
    total, done = len(found), 0
    with open_decoder(decode_spec(routing, options), options) as decoder:
        for item in decoder.map(Job(file.path, file.named, sniff_only=True) for file in found.values()):
            if not isinstance(item, Decoded):
                continue
            done += 1
            path = os.fsdecode(item.path)
            if item.outcome != "skipped":
                result.indexed += 1
                if note := _note_on_stored_file(found[item.path], run, options.check):
                    result.marked.append(note)
            elif item.path in run.plan.in_other_spaces:
                result.unchanged += 1
            else:
                result.skipped.append(FileNote(path, item.reason or "cannot be read", hint=item.hint))
            watch(Progress("decode", done, total, path=path))
    for notes in (result.skipped, result.marked):
        notes.sort(key=lambda note: note.path)


def _note_on_stored_file(found: FoundFile, run: PlannedRun, check: Check) -> FileNote | None:
    """Why a file that has rows would be embedded again; None if it has no rows, or if only its content can tell."""
    stored = run.stored.get(found.path)
    if stored is None:
        return None
    path = os.fsdecode(found.path)
    if not run.stored.is_unchanged(found, by_ctime=check == "times"):
        return FileNote(path, "changed since it was indexed", kind="again")
    if not run.stored.is_complete(stored):
        return FileNote(path, "some of its rows are missing", kind="again")
    return None
