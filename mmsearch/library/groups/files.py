"""The files of a collection that are to be grouped: a row, a vector, a date and a place of each.

A film is one file, though it has a row for each shot, and so is a document: its vector is the mean of its rows'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch import Progress
from mmsearch.collection import Collection
from mmsearch.library.groups.cluster import Floats, sums_by
from mmsearch.types import Modality, Space
from mmsearch.unit import normalize_rows

FileKind = Literal["look", "sound", "text"]

MODALITIES_OF: dict[FileKind, tuple[Modality, ...]] = {
    "look": ("image", "video"),
    "sound": ("audio",),
    "text": ("text",),
}

NO_DATE = np.iinfo(np.int64).min
"""In place of microseconds since 1970, of a file without a date."""

SAMPLED = 32_768
"""Of more files, so many are clustered; all others are assigned."""

_COLUMNS = [
    "path",
    "modality",
    "span_unit",
    "mms_evidence",
    "taken_at",
    "mms_lat",
    "mms_lon",
    "mms_place",
    "mms_country",
]
_BATCH = 8192
_SPREADING = 0x9E3779B97F4A7C15  # Fibonacci hashing: ids that follow one another are spread evenly

Watcher = Callable[[Progress], None]

Scope = dict[str, Any]
"""Options of `Collection.items`: which files are meant."""


@dataclass(slots=True, eq=False)
class Files:
    """Files in the order in which they are stored, as arrays.

    Attributes:
        ids: the first row of each file, int64 ``[n]``.
        taken: when it was taken, as its clock showed it, in microseconds since 1970, or `NO_DATE`; int64 ``[n]``.
        lat: degrees of latitude, NaN where not known; float64 ``[n]``.
        lon: the same of longitude.
        place: the number of its town in ``places``, -1 where not known; int64 ``[n]``.
        places: towns and their countries.
        rows: all rows, int64 ``[r]``.
        file_of_row: the number of the file of each, int64 ``[r]``.
        sample: the numbers of the files that ``vectors`` are of, int64 ``[m]``.
        vectors: unit vectors of these, float32 ``[m, dim]``.
    """

    ids: NDArray[np.int64]
    taken: NDArray[np.int64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    place: NDArray[np.int64]
    places: list[tuple[str, str]]
    rows: NDArray[np.int64]
    file_of_row: NDArray[np.int64]
    sample: NDArray[np.int64]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class _Parts:
    """What `read_files` has read so far, piece by piece."""

    columns: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    count: int = 0

    def put(self, name: str, values: NDArray[Any]) -> None:
        self.columns.setdefault(name, []).append(values)

    def whole(self, name: str, dtype: Any) -> NDArray[Any]:
        parts = self.columns.get(name)
        return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)

    def number_of(self, place: str | None, country: str | None) -> int:
        if not place:
            return -1
        return self.places.setdefault((place, country or ""), len(self.places))


def space_of(collection: Collection, modalities: Sequence[Modality], scope: Scope) -> Space | None:
    """The first space that has rows of these modalities; None if there are none."""
    for space in collection.spaces:
        if collection.count(to=modalities, space=space, **scope):
            return space
    return None


def read_files(
    collection: Collection,
    modalities: Sequence[Modality],
    space: Space,
    scope: Scope,
    *,
    vectors: bool = True,
    watch: Watcher | None = None,
) -> Files:
    """All files in scope, and the vectors of all or of an even sample of them."""
    rows = collection.count(to=modalities, space=space, **scope)
    step = max(1, math.ceil(rows / SAMPLED))
    parts = _Parts()
    for block in walk(collection, modalities, space, scope, vectors=vectors, watch=watch):
        table, start = block.table, parts.count
        parts.put("ids", block.ids)
        parts.put("rows", block.rows)
        parts.put("file_of_row", block.file_of_row + start)
        parts.put("taken", _microseconds(table["taken_at"]))
        for name in ("lat", "lon"):
            parts.put(name, table[f"mms_{name}"].to_numpy(zero_copy_only=False).astype(np.float64))
        named = zip(table["mms_place"].to_pylist(), table["mms_country"].to_pylist(), strict=True)
        parts.put("place", np.array([parts.number_of(*pair) for pair in named], np.int64))
        if vectors:
            chosen = np.flatnonzero(_spread(block.ids) % np.uint64(step) == 0)
            parts.put("sample", chosen + start)
            parts.put("vectors", block.vectors[chosen])
        parts.count += len(block.ids)
    found = parts.whole("vectors", np.float32)
    return Files(
        ids=parts.whole("ids", np.int64),
        taken=parts.whole("taken", np.int64),
        lat=parts.whole("lat", np.float64),
        lon=parts.whole("lon", np.float64),
        place=parts.whole("place", np.int64),
        places=list(parts.places),
        rows=parts.whole("rows", np.int64),
        file_of_row=parts.whole("file_of_row", np.int64),
        sample=parts.whole("sample", np.int64),
        vectors=found if found.ndim == 2 else np.empty((0, space.dim), np.float32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some files, one after another.

    Attributes:
        ids: the first row of each.
        rows: all their rows.
        file_of_row: the number of the file of each row, from 0 in this block.
        table: the columns of the first rows.
        vectors: unit vectors, float32 ``[files, dim]``; empty if they were not asked for.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    file_of_row: NDArray[np.int64]
    table: pa.Table
    vectors: Floats


def walk(
    collection: Collection,
    modalities: Sequence[Modality],
    space: Space,
    scope: Scope,
    *,
    vectors: bool = True,
    watch: Watcher | None = None,
) -> Iterator[Block]:
    """The files in scope, a block at a time: consecutive rows of one path are a file."""
    total = 0 if watch is None else collection.count(to=modalities, space=space, **scope)
    done = 0
    waiting: pa.Table | None = None  # rows of a file of which the next batch may have more
    items = collection.items(to=modalities, space=space, batch=_BATCH, columns=_COLUMNS, vectors=vectors, **scope)
    for batch in items:
        if watch is not None:
            watch(Progress("index", done, total))
        done += len(batch)
        table = pa.Table.from_batches([batch])
        table = table.filter(pa.array(_are_meant(table)))
        if waiting is not None:
            table = pa.concat_tables([waiting, table]).combine_chunks()
        if not len(table):
            continue
        starts = _starts(table["path"])
        last = int(starts[-1])
        waiting = table.slice(last)
        if last:
            yield _block(table.slice(0, last), starts[:-1], space.dim, vectors)
    if waiting is not None and len(waiting):
        yield _block(waiting, np.zeros(1, np.int64), space.dim, vectors)


def _are_meant(table: pa.Table) -> NDArray[np.bool_]:
    """Which rows say what a file is: not its subtitles and speech, not text in pictures, not how pages look."""
    is_text: NDArray[np.bool_] = np.asarray(table["modality"].to_numpy(zero_copy_only=False) == "text", np.bool_)
    unit = table["span_unit"].to_numpy(zero_copy_only=False)
    meant: NDArray[np.bool_] = ~is_text | np.asarray(unit != "s", np.bool_)
    doubtful = np.flatnonzero((~is_text & (unit == "page")) | table["mms_evidence"].is_valid().to_numpy())
    paths = table["path"].take(pa.array(doubtful)).to_pylist()
    of_document = np.array([path.lower().endswith(".pdf") for path in paths], np.bool_)
    meant[doubtful] &= of_document == is_text[doubtful]
    return meant


def _starts(paths: pa.ChunkedArray) -> NDArray[np.int64]:
    names = paths.to_numpy()
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    return starts.astype(np.int64)


def _block(table: pa.Table, starts: NDArray[np.int64], dim: int, with_vectors: bool) -> Block:
    rows = table["id"].to_numpy()
    file_of_row = np.zeros(len(rows), np.int64)
    file_of_row[starts[1:]] = 1
    file_of_row = np.cumsum(file_of_row)
    vectors = np.empty((0, dim), np.float32)
    if with_vectors:
        vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, dim)
        if len(starts) < len(rows):
            vectors = normalize_rows(sums_by(vectors, file_of_row, len(starts)))
    columns = [name for name in table.column_names if name != "vector"]
    return Block(rows[starts], rows, file_of_row, table.select(columns).take(pa.array(starts)), vectors)


def _microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    known = column.is_valid().to_numpy()
    values = column.cast(pa.int64()).fill_null(0).to_numpy()
    return np.where(known, values, NO_DATE)


def _spread(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    return (ids.astype(np.uint64) * np.uint64(_SPREADING)) >> np.uint64(40)
