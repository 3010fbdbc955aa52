"""The files of a collection as arrays: what duplicates are found by, one value for each row and each file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.types import MODALITIES, Modality, Space

_COLUMNS = ("path", "content_hash", "size", "modality", "span_start", "span_end", "mms_evidence")
_BATCH = 1 << 16

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModalityRows:
    """The rows of one modality, in one space.

    Attributes:
        space: the space.
        ids: of the rows, ascending.
        files: the number of the file of each row.
        starts: where each row begins in its file, in seconds or other units; NaN for a whole file.
        ends: where it ends.
    """

    space: Space
    ids: Ints
    files: Ints
    starts: Floats
    ends: Floats


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a collection that lie on a disk.

    Attributes:
        rows: the rows by modality. Texts have none but those that are needed for `first_rows`.
        paths: of each file, in order of the first row (bytes that are not UTF-8 are escaped).
        contents: the number of each file's content; -1 where it is not known.
        sizes: in bytes.
        kinds: the modality of each file, as its place in `MODALITIES`: a film with sound is a film.
        first_rows: the id of the row that stands for each file.
    """

    rows: dict[Modality, ModalityRows]
    paths: pa.Array
    contents: Ints
    sizes: Ints
    kinds: NDArray[np.int8]
    first_rows: Ints

    def __len__(self) -> int:
        return len(self.first_rows)

    def of_kind(self, kind: Modality) -> NDArray[np.bool_]:
        """Which files are of a kind."""
        return np.asarray(self.kinds == MODALITIES.index(kind))


def read_files(collection: Collection) -> Files:
    """The files of a collection."""
    parts: dict[Modality, list[pa.Table]] = {}
    spaces: dict[Modality, Space] = {}
    for space in collection.spaces:
        for batch in collection.items(space=space, batch=_BATCH, columns=_COLUMNS):
            table = pa.Table.from_batches([batch])
            for name in pc.unique(table["modality"]).to_pylist():
                modality: Modality = name
                if spaces.setdefault(modality, space) == space:
                    parts.setdefault(modality, []).append(table.filter(pc.equal(table["modality"], modality)))
    if not parts:
        none = np.empty(0, np.int64)
        return Files({}, pa.array([], pa.string()), none, none, none.astype(np.int8), none)
    tables = {modality: pa.concat_tables(own) for modality, own in parts.items()}
    return _files(tables, spaces)


def _files(tables: dict[Modality, pa.Table], spaces: dict[Modality, Space]) -> Files:
    whole = pa.concat_tables(tables.values())
    coded = whole["path"].combine_chunks().dictionary_encode()
    numbers = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    ids = whole["id"].to_numpy()
    count = len(coded.dictionary)
    # A film is a film by any of its rows, a picture is one though text was read in it.
    ranks = np.array([_RANKS[name] for name in whole["modality"].to_pylist()], np.int64)
    made = np.array([_MADE_RANKS.get(name or "", 0) for name in whole["mms_evidence"].to_pylist()], np.int64)
    ranks = np.maximum(ranks, made)
    order = np.lexsort((ids, -ranks, numbers))
    first = order[np.searchsorted(numbers[order], np.arange(count))]
    kinds = np.array([MODALITIES.index(_BY_RANK[rank]) for rank in ranks[first].tolist()], np.int8)
    hashes = whole["content_hash"].take(pa.array(first)).combine_chunks().dictionary_encode()
    contents = pc.fill_null(hashes.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    sizes = whole["size"].take(pa.array(first)).to_numpy()
    rows: dict[Modality, ModalityRows] = {}
    start = 0
    for modality, table in tables.items():
        own = slice(start, start + len(table))
        start += len(table)
        rows[modality] = ModalityRows(
            spaces[modality],
            table["id"].to_numpy(),
            numbers[own],
            _floats(table["span_start"]),
            _floats(table["span_end"]),
        )
    return Files(rows, coded.dictionary, contents, sizes, kinds, ids[first])


_RANKS: dict[str, int] = {"text": 0, "audio": 1, "image": 2, "video": 3}
_BY_RANK: tuple[Modality, ...] = ("text", "audio", "image", "video")
_MADE_RANKS = {"ocr": 2, "speech": 1}
"""Texts that were made of a picture or a sound."""


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), np.float64)


class RowVectors:
    """The stored vectors of some rows of a modality, read as they are needed."""

    def __init__(self, collection: Collection, rows: ModalityRows, modality: Modality, ids: Ints) -> None:
        self._rows = collection.searcher(rows.space).rows(modality)
        self._positions = self._rows.positions(ids)
        self.dim = rows.space.dim

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, places: Ints) -> NDArray[np.float32]:
        """The vectors at some places, float32 ``[n, dim]``."""
        return self._rows.vectors_at(self._positions[places]).astype(np.float32)


def in_scope(
    collection: Collection, files: Files, to: Sequence[Modality], options: dict[str, object]
) -> NDArray[np.bool_]:
    """Which files are asked for: of some kinds, and with a row that fulfils the conditions."""
    asked = np.ones(len(files), np.bool_)
    if to:
        asked &= np.isin(files.kinds, [MODALITIES.index(kind) for kind in to])
    if any(value is not None for value in options.values()):
        found = np.zeros(len(files), np.bool_)
        ids = np.concatenate([rows.ids for rows in files.rows.values()] or [np.empty(0, np.int64)])
        numbers = np.concatenate([rows.files for rows in files.rows.values()] or [np.empty(0, np.int64)])
        order = np.argsort(ids)
        for named in _ids(collection, options):
            places = order[np.minimum(np.searchsorted(ids, named, sorter=order), len(ids) - 1)]
            found[numbers[places[ids[places] == named]]] = True
        asked &= found
    return asked


def _ids(collection: Collection, options: dict[str, object]) -> Iterator[Ints]:
    for batch in collection.items(batch=_BATCH, columns=(), **options):  # type: ignore[arg-type]
        yield batch["id"].to_numpy()


def same_file(one: str, other: str) -> bool:
    """Whether two paths are one file on the disk, by two names that are no hard links: to delete one deletes both."""
    try:
        a, b = os.stat(one), os.stat(other)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino) and a.st_nlink == 1 and a.st_ino != 0
