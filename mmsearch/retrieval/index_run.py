"""An indexing run from end to end: files are ingested, then the indexes over their rows are brought up to date.

`ingest` knows no index and `upkeep` no file; this module calls one after the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mmsearch.errors import HintKind, UsageError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.enrich.speech.load import find_transcriber
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.run import ingest, note_roots
from mmsearch.retrieval.ingest.scan import missing_paths, no_such_path_error
from mmsearch.retrieval.ingest.scope import roots_of, with_choices
from mmsearch.retrieval.ingest.switch_model import (
    finish_switch,
    is_switch,
    plan_switch,
    roots_to_read,
    space_of_each_modality,
)
from mmsearch.retrieval.paths import absolute, listed_paths, on_disk
from mmsearch.retrieval.progress import Progress, Watcher
from mmsearch.retrieval.sources.addresses import absolute_address, may_be_source
from mmsearch.retrieval.sources.protocol import Source
from mmsearch.retrieval.store.manifest import IndexSettings, Manifest
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer, open_writer
from mmsearch.retrieval.upkeep.index_settings import changed_settings
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import Report, Space


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What `Collection.index` is asked for.

    Attributes:
        paths: folders, files and sources; empty for all that were indexed before.
        model: a name or an encoder of the app's own; None for the models of the collection.
        index: the kind of index; None leaves it as it is.
        recall: the recall that an approximate index is tuned to; None leaves it as it is.
        options: how files are read.
    """

    paths: Sequence[str | os.PathLike[str] | Source]
    model: str | Encoder | None
    index: str | None
    recall: float | None
    options: IngestOptions


def check_first_run(request: IndexRequest) -> None:
    """Check a run in a collection that is yet to be created.

    Raises:
        UsageError: a path that does not exist, a pattern that cannot be read, or an index or recall that cannot be.
    """
    checked_patterns(request.options.exclude, ())
    changed_settings(IndexSettings(), request.index, request.recall)
    plain, sources = split_paths(request.paths)
    if sources:
        from mmsearch.retrieval.ingest.parts.index_sources import check_sources

        check_sources(sources)
    for path in missing_paths([on_disk(path) or path for path in absolute(plain)]):
        raise no_such_path_error(path)


def preview_index(snapshot: Snapshot, request: IndexRequest, encoders: LoadedEncoders, watch: Watcher) -> Report:
    """The report of a run that writes nothing and embeds nothing."""
    from mmsearch.retrieval.ingest.preview import preview

    tops, sources = _paths_to_read(snapshot, request)
    model = _requested_model(request, encoders)
    manifest = with_choices(snapshot.manifest, tops, request.options.exclude, request.options.lift)
    routing = _listening(_routing(snapshot.root, manifest, model, encoders), request.options, encoders)
    report = Report()
    if tops or not sources:
        report = preview(Snapshot(snapshot.root, manifest), routing, tops, request.options, watch)
    if sources:
        from mmsearch.retrieval.ingest.parts.index_sources import preview_sources

        parts = preview_sources(snapshot, sources, routing, request.options, named=bool(request.paths))
        report = _joined(report, parts)
    return report


def run_index(snapshot: Snapshot, request: IndexRequest, encoders: LoadedEncoders, watch: Watcher) -> Report:
    """Embed what is new or changed, as `Collection.index` says.

    Args:
        snapshot: of the collection as it is; the newest is read once the lock is held.
        request: what is asked for.
        encoders: where models come from.
        watch: called as the work goes on.
    """
    options = request.options
    tops, sources = _paths_to_read(snapshot, request)
    model = _requested_model(request, encoders)
    with open_writer(snapshot.root) as writer:
        settings = changed_settings(writer.manifest.settings, request.index, request.recall)
        chosen = replace(with_choices(writer.manifest, tops, options.exclude, options.lift), settings=settings)
        if chosen != writer.manifest:
            writer.publish(chosen)
        if model is not None and is_switch(writer.manifest, model.space):
            if options.changed is not None:
                raise UsageError("a new model embeds everything, not only what has changed")
            return index_with_new_model(writer, model, encoders, tops, options, watch, sources)
        routing = _listening(_routing(writer.root, writer.manifest, model, encoders), options, encoders)
        return index_files(writer, routing, tops, options, watch, sources, named=bool(request.paths))


def index_files(
    writer: Writer,
    routing: ModelRouting,
    paths: Sequence[bytes],
    options: IngestOptions,
    watch: Watcher,
    sources: Sequence[str | Source] = (),
    *,
    named: bool = False,
) -> Report:
    """Ingest what is new or changed under ``paths`` and in ``sources``, then update shards, samples and indexes of the
    models' spaces.

    A run that was interrupted leaves the indexes as they are: rows that no index covers are scanned. ``named``: the
    user has named the sources, so that one that is not there is an error.
    """
    report = Report()
    if paths or not sources:
        report = ingest(writer, routing, paths, options, watch)
    if sources and not report.interrupted:
        from mmsearch.retrieval.ingest.parts.index_sources import index_sources

        note_roots(writer, routing, paths, hidden=options.hidden)
        report = _joined(report, index_sources(writer, routing, sources, options, watch, named=named))
    if report.interrupted:
        return report
    watch(Progress("index"))
    start = time.perf_counter()
    notices = list(report.notices)
    for encoder in routing.encoders:
        embed = encoder.encode_texts if isinstance(encoder, TextEncoder) else None
        notices += maintain(writer, encoder.space, memory=options.memory, threads=options.threads, embed=embed)
    seconds = time.perf_counter() - start
    return replace(
        report,
        notices=tuple(notices),
        seconds=report.seconds + seconds,
        stages={**report.stages, "index": seconds},
    )


def index_with_new_model(
    writer: Writer,
    new_encoder: Encoder,
    encoders: LoadedEncoders,
    paths: Sequence[bytes],
    options: IngestOptions,
    watch: Watcher,
    sources: Sequence[str | Source] = (),
) -> Report:
    """Fill the space of a model that the collection does not use yet, from all its roots, and take it into use.

    Models that stay in use (from ``encoders``) embed what is new under ``paths`` first, so that no file there has rows
    of the new model only.
    """
    manifest = writer.manifest
    switch = plan_switch(manifest, new_encoder.space, new_encoder.modalities)
    staying = [key for key in manifest.searched_spaces if key not in switch.dropped and manifest.spaces[key].has_model]
    notices: tuple[Notice, ...] = ()
    if staying:
        own = [_load_own(manifest.spaces[key], encoders) for key in staying]
        routing = _listening(ModelRouting.of(own, switch.space_by_modality), options, encoders)
        report = index_files(writer, routing, paths, options, watch, sources)
        if report.interrupted:
            return report
        if report.indexed:
            models = [encoder.space.model for encoder in routing.encoders]
            caught_up = Notice(NoticeKind.MODEL_CAUGHT_UP, {"files": report.indexed, "models": models})
            notices = (*report.notices, caught_up)
    routing = ModelRouting.single(new_encoder, texts=switch.primary_space == new_encoder.space.key)
    routing = _listening(routing, options, encoders)
    all_sources = tuple(dict.fromkeys((*writer.manifest.sources, *sources)))
    report = index_files(writer, routing, roots_to_read(writer.manifest, paths), options, watch, all_sources)
    report = replace(report, notices=tuple(dict.fromkeys((*notices, *report.notices))))
    return finish_switch(writer, new_encoder.space, switch, report)


def _paths_to_read(snapshot: Snapshot, request: IndexRequest) -> tuple[list[bytes], list[str | Source]]:
    """The files and folders that a run reads, and its sources; without any named, all that were indexed before."""
    plain, sources = split_paths(request.paths)
    tops = [on_disk(path) or path for path in absolute(plain)]
    if not tops and not sources:
        tops, sources = roots_of(snapshot.manifest), list(snapshot.manifest.sources)
    if not tops and not sources:
        raise UsageError(f"nothing was indexed in {shown(snapshot.root)} yet", hint=HintKind.INDEX_FOLDER)
    return tops, sources


def listed_inputs(
    paths: str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source],
) -> list[str | os.PathLike[str] | Source]:
    """What a run is to read as a list: paths, addresses, and sources of the app's own.

    Raises:
        UsageError: an empty path, which would stand for the working folder.
    """
    one = isinstance(paths, str | bytes | os.PathLike | Source)
    listed: list[str | os.PathLike[str] | Source] = [paths] if one else list(paths)  # type: ignore[arg-type,list-item]
    listed_paths([path for path in listed if isinstance(path, str | bytes | os.PathLike)])
    return listed


def split_paths(
    paths: Sequence[str | os.PathLike[str] | Source],
) -> tuple[list[str | os.PathLike[str]], list[str | Source]]:
    """Paths that a scan reads, and sources or their addresses, as `index_sources.is_source` tells them apart."""
    plain: list[str | os.PathLike[str]] = []
    sources: list[str | Source] = []
    for path in paths:
        if not isinstance(path, str | bytes | os.PathLike):
            sources.append(path)
            continue
        if may_be_source(path):
            from mmsearch.retrieval.ingest.parts.index_sources import is_source  # imports readers of archives

            if is_source(path):
                sources.append(absolute_address(path))
                continue
        plain.append(path)
    return plain, sources


def _joined(one: Report, other: Report) -> Report:
    """The report of two runs, one after the other, as of one run."""
    names = (field.name for field in fields(Report) if field.name not in ("interrupted", "stages"))
    sums = {name: getattr(one, name) + getattr(other, name) for name in names}
    stages = {name: one.stages.get(name, 0.0) + other.stages.get(name, 0.0) for name in {**one.stages, **other.stages}}
    return Report(**sums, interrupted=one.interrupted or other.interrupted, stages=stages)


def _requested_model(request: IndexRequest, encoders: LoadedEncoders) -> Encoder | None:
    if request.model is None or request.model == "auto":
        return None
    return encoders.named(request.model, throughput=True)


def _routing(root: Path, manifest: Manifest, model: Encoder | None, encoders: LoadedEncoders) -> ModelRouting:
    """The models that a run embeds with: the requested one if it is not in use yet, else those of the collection."""
    if model is not None and model.space.key not in manifest.searched_spaces:
        return ModelRouting.single(model)
    spaces = [manifest.spaces[key] for key in manifest.searched_spaces if manifest.spaces[key].has_model]
    if not spaces:
        raise UsageError(
            f"{root} holds vectors made elsewhere: a model that is to embed files must be named",
            hint=HintKind.NAME_MODEL,
        )
    return ModelRouting.of([_load_own(space, encoders) for space in spaces], space_of_each_modality(manifest))


def _listening(routing: ModelRouting, options: IngestOptions, encoders: LoadedEncoders) -> ModelRouting:
    """The same models, and what turns speech into text."""
    return replace(routing, transcriber=find_transcriber(options.transcribe, encoders.runtime))


def routing_of(snapshot: Snapshot, options: IngestOptions, encoders: LoadedEncoders) -> ModelRouting:
    """The models that a run without a model of its own embeds with, and what turns speech into text."""
    return _listening(_routing(snapshot.root, snapshot.manifest, None, encoders), options, encoders)


def _load_own(space: Space, encoders: LoadedEncoders) -> Encoder:
    """The encoder of a space of the collection that has a model."""
    encoder = encoders.of(space, throughput=True)
    assert encoder is not None
    return encoder
