"""The manifest: one small file that names all files of a collection that count. It is replaced atomically.

A reader keeps the manifest that it opened with, so a writer does not disturb it. A crash at any moment leaves the last
manifest as it was.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmsearch.errors import CollectionDamagedError, NewerFormatError
from mmsearch.retrieval.store.manifest_file import (
    damaged,
    from_bytes,
    note_manifest,
    read_manifest_file,
    to_bytes,
    write_manifest_file,
)
from mmsearch.retrieval.store.remote import MANIFEST_NAME as MANIFEST_NAME
from mmsearch.retrieval.store.schema import FORMAT_VERSION, SHARD_FORMAT
from mmsearch.types import MODALITIES, Modality, Space


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard.

    Attributes:
        path: relative to the collection's folder, as in all entries.
        space: the key of its space.
        modality: of its rows.
        rows: how many it has.
        min_id: the id of its first row.
        max_id: the id of its last row.
        bytes: the file's size.
        checksum: the file's `durable.file_checksum`, as in all entries.
        footer: the `shards.footer_checksum`; None if an earlier version wrote the entry.
        first_id: what is added to the ids in the file: 0, but for shards that were made of a part of a corpus.
    """

    path: str
    space: str
    modality: Modality
    rows: int
    min_id: int
    max_id: int
    bytes: int
    checksum: str
    footer: str | None = None
    first_id: int = 0


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A segment of the index of a (space, modality).

    Attributes:
        path: of its files, without their endings.
        space: the key of the space.
        modality: of its rows.
        rows: how many it has.
        covers_to: it has the rows with ids up to this one that the segments before it do not have.
        requested: the index that was asked for.
        checksums: of its files, by ending.
    """

    path: str
    space: str
    modality: Modality
    rows: int
    covers_to: int
    requested: str
    checksums: dict[str, str]


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """A segment of the lexical index of a (space, modality).

    Attributes:
        path: of its file.
        space: the key of the space.
        modality: of its rows.
        rows: how many of them hold words.
        covers: how many rows it was made from.
        covers_to: it has the rows with ids up to this one that the segments before it do not have.
        format: of the file; segments of another format are made again.
        checksum: of the file.
    """

    path: str
    space: str
    modality: Modality
    rows: int
    covers: int
    covers_to: int
    format: int
    checksum: str


@dataclass(frozen=True, slots=True)
class MatchSampleEntry:
    """The fixed random sample of the rows of a (space, modality) that hits are judged with.

    ``rows`` is its size, ``of_rows`` the number of rows that it was drawn from.
    """

    path: str
    space: str
    modality: Modality
    rows: int
    of_rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class TombstoneEntry:
    """A file of tombstones, the ids of deleted rows.

    ``copy`` is a second file of the same bytes in another folder, so that the loss of one file brings no row back. It
    is empty in older collections.
    """

    path: str
    rows: int
    checksum: str
    copy: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The file and its copy, relative to the collection."""
        return (self.path, self.copy) if self.copy else (self.path,)


@dataclass(frozen=True, slots=True)
class SkippedEntry:
    """The table of files that were skipped."""

    path: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class FactUpdateEntry:
    """A file of facts that were changed after their rows were written, by row id (`fact_updates`)."""

    path: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class SideTableEntry:
    """A table beside the rows that was computed from them, such as labels (`side_tables`)."""

    name: str
    path: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class LostEntry:
    """Rows of a (space, modality) were lost to damage.

    A file whose rows all have ids below ``before_id`` may lack some.
    """

    space: str
    modality: Modality
    before_id: int


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The index that was asked for, and the recall@10 that it is tuned to; kept for later runs."""

    index: str = "auto"
    recall: float = 0.98


# Fields whose keys on disk differ: those of format 1.
_JSON_KEYS = {
    "primary_space": "current",
    "secondary_spaces": "also",
    "space_by_modality": "serving",
    "match_samples": "samples",
    "tombstones": "dead",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files that count, and the settings of the collection.

    Attributes:
        generation: the number of replacements so far.
        next_id: the id of the next row.
        next_seq: the number of the next file.
        primary_space: key of the space that embeds texts; None while the collection is empty.
        secondary_spaces: keys of the spaces beside it, for other modalities.
        space_by_modality: the space whose model embeds a modality. If it is empty, the primary space embeds all it can.
        spaces: all spaces by key. One that is neither primary nor secondary is still being filled, or holds vectors
            made elsewhere.
        roots: the indexed paths.
        sources: the indexed archives, buckets and ranges of them, as they were named.
        excludes: patterns that later runs pass over.
        removed: removed paths that later runs pass over.
        settings: the index that was asked for.
        shards: the rows.
        indexes: segments of approximate indexes.
        lexical: segments of lexical indexes.
        match_samples: rows that hits are judged with.
        tombstones: ids of deleted rows.
        fact_updates: facts that were changed after their rows were written, the oldest first.
        side_tables: what was computed from the rows, such as labels; each name once.
        skipped: the table of skipped files.
        lost: rows that were lost to damage.
        mounts: the mount points that indexed files lie on, each with what identifies its file system; None if they
            were never noted.
        level_fits: what was fitted on this collection so that hits have levels: by space and by direction
            (``text → image``), the JSON of a `LevelFit`.
    """

    generation: int = 0
    next_id: int = 1
    next_seq: int = 1
    primary_space: str | None = None
    secondary_spaces: tuple[str, ...] = ()
    space_by_modality: dict[Modality, str] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    settings: IndexSettings = field(default_factory=IndexSettings)
    shards: tuple[ShardEntry, ...] = ()
    indexes: tuple[IndexEntry, ...] = ()
    lexical: tuple[LexicalEntry, ...] = ()
    match_samples: tuple[MatchSampleEntry, ...] = ()
    tombstones: tuple[TombstoneEntry, ...] = ()
    fact_updates: tuple[FactUpdateEntry, ...] = ()
    side_tables: tuple[SideTableEntry, ...] = ()
    skipped: SkippedEntry | None = None
    lost: tuple[LostEntry, ...] = ()
    mounts: dict[str, str] | None = None
    level_fits: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def format(self) -> int:
        """The oldest format that has all that the manifest names."""
        return FORMAT_VERSION if any(entry.first_id for entry in self.shards) else SHARD_FORMAT

    @property
    def searched_spaces(self) -> tuple[str, ...]:
        """The keys of the spaces that a query is asked in, the primary one first."""
        return (*((self.primary_space,) if self.primary_space else ()), *self.secondary_spaces)

    def find_space(self, wanted: str | Space) -> Space | None:
        """The space of the collection with this key or this model's name; None if there is none."""
        key = wanted.key if isinstance(wanted, Space) else wanted
        return next((space for space in self.spaces.values() if key in (space.key, space.model)), None)

    def modalities(self, space: str) -> list[Modality]:
        """The modalities that the space has rows of, in the order of `MODALITIES`."""
        present = {entry.modality for entry in self.shards if entry.space == space}
        return [modality for modality in MODALITIES if modality in present]

    def shards_of(self, space: str, modality: Modality) -> list[ShardEntry]:
        """The shards of a (space, modality) by ascending id."""
        chosen = [s for s in self.shards if s.space == space and s.modality == modality]
        return sorted(chosen, key=lambda entry: entry.min_id)

    def indexes_of(self, space: str, modality: Modality) -> list[IndexEntry]:
        """The segments of the index of a (space, modality), in the order of the ids that they cover."""
        chosen = [i for i in self.indexes if i.space == space and i.modality == modality]
        return sorted(chosen, key=lambda entry: entry.covers_to)

    def lexical_of(self, space: str, modality: Modality) -> list[LexicalEntry]:
        """The segments of the lexical index of a (space, modality), in the order of the ids that they cover."""
        chosen = [entry for entry in self.lexical if entry.space == space and entry.modality == modality]
        return sorted(chosen, key=lambda entry: entry.covers_to)

    def match_sample_of(self, space: str, modality: Modality) -> MatchSampleEntry | None:
        """The sample of a (space, modality); None if none was drawn."""
        return next((s for s in self.match_samples if s.space == space and s.modality == modality), None)

    def files(self) -> set[str]:
        """Every file that the manifest names, relative to the collection."""
        return set(self.checksums())

    def checksums(self) -> dict[str, str]:
        """The `durable.file_checksum` of every file that the manifest names, by name."""
        groups = (self.shards, self.match_samples, self.fact_updates, self.side_tables, self.lexical)
        found = {entry.path: entry.checksum for group in groups for entry in group}
        found |= {name: entry.checksum for entry in self.tombstones for name in entry.files}
        if self.skipped is not None:
            found[self.skipped.path] = self.skipped.checksum
        for index in self.indexes:
            found |= {index.path + ending: checksum for ending, checksum in index.checksums.items()}
        return found

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object, without its checksum."""
        data = dataclasses.asdict(self)
        data["format"] = self.format
        for entry in data["shards"]:
            if not entry["first_id"]:
                del entry["first_id"]
        for name, key in _JSON_KEYS.items():
            data[key] = data.pop(name)
        data["spaces"] = {key: space.to_json() for key, space in self.spaces.items()}
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Manifest:
        """The inverse of `to_json`."""
        return cls(
            generation=data["generation"],
            next_id=data["next_id"],
            next_seq=data["next_seq"],
            primary_space=data["current"],
            secondary_spaces=tuple(data.get("also", ())),  # collections made before sound and film have neither
            space_by_modality=dict(data.get("serving", {})),
            spaces={key: Space.from_json(space) for key, space in data["spaces"].items()},
            roots=tuple(data["roots"]),
            sources=tuple(data.get("sources", ())),
            excludes=tuple(data.get("excludes", ())),  # these two came later
            removed=tuple(data.get("removed", ())),
            settings=IndexSettings(**data["settings"]),
            shards=tuple(ShardEntry(**entry) for entry in data["shards"]),
            indexes=tuple(IndexEntry(**entry) for entry in data["indexes"]),
            lexical=tuple(LexicalEntry(**entry) for entry in data.get("lexical", ())),
            match_samples=tuple(MatchSampleEntry(**entry) for entry in data["samples"]),
            tombstones=tuple(TombstoneEntry(**entry) for entry in data["dead"]),
            fact_updates=tuple(FactUpdateEntry(**entry) for entry in data.get("fact_updates", ())),
            side_tables=tuple(SideTableEntry(**entry) for entry in data.get("side_tables", ())),
            skipped=SkippedEntry(**data["skipped"]) if data.get("skipped") else None,
            lost=tuple(LostEntry(**entry) for entry in data.get("lost", ())),
            mounts=data.get("mounts"),
            level_fits=data.get("level_fits", {}),
        )


def save_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the collection's manifest, durably and atomically. Of a collection in a bucket, new files are sent first.

    Raises:
        CollectionBusyError: of a collection in a bucket: another writer has replaced it meanwhile.
    """
    write_manifest_file(root, to_bytes(manifest.to_json()), manifest.generation, manifest.checksums())


def load_manifest(root: Path) -> Manifest:
    """Read the collection's manifest.

    Raises:
        CollectionNotFoundError: there is no collection at ``root``.
        CollectionDamagedError: the manifest was cut or altered.
        NewerFormatError: a newer version of mmsearch wrote it.
        StorageError: the bucket that holds it does not answer, or denies it.
    """
    stored = read_manifest_file(root)
    try:
        data = from_bytes(root, stored)
        try:
            manifest = Manifest.from_json(data)
        except (KeyError, TypeError, ValueError):
            raise damaged(root, "fields are missing") from None
    except NewerFormatError:
        raise
    except CollectionDamagedError:
        note_manifest(root, stored)
        raise
    note_manifest(root, stored, manifest.generation, manifest.checksums())
    return manifest
