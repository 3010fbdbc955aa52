"""What the collection already knows of files: their facts, their rows, and which share a content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.completeness import Made, made_of_text
from mmsearch.retrieval.ingest.scan import FoundFile, lies_under
from mmsearch.retrieval.store.schema import FACT_NAMES, item_of
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Item, Modality, Space


@dataclass(slots=True)
class StoredFile:
    """A file that has rows: the facts that tell whether it changed, and its rows' ids by space and modality.

    ``made`` is what the rows of each space (by its key) say of the whole file. ``timed``: some are of films,
    sounds or subtitles.
    """

    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    ctime_ns: int | None = None
    made: tuple[tuple[str, Made], ...] = ()
    timed: bool = False
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

    def under_name(self, found: FoundFile) -> StoredRows:
        """The same rows for another file of the same content."""
        facts = {"path": found.path, "size": found.size, "mtime_ns": found.mtime_ns, "ctime_ns": found.ctime_ns}
        items = [replace(item, **facts) for item in self.items]  # type: ignore[arg-type]
        return replace(self, items=items)


class StoredFiles:
    """All files with live rows in any of some spaces (by their keys), by path and by content.

    ``serving`` names the space that embeds each modality now: by it a file is known to lack rows.
    """

    def __init__(
        self, snapshot: Snapshot, spaces: Iterable[str], space_by_modality: Mapping[Modality, str] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._serving = space_by_modality or {}
        self._lost = {(entry.space, entry.modality): entry for entry in snapshot.manifest.lost}
        self._texts: dict[tuple[str, str], tuple[tuple[str, Made], ...]] = {}
        self.by_path: dict[bytes, StoredFile] = {}
        for space in spaces:
            for modality in snapshot.manifest.modalities(space):
                self._read(space, modality)
        self._by_hash: dict[bytes, list[StoredFile]] = {}
        self._hashes_of_size: dict[int, set[bytes]] = {}
        for file in self.by_path.values():
            if file.content_hash:
                self._by_hash.setdefault(file.content_hash, []).append(file)
                self._hashes_of_size.setdefault(file.size, set()).add(file.content_hash)

    def _read(self, space: str, modality: Modality) -> None:
        rows = self._snapshot.rows(space, modality)
        names = ("path", "size", "mtime_ns", "content_hash", "ctime_ns", "made", "span_unit")
        table = rows.facts(names)
        live = rows.live if rows.live is not None else np.ones(len(rows), np.bool_)
        columns = [table[name].to_pylist() for name in names]
        for row_id, alive, path, size, mtime_ns, content_hash, ctime_ns, text, unit in zip(
            rows.ids.tolist(), live.tolist(), *columns, strict=True
        ):
            if alive:
                file = self.by_path.get(path)
                if file is None:
                    file = self.by_path[path] = StoredFile(path, size, mtime_ns, content_hash or b"", ctime_ns)
                file.ids.setdefault((space, modality), []).append(row_id)
                file.timed = file.timed or unit == "s"
                if text is not None and not any(key == space for key, _ in file.made):
                    file.made += self._told(space, text)

    def _told(self, space: str, text: str) -> tuple[tuple[str, Made], ...]:
        """What a row says of its file; one object for all that say the same, of which there are few."""
        if (space, text) not in self._texts:
            made = made_of_text(text)
            self._texts[space, text] = () if made is None else ((space, made),)
        return self._texts[space, text]

    def unchanged(self, found: FoundFile, *, by_ctime: bool = True) -> bool:
        """Whether the file has the size and times of change that it was indexed with.

        A tool can set the time of modification, but not the other (``ctime``), which is looked at where both are known.
        """
        known = self.by_path.get(found.path)
        if known is None or (known.size, known.mtime_ns) != (found.size, found.mtime_ns):
            return False
        return not by_ctime or None in (known.ctime_ns, found.ctime_ns) or known.ctime_ns == found.ctime_ns

    def is_whole(self, file: StoredFile) -> bool:
        """Whether the file has rows of every modality that it had, in the space that embeds that modality now."""
        return not any(self._lacks(file, space, modality) for modality, space in self._serving.items())

    def _lacks(self, file: StoredFile, space: str, modality: Modality) -> bool:
        if (space, modality) in file.ids:
            return False
        told = {key: made.rows[modality] for key, made in file.made if modality in made.rows}
        if told:
            return told.get(space, max(told.values())) > 0
        lost = self._lost.get((space, modality))
        if lost is None or max(file.all_ids()) >= lost.before_id:
            return False
        return modality != "image" and (file.timed or bool(file.modalities & {"audio", "video"}))

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of the known files of that size: only these can have the same content."""
        return frozenset(self._hashes_of_size.get(size, ()))

    def with_content(self, content_hash: bytes) -> list[StoredFile]:
        """The known files of that content."""
        return self._by_hash.get(content_hash, [])

    def under(self, roots: Iterable[bytes]) -> Iterator[StoredFile]:
        """The known files that lie under any of the roots."""
        tops = list(roots)
        return (file for path, file in self.by_path.items() if any(lies_under(path, top) for top in tops))

    def stored_rows(self, file: StoredFile) -> list[StoredRows]:
        """The rows of a known file, so that a copy of it need not be embedded."""
        return rows_as_stored(self._snapshot, file.ids)


def rows_as_stored(snapshot: Snapshot, ids: Mapping[tuple[str, Modality], list[int]]) -> list[StoredRows]:
    """Rows by their ids, live or not."""
    stored = []
    for (space, modality), of_modality in ids.items():
        rows = snapshot.rows(space, modality)
        positions = rows.positions(np.array(of_modality, np.int64))
        items = [item_of(row) for row in rows.facts_at(positions, FACT_NAMES)]
        stored.append(StoredRows(snapshot.manifest.spaces[space], modality, items, rows.vectors_at(positions)))
    return stored


def same_but_case(old: bytes, new: bytes) -> bool:
    """Whether two names differ in case alone and are one file, as on systems that ignore case."""
    if os.fsdecode(old).casefold() != os.fsdecode(new).casefold():
        return False
    try:
        return os.path.samefile(old, new)
    except OSError:
        return False
