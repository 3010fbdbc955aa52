"""To plain Parquet files, one for so many rows."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors
from mmsearch.errors import UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.files import check_room, export_folder, new_file, parquet_writer, stored_rows
from mmsearch.exchange.exporting.payload import arrow_rows, arrow_schema

_ROWS_PER_FILE = 131_072
_PREFIX = "rows-"


class ParquetDestination:
    """Files ``rows-00000.parquet`` with ``id``, the payload and ``vector``. A file is there whole or not at all."""

    def __init__(self, place: str, plan: Plan) -> None:
        self._schema = arrow_schema(plan.space, plan.payload, plan.dtype)
        self._folder = export_folder(place, (_PREFIX, f".{_PREFIX}"))
        for path in self._folder.glob(f".{_PREFIX}*"):  # of a run that was killed
            path.unlink()
        for path in self._files():
            _check_schema(path, self._schema)
        value = 2 if plan.dtype == "float16" else 4
        with explained_write_errors(self._folder):
            check_room(self._folder, (len(plan.ids) - self._count()) * plan.space.dim * value)
        self._open: AbstractContextManager[pa.NativeFile] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def ids(self) -> NDArray[np.int64]:
        """The ids in all files."""
        tables = [pq.read_table(path, columns=["id"]) for path in self._files()]
        return np.concatenate([np.empty(0, np.int64), *(table["id"].to_numpy() for table in tables)])

    def write(self, rows: Rows) -> None:
        """Add them to the file that is being written; it gets its name when it has enough."""
        with explained_write_errors(self._folder):
            if self._writer is None:
                self._open = new_file(self._folder / f"{_PREFIX}{len(self._files()):05d}.parquet")
                self._writer = parquet_writer(self._open.__enter__(), self._schema)
            self._writer.write_table(arrow_rows(self._schema, rows.ids, rows.payload, rows.vectors))
            self._rows += len(rows.ids)
            if self._rows >= _ROWS_PER_FILE:
                self._end_file()

    def finish(self) -> None:
        """Name the last file."""
        with explained_write_errors(self._folder):
            self._end_file()

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id; of the files, only the groups of rows are read that hold some of them."""
        found: dict[int, Stored] = {}
        for path in self._files():
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                wanted = np.isin(file.read_row_group(group, ["id"])["id"].to_numpy(), ids)
                if wanted.any():
                    rows = file.read_row_group(group, ["id", "path", "vector"])
                    found |= stored_rows(rows.filter(pa.array(wanted)))
        return found

    def close(self) -> None:
        """Take an unfinished file away; the files before it stay."""
        if self._open is not None and self._writer is not None:
            error = InterruptedError("the file is not whole")
            with suppress(OSError):
                self._writer.close()
            with suppress(OSError):
                self._open.__exit__(type(error), error, None)
            self._open = self._writer = None

    def _end_file(self) -> None:
        if self._writer is not None and self._open is not None:
            opened, writer = self._open, self._writer
            writer.close()
            opened.__exit__(None, None, None)
            self._open = self._writer = None
            self._rows = 0

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{_PREFIX}*.parquet"))

    def _count(self) -> int:
        return sum(int(pq.read_metadata(path).num_rows) for path in self._files())


def _check_schema(path: Path, schema: pa.Schema) -> None:
    found = pq.read_schema(path)
    if found.names != schema.names or not found.field("vector").type.equals(schema.field("vector").type):
        raise UsageError(f"{path} has other columns than those that are to be written; name a new folder")
