"""Parquet files opened for reading, without the file systems and TLS that `pyarrow.parquet` imports (22 ms)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def parquet_reader() -> Any:
    """A new reader of Arrow's own, the one inside ``pyarrow.parquet.ParquetFile``."""
    try:
        from pyarrow._parquet import ParquetReader
    except ImportError:  # a version of Arrow that keeps it elsewhere
        from pyarrow.parquet.core import ParquetReader
    return ParquetReader()


class ParquetFile:
    """A Parquet file: its bytes, in memory or mapped there, or an open file. May not be called by two threads at once.

    Raises:
        pyarrow.ArrowException, OSError: it is damaged, or no Parquet file.
    """

    def __init__(self, data: Any) -> None:
        self._reader = parquet_reader()
        is_file = isinstance(data, io.IOBase)
        self._reader.open(pa.PythonFile(data, "r") if is_file else pa.BufferReader(pa.py_buffer(data)))
        self.metadata = self._reader.metadata
        self._leaves: dict[str, list[int]] = {}
        for place in range(self.metadata.num_columns):
            name = self.metadata.schema.column(place).path.split(".")[0]
            self._leaves.setdefault(name, []).append(place)

    @property
    def schema_arrow(self) -> pa.Schema:
        """The schema."""
        return self._reader.schema_arrow

    def read_row_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Those of the columns that the file has, of one row group."""
        return self._reader.read_row_group(group, column_indices=self._places(columns), use_threads=False)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Those of the columns that the file has, or all, of all rows."""
        places = self._places(self._leaves if columns is None else columns)
        return self._reader.read_all(column_indices=places, use_threads=False)

    def _places(self, columns: Sequence[str] | dict[str, list[int]]) -> list[int]:
        return sorted(place for name in columns for place in self._leaves.get(name, ()))
