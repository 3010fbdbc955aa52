"""What is in a collection: counts, sizes, indexes and their measured recall."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mmsearch.indexes import CORPUS_QUERIES
from mmsearch.retrieval.encoders.level_fits import FitSource, known_fit
from mmsearch.retrieval.enrich.ocr.installed import ocr_is_installed
from mmsearch.retrieval.enrich.speech.load import ready_transcriber
from mmsearch.retrieval.sources.addresses import expanded
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.remote import shown, stored_bytes
from mmsearch.retrieval.store.side_tables import PARTS_TABLE
from mmsearch.retrieval.store.skipped import read_skipped
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.upkeep.file_counts import FileCounts
from mmsearch.retrieval.upkeep.index_files import latest_recall, read_all_facts
from mmsearch.types import MODALITIES, FileNote, Modality, Space, path_json, printable


@dataclass(frozen=True, slots=True)
class ModalityStatus:
    """One modality of a space: its rows, and its index.

    Attributes:
        space: the key of the space.
        modality: ``image``, ``text``, ``audio`` or ``video``.
        rows: live rows.
        files: files that they are of.
        dead: rows that were forgotten and are still on disk.
        shards: files that hold the rows.
        index: ``exact``, or the FAISS factory string of the index.
        segments: parts of the index.
        recall: measured recall@10 by kind of query: ``text``, and the modality itself (``passage`` for texts) for its
            own rows as queries; empty for exact search.
        measured_on: the number of queries by kind.
        words: rows whose words are indexed, dead ones included; rows without any words are not counted.
        levels: where the levels of its hits come from, by what is asked with: ``catalogue`` (measured for the model),
            ``pairs`` (fitted on pairs of the collection), ``contents`` (fitted on its texts and pictures as they lie),
            None if they are not known. Always has ``text``.
    """

    space: str
    modality: Modality
    rows: int
    files: int
    dead: int
    shards: int
    index: str
    segments: int
    recall: dict[str, float]
    measured_on: dict[str, int]
    words: int
    levels: dict[Modality, FitSource | None]


@dataclass(frozen=True, slots=True)
class RootStatus:
    """A path that was indexed.

    Attributes:
        path: the folder or file.
        files: live files in it.
        rows: live rows of them.
        there: whether it exists now.
    """

    path: str
    files: int
    rows: int
    there: bool

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {**path_json(self.path), "files": self.files, "rows": self.rows, "there": self.there}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """An archive, a bucket, a folder or a range of archives that was read in parts.

    Attributes:
        path: as it was named; of parts that came in otherwise, the folder that they lie in.
        parts: how many parts of it are held: archives, row groups, slices of folders.
        items: the items in them.
        skipped: how many of these could not be embedded.
        rows: rows that were made of the others.
    """

    path: str
    parts: int
    items: int
    skipped: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        counts = {"parts": self.parts, "items": self.items, "skipped": self.skipped, "rows": self.rows}
        return {**path_json(self.path), **counts}


@dataclass(frozen=True, slots=True)
class Status:
    """What is in a collection.

    Attributes:
        root: the collection's folder.
        format: the version of the file format.
        generation: the number of the manifest; each change counts one up.
        model: the model of the primary space; None if there is none yet.
        space: the key of the primary space.
        beside: the models of the other spaces that are searched, by the spaces' keys.
        roots: the paths that were indexed.
        sources: the archives and buckets that were.
        excludes: patterns that later runs pass over.
        removed: paths that later runs pass over.
        bytes: size on disk of the files in use.
        skipped: how many files and items are remembered to have been skipped.
        modalities: every modality of every space.
        untranscribed: how many films and sounds no model for speech was asked about.
        transcriber: the model that an ``index`` would ask about them; None: there is none on this machine.
        unread: how many pictures, films and documents have pictures in which no text was looked for.
        reads_pictures: whether an ``index`` would look for it: the extra ``ocr`` is installed.
    """

    root: str
    format: int
    generation: int
    model: str | None
    space: str | None
    beside: dict[str, str]
    roots: list[RootStatus]
    excludes: list[str]
    removed: list[str]
    bytes: int
    skipped: int
    modalities: list[ModalityStatus]
    untranscribed: int = 0
    transcriber: str | None = None
    unread: int = 0
    reads_pictures: bool = False
    sources: list[SourceStatus] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object of ``mmsearch status --json``."""
        paths = {"roots": [root.to_json() for root in self.roots], "removed": [path_json(p) for p in self.removed]}
        paths["sources"] = [source.to_json() for source in self.sources]
        return {**asdict(self), **paths, "excludes": [printable(pattern) for pattern in self.excludes]}


def read_status(snapshot: Snapshot) -> Status:
    """Count what the snapshot holds."""
    manifest = snapshot.manifest
    current = manifest.spaces[manifest.primary_space] if manifest.primary_space else None
    counts = FileCounts(snapshot)
    sources = _source_statuses(snapshot)
    untranscribed = counts.untranscribed()
    transcriber = ready_transcriber() if untranscribed else None
    return Status(
        root=shown(snapshot.root),
        format=manifest.format,
        generation=manifest.generation,
        model=current.model if current else None,
        space=current.key if current else None,
        beside={key: manifest.spaces[key].model for key in manifest.secondary_spaces},
        roots=_root_statuses(manifest, counts),
        excludes=list(manifest.excludes),
        removed=list(manifest.removed),
        bytes=stored_bytes(snapshot.root, manifest.files()),
        skipped=(manifest.skipped.rows if manifest.skipped else 0) + sum(source.skipped for source in sources),
        modalities=[
            _modality_status(snapshot, key, modality, counts.files(key, modality))
            for key in manifest.spaces
            for modality in manifest.modalities(key)
        ],
        untranscribed=untranscribed,
        transcriber=transcriber.name if transcriber else None,
        unread=counts.unread(),
        reads_pictures=ocr_is_installed(),
        sources=sources,
    )


def skipped_files(snapshot: Snapshot) -> list[FileNote]:
    """The files that are remembered to have been skipped, each with the reason, in order of path."""
    files = read_skipped(snapshot.root, snapshot.manifest)
    return [FileNote(os.fsdecode(f.path), f.reason, hint=f.hint) for f in sorted(files, key=lambda file: file.path)]


def _root_statuses(manifest: Manifest, counts: FileCounts) -> list[RootStatus]:
    return [RootStatus(root, *counts.inside(os.fsencode(root)), os.path.exists(root)) for root in manifest.roots]


def _source_statuses(snapshot: Snapshot) -> list[SourceStatus]:
    """The sources that were named, then the folders of parts that lie in none of them."""
    manifest = snapshot.manifest
    table = snapshot.side_table(PARTS_TABLE)
    parts = [] if table is None else table.to_pylist()
    held = [part for part in parts if part["live"] and _has_rows(part, manifest)]
    of_address = {address: source for source in manifest.sources for address in expanded(source)}
    of_source: dict[str, list[dict[str, Any]]] = {source: [] for source in manifest.sources}
    for part in held:
        of_source.setdefault(_source_of(part["address"], of_address), []).append(part)
    counted = ("items", "skipped", "rows")
    return [
        SourceStatus(source, len(own), *(sum(part[name] for part in own) for name in counted))
        for source, own in of_source.items()
    ]


def _has_rows(part: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether a part was embedded in a space that the collection has; a change of model drops others."""
    return any(space in manifest.spaces for space, _ in json.loads(part["spaces"]).values())


def _source_of(address: str, of_address: Mapping[str, str]) -> str:
    """The source that a part belongs to: the one that names its file, or a folder that holds it."""
    above = address
    while above and above not in of_address and f"{above}/" not in of_address:
        above = above.rpartition("/")[0]
    if not above:
        return address.rpartition("/")[0]
    return of_address.get(above) or of_address[f"{above}/"]


def _modality_status(snapshot: Snapshot, space: str, modality: Modality, files: int) -> ModalityStatus:
    manifest = snapshot.manifest
    rows = snapshot.rows(space, modality)
    entries = manifest.indexes_of(space, modality)
    facts = read_all_facts(snapshot.root, entries)
    calibration = latest_recall(snapshot.root, entries, facts).calibration if entries else None
    return ModalityStatus(
        space=space,
        modality=modality,
        rows=rows.live_count,
        files=files,
        dead=len(rows) - rows.live_count,
        shards=len(manifest.shards_of(space, modality)),
        index=(facts[-1].plan.factory or facts[-1].plan.kind) if facts else "exact",
        segments=len(entries),
        recall=_named(calibration.recall, modality) if calibration else {},
        measured_on=_named(calibration.queries, modality) if calibration else {},
        words=sum(entry.rows for entry in manifest.lexical_of(space, modality)),
        levels=_levels(manifest, manifest.spaces[space], modality),
    )


def _levels(manifest: Manifest, space: Space, modality: Modality) -> dict[Modality, FitSource | None]:
    """Where levels come from, by what is asked with; what is not known is left out, but for texts."""
    fits = {source: known_fit(manifest.level_fits, space, (source, modality)) for source in MODALITIES}
    return {source: fit.source if fit else None for source, fit in fits.items() if fit or source == "text"}


def _named(by_kind: Mapping[str, Any], modality: Modality) -> dict[str, Any]:
    """By kind of query, words first; rows are named by what they are: pictures, sounds, passages of texts."""
    own = "passage" if modality == "text" else modality
    return {
        own if kind == CORPUS_QUERIES else kind: by_kind[kind]
        for kind in sorted(by_kind, key=lambda kind: kind == CORPUS_QUERIES)
    }
