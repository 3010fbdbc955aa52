"""An indexing run over sources: parts that are new or have changed are embedded, and taken into the collection."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.parts.adopt import adopt_parts, parts_of, remove_parts, spaces_held
from mmsearch.retrieval.ingest.parts.embed_parts import PartEmbedder, PartResult
from mmsearch.retrieval.ingest.parts.part_key import content_key, part_key, recipe_of
from mmsearch.retrieval.ingest.parts.part_store import PartRecord, PartStore
from mmsearch.retrieval.ingest.parts.removed_sources import drop_removed_items, with_named
from mmsearch.retrieval.ingest.run import cut_options, decode_spec
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.sources.addresses import absolute_address, archive_kind, expanded
from mmsearch.retrieval.sources.find import source_of
from mmsearch.retrieval.sources.folders import ListedFile
from mmsearch.retrieval.sources.parquet import ParquetSource
from mmsearch.retrieval.sources.protocol import Source, SourcePart
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, PassedOver, Report, counted

_ADOPT_AFTER_S = 30.0
"""Seconds of work after which finished parts are taken into the collection, so that a search finds them."""


class KeyedPart(NamedTuple):
    """A part to embed: its source, and the keys of its result (see `part_key`)."""

    source: Source
    part: SourcePart
    key: str
    content: str


@dataclass(slots=True)
class SourceParts:
    """The parts of some sources: those to embed, and those that the collection holds already.

    Attributes:
        to_embed: the parts.
        unchanged: the parts of the collection, as rows of `adopt.PARTS_SCHEMA`.
        missing: sources that are not there, each with the reason.
    """

    to_embed: list[KeyedPart] = field(default_factory=list)
    unchanged: list[dict[str, Any]] = field(default_factory=list)
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
    snapshot: Snapshot, sources: Sequence[str | Source], routing: ModelRouting, options: IngestOptions, *, named: bool
) -> SourceParts:
    """The parts of sources.

    Args:
        snapshot: of the collection.
        sources: their addresses, which may have ranges, or sources of the app's own.
        routing: the models.
        options: of the run.
        named: the user has named the sources in this run, so that one that is not there is an error.

    Raises:
        UsageError, MMSearchError: a source that was named is not there or cannot be read.
    """
    found = SourceParts()
    recipe = recipe_of(routing, options)
    parts = parts_of(snapshot)
    held = spaces_held(snapshot, parts)
    by_content: dict[str, list[dict[str, Any]]] = {}
    for row in parts:
        if row["live"]:
            by_content.setdefault(row["content"], []).append(row)
    wanted = {(modality, space.key) for modality, space in routing.spaces().items()}
    every = dict.fromkeys(one for given in sources for one in (expanded(given) if isinstance(given, str) else [given]))
    removed = set(snapshot.manifest.removed).difference(one for one in every if isinstance(one, str))
    for address in every:
        try:
            source = open_source(address, options.text_column) if isinstance(address, str) else address
            for part in source.parts():
                if part.address in removed:
                    continue
                content = content_key(part, recipe)
                if wanted <= held.get(content, set()):
                    found.unchanged.append(by_content[content][-1])
                else:
                    found.to_embed.append(KeyedPart(source, part, part_key(part, recipe), content))
        except MMSearchError as error:
            if named:
                raise UsageError(str(error), hint=error.hint) from error
            found.missing.append(FileNote(str(address), f"{error}; what was read from it stays"))
    return found


def check_sources(sources: Sequence[str | Source]) -> None:
    """Check that sources are there, before anything is made for them: of a range of addresses, the first and all files.

    Raises:
        UsageError: one is not there, or cannot be read.
    """
    for given in sources:
        addresses = expanded(given) if isinstance(given, str) else []
        for address in addresses:
            if not is_remote(address) and not os.path.exists(address):
                raise UsageError(f"there is no {address}")
        try:
            next(iter((open_source(addresses[0]) if isinstance(given, str) else given).parts()), None)
        except MMSearchError as error:
            raise UsageError(str(error), hint=error.hint) from error


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
    parts: Iterable[KeyedPart],
    routing: ModelRouting,
    options: IngestOptions,
    clock: Stopwatch,
    watch: Watcher,
) -> Iterator[tuple[PartRecord | None, PartResult]]:
    """Embed parts and store what becomes of each; its record is None where nothing of it could be read.

    Args:
        store: takes the results.
        parts: the parts.
        routing: the models.
        options: how items are read.
        clock: takes the seconds of each stage.
        watch: called with the progress.
    """
    from mmsearch.retrieval.ingest.decoding import open_decoder

    keyed: dict[SourcePart, KeyedPart] = {}

    def noted() -> Iterator[tuple[Source, SourcePart]]:
        for one in parts:
            keyed[one.part] = one
            yield one.source, one.part

    with open_decoder(decode_spec(routing, options), options) as decoder:
        embedder = PartEmbedder(routing, cut_options(routing, options), decoder, clock, watch, options.batch)
        for result in embedder.embed(noted()):
            one = keyed.pop(result.part)
            if result.failure is not None:
                yield None, result
                continue
            with clock.timing("write"):
                record = store.write(one.key, one.content, result, routing.spaces())
            yield record, result


def index_sources(
    writer: Writer,
    routing: ModelRouting,
    sources: Sequence[str | Source],
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
        sources: their addresses, as `find_parts` takes them, or sources of the app's own.
        options: how items are read.
        watch: called with the progress.
        named: the user has named the sources in this run.

    Raises:
        UsageError: a source is not there.
    """
    tally = SourceTally()
    watch(Progress("scan"))
    with tally.clock.timing("scan"):
        found = find_parts(Snapshot(writer.root, writer.manifest), sources, routing, options, named=named)
    _note_sources(writer, [source for source in sources if isinstance(source, str)])
    tally.add_unchanged(found.unchanged)
    if options.prune_missing and found.missing:
        tally.removed = remove_parts(writer, [note.path for note in found.missing])
    else:
        tally.kept += found.missing
    ready: list[PartRecord] = []
    since = time.monotonic()
    try:
        store = PartStore(shown(writer.root))
        for record, result in embed_and_store(store, found.to_embed, routing, options, tally.clock, watch):
            tally.add(result)
            if record is not None:
                ready.append(record)
            if ready and time.monotonic() - since > _ADOPT_AFTER_S:
                tally.skipped += _adopt(writer, ready)
                ready, since = [], time.monotonic()
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        if ready:
            tally.skipped += _adopt(writer, ready)
    return tally.report()


def preview_sources(
    snapshot: Snapshot, sources: Sequence[str | Source], routing: ModelRouting, options: IngestOptions, *, named: bool
) -> Report:
    """The report of a run that reads nothing of the parts: each that would be read counts as one.

    Raises:
        UsageError: a source that was named is not there.
    """
    found = find_parts(snapshot, sources, routing, options, named=named)
    tally = SourceTally()
    tally.add_unchanged(found.unchanged)
    tally.kept += found.missing
    tally.indexed = len(found.to_embed)
    tally.marked += [FileNote(str(one.part), "would be read", kind="again") for one in found.to_embed]
    return tally.report()


def _adopt(writer: Writer, records: Sequence[PartRecord]) -> tuple[FileNote, ...]:
    refused = adopt_parts(writer, records).refused
    drop_removed_items(writer)
    return refused


def _note_sources(writer: Writer, addresses: Sequence[str]) -> None:
    noted = with_named(writer.manifest, addresses)
    if noted != writer.manifest:
        writer.publish(noted)


@dataclass(slots=True)
class SourceTally:
    """What a run over sources has done so far; the fields are those of `Report`."""

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    rows: int = 0
    skipped: list[FileNote] = field(default_factory=list)
    marked: list[FileNote] = field(default_factory=list)
    kept: list[FileNote] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False
    clock: Stopwatch = field(default_factory=Stopwatch)
    _started: float = field(default_factory=time.perf_counter)

    def add_unchanged(self, parts: Iterable[dict[str, Any]]) -> None:
        """Count parts that the collection holds already, as rows of `adopt.PARTS_SCHEMA`."""
        for part in parts:
            self.unchanged += part["indexed"]
            if part["skipped"]:
                note = f"{counted(part['skipped'], 'item')} of it skipped"
                self.skipped.append(FileNote(part["address"], note, known=True))

    def add(self, result: PartResult) -> None:
        """Count what became of a part."""
        self.indexed += len(result.rows)
        self.rows += result.row_count
        self.skipped += result.skipped
        self.marked += result.marked
        if result.failure is not None:
            self.skipped.append(FileNote(str(result.part), result.failure))
        for kind, names in result.passed_over.items():
            self.passed_over.setdefault(kind, []).extend(names)

    def report(self) -> Report:
        """The report of the run."""
        return Report(
            found=self.indexed + self.unchanged + len(self.skipped),
            indexed=self.indexed,
            unchanged=self.unchanged,
            removed=self.removed,
            rows=self.rows,
            skipped=tuple(self.skipped),
            marked=tuple(self.marked),
            kept=tuple(self.kept),
            passed_over=tuple(PassedOver(kind, len(n), tuple(n[:3])) for kind, n in self.passed_over.items()),
            interrupted=self.interrupted,
            seconds=time.perf_counter() - self._started,
            stages=dict(self.clock.seconds),
        )
