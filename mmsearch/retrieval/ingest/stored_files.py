"""The files that have rows in a collection: by path, by content, and whether their rows are complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows, expected_rows_from_text
from mmsearch.retrieval.ingest.found_files import FoundFile, FoundFiles
from mmsearch.retrieval.ingest.stored_columns import StoredColumns
from mmsearch.retrieval.paths import lies_under_any
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
        source: what it was read from, if that is not a folder (see `Item.source`): a scan knows nothing of it.
        ids: the ids of its live rows by space and modality.
    """

    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    ctime_ns: int | None = None
    expected: tuple[tuple[str, ExpectedRows], ...] = ()
    has_times: bool = False
    source: bytes | None = None
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
        facts["source"] = None
        items = [replace(item, **facts) for item in self.items]  # type: ignore[arg-type]
        return replace(self, items=items)


class StoredFiles:
    """All files with live rows in the given spaces (keys), by path and by content.

    Columns are read when they are first needed, and a `StoredFile` is made only of a file that is asked for.

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
        self._sources = [(space, modality) for space in spaces for modality in snapshot.manifest.modalities(space)]
        self._expected: dict[tuple[str, str], tuple[tuple[str, ExpectedRows], ...]] = {}
        self._made: dict[bytes, StoredFile] = {}
        self._by_hash: dict[bytes, list[StoredFile]] = {}
        self._by_size: dict[int, list[StoredFile]] = {}
        self._sizes_read: set[int] = set()

    @cached_property
    def columns(self) -> StoredColumns:
        """The facts of all rows."""
        snapshot = self._snapshot
        return StoredColumns([(space, modality, snapshot.rows(space, modality)) for space, modality in self._sources])

    @cached_property
    def _are_complete(self) -> NDArray[np.bool_]:
        """`is_complete` of each file at its number, bool ``[rows]``."""
        classes, examples = self.columns.classes([entry.before_id for entry in self._lost.values()])
        return np.array([self.is_complete(file) for file in self._without_facts(examples)], np.bool_)[classes]

    def unchanged(self, found: FoundFiles, *, by_ctime: bool = True) -> NDArray[np.int64]:
        """The numbers of the files that are complete and have the sizes and times that were found, int64 ``[found]``.

        -1 for all others: `is_unchanged` and `is_complete` tell more of these.
        """
        numbers = self.columns.numbers_of(found.paths)
        same = self.columns.are_equal(numbers, found, by_ctime=by_ctime)
        if same.any():
            same &= self._are_complete[numbers]
        return np.where(same, numbers, -1)

    def read(self, found: Collection[FoundFile]) -> None:
        """Read at once what is stored of files: at their paths, and with their sizes."""
        numbers = self.columns.numbers_of([file.path for file in found])
        self._read_sizes({file.size for file in found}, also=numbers[numbers >= 0])

    def _read_sizes(self, sizes: set[int], also: NDArray[np.int64] | None = None) -> None:
        """Read all files of some sizes, and those of some numbers."""
        every = self.columns.file_numbers()
        unread = np.array(sorted(sizes - self._sizes_read), np.int64)
        wanted = np.zeros(len(self.columns), np.bool_)
        wanted[every[np.isin(self.columns.size[every], unread)]] = True
        if also is not None:
            wanted[also] = True
        self.files(np.flatnonzero(wanted))
        self._sizes_read |= sizes

    def get(self, path: bytes) -> StoredFile | None:
        """The stored file at a path."""
        if path not in self._made:
            (number,) = self.columns.numbers_of([path])
            if number >= 0:
                self.files(np.array([number]))
        return self._made.get(path)

    def files(self, numbers: NDArray[np.int64]) -> list[StoredFile]:
        """The files of these numbers."""
        files: dict[bytes, StoredFile] = {}
        names = ("path", "size", "mtime_ns", "content_hash", "ctime_ns", "made", "span_unit", "mms_source")
        for space, modality, rows, _, positions in self.columns.rows_of(numbers):
            ids = iter(rows.ids[positions].tolist())
            for table in rows.tables(names, positions):
                columns = [table[name].to_pylist() for name in names]
                for path, size, mtime_ns, content_hash, ctime_ns, text, unit, source in zip(*columns, strict=True):
                    file = files.get(path)
                    if file is None:
                        file = StoredFile(path, size, mtime_ns, content_hash or b"", ctime_ns, source=source)
                        files[path] = file
                    self._add_row(file, (space, modality), next(ids), unit == "s", text)
        return [self._kept(file) for file in files.values()]

    def _kept(self, file: StoredFile) -> StoredFile:
        """The file, or the object that was made of it before."""
        known = self._made.setdefault(file.path, file)
        if known is file and file.content_hash:
            self._by_hash.setdefault(file.content_hash, []).append(file)
            self._by_size.setdefault(file.size, []).append(file)
        return known

    def _without_facts(self, numbers: NDArray[np.int64]) -> list[StoredFile]:
        """The files of these numbers, as far as the columns tell: without path, size, times and content."""
        columns = self.columns
        files = {number: StoredFile(b"", 0, 0, b"") for number in numbers.tolist()}
        for space, modality, rows, here, positions in columns.rows_of(numbers):
            first = here if columns.first_rows is None else columns.first_rows[here]
            facts = (first, rows.ids[positions], columns.timed[here], columns.made[here])
            for number, row_id, timed, place in zip(*(values.tolist() for values in facts), strict=True):
                text = None if place < 0 else columns.texts[place]
                self._add_row(files[number], (space, modality), row_id, timed, text)
        return list(files.values())

    def _add_row(
        self, file: StoredFile, source: tuple[str, Modality], row_id: int, timed: bool, text: str | None
    ) -> None:
        file.ids.setdefault(source, []).append(row_id)
        file.has_times = file.has_times or timed
        if text is not None and not any(key == source[0] for key, _ in file.expected):
            file.expected += self._expected_in(source[0], text)

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
        stored = self.get(found.path)
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

    def with_content(self, content_hash: bytes, size: int) -> list[StoredFile]:
        """The stored files with that content, which has so many bytes."""
        if size not in self._sizes_read:
            self._read_sizes({size})
        return self._by_hash.get(content_hash, [])

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of the stored files of that size: no other file can have the same content."""
        if size not in self._sizes_read:
            self._read_sizes({size})
        return frozenset(file.content_hash for file in self._by_size.get(size, ()))

    def paths(self) -> Iterator[bytes]:
        """The path of every row."""
        return self.columns.paths()

    def under(self, roots: Iterable[bytes], among: NDArray[np.bool_] | None = None) -> list[StoredFile]:
        """The stored files under any of the roots. ``among``: at the number of each file whether it is asked for."""
        tops = frozenset(roots)
        if not tops:
            return []
        wanted = self._numbers(among, lambda path: lies_under_any(path, tops))
        return [file for file in self.files(wanted) if lies_under_any(file.path, tops)]

    def named_alike(self, paths: Iterable[bytes], among: NDArray[np.bool_]) -> dict[str, StoredFile]:
        """The stored files whose paths differ from some of these in case at most, by path without case."""
        folded = {os.fsdecode(path).casefold() for path in paths}
        wanted = self._numbers(among, lambda path: os.fsdecode(path).casefold() in folded)
        return {os.fsdecode(file.path).casefold(): file for file in self.files(wanted)}

    def _numbers(self, among: NDArray[np.bool_] | None, is_wanted: Callable[[bytes], bool]) -> NDArray[np.int64]:
        """The numbers of the files whose paths are wanted, ascending."""
        asked = np.zeros(len(self.columns), np.bool_)
        asked[self.columns.file_numbers()] = True
        if among is not None:
            asked &= among
        if not asked.any():
            return np.empty(0, np.int64)
        paths = zip(asked.tolist(), self.columns.paths(), strict=True)
        wanted = np.fromiter((one and is_wanted(path) for one, path in paths), np.bool_, len(asked))
        return np.flatnonzero(wanted)

    def vectors_of(self, content_hash: bytes, modality: Modality) -> list[PartialPiece]:
        """The vectors of pictures or windows of a file with that content, for one that is read again."""
        space = self._space_by_modality.get(modality, "")
        for file in self._by_hash.get(content_hash, []):
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
