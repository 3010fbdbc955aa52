"""One indexing run from paths to a report: scan, diff, pipeline, then shards, samples and indexes put in order."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.machine import usable_cpus
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.completeness import CutOptions
from mmsearch.retrieval.ingest.embedder import MAX_BATCH
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.mounts import mounts_above
from mmsearch.retrieval.ingest.pipeline import Outcome, run_pipeline
from mmsearch.retrieval.ingest.plan import CHECKS, Check, IngestPlan, make_plan
from mmsearch.retrieval.ingest.scan import Scan, lies_under
from mmsearch.retrieval.ingest.scope import removed_paths, roots_of, with_roots
from mmsearch.retrieval.ingest.skip_memory import SkipMemory, reader_of
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.media.decode_spec import HOP_S, MAX_SPAN_S, WINDOW_S
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import Modality, Report, modalities_named, printable


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How a run goes about its work; see ``mmsearch index --help``.

    ``memory`` bounds, in bytes, what building an index may hold, and ``threads`` what it may use; ``batch`` the
    pictures, frames or passages embedded at once; ``workers`` the decoding processes. Sound is embedded in windows of
    ``window`` seconds, one every ``hop``. ``exclude`` is kept for later runs; ``lift`` takes back what was kept of it,
    and removals: patterns and paths, or ``all``. ``check`` says what tells that a file has not changed: its *times*,
    its modification time alone (*mtime*), or its *content*, which is read. ``retry_skipped``: open files again that
    were skipped before and have not changed.
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
    check: Check = "times"
    retry_skipped: bool = False
    window: float = WINDOW_S
    hop: float = HOP_S

    def __post_init__(self) -> None:
        for name in ("workers", "batch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}", hint=Hint(HintKind.CHANGE_ARGUMENT, name))
        if self.check not in CHECKS:
            raise UsageError(f"check must be one of {', '.join(CHECKS)}, not {self.check!r}")
        if not 0 < self.window <= MAX_SPAN_S:
            raise UsageError(
                f"window must lie above 0 and at most at {MAX_SPAN_S:g} seconds, not {self.window:g}",
                hint=Hint(HintKind.CHANGE_ARGUMENT, "window"),
            )
        if not 0 < self.hop <= self.window:
            raise UsageError(
                f"hop must lie above 0 and at most at the window's {self.window:g} s, not {self.hop:g}",
                hint=Hint(HintKind.CHANGE_ARGUMENT, "hop"),
            )
        modalities_named(self.only)

    @property
    def wanted(self) -> CutOptions:
        """What is made of files."""
        return CutOptions(self.window, self.hop, self.text_column)


def scan_and_plan(
    snapshot: Snapshot, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions, skips: SkipMemory
) -> tuple[StoredFiles, IngestPlan]:
    """What the collection knows, and what a run over ``paths`` would do."""
    filled = [encoder.space.key for encoder in routing.encoders]
    known = StoredFiles(snapshot, filled, {modality: space.key for modality, space in routing.spaces().items()})
    manifest = snapshot.manifest
    others = [key for key in manifest.searched_spaces if key not in filled and manifest.spaces[key].has_model]
    scan = Scan(
        paths, manifest.excludes, options.hidden, options.follow_links, roots_of(manifest), removed_paths(manifest)
    )
    plan = make_plan(
        scan,
        known,
        elsewhere=StoredFiles(snapshot, others) if others else None,
        kinds=routing.recipe().kinds,
        prune_missing=options.prune_missing,
        check=options.check,
        mounts=_mounts(manifest),
        skips=skips,
    )
    plan.notices += [
        Notice(NoticeKind.EXCLUDE_UNMATCHED, {"pattern": printable(pattern)})
        for pattern in options.exclude
        if set(checked_patterns([pattern], [*paths, *roots_of(manifest)])) <= set(scan.unmatched)
    ]
    return known, plan


def _skip_memory(snapshot: Snapshot, routing: ModelRouting, options: IngestOptions) -> SkipMemory:
    recipe = routing.recipe(options.only, options.window, options.hop)
    reader = reader_of(recipe, [encoder.space.key for encoder in routing.encoders], options.text_column)
    return SkipMemory(snapshot.root, snapshot.manifest, reader, retry=options.retry_skipped)


def preview(snapshot: Snapshot, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions) -> Report:
    """The report of a run that reads no file: ``indexed`` counts what would be opened."""
    start = time.perf_counter()
    _, plan = scan_and_plan(snapshot, routing, paths, options, _skip_memory(snapshot, routing, options))
    outcome = Outcome(indexed=len(plan.todo), moved=len(plan.renamed), removed=len(plan.vanished))
    return _report(plan, outcome, Stopwatch(), start)


def ingest(
    writer: Writer, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions, watch: Watcher
) -> Report:
    """Bring the rows of the encoders' spaces up to date with what lies under ``paths``."""
    start = time.perf_counter()
    clock = Stopwatch()
    watch(Progress("scan"))
    with clock.timing("scan"):
        snapshot = Snapshot(writer.root, writer.manifest)
        skips = _skip_memory(snapshot, routing, options)
        known, plan = scan_and_plan(snapshot, routing, paths, options, skips)
    _remember(writer, routing, paths, options)
    _note_mounts(writer, plan, known, paths)
    outcome = Outcome()
    if plan.todo or plan.renamed or plan.vanished:
        with _decoder(routing, options) as decoder:
            outcome = run_pipeline(
                plan,
                writer,
                routing,
                known,
                decoder,
                batch=options.batch,
                wanted=options.wanted,
                skips=skips,
                clock=clock,
                watch=watch,
            )
    skips.save(writer, lambda path: _is_out_of_sight(path, plan, paths))
    if not outcome.interrupted:
        if options.prune_missing:
            _drop_missing_roots(writer, paths)
        _drop_moved_roots(writer, plan, known)
        watch(Progress("index"))
        with clock.timing("index"):
            for encoder in routing.encoders:
                embed = encoder.encode_texts if isinstance(encoder, TextEncoder) else None
                outcome.notices += maintain(
                    writer, encoder.space, memory=options.memory, threads=options.threads, embed=embed
                )
    return _report(plan, outcome, clock, start)


def _decoder(routing: ModelRouting, options: IngestOptions) -> Decoder:
    workers = options.workers or usable_cpus()
    slots = (options.batch or MAX_BATCH) + 2 * workers
    return Decoder(workers, routing.recipe(options.only, options.window, options.hop), slots)


def _remember(writer: Writer, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions) -> None:
    """Note which roots the collection is made of, so that a change of model can find them all again."""
    roots = with_roots(writer.manifest, paths, options.hidden)
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
    """What lay under them was forgotten; nothing needs to wait for them any more."""
    gone = {os.fsdecode(path) for path in paths if not os.path.exists(path)}
    if gone & set(writer.manifest.roots):
        kept = tuple(root for root in writer.manifest.roots if root not in gone)
        writer.publish(replace(writer.manifest, roots=kept))


def _drop_moved_roots(writer: Writer, plan: IngestPlan, known: StoredFiles) -> None:
    """A root that is gone and whose files were all found elsewhere is a root no more."""
    roots = [os.fsencode(root) for root in writer.manifest.roots]
    left = [root for root in roots if any(lies_under(path, root) for path in plan.taken) and not os.path.lexists(root)]
    moved = {root for root in left if all(file.path in plan.taken for file in known.under([root]))}
    if moved:
        writer.publish(replace(writer.manifest, roots=tuple(os.fsdecode(r) for r in roots if r not in moved)))


def _note_mounts(writer: Writer, plan: IngestPlan, known: StoredFiles, paths: Sequence[bytes]) -> None:
    """Note the disks that files lie on now. Those whose files are kept stay noted as they were."""
    before = _mounts(writer.manifest)
    folders = {os.path.dirname(path) for path in plan.seen}
    if before is None:
        folders |= {os.path.dirname(path) for path in known.by_path}
    kept = [kept.folder for kept in plan.absent]
    away = {m for folder in kept for m in before or () if lies_under(m, folder) or lies_under(folder, m)}
    now = {m: i for m, i in mounts_above(folders).items() if not any(lies_under(m, folder) for folder in kept)}
    seen = {m for m in before or () if any(lies_under(m, path) or lies_under(path, m) for path in paths)}
    stay = {m: i for m, i in (before or {}).items() if m in away or m not in seen}
    noted = {os.fsdecode(mount): identity for mount, identity in sorted((now | stay).items())}
    if noted != writer.manifest.mounts:
        writer.publish(replace(writer.manifest, mounts=noted))


def _mounts(manifest: Manifest) -> dict[bytes, str] | None:
    noted = manifest.mounts
    return None if noted is None else {os.fsencode(mount): identity for mount, identity in noted.items()}


def _is_out_of_sight(path: bytes, plan: IngestPlan, paths: Sequence[bytes]) -> bool:
    """Whether a run over ``paths`` says nothing of a file: it lies elsewhere, or where everything is kept."""
    if path in plan.seen:
        return False
    return not any(lies_under(path, top) for top in paths) or any(lies_under(path, k.folder) for k in plan.absent)


def _report(plan: IngestPlan, outcome: Outcome, clock: Stopwatch, start: float) -> Report:
    return Report(
        found=plan.found,
        indexed=outcome.indexed,
        unchanged=plan.unchanged + outcome.unchanged,
        moved=outcome.moved,
        removed=outcome.removed,
        rows=outcome.rows,
        skipped=(*plan.skipped, *outcome.skipped, *plan.remembered),
        marked=tuple(outcome.marked),
        kept=plan.kept,
        passed_over=plan.passed_over,
        notices=(*plan.notices, *outcome.notices),
        interrupted=outcome.interrupted,
        seconds=time.perf_counter() - start,
        stages=dict(clock.seconds),
    )
