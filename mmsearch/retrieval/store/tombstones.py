"""Tombstones: the ids of deleted rows. Each file is written twice, so that the loss of one brings no row back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.arrow_numbers import as_numpy
from mmsearch.retrieval.store.manifest import TombstoneEntry
from mmsearch.retrieval.store.parquet_file import ParquetFile
from mmsearch.retrieval.store.remote import at_hand

TOMBSTONES_FOLDER = "dead"
TOMBSTONE_COPIES = "dead-copies"
"""The folder of the second file of each set of tombstones."""


def write_tombstones(root: Path, name: str, ids: NDArray[np.int64]) -> TombstoneEntry:
    """Write ids to the file ``name`` (relative to ``root``) and to its copy, durably."""
    import pyarrow.parquet as pq

    copy = f"{TOMBSTONE_COPIES}/{Path(name).name}"
    (root / TOMBSTONE_COPIES).mkdir(exist_ok=True)
    for path in (root / name, root / copy):
        with durable_file(path) as sink:
            pq.write_table(pa.table({"id": ids}), sink)
    return TombstoneEntry(name, len(ids), file_checksum(root / name), copy)


def read_tombstones(root: Path, entry: TombstoneEntry) -> NDArray[np.int64]:
    """The ids in a tombstone file; in its copy if that file is damaged or lost. int64 ``[n]``.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: neither can be read.
    """
    first, *others = entry.files
    try:
        return read_tombstone_file(at_hand(root, first))
    except (CollectionDamagedError, FileNotFoundError):
        for name in others:
            with suppress(CollectionDamagedError, FileNotFoundError):
                return read_tombstone_file(at_hand(root, name))
        raise


def read_tombstone_file(path: Path) -> NDArray[np.int64]:
    """The ids in one file of tombstones, int64 ``[n]``.

    Raises:
        FileNotFoundError: it is gone.
        CollectionDamagedError: it cannot be read.
    """
    try:
        ids: NDArray[np.int64] = as_numpy(ParquetFile(path.read_bytes()).read()["id"])
    except FileNotFoundError:
        raise
    except (pa.ArrowException, KeyError, OSError, TypeError, ValueError) as error:
        raise CollectionDamagedError(f"{path} is damaged") from error
    return ids


def find_tombstones(root: Path) -> list[TombstoneEntry]:
    """An entry for each readable set of tombstones in the folder, named by a manifest or not.

    One too many does no harm, because ids are never used twice.
    """
    entries = []
    folders = (TOMBSTONES_FOLDER, TOMBSTONE_COPIES)
    for name in sorted({path.name for folder in folders for path in (root / folder).glob("*.parquet")}):
        for path in (root / folder / name for folder in folders):
            with suppress(CollectionDamagedError, OSError):
                ids = read_tombstone_file(path)
                entries.append(TombstoneEntry(path.relative_to(root).as_posix(), len(ids), file_checksum(path)))
                break
    return entries
