"""An indexing run over sources: parts that are new or have changed are embedded, and taken into the collection."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.parts.adopt import adopt_parts, parts_of, remove_parts
from mmsearch.retrieval.ingest.parts.embed_parts import PartEmbedder, PartResult
from mmsearch.retrieval.ingest.parts.part_key import part_key, recipe_of
from mmsearch.retrieval.ingest.parts.part_store import PartRecord, PartStore
from mmsearch.retrieval.ingest.run import cut_options, decode_spec
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.sources.addresses import absolute_address, archive_kind, expanded
from mmsearch.retrieval.sources.find import source_of
from mmsearch.retrieval.sources.folders import ListedFile
from mmsearch.retrieval.sources.parquet import ParquetSource
from mmsearch.retrieval.sources.protocol import Source, SourcePart
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, PassedOver, Report

_ADOPT_AFTER_S = 30.0
"""Seconds of work after which finished parts are taken into the collection, so that a search finds them."""

_MOST_SHOWN = 100


@dataclass(slots=True)
class SourceParts:
    """The parts of some sources: those to embed, and those that the collection holds already.

    Attributes:
        to_embed: the parts, each with its source and its key.
        unchanged: the parts of the collection, as rows of `adopt.PARTS_SCHEMA`.
        missing: sources that are not there, each with the reason.
    """

    to_embed: list[tuple[Source, SourcePart, str]] = field(default_factory=list)
    unchanged: list[dict[str, object]] = field(default_factory=list)
    missing: list[FileNote] = field(default_factory=list)


def is_source(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a source of its own, not a file or folder that a scan reads.

    So do addresses of object stores, archives, Parquet files that hold pictures or sounds or name them, and all with
    ranges in braces that no file is named by.
    """
    text = os.fsdecode(os.fspath(path))
    if is_remote(text):
        return True
    address = absolute_address(text)
    if not os.path.lexists(address):
        return len(expanded(address)) > 1 or "{" in address
    kind = archive_kind(address)
    if kind is None or os.path.isdir(address):
        return False
    return kind != "parquet" or ParquetSource(address).has_media()


def find_parts(
    snapshot: Snapshot, addresses: Sequence[str], routing: ModelRouting, options: IngestOptions, *, named: bool
) -> SourceParts:
    """The parts of the sources at some addresses, which may have ranges.

    Args:
        snapshot: of the collection.
        addresses: of the sources.
        routing: the models.
        options: of the run.
        named: the user has named the sources in this run, so that one that is not there is an error.

    Raises:
        UsageError, MMSearchError: a source that was named is not there or cannot be read.
    """
    found = SourceParts()
    recipe = recipe_of(routing, options)
    held = {row["key"]: row for row in parts_of(snapshot) if row["live"]}
    for address in dict.fromkeys(one for given in addresses for one in expanded(given)):
        try:
            source = open_source(address, options.text_column)
            for part in source.parts():
                key = part_key(part, recipe)
                if key in held:
                    found.unchanged.append(held[key])
                else:
                    found.to_embed.append((source, part, key))
        except MMSearchError as error:
            if named:
                raise UsageError(str(error), hint=error.hint) from error
            found.missing.append(FileNote(address, f"{error}; what was read from it stays"))
    return found


def open_source(address: str, text_column: str | None = None) -> Source:
    """The source at an address without ranges; the files of a folder are those that a scan finds in it."""
    return source_of(address, text_column, list_folder=scanned_files)


def scanned_files(folder: str) -> Iterator[ListedFile]:
    """The files that a scan finds in a folder, by its rules for what is passed over."""
    top = os.fsencode(folder)
    found: list[FoundFile] = sorted(Scan([top]).files(), key=lambda file: file.path)
    for file in found:
        yield ListedFile(os.fsdecode(os.path.relpath(file.path, top)), file.size, str(file.mtime_ns))


def embed_and_store(
    store: PartStore,
    parts: Iterable[tuple[Source, SourcePart, str]],
    routing: ModelRouting,
    options: IngestOptions,
    clock: Stopwatch,
    watch: Watcher,
) -> Iterator[tuple[PartRecord | None, PartResult]]:
    """Embed parts and store what becomes of each; its record is None where nothing of it could be read.

    Args:
        store: takes the results.
        parts: the parts, each with its source and its key.
        routing: the models.
        options: how items are read.
        clock: takes the seconds of each stage.
        watch: called with the progress.
    """
    from mmsearch.retrieval.ingest.decoding import open_decoder

    keys: dict[SourcePart, str] = {}

    def noted() -> Iterator[tuple[Source, SourcePart]]:
        for source, part, key in parts:
            keys[part] = key
            yield source, part

    with open_decoder(decode_spec(routing, options), options) as decoder:
        embedder = PartEmbedder(routing, cut_options(routing, options), decoder, clock, watch, options.batch)
        for result in embedder.embed(noted()):
            key = keys.pop(result.part)
            if result.failure is not None:
                yield None, result
                continue
            with clock.timing("write"):
                record = store.write(key, result, routing.spaces())
            yield record, result


def index_sources(
    writer: Writer,
    routing: ModelRouting,
    addresses: Sequence[str],
    options: IngestOptions,
    watch: Watcher,
    *,
    named: bool,
) -> Report:
    """Embed what is new or changed in sources; indexes stay as they are.

    Ctrl-C ends the run early: parts that are complete by then are kept.

    Args:
        writer: of the collection.
        routing: the models.
        addresses: of the sources, as `find_parts` takes them.
        options: how items are read.
        watch: called with the progress.
        named: the user has named the sources in this run.

    Raises:
        UsageError: a source is not there.
    """
    start = time.perf_counter()
    clock = Stopwatch()
    watch(Progress("scan"))
    with clock.timing("scan"):
        found = find_parts(Snapshot(writer.root, writer.manifest), addresses, routing, options, named=named)
    _note_sources(writer, addresses)
    report = _report_of_unchanged(found)
    removed = 0
    if options.prune_missing and found.missing:
        removed = remove_parts(writer, [note.path for note in found.missing])
        report = replace(report, kept=(), removed=removed)
    ready: list[PartRecord] = []
    since = time.monotonic()
    try:
        store = PartStore(str(writer.root))
        for record, result in embed_and_store(store, found.to_embed, routing, options, clock, watch):
            report = _with_result(report, result)
            if record is not None:
                ready.append(record)
            if ready and time.monotonic() - since > _ADOPT_AFTER_S:
                report = _adopt(writer, ready, report)
                ready, since = [], time.monotonic()
    except KeyboardInterrupt:
        report = replace(report, interrupted=True)
    finally:
        if ready:
            report = _adopt(writer, ready, report)
    return replace(report, seconds=time.perf_counter() - start, stages=dict(clock.seconds))


def preview_sources(
    snapshot: Snapshot, addresses: Sequence[str], routing: ModelRouting, options: IngestOptions, *, named: bool
) -> Report:
    """The report of a run that reads nothing of the parts: each that would be read counts as one.

    Raises:
        UsageError: a source that was named is not there.
    """
    found = find_parts(snapshot, addresses, routing, options, named=named)
    report = _report_of_unchanged(found)
    count = len(found.to_embed)
    marked = tuple(FileNote(str(part), "would be read") for _, part, _ in found.to_embed[:_MOST_SHOWN])
    return replace(report, found=report.found + count, indexed=count, marked=marked)


def _adopt(writer: Writer, records: Sequence[PartRecord], report: Report) -> Report:
    adopted = adopt_parts(writer, records)
    return replace(report, skipped=(*report.skipped, *adopted.refused))


def _note_sources(writer: Writer, addresses: Sequence[str]) -> None:
    sources = tuple(dict.fromkeys((*writer.manifest.sources, *addresses)))
    if sources != writer.manifest.sources:
        writer.publish(replace(writer.manifest, sources=sources))


def _report_of_unchanged(found: SourceParts) -> Report:
    items = sum(_count(row, "items") for row in found.unchanged)
    skipped = sum(_count(row, "skipped") for row in found.unchanged)
    notes: list[FileNote] = []
    if skipped:
        notes = [
            FileNote(str(row["address"]), f"{_count(row, 'skipped'):,} of its items were skipped", known=True)
            for row in found.unchanged
            if _count(row, "skipped")
        ]
    return Report(
        found=items - skipped + len(notes), unchanged=items - skipped, skipped=tuple(notes), kept=tuple(found.missing)
    )


def _count(row: dict[str, object], name: str) -> int:
    value = row[name]
    assert isinstance(value, int)
    return value


def _with_result(report: Report, result: PartResult) -> Report:
    """The report with what became of a part."""
    skipped = list(result.skipped)
    if result.failure is not None:
        skipped.append(FileNote(result.part.address, result.failure))
    passed = [PassedOver(kind, len(names), tuple(names[:3])) for kind, names in result.passed_over.items()]
    return replace(
        report,
        found=report.found + len(result.rows) + len(skipped),
        indexed=report.indexed + len(result.rows),
        rows=report.rows + result.row_count,
        skipped=(*report.skipped, *skipped),
        marked=(*report.marked, *result.marked),
        passed_over=_joined(report.passed_over, passed),
    )


def _joined(before: Sequence[PassedOver], more: Sequence[PassedOver]) -> tuple[PassedOver, ...]:
    joined = {one.kind: one for one in before}
    for one in more:
        known = joined.get(one.kind)
        joined[one.kind] = one if known is None else replace(known, count=known.count + one.count)
    return tuple(joined.values())
