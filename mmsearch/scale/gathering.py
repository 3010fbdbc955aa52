"""Gathering: the one writer takes the results of all workers into the collection, and builds its indexes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmsearch.errors import CollectionNotFoundError, MMSearchError
from mmsearch.notices import Notice
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.ingest.parts.adopt import Adopted, adopt_parts, parts_of
from mmsearch.retrieval.ingest.parts.part_store import PartRecord, PartStore, keys_among
from mmsearch.retrieval.progress import Progress, Watcher, no_progress
from mmsearch.retrieval.store.create import create_files
from mmsearch.retrieval.store.manifest import IndexSettings, Manifest, load_manifest
from mmsearch.retrieval.store.remote import collection_root, shown
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer, open_writer
from mmsearch.retrieval.upkeep.index_settings import changed_settings
from mmsearch.retrieval.upkeep.maintain import EmbedTexts, maintain
from mmsearch.scale.segments import adopt_encoded, train_for_rows
from mmsearch.types import FileNote, Space

_LOST = "the rows of a part are gone: a worker must make it again"
_AT_ONCE = 1_000
"""Parts that are taken in by one commit."""


@dataclass(frozen=True, slots=True)
class GatherReport:
    """What gathering did.

    Attributes:
        parts: how many parts were taken in.
        held: how many the collection held before.
        items: the items of the parts that were taken in.
        rows: how many rows these have.
        replaced: rows of earlier contents of the same parts, which were deleted.
        skipped: how many items the workers have skipped; the records of the parts name them.
        refused: parts that do not fit the collection, each with the reason.
        notices: other remarks.
        seconds: how long it took.
    """

    parts: int = 0
    held: int = 0
    items: int = 0
    rows: int = 0
    replaced: int = 0
    skipped: int = 0
    refused: tuple[FileNote, ...] = ()
    notices: tuple[Notice, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data["refused"] = [note.to_json() for note in self.refused]
        data["notices"] = [str(notice) for notice in self.notices]
        data["seconds"] = round(self.seconds, 3)
        return data


def gather(
    destination: str | os.PathLike[str],
    *,
    index: str | None = None,
    recall: float | None = None,
    memory: int | None = None,
    threads: int | None = None,
    build: bool = True,
    train_for: int | None = None,
    watch: Watcher | None = None,
) -> GatherReport:
    """Take the results of workers into the collection, which is created if there is none, and update its indexes.

    It may be called while workers are at work, and again: each part is taken in once.

    Args:
        destination: the collection's folder, the ``out`` of the workers.
        index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string; None leaves it as it is.
        recall: recall@10 that an approximate index is tuned to; None leaves it as it is.
        memory: bytes that building an index may take.
        threads: threads that build an index.
        build: bring the indexes up to date; otherwise rows that no index covers are scanned.
        train_for: train an index for so many rows on those that are there, once some tasks are done. Workers that start
            afterwards encode their rows themselves, and gathering merges what they have encoded.
        watch: called with the progress.

    Raises:
        CollectionNotFoundError: there is no result of any worker.
        CollectionBusyError: another process writes to the collection.
        SpaceMismatchError: a part was embedded by models that the collection does not use.
    """
    start = time.perf_counter()
    root = collection_root(destination)
    store = PartStore(shown(root))
    names = store.names()
    keys = sorted(keys_among(names))
    _create_if_missing(root, bool(keys))
    watch = watch or no_progress
    with open_writer(root) as writer:
        settings = changed_settings(writer.manifest.settings, index, recall)
        if settings != writer.manifest.settings:
            writer.publish(replace(writer.manifest, settings=settings))
        known = {row["key"] for row in parts_of(Snapshot(root, writer.manifest))}
        new = [key for key in keys if key not in known]
        report = GatherReport(held=len(keys) - len(new))
        for first in range(0, len(new), _AT_ONCE):
            watch(Progress("write", first, len(new)))
            records = [store.read(key) for key in new[first : first + _AT_ONCE]]
            lost = [record for record in records if not {entry.path for entry in record.shards} <= names]
            for record in lost:
                store.forget(record.key)
            whole = [record for record in records if record not in lost]
            report = _with(report, whole, adopt_parts(writer, whole))
            report = replace(report, refused=(*report.refused, *(FileNote(one.address, _LOST) for one in lost)))
        rows_to_come = train_for or 0
        for space in _spaces(writer) if rows_to_come else ():
            train_for_rows(writer, space, rows_to_come, embed=_embed(space), memory=memory, threads=threads)
        if build:
            watch(Progress("index"))
            notices: list[Notice] = []
            for space in _spaces(writer):
                embed = _embed(space)
                for modality in writer.manifest.modalities(space.key):
                    notices += adopt_encoded(writer, space, modality, embed)
                notices += maintain(writer, space, memory=memory, threads=threads, embed=embed)
            report = replace(report, notices=tuple(notices))
    return replace(report, seconds=time.perf_counter() - start)


def _create_if_missing(root: Path, has_results: bool) -> None:
    try:
        load_manifest(root)
    except CollectionNotFoundError:
        if not has_results:
            raise CollectionNotFoundError(f"there is no collection and no worker's result at {shown(root)}") from None
        create_files(root, Manifest(settings=IndexSettings()))


def _with(report: GatherReport, records: Sequence[PartRecord], adopted: Adopted) -> GatherReport:
    return replace(
        report,
        parts=report.parts + adopted.parts,
        items=report.items + sum(record.items for record in records),
        rows=report.rows + adopted.rows,
        replaced=report.replaced + adopted.replaced,
        skipped=report.skipped + sum(record.skipped_count for record in records),
        refused=(*report.refused, *adopted.refused),
    )


def _spaces(writer: Writer) -> list[Space]:
    return [writer.manifest.spaces[key] for key in writer.manifest.searched_spaces]


def _embed(space: Space) -> EmbedTexts | None:
    """Embeds the texts that an index is tuned to, where the model is on this machine."""
    try:
        encoder = LoadedEncoders(Runtime("auto", "auto")).of(space)
    except MMSearchError:
        return None
    return encoder.encode_texts if isinstance(encoder, TextEncoder) else None
