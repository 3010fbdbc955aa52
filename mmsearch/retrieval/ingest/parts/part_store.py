"""The results of parts, in a collection's folder or bucket: shards, and a record of each part that names them.

``parts/<key>/<space>-<modality>.parquet`` holds the rows, with ids from 0 on, and ``parts/<key>.json`` the record. The
record is written last: a part without one was not finished, and is made again.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmsearch.errors import CollectionDamagedError
from mmsearch.own_facts import OwnFacts
from mmsearch.retrieval.ingest.parts.embed_parts import PartResult
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.storage import is_remote, join, storage_of
from mmsearch.retrieval.store.manifest import ShardEntry
from mmsearch.retrieval.store.own_columns import joint_type, stored_type
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.shards import write_shard
from mmsearch.retrieval.store.side_tables import PARTS_FOLDER
from mmsearch.retrieval.store.writer import shard_entry
from mmsearch.types import FileNote, Item, Modality, Space

_RECORD_VERSION = 1
_MOST_NOTES = 1_000


@dataclass(frozen=True, slots=True)
class PartRecord:
    """What became of a part.

    Attributes:
        key: its `part_key`.
        content: its `content_key`.
        address: of the file that it is, or is in.
        etag: of the content that was read.
        index: the number of its row group; None elsewhere.
        first_name: of a slice of a folder, its first file; empty elsewhere.
        last_name: its last file.
        spaces: the spaces of its rows, by modality.
        shards: the files with its rows, as the entries of a manifest that numbers rows from 0 on.
        items: how many items it has.
        indexed: how many of them were embedded.
        rows: how many rows there are.
        skipped: the items that were not embedded; the first thousand.
        skipped_count: how many there are.
        marked: items that were embedded in part, or with a guess; the first thousand.
        passed_over: names that were passed over on purpose, by kind.
        seconds: what it took.
        own_types: the columns that the source gives, each with its type.
        sources: the sources that were planned together with it, as they were named.
    """

    key: str
    content: str
    address: str
    etag: str
    index: int | None
    first_name: str
    last_name: str
    spaces: Mapping[Modality, Space]
    shards: tuple[ShardEntry, ...]
    items: int
    indexed: int
    rows: int
    skipped: tuple[FileNote, ...] = ()
    skipped_count: int = 0
    marked: tuple[FileNote, ...] = ()
    passed_over: Mapping[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    own_types: Mapping[str, pa.DataType] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data["spaces"] = {modality: space.to_json() for modality, space in self.spaces.items()}
        data["shards"] = [asdict(entry) for entry in self.shards]
        columns = pa.schema(list(self.own_types.items()))
        data["own_types"] = base64.b64encode(columns.serialize().to_pybytes()).decode()
        for name in ("skipped", "marked"):
            data[name] = [note.to_json() for note in data[name]]
        return {"version": _RECORD_VERSION, **data}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PartRecord:
        """The inverse of `to_json`."""
        known = {name: data[name] for name in cls.__slots__}
        known["spaces"] = {modality: Space.from_json(space) for modality, space in data["spaces"].items()}
        known["shards"] = tuple(ShardEntry(**entry) for entry in data["shards"])
        columns = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data["own_types"])))
        known["sources"] = tuple(data["sources"])
        known["own_types"] = {column.name: column.type for column in columns}
        for name in ("skipped", "marked"):
            known[name] = tuple(_note(note) for note in data[name])
        return cls(**known)


class PartStore:
    """Results of parts in a collection.

    Args:
        root: the collection's folder, or its address in an object store.
        sources: the sources that are worked on, for the records.
        made: called with the collection's folder and each shard that was made there; not for an object store.
    """

    def __init__(
        self, root: str, sources: Sequence[str] = (), made: Callable[[Path, ShardEntry], object] | None = None
    ) -> None:
        self._root = root
        self._sources = tuple(sources)
        self._made = made
        self._storage = storage_of(root)
        self._folder = join(root, PARTS_FOLDER)

    def keys(self) -> set[str]:
        """The keys of all parts that are finished."""
        return keys_among(self.names())

    def names(self) -> set[str]:
        """The names of all files of results, relative to the collection."""
        prefix = self._folder.rstrip("/" + os.sep) + ("/" if is_remote(self._folder) else os.sep)
        found = (one.address.removeprefix(prefix).replace(os.sep, "/") for one in self._storage.list(self._folder))
        return {f"{PARTS_FOLDER}/{name}" for name in found}

    def read(self, key: str) -> PartRecord:
        """The record of a finished part.

        Raises:
            FileNotFoundError: there is none.
            CollectionDamagedError: it cannot be read.
        """
        address = join(self._folder, f"{key}.json")
        try:
            return PartRecord.from_json(json.loads(self._storage.read(address)))
        except (ValueError, KeyError, TypeError) as error:
            raise CollectionDamagedError(
                f"the record {address} cannot be read; delete it to make the part again"
            ) from error

    def forget(self, key: str) -> None:
        """Delete the record of a part, so that it is made again."""
        self._storage.delete(join(self._folder, f"{key}.json"))

    def write(self, key: str, content: str, result: PartResult, spaces: Mapping[Modality, Space]) -> PartRecord:
        """Store what became of a part: its rows, then its record. A part that was stored before is replaced.

        Args:
            key: its `part_key`.
            content: its `content_key`.
            result: its rows and remarks.
            spaces: the space of each modality that was embedded.
        """
        with tempfile.TemporaryDirectory(prefix="mmsearch-") as held:
            # Beside the collection, so that a rename moves them; an object store takes them from anywhere.
            local = Path(held) if is_remote(self._root) else Path(self._root)
            shards, own_types = _write_shards(local, key, result)
            if is_remote(self._root):
                for entry in shards:
                    self._storage.put(join(self._root, entry.path), local / entry.path)
            elif self._made is not None:
                for entry in shards:
                    self._made(local, entry)
            record = _record(key, content, result, spaces, shards)
            record = replace(record, own_types=own_types, sources=self._sources)
            data = json.dumps(record.to_json(), indent=1).encode()
            self._storage.put(join(self._folder, f"{key}.json"), data)
        return record


def keys_among(names: Iterable[str]) -> set[str]:
    """The keys of the parts whose records are among these names."""
    inside = (name.removeprefix(f"{PARTS_FOLDER}/") for name in names)
    return {name.removesuffix(".json") for name in inside if name.endswith(".json") and "/" not in name}


def _record(
    key: str, content: str, result: PartResult, spaces: Mapping[Modality, Space], shards: tuple[ShardEntry, ...]
) -> PartRecord:
    part = result.part
    return PartRecord(
        key,
        content,
        part.address,
        part.etag,
        part.index,
        part.names[0] if part.names else "",
        part.names[-1] if part.names else "",
        dict(spaces),
        shards,
        result.items,
        len(result.rows),
        result.row_count,
        tuple(result.skipped[:_MOST_NOTES]),
        len(result.skipped),
        tuple(result.marked[:_MOST_NOTES]),
        result.passed_over,
        round(result.seconds, 3),
    )


def _write_shards(root: Path, key: str, result: PartResult) -> tuple[tuple[ShardEntry, ...], Mapping[str, pa.DataType]]:
    """The shards of a part, one for each space and modality, with ids from 0 on in the order of its items; and the
    columns that its source gives."""
    groups: dict[tuple[Space, Modality], list[StoredRows]] = {}
    for number in sorted(result.rows):
        for stored in result.rows[number]:
            groups.setdefault((stored.space, stored.modality), []).append(stored)
    own_types = _own_types(item for group in groups.values() for stored in group for item in stored.items)
    entries, first = [], 0
    for (space, modality), group in sorted(groups.items(), key=lambda entry: (entry[0][0].key, entry[0][1])):
        items = [_as_texts(item, own_types) for stored in group for item in stored.items]
        vectors = np.concatenate([stored.vectors for stored in group])
        ids = np.arange(first, first + len(items), dtype=np.int64)
        first += len(items)
        name = f"{PARTS_FOLDER}/{key}/{space.key}-{modality}.parquet"
        table = facts_table(items, own_types)
        used = {column: kind for column, kind in own_types.items() if column in table.column_names}
        write_shard(root / name, space, [(ids, table, vectors)], used)
        entries.append(shard_entry(root, name, modality))
    return tuple(entries), own_types


def _own_types(items: Iterator[Item]) -> dict[str, pa.DataType]:
    """The type of each column that a source gives; texts where its values are of several kinds."""
    values: dict[str, list[Any]] = {}
    for item in items:
        for name, value in item.own_facts.items():
            values.setdefault(name, []).append(value)
    return {name: _type_of(of_column) for name, of_column in values.items()}


def _type_of(values: list[Any]) -> pa.DataType:
    joint: pa.DataType | None = pa.null()
    for kind in {type(value) for value in values}:
        try:
            found = stored_type(pa.array([value for value in values if type(value) is kind]).type)
        except (pa.ArrowException, TypeError, ValueError):
            return pa.string()
        joint = None if joint is None or found is None else joint_type(joint, found)
    return pa.string() if joint is None else joint


def _as_texts(item: Item, own_types: Mapping[str, pa.DataType]) -> Item:
    """The item with its values in columns of texts as texts."""
    odd = {
        name: str(value)
        for name, value in item.own_facts.items()
        if pa.types.is_string(own_types[name]) and not isinstance(value, str)
    }
    return replace(item, own_facts=OwnFacts({**item.own_facts, **odd})) if odd else item


def _note(data: dict[str, Any]) -> FileNote:
    return FileNote(data["path"], data["reason"], kind=data.get("kind"))
