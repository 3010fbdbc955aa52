"""What destinations of files share: folders that may be written to, parts of a payload, rows that are read back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmsearch.durable import durable_file, fsync_folder
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.exporting.destination import Stored
from mmsearch.types import sized

_ROOM = 1.05
"""How much more than the vectors a destination takes, about."""


def export_folder(place: str, known: tuple[str, ...]) -> Path:
    """The folder of an export, made if it is not there.

    ``known``: what the names of an export's files begin with.

    Raises:
        UsageError: it is a file, or a folder of other files.
    """
    folder = Path(place).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{place} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(name for name in os.listdir(folder) if not name.startswith(known))
    if others:
        raise UsageError(f"{place} holds other files, such as {others[0]}; name a new folder")
    return folder


def check_room(folder: Path, size: int) -> None:
    """See that a disk has room for so many bytes.

    Raises:
        MMSearchError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if size * _ROOM > free:
        need = sized(int(size * _ROOM))
        raise MMSearchError(f"the disk that holds {folder} is too full: {need} are needed, {sized(free)} are free")


@contextmanager
def new_file(path: Path) -> Iterator[pa.PythonFile]:
    """Write a file in the block, under a hidden name until it is whole."""
    temporary = path.with_name(f".{path.name}.part")
    with durable_file(temporary, sync_folder=False) as sink, pa.PythonFile(sink, mode="w") as file:
        yield file
    os.replace(temporary, path)
    fsync_folder(path.parent)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file."""
    with new_file(path) as file, parquet_writer(file, table.schema) as writer:
        writer.write_table(table)


def parquet_writer(file: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer whose files any reader of Parquet opens."""
    words = [field.name for field in schema if field.name not in ("id", "vector") and pa.types.is_string(field.type)]
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=words)


def stored_rows(table: pa.Table) -> dict[int, Stored]:
    """Rows of a table with the columns ``id``, ``path`` and ``vector``, by id."""
    vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    lines = vectors.reshape(len(table), -1).astype(np.float32) if len(table) else []
    return {
        row_id: Stored(path, vector)
        for row_id, path, vector in zip(table["id"].to_pylist(), table["path"].to_pylist(), lines, strict=True)
    }
