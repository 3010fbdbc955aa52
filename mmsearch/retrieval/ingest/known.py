"""What the collection already knows of files: their facts, their rows, and which share a content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.scan import Found, lies_under
from mmsearch.retrieval.store.schema import FACT_NAMES, item_of
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Item, Modality, Space


@dataclass(slots=True)
class KnownFile:
    """A file that has rows: the facts that tell whether it changed, and its rows' ids by space and modality."""

    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    ids: dict[tuple[str, Modality], list[int]] = field(default_factory=dict)

    @property
    def modalities(self) -> set[Modality]:
        """What it has rows of."""
        return {modality for _, modality in self.ids}

    def all_ids(self) -> list[int]:
        """The ids of all its rows."""
        return [row_id for ids in self.ids.values() for row_id in ids]


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of one file as they are stored: items and their vectors of one space, float16 ``[len(items), dim]``."""

    space: Space
    modality: Modality
    items: list[Item]
    vectors: NDArray[np.float16]

    def under_name(self, found: Found) -> StoredRows:
        """The same rows for another file of the same content."""
        items = [replace(i, path=found.path, size=found.size, mtime_ns=found.mtime_ns) for i in self.items]
        return replace(self, items=items)


class KnownFiles:
    """All files with live rows in any of some spaces (by their keys), by path and by content."""

    def __init__(self, snapshot: Snapshot, spaces: Iterable[str]) -> None:
        self._snapshot = snapshot
        self.by_path: dict[bytes, KnownFile] = {}
        for space in spaces:
            for modality in snapshot.manifest.modalities(space):
                self._read(space, modality)
        self._by_hash = {file.content_hash: file for file in self.by_path.values() if file.content_hash}
        self._hashes_of_size: dict[int, set[bytes]] = {}
        for content_hash, file in self._by_hash.items():
            self._hashes_of_size.setdefault(file.size, set()).add(content_hash)

    def _read(self, space: str, modality: Modality) -> None:
        rows = self._snapshot.rows(space, modality)
        names = ("path", "size", "mtime_ns", "content_hash")
        table = rows.facts(names)
        live = rows.live if rows.live is not None else np.ones(len(rows), np.bool_)
        columns = [table[name].to_pylist() for name in names]
        for row_id, alive, path, size, mtime_ns, content_hash in zip(
            rows.ids.tolist(), live.tolist(), *columns, strict=True
        ):
            if alive:
                file = self.by_path.get(path)
                if file is None:
                    file = self.by_path[path] = KnownFile(path, size, mtime_ns, content_hash or b"")
                file.ids.setdefault((space, modality), []).append(row_id)

    def unchanged(self, found: Found) -> bool:
        """Whether the file has the size and time of change that it was indexed with."""
        known = self.by_path.get(found.path)
        return known is not None and (known.size, known.mtime_ns) == (found.size, found.mtime_ns)

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of the known files of that size: only these can have the same content."""
        return frozenset(self._hashes_of_size.get(size, ()))

    def with_content(self, content_hash: bytes) -> KnownFile | None:
        """A known file of that content."""
        return self._by_hash.get(content_hash)

    def under(self, roots: Iterable[bytes]) -> Iterator[KnownFile]:
        """The known files that lie under any of the roots."""
        tops = list(roots)
        return (file for path, file in self.by_path.items() if any(lies_under(path, top) for top in tops))

    def stored_rows(self, file: KnownFile) -> list[StoredRows]:
        """The rows of a known file, so that a copy of it need not be embedded."""
        stored = []
        for (space, modality), ids in file.ids.items():
            rows = self._snapshot.rows(space, modality)
            positions = rows.positions(np.array(ids, np.int64))
            items = [item_of(row) for row in rows.facts_at(positions, FACT_NAMES)]
            stored.append(
                StoredRows(self._snapshot.manifest.spaces[space], modality, items, rows.vectors_at(positions))
            )
        return stored


def same_but_case(old: bytes, new: bytes) -> bool:
    """Whether two names differ in case alone and are one file, as on systems that ignore case."""
    if os.fsdecode(old).casefold() != os.fsdecode(new).casefold():
        return False
    try:
        return os.path.samefile(old, new)
    except OSError:
        return False
