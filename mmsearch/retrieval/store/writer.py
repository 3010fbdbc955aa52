"""The one writer: puts new files beside the old, then lets the manifest name them, all in one step."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors, file_checksum
from mmsearch.errors import SpaceMismatchError
from mmsearch.retrieval.store.lock import writer_lock
from mmsearch.retrieval.store.manifest import (
    MANIFEST_NAME,
    IndexEntry,
    Manifest,
    ShardEntry,
    load_manifest,
    save_manifest,
)
from mmsearch.retrieval.store.partial_files import sweep_partial
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.shards import Shard, write_shard
from mmsearch.retrieval.store.snapshot import open_shard
from mmsearch.retrieval.store.tombstones import TOMBSTONE_COPIES, write_tombstones
from mmsearch.types import Modality, Space

Sized = TypeVar("Sized", ShardEntry, IndexEntry)

SWEEP_AFTER_S = 600.0
"""Unnamed files younger than this stay: a reader may hold the manifest that named them."""


@dataclass(frozen=True, slots=True)
class Addition:
    """Rows to be stored: facts (`schema.FACT_SCHEMA`) and float16 unit vectors ``[rows, dim]``."""

    space: Space
    modality: Modality
    facts: pa.Table
    vectors: NDArray[np.float16]


@contextmanager
def open_writer(root: Path) -> Iterator[Writer]:
    """Take the write lock, read the newest manifest, sweep what it does not name.

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
        """Add rows and bury ids, together or not at all; returns the ids of each addition's rows.

        ``changes`` replaces further fields of the manifest. Nothing is visible before the manifest is replaced.
        """
        with explained_write_errors(self.root):
            manifest = self.manifest
            ids: list[NDArray[np.int64]] = []
            for addition in additions:
                rows = np.arange(manifest.next_id, manifest.next_id + len(addition.vectors), dtype=np.int64)
                ids.append(rows)
                if len(rows):
                    manifest = self._with_shard(manifest, addition, rows)
            buried = np.unique(np.fromiter(delete, np.int64))
            if len(buried):
                manifest = self._with_dead(manifest, buried)
            self.publish(replace(manifest, **changes))
            return ids

    def publish(self, manifest: Manifest) -> None:
        """Make ``manifest`` the truth."""
        manifest = replace(manifest, generation=self.manifest.generation + 1)
        with explained_write_errors(self.root):
            save_manifest(self.root, manifest)
        self.manifest = manifest

    def new_path(self, manifest: Manifest, folder: str, ending: str) -> tuple[str, Manifest]:
        """A fresh file name, ``folder/<seq>-<rand><ending>``, and the manifest with its sequence number taken."""
        name = f"{folder}/{manifest.next_seq:06d}-{secrets.token_hex(3)}{ending}"
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        return name, replace(manifest, next_seq=manifest.next_seq + 1)

    def _with_shard(self, manifest: Manifest, addition: Addition, ids: NDArray[np.int64]) -> Manifest:
        parts = [(ids, addition.facts, addition.vectors)]
        entry, manifest = self._write(manifest, addition.space, addition.modality, parts)
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
        parts: Iterable[tuple[NDArray[np.int64], pa.Table, NDArray[np.float16]]],
    ) -> tuple[ShardEntry | None, Manifest]:
        name, manifest = self.new_path(manifest, f"shards/{space.key}/{modality}", ".parquet")
        path = self.root / name
        rows = write_shard(path, space, parts)
        if not rows:
            path.unlink()
            return None, manifest
        shard = Shard(path)
        entry = ShardEntry(
            name,
            space.key,
            modality,
            rows,
            int(shard.ids[0]),
            int(shard.ids[-1]),
            path.stat().st_size,
            file_checksum(path),
            shard.footer,
        )
        return entry, manifest

    def _with_dead(self, manifest: Manifest, ids: NDArray[np.int64]) -> Manifest:
        name, manifest = self.new_path(manifest, "dead", ".parquet")
        return replace(manifest, tombstones=(*manifest.tombstones, write_tombstones(self.root, name, ids)))

    def merge(self, entries: Sequence[ShardEntry], dead: NDArray[np.int64]) -> None:
        """Put one shard in the place of ``entries`` (neighbours of one space and modality), without the dead rows.

        Raises:
            SpaceMismatchError: they are of two spaces.
        """
        first = entries[0]
        for entry in entries:
            if entry.space != first.space:
                raise SpaceMismatchError(f"shards of the spaces {first.space} and {entry.space} cannot be merged")
        space = self.manifest.spaces[first.space]
        shards = [open_shard(self.root, entry) for entry in entries]
        merged, manifest = self._write(self.manifest, space, first.modality, _living(shards, dead))
        gone = set(entries)
        kept = tuple(entry for entry in manifest.shards if entry not in gone)
        self.publish(replace(manifest, shards=(*kept, merged) if merged else kept))

    def sweep(self) -> None:
        """Remove files that no manifest names and that are too old to be a reader's."""
        named = self.manifest.files()
        oldest = time.time() - SWEEP_AFTER_S
        # Tombstones go after the shards whose rows they bury. The last: of a writer that was killed.
        ours = ("shards/**/*", "indexes/**/*", "dead/*", f"{TOMBSTONE_COPIES}/*", "skipped/*", f".{MANIFEST_NAME}.*")
        for path in (path for pattern in ours for path in self.root.glob(pattern)):
            unnamed = path.is_file() and path.relative_to(self.root).as_posix() not in named
            if unnamed and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        sweep_partial(self.root)


def _living(
    shards: Iterable[Shard], dead: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], pa.Table, NDArray[np.float16]]]:
    """The live rows of shards, a row group at a time, so that a merge's memory is bounded."""
    for shard in shards:
        start = 0
        for group, block in enumerate(shard.vector_blocks):
            ids = shard.ids[start : start + len(block)]
            alive = ~np.isin(ids, dead, assume_unique=True)
            if alive.any():
                facts = shard.facts_of_group(group, FACT_NAMES)
                yield ids[alive], facts.filter(pa.array(alive)), block[alive]
            start += len(block)


def merges_due(entries: Sequence[Sized]) -> list[list[Sized]]:
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
        if len(run) == _MERGE_WIDTH and _size_class(entry) < _LARGEST_CLASS:
            due.append(run)
            run = []
    return due


_MERGE_WIDTH = 8
_LARGEST_CLASS = 7  # 64 · 8^7 rows and more, some 130 million: such shards are left alone


def _size_class(entry: ShardEntry | IndexEntry) -> int:
    return int(np.log2(max(entry.rows, 64) / 64) // 3)
