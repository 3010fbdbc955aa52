"""The facts of all stored rows as arrays: a run over a million unchanged files makes no object of any of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.retrieval.ingest.found_files import FoundFiles
from mmsearch.retrieval.store.arrow_numbers import as_numpy
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality

NO_TIME = int(np.iinfo(np.int64).min)
"""In the column ``ctime_ns``: the time is not known."""

_NAMES = ("path", "size", "mtime_ns", "ctime_ns", "made", "span_unit")

Numbers = NDArray[np.int64]


class StoredColumns:
    """The rows of some sources that are not deleted, numbered in the order in which they are read.

    A file is known by the number of its first row. Paths are kept as their hashes, 64 bits with a seed that differs
    from process to process: whoever makes a `StoredFile` compares the path itself.

    Attributes:
        sources: the space and modality of each source, with its rows.
        size, mtime_ns: int64 ``[rows]``.
        ctime_ns: int64 ``[rows]``, `NO_TIME` where it is not known.
        made: places in ``texts``, int32 ``[rows]``; -1 for a row without.
        texts: the different values of the column ``made``.
        timed: whether the row is of a film, a sound or a subtitle, bool ``[rows]``.
    """

    def __init__(self, sources: Sequence[tuple[str, Modality, Rows]]) -> None:
        self.sources = sources
        self._starts = np.cumsum([0] + [rows.live_count for _, _, rows in sources])
        count = int(self._starts[-1])
        self.size, self.mtime_ns, self.ctime_ns = (np.empty(count, np.int64) for _ in range(3))
        self.made = np.full(count, -1, np.int32)
        self.timed = np.zeros(count, np.bool_)
        self._texts: dict[str, int] = {}
        hashes = np.empty(count, np.int64)
        start = 0
        for _, _, rows in sources:
            for table in rows.live_tables(_NAMES):
                part = slice(start, start + table.num_rows)
                hashes[part] = np.fromiter(map(hash, binary_values(table["path"])), np.int64, table.num_rows)
                self.size[part] = _integers(table["size"])
                self.mtime_ns[part] = _integers(table["mtime_ns"])
                self.ctime_ns[part] = _integers(table["ctime_ns"])
                self.made[part] = self._places_of(table["made"])
                self.timed[part] = _equal(table["span_unit"], "s")
                start = part.stop
        self._order = np.argsort(hashes).astype(np.int32)
        self._hashes = hashes[self._order]

    def __len__(self) -> int:
        return len(self.size)

    @property
    def texts(self) -> list[str]:
        """See the class."""
        return list(self._texts)

    @cached_property
    def first_rows(self) -> NDArray[np.int32] | None:
        """The number of the first row of each row's file, int32 ``[rows]``; None if every file has one row."""
        if not (self._hashes[1:] == self._hashes[:-1]).any():
            return None
        starts = np.flatnonzero(np.concatenate([[True], self._hashes[1:] != self._hashes[:-1]]))
        lowest = np.minimum.reduceat(self._order, starts)
        first = np.empty(len(self), np.int32)
        first[self._order] = np.repeat(lowest, np.diff(np.append(starts, len(self))))
        return first

    def file_numbers(self) -> Numbers:
        """The number of every file, ascending."""
        every = np.arange(len(self))
        return every if self.first_rows is None else np.flatnonzero(self.first_rows == every)

    def numbers_of(self, paths: Sequence[bytes]) -> Numbers:
        """The number of the file at each path, int64 ``[paths]``; -1 where none is stored."""
        if not len(self):
            return np.full(len(paths), -1, np.int64)
        wanted = np.fromiter(map(hash, paths), np.int64, len(paths))
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self) - 1)
        found = self._order[places].astype(np.int64)
        if self.first_rows is not None:
            found = self.first_rows[found].astype(np.int64)
        return np.where(self._hashes[places] == wanted, found, -1)

    def are_equal(self, numbers: Numbers, found: FoundFiles, *, by_ctime: bool) -> NDArray[np.bool_]:
        """Whether the files of these numbers (-1: none) have the sizes and times that were found, bool ``[found]``."""
        try:
            size, mtime_ns = (np.frombuffer(array("q", values), np.int64) for values in (found.sizes, found.mtimes_ns))
            ctime_ns = np.frombuffer(array("q", found.ctimes_ns), np.int64) if found.ctimes_ns is not None else None
        except OverflowError:  # a time in the far future: compared one by one
            return np.zeros(len(found), np.bool_)
        if not len(self):
            return np.zeros(len(found), np.bool_)
        same: NDArray[np.bool_] = (numbers >= 0) & (self.size[numbers] == size) & (self.mtime_ns[numbers] == mtime_ns)
        if by_ctime and ctime_ns is not None:
            stored = self.ctime_ns[numbers]
            same &= (stored == ctime_ns) | (stored == NO_TIME)
        return same

    def rows_of(self, numbers: Numbers) -> Iterator[tuple[str, Modality, Rows, Numbers, Numbers]]:
        """The rows of the files of these numbers, for each source that has some: their numbers and their positions in
        the source, both ascending."""
        if self.first_rows is None:
            wanted = np.sort(numbers)
        else:
            of_wanted = np.zeros(len(self), np.bool_)
            of_wanted[numbers] = True
            wanted = np.flatnonzero(of_wanted[self.first_rows])
        bounds = np.searchsorted(wanted, self._starts)
        for source, (space, modality, rows) in enumerate(self.sources):
            here = wanted[bounds[source] : bounds[source + 1]]
            if len(here):
                inside = here - self._starts[source]
                yield space, modality, rows, here, inside if rows.live is None else rows.live_positions[inside]

    def paths(self) -> Iterator[bytes]:
        """The path of every row."""
        for _, _, rows in self.sources:
            for table in rows.live_tables(("path",)):
                yield from binary_values(table["path"])

    def classes(self, boundaries: Sequence[int]) -> tuple[Numbers, Numbers]:
        """Classes of files that have rows in the same sources, with the same ``made`` in each space, and times or none.

        ``boundaries``: ids; files are also told apart by whether all ids of their rows are below each of them.

        Returns:
            The class of each file at its number, int64 ``[rows]``, and the number of a file of each class, int64
            ``[classes]``.
        """
        first = np.arange(len(self)) if self.first_rows is None else self.first_rows
        found = np.zeros(len(self), np.int64)
        made: dict[str, Numbers] = {}
        timed = np.zeros(len(self), np.bool_)
        timed[first[self.timed]] = True
        last_ids = np.zeros(len(self) if boundaries else 0, np.int64)
        for source, (space, _, rows) in enumerate(self.sources):
            part = slice(int(self._starts[source]), int(self._starts[source + 1]))
            files, texts = first[part], self.made[part]
            present = np.zeros(len(self), np.bool_)
            present[files] = True
            found = _joined(found, present)
            before = made.setdefault(space, np.full(len(self), -1, np.int64))
            with_text = np.flatnonzero((texts >= 0) & (before[files] < 0))[::-1]  # of several the first is put in last
            before[files[with_text]] = texts[with_text]
            if boundaries:
                ids = np.zeros(len(self), np.int64)
                ids[files] = rows.ids[rows.live_positions]  # they ascend, so that the last stays
                last_ids = np.maximum(last_ids, ids)
        for values in (timed, *made.values(), *(last_ids < before_id for before_id in boundaries)):
            found = _joined(found, values)
        numbers = self.file_numbers()
        distinct = _distinct(found[numbers])
        of_files = np.searchsorted(distinct, found[numbers])
        found[numbers] = of_files
        examples = np.empty(len(distinct), np.int64)
        examples[of_files] = numbers
        return found, examples

    def _places_of(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The place of each text in ``texts``, int32 ``[rows]``."""
        places = np.empty(len(column), np.int32)
        start = 0
        for chunk in column.chunks:
            part = slice(start, start + len(chunk))
            if chunk.null_count == len(chunk):
                places[part] = -1
            elif _is_one_text(chunk):
                places[part] = self._texts.setdefault(chunk[0].as_py(), len(self._texts))
            else:
                texts = chunk.to_pylist()
                places[part] = [-1 if t is None else self._texts.setdefault(t, len(self._texts)) for t in texts]
            start = part.stop
        return places


def binary_values(column: pa.ChunkedArray) -> list[bytes]:
    """The values of a column of bytes without nulls; in a third of the time of ``to_pylist``."""
    values: list[bytes] = []
    for chunk in column.chunks:
        if len(chunk):
            ends = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1].tolist()
            data = chunk.buffers()[2].to_pybytes() if chunk.buffers()[2] is not None else b""
            values += [data[start:end] for start, end in pairwise(ends)]
    return values


def _is_one_text(chunk: pa.Array) -> bool:
    """Whether all values of a column of strings are the same one; False also where that would take long to tell."""
    if chunk.null_count or chunk.type != pa.string():
        return False
    ends = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    width = int(ends[1] - ends[0])
    if not width or (np.diff(ends) != width).any():
        return False
    data = np.frombuffer(chunk.buffers()[2], np.uint8)[ends[0] : ends[-1]].reshape(-1, width)
    return bool((data == data[0]).all())


def _integers(column: pa.ChunkedArray) -> Numbers:
    """A column of int64; `NO_TIME` in the place of null."""
    parts = []
    for chunk in column.chunks:
        if chunk.null_count == len(chunk):
            parts.append(np.full(len(chunk), NO_TIME))
        else:
            parts.append(as_numpy(chunk, null=NO_TIME))
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _equal(column: pa.ChunkedArray, text: str) -> NDArray[np.bool_]:
    """Whether each value of a column of words is this one."""
    parts = []
    for chunk in column.chunks:
        if chunk.null_count == len(chunk):
            parts.append(np.zeros(len(chunk), np.bool_))
        else:
            parts.append(np.array([value == text for value in chunk.to_pylist()], np.bool_))
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _joined(one: Numbers, other: NDArray[Any]) -> Numbers:
    """Small numbers that differ where either of two arrays does, from 0 on; int64 of the same shape."""
    if not len(other) or other.min() == other.max():
        return one
    both = one * (int(other.max(initial=0)) + 2) + (other.astype(np.int64) + 1)
    return np.searchsorted(_distinct(both), both).astype(np.int64)


def _distinct(values: Numbers) -> Numbers:
    """The different values, ascending. `numpy.unique` would import numpy.ma."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
