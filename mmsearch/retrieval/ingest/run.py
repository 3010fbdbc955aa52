"""One indexing run from paths to a report: scan, diff, pipeline, then shards, samples and indexes put in order."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.ingest.choices import removed_paths, roots_of, with_roots
from mmsearch.retrieval.ingest.diff import Plan, make_plan
from mmsearch.retrieval.ingest.embed import MAX_BATCH
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.known import KnownFiles
from mmsearch.retrieval.ingest.pipeline import Outcome, run_pipeline
from mmsearch.retrieval.ingest.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.ingest.serving import Serving
from mmsearch.retrieval.media.recipe import HOP_S, MAX_SPAN_S, WINDOW_S
from mmsearch.retrieval.media.sandbox import Decoder
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.upkeep import maintain
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import Modality, Report, modalities_named, printable


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How a run goes about its work; see ``mmsearch index --help``.

    ``memory`` bounds, in bytes, what building an index may hold, and ``threads`` what it may use; ``batch`` the
    pictures, frames or passages embedded at once; ``workers`` the decoding processes. Sound is embedded in windows of
    ``window`` seconds, one every ``hop``. ``exclude`` is kept for later runs; ``lift`` takes back what was kept of it,
    and removals: patterns and paths, or ``all``.
    """

    only: tuple[Modality, ...] = ()
    exclude: tuple[str, ...] = ()
    lift: tuple[str, ...] = ()
    hidden: bool = False
    follow_links: bool = False
    text_column: str | None = None
    workers: int | None = None
    batch: int | None = None
    memory: int | None = None
    threads: int | None = None
    prune_missing: bool = False
    window: float = WINDOW_S
    hop: float = HOP_S

    def __post_init__(self) -> None:
        for name in ("workers", "batch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name} must be at least 1, not {value}")
        if not 0 < self.window <= MAX_SPAN_S:
            raise UsageError(f"--window must lie above 0 and at most at {MAX_SPAN_S:g} seconds, not {self.window:g}")
        if not 0 < self.hop <= self.window:
            raise UsageError(f"--hop must lie above 0 and at most at the window's {self.window:g} s, not {self.hop:g}")
        modalities_named(self.only)


def scan_and_plan(
    snapshot: Snapshot, serving: Serving, paths: Sequence[bytes], options: IngestOptions
) -> tuple[KnownFiles, Plan]:
    """What the collection knows, and what a run over ``paths`` would do."""
    filled = [encoder.space.key for encoder in serving.encoders]
    known = KnownFiles(snapshot, filled)
    manifest = snapshot.manifest
    others = [key for key in manifest.in_use if key not in filled and manifest.spaces[key].has_model]
    scan = Scan(
        paths, manifest.excludes, options.hidden, options.follow_links, roots_of(manifest), removed_paths(manifest)
    )
    plan = make_plan(
        scan,
        known,
        elsewhere=KnownFiles(snapshot, others) if others else None,
        kinds=serving.recipe().kinds,
        prune_missing=options.prune_missing,
    )
    plan.notices += [
        f"nothing matched the exclude pattern {printable(pattern)}"
        for pattern in options.exclude
        if set(checked_patterns([pattern], [*paths, *roots_of(manifest)])) <= set(scan.unmatched)
    ]
    return known, plan


def preview(snapshot: Snapshot, serving: Serving, paths: Sequence[bytes], options: IngestOptions) -> Report:
    """The report of a run that reads no file: ``indexed`` counts what would be opened."""
    start = time.perf_counter()
    _, plan = scan_and_plan(snapshot, serving, paths, options)
    outcome = Outcome(indexed=len(plan.todo), moved=len(plan.renamed), removed=len(plan.vanished))
    return _report(plan, outcome, Stopwatch(), start)


def ingest(writer: Writer, serving: Serving, paths: Sequence[bytes], options: IngestOptions, watch: Watcher) -> Report:
    """Bring the rows of the encoders' spaces up to date with what lies under ``paths``."""
    start = time.perf_counter()
    clock = Stopwatch()
    watch(Progress("scan"))
    with clock.timing("scan"):
        snapshot = Snapshot(writer.root, writer.manifest)
        known, plan = scan_and_plan(snapshot, serving, paths, options)
    _remember(writer, serving, paths, options)
    outcome = Outcome()
    if plan.todo or plan.renamed or plan.vanished:
        with _decoder(serving, options) as decoder:
            outcome = run_pipeline(
                plan,
                writer,
                serving,
                known,
                decoder,
                batch=options.batch,
                text_column=options.text_column,
                clock=clock,
                watch=watch,
            )
    if not outcome.interrupted:
        if options.prune_missing:
            _drop_missing_roots(writer, paths)
        watch(Progress("index"))
        with clock.timing("index"):
            for encoder in serving.encoders:
                embed = encoder.encode_texts if isinstance(encoder, TextEncoder) else None
                outcome.notices += maintain(
                    writer, encoder.space, memory=options.memory, threads=options.threads, embed=embed
                )
    return _report(plan, outcome, clock, start)


def _decoder(serving: Serving, options: IngestOptions) -> Decoder:
    workers = options.workers or os.cpu_count() or 1
    slots = (options.batch or MAX_BATCH) + 2 * workers
    return Decoder(workers, serving.recipe(options.only, options.window, options.hop), slots)


def _remember(writer: Writer, serving: Serving, paths: Sequence[bytes], options: IngestOptions) -> None:
    """Note which roots the collection is made of, so that a change of model can find them all again."""
    roots = with_roots(writer.manifest, paths, options.hidden)
    spaces = {encoder.space.key: encoder.space for encoder in serving.encoders}
    if roots != writer.manifest.roots or not spaces.keys() <= writer.manifest.spaces.keys():
        writer.publish(
            replace(
                writer.manifest,
                roots=roots,
                spaces={**writer.manifest.spaces, **spaces},
                current=writer.manifest.current or serving.encoders[0].space.key,
            )
        )


def _drop_missing_roots(writer: Writer, paths: Sequence[bytes]) -> None:
    """What lay under them was forgotten; nothing needs to wait for them any more."""
    gone = {os.fsdecode(path) for path in paths if not os.path.exists(path)}
    if gone & set(writer.manifest.roots):
        kept = tuple(root for root in writer.manifest.roots if root not in gone)
        writer.publish(replace(writer.manifest, roots=kept))


def _report(plan: Plan, outcome: Outcome, clock: Stopwatch, start: float) -> Report:
    return Report(
        found=plan.found,
        indexed=outcome.indexed,
        unchanged=plan.unchanged + outcome.unchanged,
        moved=outcome.moved,
        removed=outcome.removed,
        rows=outcome.rows,
        skipped=(*plan.skipped, *outcome.skipped),
        marked=tuple(outcome.marked),
        kept=tuple(plan.kept),
        passed_over=plan.passed_over,
        notices=(*plan.notices, *outcome.notices),
        interrupted=outcome.interrupted,
        seconds=time.perf_counter() - start,
        stages=dict(clock.seconds),
    )
