"""Shards: immutable Parquet files whose vectors and ids are read in place, by memory map.

A shard is written with one uncompressed, plainly encoded page for each row group of the columns ``id`` and
``vector``. The values of such a page are the last bytes of its column chunk, and the footer says where that ends. So
the file is a table for any Parquet reader, and a matrix for mmsearch: no second copy of the vectors is needed. The
writer checks this on every file before it is committed.
"""

from __future__ import annotations

import json
import mmap
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import bytes_checksum, durable_file
from mmsearch.errors import CollectionDamagedError, NewerFormatError
from mmsearch.retrieval.store.own_columns import leaf_names
from mmsearch.retrieval.store.parquet_file import ParquetFile
from mmsearch.retrieval.store.schema import (
    FACT_NAMES,
    FORMAT_VERSION,
    is_own_column,
    shard_schema,
    with_all_columns,
)
from mmsearch.types import Space

if TYPE_CHECKING:
    from mmsearch.retrieval.store.remote_shard import RemoteFile

ROW_GROUP = 4_096
CACHE_BYTES = 32 << 20
"""Facts of row groups that an open shard keeps in memory for the next answers."""

_ONE_PAGE = 1 << 30  # far more than a row group holds: each of its columns becomes a single page
_VECTOR_LEAF = "vector.list.element"  # Parquet's name of the values inside the column ``vector``
_DICTIONARIES = (
    *("path", "modality", "span_unit", "note", "made", "taken_from"),
    *("mms_camera", "mms_place", "mms_country", "mms_lang", "mms_evidence", "mms_source"),
)

RowBatch = tuple[NDArray[np.int64], pa.Table, NDArray[np.float16]]
"""Ids ``[rows]``, facts of as many rows, and vectors ``[rows, dim]``."""


def write_shard(
    path: Path, space: Space, batches: Iterable[RowBatch], own_types: Mapping[str, pa.DataType] | None = None
) -> int:
    """Write batches of rows to a new file, durably; returns the number of rows.

    Ids ascend over all batches. Memory holds one batch at a time. ``own_types``: the user's own columns; the facts of
    every batch have them after those of the format.
    """
    import pyarrow.parquet as pq

    own_fields = [pa.field(name, kind) for name, kind in (own_types or {}).items()]
    own_leaves = [leaf for field in own_fields for leaf in leaf_names(field)]
    schema = shard_schema(space, own_fields)
    names = [*FACT_NAMES, *(field.name for field in own_fields)]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with (
        durable_file(path) as sink,
        pq.ParquetWriter(
            sink,
            schema,
            compression={"id": "none", _VECTOR_LEAF: "none"} | dict.fromkeys((*FACT_NAMES, *own_leaves), "zstd"),
            use_dictionary=[*_DICTIONARIES, *own_leaves],
            write_statistics=["id", "mtime_ns", "taken_at"],
            data_page_size=_ONE_PAGE,
            max_rows_per_page=_ONE_PAGE,
            write_page_index=False,
        ) as writer,
    ):
        for ids, facts, vectors in batches:
            columns = facts.select(names).combine_chunks().columns
            arrays = [pa.array(ids), *columns, _vector_array(vectors, space.dim)]
            table = pa.Table.from_arrays(arrays, schema=schema)
            writer.write_table(table, row_group_size=ROW_GROUP)
            rows += len(ids)
    Shard(path).check_mapping()
    return rows


def _vector_array(vectors: NDArray[np.float16], dim: int) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
    element = pa.field("element", pa.float16(), nullable=False)
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(element, dim))


class Shard:
    """A shard opened for reading. It stays readable while it is held, even after its file was deleted.

    ``footer``: the `footer_checksum` that the manifest holds. It is compared first, because some altered footers end
    the process in Arrow. ``first_id`` is added to the ids that are in the file: a worker that makes a shard of one part
    of a corpus cannot know which ids are free. ``remote``: where the file is, if not at the path; what is used of it is
    fetched.

    Raises:
        FileNotFoundError: there is no such file.
        CollectionDamagedError: the file was cut or altered, or is not a Parquet file.
    """

    def __init__(
        self, path: Path, footer: str | None = None, first_id: int = 0, remote: RemoteFile | None = None
    ) -> None:
        self.path = path
        self._first_id = first_id
        self._remote = remote
        self._guard = threading.Lock()  # Arrow's reader of a file may not be called by two threads at once
        self._cache: dict[tuple[int, tuple[str, ...]], _CachedGroup] = {}
        self._cached_bytes = 0
        with _explained_read_errors(path):
            if remote is None:
                with open(path, "rb") as file:
                    self._bytes: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                source: Any = self._bytes
            else:
                self._bytes = remote.tail()
                source = remote.facts_file(self._bytes)
            if footer is not None and footer_checksum(self._bytes) != footer:
                raise ValueError("it was cut or altered")
            self._file = ParquetFile(source)
        self._footer = self._file.metadata
        self._columns = {self._footer.schema.column(i).path.split(".")[0]: i for i in range(self._footer.num_columns)}
        if remote is not None:
            remote.set_regions([self._facts_region(group) for group in self._groups])

    def __len__(self) -> int:
        return int(self._footer.num_rows)

    @property
    def footer(self) -> str:
        """The `footer_checksum`."""
        return footer_checksum(self._bytes)

    @cached_property
    def space(self) -> Space:
        """The space that the schema's metadata names.

        Raises:
            CollectionDamagedError: it names none; a table of another program.
            NewerFormatError: a newer version of mmsearch wrote it.
        """
        metadata = self._file.schema_arrow.metadata or {}
        try:
            version = int(metadata[b"mmsearch.format"])
            space = Space.from_json(json.loads(metadata[b"mmsearch.space"]))
        except (KeyError, ValueError) as error:
            raise CollectionDamagedError(f"{self.path} is no shard of mmsearch") from error
        if version > FORMAT_VERSION:
            raise NewerFormatError(
                f"{self.path} has format {version}, made by a newer mmsearch; this one reads up to {FORMAT_VERSION}"
            )
        return space

    @cached_property
    def own_types(self) -> dict[str, pa.DataType]:
        """The user's own columns that the shard has, each with its type."""
        names = [name for name in self._columns if is_own_column(name)]
        schema = self._file.schema_arrow if names else None
        return {} if schema is None else {name: schema.field(name).type for name in names}

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Row ids, ascending; int64 ``[rows]``."""
        if self._remote is not None:
            self._remote.prepare([self._place(group, "id", 8) for group in self._groups])
        blocks = [self.ids_of_group(group) for group in self._groups]
        return np.concatenate(blocks) if blocks else np.empty(0, np.int64)

    def ids_of_group(self, group: int) -> NDArray[np.int64]:
        """Row ids of one row group, numbered as `vector_blocks` are."""
        ids = self._values(group, "id", np.dtype("<i8"), 1).reshape(-1)
        return ids + self._first_id if self._first_id else ids

    @cached_property
    def vector_blocks(self) -> list[NDArray[np.float16]]:
        """Unit vectors as float16 ``[rows of a row group, dim]``, mapped from the file; they may be unaligned.

        Those of a shard in a bucket are fetched when they are indexed (`remote_shard.RemoteBlock`).
        """
        if self._remote is not None:
            dim = self.space.dim
            places = [(self._place(group, "vector", 2 * dim), self._rows_of(group)) for group in self._groups]
            blocks = [self._remote.block(start, rows, dim) for (start, _), rows in places]
            return cast("list[NDArray[np.float16]]", blocks)
        return [self._values(group, "vector", np.dtype("<f2"), self.space.dim) for group in self._groups]

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Where each row group begins, and where the last ends; int64 ``[row groups + 1]``."""
        return np.cumsum([0] + [self._footer.row_group(group).num_rows for group in self._groups])

    @property
    def _groups(self) -> range:
        return range(self._footer.num_row_groups)

    def _values(self, group: int, column: str, dtype: np.dtype[Any], width: int) -> NDArray[Any]:
        """The values of a column in one row group, mapped from the file; ``[rows of the group, width]``."""
        offset, size = self._place(group, column, width * dtype.itemsize)
        if self._remote is not None:
            return np.frombuffer(self._remote.part(offset, size), dtype).reshape(-1, width)
        return np.ndarray((self._rows_of(group), width), dtype, buffer=self._bytes, offset=offset)

    def _place(self, group: int, column: str, row_bytes: int) -> tuple[int, int]:
        """Where the values of a column in one row group lie in the file, and how many bytes they have."""
        row_group = self._footer.row_group(group)
        place = self._columns.get(column)
        if place is None or place >= row_group.num_columns:
            raise CollectionDamagedError(f"shard {self.path} is damaged")
        chunk = row_group.column(place)
        size = row_group.num_rows * row_bytes
        offset = chunk.data_page_offset + chunk.total_compressed_size - size
        if offset < chunk.data_page_offset or chunk.compression != "UNCOMPRESSED":
            raise CollectionDamagedError(f"shard {self.path} was not written by mmsearch")
        return offset, size

    def _rows_of(self, group: int) -> int:
        return int(self._footer.row_group(group).num_rows)

    def _facts_region(self, group: int) -> tuple[int, int]:
        """Where the facts of a row group lie in the file, between ids and vectors, and how many bytes they have."""
        row_group = self._footer.row_group(group)
        others = {self._columns.get("id"), self._columns.get("vector")}
        chunks = [row_group.column(place) for place in range(row_group.num_columns) if place not in others]
        starts = [
            min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset) for chunk in chunks
        ]
        ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
        return min(starts, default=0), max(ends, default=0) - min(starts, default=0)

    def check_mapping(self) -> None:
        """Compare the mapped ids and vectors with those that a Parquet reader decodes.

        Raises:
            CollectionDamagedError: they differ.
        """
        for group in self._groups:
            table = self.facts_of_group(group, ["id", "vector"])
            vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            ids = table["id"].to_numpy()
            mapped = self._values(group, "vector", np.dtype("<f2"), self.space.dim)
            if not (
                np.array_equal(vectors.view(np.uint16), mapped.ravel().view(np.uint16))
                and np.array_equal(ids, self._values(group, "id", np.dtype("<i8"), 1).ravel())
            ):
                raise CollectionDamagedError(f"shard {self.path}: its pages do not lie where they should")

    def facts_of_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """The named columns of one row group, numbered as `vector_blocks` are."""
        with self._guard, _explained_read_errors(self.path):
            table = self._file.read_row_group(group, columns)
        return with_all_columns(table, columns)

    def facts(self, columns: Sequence[str]) -> pa.Table:
        """The named columns of all rows."""
        if self._remote is not None:
            self._remote.prepare([self._facts_region(group) for group in self._groups])
        with self._guard, _explained_read_errors(self.path):
            table = self._file.read(columns)
        return with_all_columns(table, columns)

    def facts_at(self, positions: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The named columns of the rows at ``positions`` (ascending), one dict for each row.

        Reads only the row groups that hold these rows. The last of them are cached, up to `CACHE_BYTES`: reading one
        takes as long as finding its rows.
        """
        rows: list[dict[str, Any]] = []
        bounds = self.bounds
        groups = np.searchsorted(bounds, positions, side="right") - 1
        for group in numbers_present(groups):
            cached = self._cached_group(group, tuple(columns))
            # One value after another, not take(): that imports pyarrow.compute, which costs more than the whole query.
            for offset in (positions[groups == group] - bounds[group]).tolist():
                rows.append(cached.blank | {name: column[offset].as_py() for name, column in cached.filled})
        return rows

    def _cached_group(self, group: int, columns: tuple[str, ...]) -> _CachedGroup:
        key = group, columns
        with self._guard:
            cached = self._cache.pop(key, None)
            if cached is not None:
                self._cache[key] = cached  # used last, so dropped last
                return cached
        made = _CachedGroup.of(self.facts_of_group(group, columns))
        with self._guard:
            if key not in self._cache:
                self._cache[key] = made
                self._cached_bytes += made.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.pop(next(iter(self._cache))).nbytes
        return made


class _CachedGroup(NamedTuple):
    """Columns of a row group: those that have values, and a row without any."""

    filled: list[tuple[str, pa.Array | pa.ChunkedArray]]
    blank: dict[str, Any]
    nbytes: int

    @classmethod
    def of(cls, table: pa.Table) -> _CachedGroup:
        columns = [(name, table.column(name)) for name in table.column_names]
        # The values of a column of one piece are reached sooner.
        filled = [
            (name, one.chunk(0) if one.num_chunks == 1 else one) for name, one in columns if one.null_count < len(one)
        ]
        return cls(filled, dict.fromkeys(table.column_names), table.nbytes)


def numbers_present(numbers: NDArray[np.int64]) -> list[int]:
    """Which small numbers occur, ascending. `numpy.unique` would import numpy.ma, a tenth of a cold query."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found


def footer_checksum(data: mmap.mmap | bytes) -> str:
    """Checksum of a Parquet file's footer, of the footer's length, and of the magic bytes at the end."""
    length = int.from_bytes(data[-8:-4], "little")
    return bytes_checksum(data[-min(8 + length, len(data)) :])


@contextmanager
def _explained_read_errors(path: Path) -> Iterator[None]:
    """Turn what Arrow says of a damaged file into one clear line; a missing file stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        raise CollectionDamagedError(f"shard {path} cannot be read ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
