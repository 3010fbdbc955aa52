"""Tables with a column of vectors: Parquet files, and tables of LanceDB."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.columns import (
    find_path_column,
    find_vector_column,
    space_of_metadata,
    table_blocks,
    vectors_of_column,
)
from mmsearch.exchange.importing.source import Block, Choice
from mmsearch.exchange.lance_tables import existing_table, open_database
from mmsearch.exchange.packages import checked_file, is_address, one_line

_BATCH = 4096


class TableSource:
    """Batches of columns, one of which holds the vectors."""

    def __init__(
        self,
        name: str,
        schema: pa.Schema,
        rows: int,
        batches: Callable[[int], Iterable[pa.RecordBatch]],
        choice: Choice,
    ) -> None:
        self._name, self._batches, self._choice = name, batches, choice
        self._column = find_vector_column(schema, choice.vector_column, name)
        find_path_column(schema.names, choice.path_column, name)
        self.rows = rows
        self.space = space_of_metadata(schema.metadata)
        kind = schema.field(self._column).type
        self.dim = kind.list_size if pa.types.is_fixed_size_list(kind) else self._first_length()

    def blocks(self, rows: int) -> Iterator[Block]:
        """All rows, in order; those without a name are named by their number."""
        base = os.path.basename(self._name.rstrip("/"))
        waiting: list[pa.RecordBatch] = []
        have = start = 0
        for batch in self._batches(min(rows, _BATCH)):
            waiting.append(batch)
            have += len(batch)
            if have >= rows:
                yield from self._made(pa.Table.from_batches(waiting), start, base)
                start, have, waiting = start + have, 0, []
        if have:
            yield from self._made(pa.Table.from_batches(waiting), start, base)

    def close(self) -> None:
        """Nothing is held."""

    def _made(self, table: pa.Table, start: int, base: str) -> Iterator[Block]:
        vectors = vectors_of_column(table[self._column], self.dim, self._name, start)
        names = [f"{base}#{row}" for row in range(start, start + len(table))]
        return table_blocks(table.drop_columns([self._column]), vectors, self._choice, self._name, names)

    def _first_length(self) -> int:
        for batch in self._batches(1):
            if len(batch):
                return int(vectors_of_column(batch.column(self._column)[:1], None, self._name, 0).shape[1])
        raise UsageError(f"{self._name} has no rows")


def open_parquet(name: str, choice: Choice) -> TableSource:
    """A Parquet file, or a folder of them.

    Raises:
        UsageError: it cannot be read, or has no column of vectors.
    """
    path = checked_file(name)
    files = [path]
    if os.path.isdir(path):
        files = [os.path.join(path, n) for n in sorted(os.listdir(path)) if n.endswith(".parquet") and n[0] not in "._"]
    if not files:
        raise UsageError(f"{name} holds no Parquet files")
    try:
        opened = [pq.ParquetFile(file) for file in files]
    except pa.ArrowException as error:
        raise UsageError(f"{name} cannot be read as Parquet: {one_line(error)}") from error
    schema = opened[0].schema_arrow
    for file, one in zip(files, opened, strict=True):
        if not one.schema_arrow.equals(schema):
            raise UsageError(f"{file} has other columns than {files[0]}: import them one by one")

    def batches(rows: int) -> Iterator[pa.RecordBatch]:
        for one in opened:
            yield from one.iter_batches(rows)

    return TableSource(name, schema, sum(one.metadata.num_rows for one in opened), batches, choice)


def open_lance(name: str, choice: Choice) -> TableSource:
    """A table of LanceDB: by the folder of its database, or by its own.

    Raises:
        MMSearchError: LanceDB is not installed.
        UsageError: there is no such table, or it has no column of vectors.
    """
    if not is_address(name):
        checked_file(name)
    database, table = open_database(name, choice.table)
    opened = existing_table(database, table, name)
    return TableSource(name, opened.schema, opened.count_rows(), lambda rows: opened.search().to_batches(rows), choice)
