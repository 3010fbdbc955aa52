"""Ingesting files: a scan of the paths, a plan of what to do, the pipeline that does it, and a report."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.expected_rows import CutOptions
from mmsearch.retrieval.ingest.mounts import mounts_above
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.pipeline_result import PipelineResult
from mmsearch.retrieval.ingest.plan import IngestPlan, make_plan
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.ingest.scope import removed_paths, roots_of, with_roots
from mmsearch.retrieval.ingest.skip_memory import SkipMemory, decoder_digest
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.paths import absolute, lies_under, lies_under_any, on_disk
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import Report, printable


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that has been planned: the files with rows, the files skipped before, and the plan.

    ``paths``: what it looks at, with all that lies under it. ``folders``: those that files were found in.
    """

    paths: Sequence[bytes]
    stored: StoredFiles
    skips: SkipMemory
    plan: IngestPlan
    folders: Set[bytes]


def ingest(
    writer: Writer, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions, watch: Watcher
) -> Report:
    """Bring the rows of the models' spaces up to date with the files under ``paths``; indexes stay as they are.

    Ctrl-C ends the run early: all that was embedded is committed, and the report says ``interrupted``.

    Raises:
        UsageError: a path does not exist and no file under it is stored.
    """
    start = time.perf_counter()
    clock = Stopwatch()
    watch(Progress("scan"))
    with clock.timing("scan"):
        run = plan_run(Snapshot(writer.root, writer.manifest), routing, paths, options)
    note_roots(writer, routing, paths, hidden=options.hidden)
    _note_mounts(writer, run)
    result = PipelineResult()
    if run.plan.has_work:
        from mmsearch.retrieval.ingest.decoding import open_decoder
        from mmsearch.retrieval.ingest.pipeline import PipelineJob, run_pipeline

        cut = cut_options(routing, options)
        job = PipelineJob(
            run.plan, writer, routing, run.stored, run.skips, cut, options.batch, clock=clock, watch=watch
        )
        with open_decoder(decode_spec(routing, options), options) as decoder:
            result = run_pipeline(job, decoder)
    run.skips.save(writer, lambda path: _was_out_of_reach(path, run))
    if not result.interrupted:
        if options.prune_missing:
            _drop_missing_roots(writer, paths)
        _drop_moved_roots(writer, run)
    return make_report(run.plan, result, clock, time.perf_counter() - start)


def plan_run(snapshot: Snapshot, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions) -> PlannedRun:
    """Scan ``paths`` and plan what a run over them has to do.

    Raises:
        UsageError: a path does not exist and no file under it is stored.
    """
    manifest = snapshot.manifest
    filled = [encoder.space.key for encoder in routing.encoders]
    space_by_modality = {modality: space.key for modality, space in routing.spaces().items()}
    stored = StoredFiles(snapshot, filled, space_by_modality, cut_options(routing, options))
    spec = decode_spec(routing, options)
    others = [key for key in manifest.searched_spaces if key not in filled and manifest.spaces[key].has_model]

    def digest() -> str:
        return decoder_digest(spec, filled, options.text_column)

    skips = SkipMemory(snapshot.root, manifest, digest, retry=options.retry_skipped)
    scan = _scan(manifest, paths, options)
    plan = make_plan(
        scan,
        stored,
        stored_elsewhere=StoredFiles(snapshot, others) if others else None,
        kinds=routing.decode_spec().kinds,
        prune_missing=options.prune_missing,
        check=options.check,
        mounts=_noted_mounts(manifest),
        skips=skips,
    )
    plan.notices += [
        Notice(NoticeKind.EXCLUDE_UNMATCHED, {"pattern": printable(pattern)})
        for pattern in options.exclude
        if set(checked_patterns([pattern], [*paths, *roots_of(manifest)])) <= set(scan.unmatched)
    ]
    return PlannedRun(scan.scope, stored, skips, plan, scan.folders)


def _scan(manifest: Manifest, paths: Sequence[bytes], options: IngestOptions) -> Scan:
    """The scan of a run: of all that is under the paths, or of what is said to have changed there."""
    roots, removed = roots_of(manifest), removed_paths(manifest)
    if options.changed is None:
        return Scan(paths, manifest.excludes, options.hidden, options.follow_links, roots, removed)
    from mmsearch.retrieval.ingest.changed_scan import ChangedScan

    changed = [on_disk(path) or path for path in absolute(options.changed)]
    return ChangedScan(paths, manifest.excludes, options.hidden, options.follow_links, roots, removed, changed=changed)


def decode_spec(routing: ModelRouting, options: IngestOptions) -> DecodeSpec:
    """What decoding is to make of files. Text is read in pictures only if a model embeds it."""
    spec = routing.decode_spec(options.only, options.window, options.hop)
    return replace(spec, ocr=cut_options(routing, options).ocr)


def cut_options(routing: ModelRouting, options: IngestOptions) -> CutOptions:
    """The options that decide which rows a file is cut into, for these models."""
    cut = options.cut(routing.listener)
    return cut if routing.text is not None else replace(cut, ocr="off")


def make_report(plan: IngestPlan, result: PipelineResult, clock: Stopwatch, seconds: float) -> Report:
    """The report of a run that took ``seconds`` in all."""
    return Report(
        found=plan.found,
        indexed=result.indexed,
        unchanged=plan.unchanged + result.unchanged,
        moved=result.moved,
        removed=result.removed,
        rows=result.rows,
        skipped=(*plan.skipped, *result.skipped, *plan.skipped_before),
        marked=tuple(result.marked),
        kept=plan.kept,
        passed_over=plan.passed_over,
        notices=tuple(plan.notices),
        interrupted=result.interrupted,
        seconds=seconds,
        stages=dict(clock.seconds),
    )


def note_roots(writer: Writer, routing: ModelRouting, paths: Sequence[bytes], *, hidden: bool) -> None:
    """Note the roots of the collection, so that a change of model can find all of them again."""
    roots = with_roots(writer.manifest, paths, hidden)
    spaces = {encoder.space.key: encoder.space for encoder in routing.encoders}
    if roots != writer.manifest.roots or not spaces.keys() <= writer.manifest.spaces.keys():
        writer.publish(
            replace(
                writer.manifest,
                roots=roots,
                spaces={**writer.manifest.spaces, **spaces},
                primary_space=writer.manifest.primary_space or routing.encoders[0].space.key,
            )
        )


def _drop_missing_roots(writer: Writer, paths: Sequence[bytes]) -> None:
    """Drop roots that do not exist: their rows were deleted, and a change of model need not wait for them."""
    missing = {os.fsdecode(path) for path in paths if not os.path.exists(path)}
    if missing & set(writer.manifest.roots):
        kept = tuple(root for root in writer.manifest.roots if root not in missing)
        writer.publish(replace(writer.manifest, roots=kept))


def _drop_moved_roots(writer: Writer, run: PlannedRun) -> None:
    """Drop roots that do not exist any more and whose files were all found elsewhere."""
    moved_from = run.plan.moved_from
    roots = [os.fsencode(root) for root in writer.manifest.roots]
    left = [root for root in roots if any(lies_under(path, root) for path in moved_from) and not os.path.lexists(root)]
    moved = {root for root in left if all(file.path in moved_from for file in run.stored.under([root]))}
    if moved:
        writer.publish(replace(writer.manifest, roots=tuple(os.fsdecode(r) for r in roots if r not in moved)))


def _note_mounts(writer: Writer, run: PlannedRun) -> None:
    """Note the mount points that files lie on now; those of missing disks, whose files are kept, stay noted."""
    before = _noted_mounts(writer.manifest)
    folders = set(run.folders)
    if before is None:
        folders |= {os.path.dirname(path) for path in run.stored.paths()}
    absent = [absent.folder for absent in run.plan.absent]
    missing = {m for folder in absent for m in before or () if lies_under(m, folder) or lies_under(folder, m)}
    now = {m: i for m, i in mounts_above(folders).items() if not any(lies_under(m, folder) for folder in absent)}
    scanned = {m for m in before or () if any(lies_under(m, path) or lies_under(path, m) for path in run.paths)}
    stay = {m: i for m, i in (before or {}).items() if m in missing or m not in scanned}
    noted = {os.fsdecode(mount): identity for mount, identity in sorted((now | stay).items())}
    if noted != writer.manifest.mounts:
        writer.publish(replace(writer.manifest, mounts=noted))


def _noted_mounts(manifest: Manifest) -> dict[bytes, str] | None:
    noted = manifest.mounts
    return None if noted is None else {os.fsencode(mount): identity for mount, identity in noted.items()}


def _was_out_of_reach(path: bytes, run: PlannedRun) -> bool:
    """Whether a run could not look at a file: it lies outside its paths, or in a folder that is missing."""
    if path in run.plan.seen:
        return False
    outside = not lies_under_any(path, frozenset(run.paths))
    return outside or any(lies_under(path, absent.folder) for absent in run.plan.absent)
