"""The memory of skipped files: a table in the collection, so that what cannot be read is not opened at every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from mmsearch.durable import durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.manifest import Manifest, SkippedEntry
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import SkipKind

MOST_SKIPPED = 2_000_000
"""The memory is bounded: of more files, the last are looked at anew every time."""

_WORDS = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("ctime_ns", pa.int64()),
        pa.field("why", _WORDS, nullable=False),
        pa.field("reason", _WORDS, nullable=False),
        pa.field("reader", _WORDS, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was skipped: as it was then, the reason, where that lies, and what had read it (see `reader_of`)."""

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int | None
    why: SkipKind
    reason: str
    reader: str


def read_skipped(root: Path, manifest: Manifest) -> list[SkippedFile]:
    """The files that the collection remembers to have skipped.

    Raises:
        FileNotFoundError: the table is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is damaged.
    """
    import pyarrow.parquet as pq

    if manifest.skipped is None:
        return []
    path = root / manifest.skipped.path
    try:
        with open(path, "rb") as file:
            columns = pq.read_table(file, schema=_SCHEMA).to_pydict()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CollectionDamagedError(f"{path} is damaged") from error
    return [SkippedFile(*row) for row in zip(*(columns[name] for name in _SCHEMA.names), strict=True)]


def write_skipped(writer: Writer, files: Sequence[SkippedFile]) -> None:
    """Put ``files`` in the place of those that were remembered, in one step."""
    import pyarrow.parquet as pq

    manifest = writer.manifest
    entry = None
    if files:
        rows = [tuple(getattr(file, name) for name in _SCHEMA.names) for file in files[:MOST_SKIPPED]]
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
        name, manifest = writer.new_path(manifest, "skipped", ".parquet")
        path = writer.root / name
        with durable_file(path) as sink:
            pq.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA), sink, compression="zstd")
        entry = SkippedEntry(name, len(rows), file_checksum(path))
    writer.publish(replace(manifest, skipped=entry))
