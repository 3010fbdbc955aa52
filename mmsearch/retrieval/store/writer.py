"""The one writer: it puts new files beside the old, then replaces the manifest, so that all become visible at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors, file_checksum
from mmsearch.errors import MMSearchError, SpaceMismatchError
from mmsearch.retrieval.store.fact_updates import UPDATES_FOLDER, FactUpdates, read_update_file, write_updates
from mmsearch.retrieval.store.lock import writer_lock
from mmsearch.retrieval.store.manifest import (
    MANIFEST_NAME,
    IndexEntry,
    LexicalEntry,
    Manifest,
    ShardEntry,
    load_manifest,
    save_manifest,
)
from mmsearch.retrieval.store.own_columns import with_types
from mmsearch.retrieval.store.partial_files import sweep_partial
from mmsearch.retrieval.store.remote import at_hand, mirror_of
from mmsearch.retrieval.store.schema import FACT_NAMES, is_own_column
from mmsearch.retrieval.store.shards import RowBatch, Shard, write_shard
from mmsearch.retrieval.store.side_tables import (
    PARTS_FOLDER,
    PARTS_TABLE,
    SIDE_TABLES_FOLDER,
    check_name,
    read_side_table,
    write_side_table,
)
from mmsearch.retrieval.store.snapshot import Rows, Snapshot, open_shard
from mmsearch.retrieval.store.tombstones import TOMBSTONE_COPIES, TOMBSTONES_FOLDER, write_tombstones
from mmsearch.types import Modality, Space

Sized = TypeVar("Sized", ShardEntry, IndexEntry, LexicalEntry)

SWEEP_AFTER_S = 600.0
"""Unnamed files younger than this stay: a reader may hold the manifest that named them."""

_MERGE_WIDTH = 8
_LARGEST_CLASS = 7  # 64 · 8^7 rows and more, some 130 million: such segments are left alone
LARGEST_SHARD_CLASS = 5
"""Shards of 64 · 8^5 rows and more, some two million, are left alone: a merge would rewrite gigabytes of vectors
to spare a few entries in the manifest."""

_ABSORB_FACTOR = 2  # a file of changed facts absorbs the one before it up to so many times its own rows


@dataclass(frozen=True, slots=True)
class Addition:
    """Rows to be stored, all of one space and modality.

    Attributes:
        facts: the columns of `schema.FACT_SCHEMA`, and after them the user's own.
        vectors: unit vectors, float16 ``[rows, dim]``.
    """

    space: Space
    modality: Modality
    facts: pa.Table
    vectors: NDArray[np.float16]


@contextmanager
def open_writer(root: Path) -> Iterator[Writer]:
    """Take the write lock, read the newest manifest, and delete old files that it does not name.

    Raises:
        CollectionBusyError, CollectionDamagedError, ReadOnlyError, MMSearchError: see `writer_lock`
            and `load_manifest`.
    """
    with writer_lock(root), explained_write_errors(root):
        writer = Writer(root, load_manifest(root))
        writer.sweep()
        yield writer


class Writer:
    """Commits to a collection whose lock is held. ``manifest`` is what is on disk now."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest

    def commit(
        self, additions: Sequence[Addition] = (), delete: Iterable[int] = (), **changes: Any
    ) -> list[NDArray[np.int64]]:
        """Add rows and delete others, all or none of it; returns the ids of each addition's rows.

        ``delete``: ids of rows. ``changes``: further fields of the manifest. Nothing is visible before the manifest is
        replaced.
        """
        with explained_write_errors(self.root):
            manifest = self.manifest
            ids: list[NDArray[np.int64]] = []
            for addition in additions:
                rows = np.arange(manifest.next_id, manifest.next_id + len(addition.vectors), dtype=np.int64)
                ids.append(rows)
                if len(rows):
                    manifest = self._with_shard(manifest, addition, rows)
            deleted = np.unique(np.fromiter(delete, np.int64))
            if len(deleted):
                manifest = self._with_tombstones(manifest, deleted)
            self.publish(replace(manifest, **changes))
            return ids

    def change_facts(self, updates: FactUpdates) -> None:
        """Change the facts of stored rows, all or none of it.

        Files of earlier changes that are not much larger are joined with the new one, so that there are never more of
        them than the logarithm of the changed rows.
        """
        with explained_write_errors(self.root):
            entries = list(self.manifest.fact_updates)
            while entries and entries[-1].rows <= _ABSORB_FACTOR * len(updates):
                updates = read_update_file(at_hand(self.root, entries.pop().path)).followed_by(updates)
            name, manifest = self.new_path(self.manifest, UPDATES_FOLDER, ".parquet")
            entry = write_updates(self.root, name, updates)
            self.publish(replace(manifest, fact_updates=(*entries, entry)))

    def put_side_tables(self, tables: Mapping[str, pa.Table | None]) -> None:
        """Write side tables in place of those of the same names, all or none of it; None takes one out.

        Raises:
            UsageError: no table can have one of the names.
        """
        with explained_write_errors(self.root):
            self.publish(self._with_side_tables(self.manifest, tables))

    def adopt(self, manifest: Manifest, delete: NDArray[np.int64], tables: Mapping[str, pa.Table | None]) -> None:
        """Publish a manifest that names shards which lie in the collection already, all or none of it.

        Args:
            manifest: the manifest on disk with these shards added.
            delete: ids of rows that they replace, ascending.
            tables: side tables to write in place of those of the same names.
        """
        with explained_write_errors(self.root):
            if len(delete):
                manifest = self._with_tombstones(manifest, delete)
            self.publish(self._with_side_tables(manifest, tables))

    def _with_side_tables(self, manifest: Manifest, tables: Mapping[str, pa.Table | None]) -> Manifest:
        kept = [entry for entry in manifest.side_tables if entry.name not in tables]
        for name in tables:
            check_name(name)
        for name, table in tables.items():
            if table is not None:
                path, manifest = self.new_path(manifest, f"{SIDE_TABLES_FOLDER}/{name}", ".parquet")
                kept.append(write_side_table(self.root, name, path, table))
        return replace(manifest, side_tables=tuple(sorted(kept, key=lambda entry: entry.name)))

    def publish(self, manifest: Manifest) -> None:
        """Replace the manifest on disk: from now on, readers that open the collection see what it names."""
        manifest = replace(manifest, generation=self.manifest.generation + 1)
        with explained_write_errors(self.root):
            save_manifest(self.root, manifest)
        self.manifest = manifest

    def new_path(self, manifest: Manifest, folder: str, ending: str) -> tuple[str, Manifest]:
        """A fresh file name, ``folder/<seq>-<rand><ending>``, and the manifest with its sequence number taken."""
        name = f"{folder}/{manifest.next_seq:06d}-{secrets.token_hex(3)}{ending}"
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        return name, replace(manifest, next_seq=manifest.next_seq + 1)

    def merge(self, entries: Sequence[ShardEntry], deleted: NDArray[np.int64]) -> None:
        """Put one shard in the place of ``entries``, neighbours of one space and modality.

        Deleted rows are left out, and facts that were changed later are taken over.

        Raises:
            SpaceMismatchError: they are of two spaces.
        """
        first = entries[0]
        for entry in entries:
            if entry.space != first.space:
                raise SpaceMismatchError(f"shards of the spaces {first.space} and {entry.space} cannot be merged")
        space = self.manifest.spaces[first.space]
        shards = [open_shard(self.root, entry) for entry in entries]
        updates = Snapshot(self.root, self.manifest).fact_updates
        own_types = Rows(shards, deleted, updates).own_types
        batches = _live_batches(shards, deleted, updates, own_types)
        merged, manifest = self._write(self.manifest, space, first.modality, batches, own_types)
        replaced = set(entries)
        kept = tuple(entry for entry in manifest.shards if entry not in replaced)
        self.publish(replace(manifest, shards=(*kept, merged) if merged else kept))

    def sweep(self) -> None:
        """Delete files that the manifest does not name and that are too old for any reader to need them."""
        named = self.manifest.files()
        oldest = time.time() - SWEEP_AFTER_S
        # Tombstones go after the shards whose rows they delete. The last pattern: of a writer that was killed.
        folders = (TOMBSTONES_FOLDER, TOMBSTONE_COPIES, UPDATES_FOLDER, "skipped")
        patterns = (
            "shards/**/*",
            "indexes/**/*",
            f"{SIDE_TABLES_FOLDER}/**/*",
            *(f"{name}/*" for name in folders),
            f".{MANIFEST_NAME}.*",
        )
        for path in (path for pattern in patterns for path in self.root.glob(pattern)):
            unnamed = path.is_file() and path.relative_to(self.root).as_posix() not in named
            if unnamed and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        taken_in = self._keys_taken_in()
        for key in taken_in if (self.root / PARTS_FOLDER).is_dir() else ():
            for path in (self.root / PARTS_FOLDER / key).glob("*.parquet"):
                unnamed = path.relative_to(self.root).as_posix() not in named
                if unnamed and path.stat().st_mtime < oldest:
                    path.unlink(missing_ok=True)
        sweep_partial(self.root)
        mirror = mirror_of(self.root)
        if mirror is not None:
            mirror.sweep(named, may_be_swept=lambda name: _is_old_result(name, taken_in))

    def _keys_taken_in(self) -> set[str]:
        """The keys of the parts that were taken in: their rows lie in other shards, once theirs are not named.

        The shards of a part that was not taken in yet stay: its worker may be at work.
        """
        try:
            table = read_side_table(self.root, self.manifest, PARTS_TABLE)
        except (MMSearchError, OSError):
            return set()  # `doctor` tells
        return set() if table is None else set(table["key"].to_pylist())

    def _with_shard(self, manifest: Manifest, addition: Addition, ids: NDArray[np.int64]) -> Manifest:
        batches = [(ids, addition.facts, addition.vectors)]
        own_types = {field.name: field.type for field in addition.facts.schema if is_own_column(field.name)}
        entry, manifest = self._write(manifest, addition.space, addition.modality, batches, own_types)
        assert entry is not None
        return replace(
            manifest,
            next_id=int(ids[-1]) + 1,
            spaces={**manifest.spaces, addition.space.key: addition.space},
            shards=(*manifest.shards, entry),
        )

    def _write(
        self,
        manifest: Manifest,
        space: Space,
        modality: Modality,
        batches: Iterable[RowBatch],
        own_types: Mapping[str, pa.DataType],
    ) -> tuple[ShardEntry | None, Manifest]:
        """Write a shard, and return its entry and the manifest with its name taken; no entry where there is no row."""
        name, manifest = self.new_path(manifest, f"shards/{space.key}/{modality}", ".parquet")
        path = self.root / name
        rows = write_shard(path, space, batches, own_types)
        if not rows:
            path.unlink()
            return None, manifest
        return shard_entry(self.root, name, modality), manifest

    def _with_tombstones(self, manifest: Manifest, ids: NDArray[np.int64]) -> Manifest:
        name, manifest = self.new_path(manifest, TOMBSTONES_FOLDER, ".parquet")
        return replace(manifest, tombstones=(*manifest.tombstones, write_tombstones(self.root, name, ids)))


def _is_old_result(name: str, taken_in: Set[str]) -> bool:
    """Whether a file that no manifest names is of no use: it is no result of a worker, or the rows of one that was
    taken in."""
    folder, _, rest = name.partition("/")
    if folder != PARTS_FOLDER:
        return True
    return rest.endswith(".parquet") and rest.partition("/")[0] in taken_in


def shard_entry(root: Path, name: str, modality: Modality) -> ShardEntry:
    """The manifest's entry for a shard; ``name`` is relative to ``root``."""
    path = root / name
    shard = Shard(path)
    return ShardEntry(
        path=name,
        space=shard.space.key,
        modality=modality,
        rows=len(shard),
        min_id=int(shard.ids[0]),
        max_id=int(shard.ids[-1]),
        bytes=path.stat().st_size,
        checksum=file_checksum(path),
        footer=shard.footer,
    )


def _live_batches(
    shards: Iterable[Shard], deleted: NDArray[np.int64], updates: FactUpdates, own_types: Mapping[str, pa.DataType]
) -> Iterator[RowBatch]:
    """The rows of shards that are not deleted, a row group at a time, so that a merge's memory is bounded."""
    names = [*FACT_NAMES, *own_types]
    for shard in shards:
        start = 0
        for group, block in enumerate(shard.vector_blocks):
            ids = shard.ids[start : start + len(block)]
            alive = ~np.isin(ids, deleted, assume_unique=True)
            if alive.any():
                facts = updates.applied_to(ids, with_types(shard.facts_of_group(group, names), own_types))
                yield ids[alive], facts.filter(pa.array(alive)), block[alive]
            start += len(block)


def merges_due(entries: Sequence[Sized], largest_class: int = _LARGEST_CLASS) -> list[list[Sized]]:
    """Which neighbours to merge: eight of one size class, as a log-structured merge tree does.

    ``entries`` are the shards, or the segments of the index, of one (space, modality) by ascending id. A row is
    rewritten once for each size class that it rises through, so log8(rows) times in all.
    """
    due: list[list[Sized]] = []
    run: list[Sized] = []
    for entry in entries:
        if run and _size_class(entry) != _size_class(run[0]):
            run = []
        run.append(entry)
        if len(run) == _MERGE_WIDTH and _size_class(entry) < largest_class:
            due.append(run)
            run = []
    return due


def _size_class(entry: ShardEntry | IndexEntry | LexicalEntry) -> int:
    return int(np.log2(max(entry.rows, 64) / 64) // 3)
