"""The manifest: one small file that names everything alive in a collection, replaced atomically.

What no manifest names does not exist. A reader holds the manifest it opened with and is not disturbed by a
writer; a crash anywhere leaves the last manifest as it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmsearch.durable import replace_atomically
from mmsearch.errors import CollectionDamagedError, CollectionNotFoundError, MMSearchError, NewerFormatError
from mmsearch.retrieval.store.schema import FORMAT_VERSION
from mmsearch.types import Modality, Space

MANIFEST_NAME = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A live shard. ``path`` is relative to the collection; ids run from ``min_id`` to ``max_id``.

    ``footer`` is the `shards.footer_digest`; None of shards of earlier versions.
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


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A live segment of the index of a (space, modality): it answers for the rows with ids up to ``covers_to``,
    beyond those that the segment before it covers. Readers of the time before there were several take the first.

    ``path`` names its files without their endings, relative to the collection; checksums are by ending.
    """

    path: str
    space: str
    modality: Modality
    rows: int
    covers_to: int
    requested: str
    checksums: dict[str, str]


@dataclass(frozen=True, slots=True)
class MatchSampleEntry:
    """The fixed random sample of a (space, modality) that `match` is standardised by."""

    path: str
    space: str
    modality: Modality
    rows: int
    of_rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class TombstoneEntry:
    """A tombstone file: the ids in it are dead. ``copy`` is a second file of the same bytes, in another folder: what
    was forgotten must not come back with the loss of one file. Older collections have none."""

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
class LostEntry:
    """Rows of a (space, modality) were lost to damage: files of which all rows have ids below ``before_id`` may lack
    some."""

    space: str
    modality: Modality
    before_id: int


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What the collection was asked to be, kept so that later runs need not be told again."""

    index: str = "auto"
    recall: float = 0.98


_JSON_KEYS = {
    "primary_space": "current",
    "secondary_spaces": "also",
    "space_by_modality": "serving",
    "match_samples": "samples",
    "tombstones": "dead",
}
"""Fields whose keys on disk are those of format 1."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is alive.

    Attributes:
        primary_space: key of the space that embeds texts; None while the collection is empty.
        secondary_spaces: keys of spaces beside it, for other modalities.
        space_by_modality: whose model embeds which modality; where it is empty, the primary one embeds all it can.
        spaces: all spaces by key. One that is neither primary nor secondary is still being filled, or holds vectors
            made elsewhere.
        roots: the paths that were indexed.
        excludes: patterns that later runs pass over.
        removed: paths that were removed and stay so.
        mounts: mount points that indexed files lie on, and what identifies their file systems; None: never noted.
    """

    generation: int = 0
    next_id: int = 1
    next_seq: int = 1
    primary_space: str | None = None
    secondary_spaces: tuple[str, ...] = ()
    space_by_modality: dict[Modality, str] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    settings: IndexSettings = field(default_factory=IndexSettings)
    shards: tuple[ShardEntry, ...] = ()
    indexes: tuple[IndexEntry, ...] = ()
    match_samples: tuple[MatchSampleEntry, ...] = ()
    tombstones: tuple[TombstoneEntry, ...] = ()
    fact_updates: tuple[FactUpdateEntry, ...] = ()
    skipped: SkippedEntry | None = None
    lost: tuple[LostEntry, ...] = ()
    mounts: dict[str, str] | None = None

    @property
    def searched_spaces(self) -> tuple[str, ...]:
        """The keys of the spaces that a query is asked in, the current one first."""
        return (*((self.primary_space,) if self.primary_space else ()), *self.secondary_spaces)

    def find_space(self, wanted: str | Space) -> Space | None:
        """The space of the collection with this key or this model's name; None if there is none."""
        key = wanted.key if isinstance(wanted, Space) else wanted
        return next((space for space in self.spaces.values() if key in (space.key, space.model)), None)

    def modalities(self, space: str) -> list[Modality]:
        """The modalities that the space has rows of, in the order of `mmsearch.types.MODALITIES`."""
        present = {entry.modality for entry in self.shards if entry.space == space}
        order: tuple[Modality, ...] = ("image", "text", "audio", "video")
        return [modality for modality in order if modality in present]

    def shards_of(self, space: str, modality: Modality) -> list[ShardEntry]:
        """The shards of a (space, modality) by ascending id."""
        chosen = [s for s in self.shards if s.space == space and s.modality == modality]
        return sorted(chosen, key=lambda entry: entry.min_id)

    def indexes_of(self, space: str, modality: Modality) -> list[IndexEntry]:
        """The segments of the index of a (space, modality), by the ids that they cover; none where none was built."""
        chosen = [i for i in self.indexes if i.space == space and i.modality == modality]
        return sorted(chosen, key=lambda entry: entry.covers_to)

    def match_sample_of(self, space: str, modality: Modality) -> MatchSampleEntry | None:
        """The sample of a (space, modality), where one was drawn."""
        return next((s for s in self.match_samples if s.space == space and s.modality == modality), None)

    def files(self) -> set[str]:
        """Every file that the manifest names, relative to the collection."""
        named = {entry.path for group in (self.shards, self.match_samples, self.fact_updates) for entry in group}
        named |= {name for entry in self.tombstones for name in entry.files}
        if self.skipped is not None:
            named.add(self.skipped.path)
        for index in self.indexes:
            named |= {index.path + ending for ending in index.checksums}
        return named

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object, without its checksum."""
        data = dataclasses.asdict(self)
        data["format"] = FORMAT_VERSION
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
            excludes=tuple(data.get("excludes", ())),  # these two came later
            removed=tuple(data.get("removed", ())),
            settings=IndexSettings(**data["settings"]),
            shards=tuple(ShardEntry(**entry) for entry in data["shards"]),
            indexes=tuple(IndexEntry(**entry) for entry in data["indexes"]),
            match_samples=tuple(MatchSampleEntry(**entry) for entry in data["samples"]),
            tombstones=tuple(TombstoneEntry(**entry) for entry in data["dead"]),
            fact_updates=tuple(FactUpdateEntry(**entry) for entry in data.get("fact_updates", ())),
            skipped=SkippedEntry(**data["skipped"]) if data.get("skipped") else None,
            lost=tuple(LostEntry(**entry) for entry in data.get("lost", ())),
            mounts=data.get("mounts"),
        )


def save_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the collection's manifest, durably and at once."""
    body = manifest.to_json()
    data = {**body, "checksum": _digest(body)}
    replace_atomically(root / MANIFEST_NAME, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())


def load_manifest(root: Path) -> Manifest:
    """Read the collection's manifest.

    Raises:
        CollectionNotFoundError: there is no collection at ``root``.
        CollectionDamagedError: the manifest is cut, altered, or of a newer format.
    """
    path = root / MANIFEST_NAME
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise CollectionNotFoundError(f"no collection at {root}") from None
    except UnicodeDecodeError:
        raise _damaged(path, "it is not text") from None
    except OSError as error:
        raise MMSearchError(f"cannot read {path}: {error.strerror}") from error
    try:
        data = json.loads(text)
        version = int(data["format"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(path, "it is cut or altered") from None
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{root} has format {version}, made by a newer mmsearch; this one reads up to {FORMAT_VERSION}"
        )
    if data.pop("checksum", None) != _digest(data):
        raise _damaged(path, "its checksum does not fit")
    try:
        return Manifest.from_json(data)
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, "fields are missing") from None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, why: str) -> CollectionDamagedError:
    return CollectionDamagedError(f"{path} is damaged: {why}")
