"""The files that have rows in a collection: by path, by content, and whether their rows are complete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows, expected_rows_from_text
from mmsearch.retrieval.ingest.scan import FoundFile
from mmsearch.retrieval.paths import lies_under
from mmsearch.retrieval.store.partial_files import PartialPiece
from mmsearch.retrieval.store.schema import FACT_NAMES, item_of
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Item, Modality, Space


@dataclass(slots=True)
class StoredFile:
    """A file that has rows: the size, times and content hash it was indexed with, and the ids of its rows.

    Attributes:
        expected: for each space, by its key, the rows that the file should have in it.
        has_times: whether some rows are of films, sounds or subtitles.
        ids: the ids of its live rows by space and modality.
    """

    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    ctime_ns: int | None = None
    expected: tuple[tuple[str, ExpectedRows], ...] = ()
    has_times: bool = False
    ids: dict[tuple[str, Modality], list[int]] = field(default_factory=dict)

    @property
    def modalities(self) -> set[Modality]:
        """The modalities that it has rows in."""
        return {modality for _, modality in self.ids}

    @property
    def is_name(self) -> bool:
        """Whether its rows were added under a name that was no file (see `schema.is_without_file`)."""
        return not (self.size or self.mtime_ns or self.content_hash)

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

    def for_file(self, found: FoundFile) -> StoredRows:
        """The same rows for another file with the same content."""
        facts = {"path": found.path, "size": found.size, "mtime_ns": found.mtime_ns, "ctime_ns": found.ctime_ns}
        items = [replace(item, **facts) for item in self.items]  # type: ignore[arg-type]
        return replace(self, items=items)


class StoredFiles:
    """All files with live rows in the given spaces (keys), by path and by content.

    ``space_by_modality`` names the space that each modality is embedded into now, and ``cut`` the options of the run;
    `is_complete` needs both.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        spaces: Iterable[str],
        space_by_modality: Mapping[Modality, str] | None = None,
        cut: CutOptions | None = None,
    ) -> None:
        self._cut = cut or CutOptions()
        self._snapshot = snapshot
        self._space_by_modality = space_by_modality or {}
        self._lost = {(entry.space, entry.modality): entry for entry in snapshot.manifest.lost}
        self._expected: dict[tuple[str, str], tuple[tuple[str, ExpectedRows], ...]] = {}
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
                file.has_times = file.has_times or unit == "s"
                if text is not None and not any(key == space for key, _ in file.expected):
                    file.expected += self._expected_in(space, text)

    def _expected_in(self, space: str, text: str) -> tuple[tuple[str, ExpectedRows], ...]:
        """The expected rows that a row's text holds; one object for equal texts, as there are few different ones."""
        if (space, text) not in self._expected:
            expected = expected_rows_from_text(text)
            self._expected[space, text] = () if expected is None else ((space, expected),)
        return self._expected[space, text]

    def is_unchanged(self, found: FoundFile, *, by_ctime: bool = True) -> bool:
        """Whether the file has the size and times that it was indexed with.

        A tool can set the modification time, but not the time of status change (ctime). With ``by_ctime`` that one is
        compared too, if both are known.
        """
        stored = self.by_path.get(found.path)
        if stored is None or (stored.size, stored.mtime_ns) != (found.size, found.mtime_ns):
            return False
        return not by_ctime or None in (stored.ctime_ns, found.ctime_ns) or stored.ctime_ns == found.ctime_ns

    def is_complete(self, file: StoredFile) -> bool:
        """Whether the file has rows in every modality that it had, in the space that embeds that modality now, and was
        searched for all texts that this run would look for."""
        if file.expected and all(expected.lacks_texts(self._cut) for _, expected in file.expected):
            return False
        return not any(self._lacks(file, space, modality) for modality, space in self._space_by_modality.items())

    def _lacks(self, file: StoredFile, space: str, modality: Modality) -> bool:
        if (space, modality) in file.ids:
            return False
        counts = {key: expected.rows[modality] for key, expected in file.expected if modality in expected.rows}
        if counts:
            return counts.get(space, max(counts.values())) > 0
        lost = self._lost.get((space, modality))
        if lost is None or max(file.all_ids()) >= lost.before_id:
            return False
        return modality != "image" and (file.has_times or bool(file.modalities & {"audio", "video"}))

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of the stored files of that size: no other file can have the same content."""
        return frozenset(self._hashes_of_size.get(size, ()))

    def with_content(self, content_hash: bytes) -> list[StoredFile]:
        """The stored files with that content."""
        return self._by_hash.get(content_hash, [])

    def under(self, roots: Iterable[bytes]) -> Iterator[StoredFile]:
        """The stored files under any of the roots."""
        tops = list(roots)
        return (file for path, file in self.by_path.items() if any(lies_under(path, top) for top in tops))

    def vectors_of(self, content_hash: bytes, modality: Modality) -> list[PartialPiece]:
        """The vectors of pictures or windows of a file with that content, for one that is read again."""
        space = self._space_by_modality.get(modality, "")
        for file in self.with_content(content_hash):
            if ids := file.ids.get((space, modality)):
                (rows,) = read_rows(self._snapshot, {(space, modality): ids})
                pieces = zip(rows.items, rows.vectors.astype(np.float32), strict=True)
                return [PartialPiece.known(item.span, vector) for item, vector in pieces]
        return []

    def stored_rows(self, file: StoredFile) -> list[StoredRows]:
        """The rows of a stored file, with their vectors."""
        return read_rows(self._snapshot, file.ids)


def read_rows(snapshot: Snapshot, ids: Mapping[tuple[str, Modality], list[int]]) -> list[StoredRows]:
    """Rows with their vectors by their ids, whether they are live or deleted."""
    stored = []
    for (space, modality), row_ids in ids.items():
        rows = snapshot.rows(space, modality)
        positions = rows.positions(np.array(row_ids, np.int64))
        items = [item_of(row) for row in rows.facts_at(positions, [*FACT_NAMES, *rows.own_types])]
        stored.append(StoredRows(snapshot.manifest.spaces[space], modality, items, rows.vectors_at(positions)))
    return stored


def differ_only_in_case(old: bytes, new: bytes) -> bool:
    """Whether two paths differ only in case and are the same file, as on file systems that ignore case."""
    if os.fsdecode(old).casefold() != os.fsdecode(new).casefold():
        return False
    try:
        return os.path.samefile(old, new)
    except OSError:
        return False
