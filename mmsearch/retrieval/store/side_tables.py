"""Tables beside the rows that were computed from them, such as labels or groups of duplicates, each under a name.

A table has a column ``id`` where it says something of rows. Rows that it does not have are not known to it yet, and ids
in it that are no rows any more mean nothing: whoever computes a table again keeps what still holds. Such tables are
disposable, as indexes are.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from mmsearch.durable import durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError, UsageError
from mmsearch.retrieval.store.manifest import Manifest, SideTableEntry
from mmsearch.retrieval.store.parquet_file import ParquetFile
from mmsearch.retrieval.store.remote import at_hand

SIDE_TABLES_FOLDER = "tables"

PARTS_TABLE = "parts"
"""The side table of the parts of corpora that a collection holds, one row for each."""

PARTS_FOLDER = "parts"
"""Where the results of parts lie, each in a folder named by the key of its part."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def read_side_table(root: Path, manifest: Manifest, name: str) -> pa.Table | None:
    """A side table by its name; None if there is none.

    Raises:
        FileNotFoundError: its file is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it cannot be read.
    """
    entry = next((entry for entry in manifest.side_tables if entry.name == name), None)
    return None if entry is None else read_side_table_file(at_hand(root, entry.path))


def read_side_table_file(path: Path) -> pa.Table:
    """The side table in a file.

    Raises:
        FileNotFoundError: it is gone.
        CollectionDamagedError: it cannot be read.
    """
    try:
        return ParquetFile(path.read_bytes()).read()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CollectionDamagedError(f"{path} is damaged") from error


def check_name(name: str) -> None:
    """Check the name of a side table.

    Raises:
        UsageError: no table can have it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a table: it has up to 64 characters of a to z, 0 to 9, - and _"
        )


def write_side_table(root: Path, name: str, path: str, table: pa.Table) -> SideTableEntry:
    """Write a side table to the file ``path`` (relative to ``root``), durably."""
    import pyarrow.parquet as pq

    with durable_file(root / path) as sink:
        pq.write_table(table, sink, compression="zstd")
    return SideTableEntry(name, path, len(table), file_checksum(root / path))
