"""An indexing run from end to end: files are ingested, then the indexes over their rows are brought up to date.

`ingest` knows no index and `upkeep` no file; this module calls one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.run import ingest
from mmsearch.retrieval.ingest.switch_model import finish_switch, plan_switch, roots_to_read
from mmsearch.retrieval.progress import Progress, Watcher
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import Report, Space


def index_files(
    writer: Writer, routing: ModelRouting, paths: Sequence[bytes], options: IngestOptions, watch: Watcher
) -> Report:
    """Ingest what is new or changed under ``paths``, then update shards, samples and indexes of the models' spaces.

    A run that was interrupted leaves the indexes as they are: rows that no index covers are scanned.
    """
    report = ingest(writer, routing, paths, options, watch)
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
    load_encoder: Callable[[Space], Encoder],
    paths: Sequence[bytes],
    options: IngestOptions,
    watch: Watcher,
) -> Report:
    """Fill the space of a model that the collection does not use yet, from all its roots, and take it into use.

    Models that stay in use are loaded with ``load_encoder``, and embed what is new under ``paths`` first, so that no
    file there has rows of the new model only.
    """
    manifest = writer.manifest
    switch = plan_switch(manifest, new_encoder.space, new_encoder.modalities)
    staying = [key for key in manifest.searched_spaces if key not in switch.dropped and manifest.spaces[key].has_model]
    notices: tuple[Notice, ...] = ()
    if staying:
        modalities = {modality: key for modality, key in switch.space_by_modality.items() if key in staying}
        routing = ModelRouting(tuple(load_encoder(manifest.spaces[key]) for key in staying), modalities)
        report = index_files(writer, routing, paths, options, watch)
        if report.interrupted:
            return report
        if report.indexed:
            models = [encoder.space.model for encoder in routing.encoders]
            caught_up = Notice(NoticeKind.MODEL_CAUGHT_UP, {"files": report.indexed, "models": models})
            notices = (*report.notices, caught_up)
    routing = ModelRouting.single(new_encoder, texts=switch.primary_space == new_encoder.space.key)
    report = index_files(writer, routing, roots_to_read(writer.manifest, paths), options, watch)
    report = replace(report, notices=tuple(dict.fromkeys((*notices, *report.notices))))
    return finish_switch(writer, new_encoder.space, switch, report)
