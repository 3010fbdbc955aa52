"""The table of skipped files, so that later runs do not open what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmsearch.durable import durable_file, file_checksum
from mmsearch.errors import CollectionDamagedError, Hint, HintKind
from mmsearch.retrieval.store.manifest import Manifest, SkippedEntry
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import SkipKind

MOST_SKIPPED = 2_000_000
"""The table is bounded: if there are more files, the last are opened again at every run."""

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
        pa.field("hint", _WORDS),
        pa.field("hint_subject", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was skipped, with the size and times that it had then.

    Attributes:
        path: its absolute path.
        size: in bytes.
        mtime_ns: its modification time.
        ctime_ns: its time of status change; None if the system does not keep it.
        why: whether the reason lies in the file or in the moment.
        reason: why it was skipped, in words.
        reader: the `decoder_digest` of the run that skipped it.
        hint: a way out, if there is one.
    """

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int | None
    why: SkipKind
    reason: str
    reader: str
    hint: Hint | None = None


def read_skipped(root: Path, manifest: Manifest) -> list[SkippedFile]:
    """The files that the collection remembers to have skipped.

    Raises:
        FileNotFoundError: the table is gone; a newer manifest may have replaced it.
        CollectionDamagedError: it is damaged.
    """
    if manifest.skipped is None:
        return []
    import pyarrow.parquet as pq

    path = at_hand(root, manifest.skipped.path)
    try:
        with open(path, "rb") as file:
            columns = pq.read_table(file, schema=_SCHEMA).to_pydict()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CollectionDamagedError(f"{path} is damaged") from error
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [SkippedFile(hint=_hint_of(row.pop("hint"), row.pop("hint_subject")), **row) for row in rows]


def _hint_of(kind: str | None, subject: str | None) -> Hint | None:
    """The hint in two columns; None also for a kind of a later version, which this one cannot word."""
    if kind is None or kind not in HintKind.__members__.values():
        return None
    return Hint(HintKind(kind), subject or "")


def _row_of(file: SkippedFile) -> tuple[Any, ...]:
    hint = (None, None) if file.hint is None else (file.hint.kind.value, file.hint.subject)
    return (*(getattr(file, name) for name in _SCHEMA.names[:-2]), *hint)


def write_skipped(writer: Writer, files: Sequence[SkippedFile]) -> None:
    """Replace the table of skipped files, atomically."""
    import pyarrow.parquet as pq

    manifest = writer.manifest
    entry = None
    if files:
        rows = [_row_of(file) for file in files[:MOST_SKIPPED]]
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
        name, manifest = writer.new_path(manifest, "skipped", ".parquet")
        path = writer.root / name
        with durable_file(path) as sink:
            pq.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA), sink, compression="zstd")
        entry = SkippedEntry(name, len(rows), file_checksum(path))
    writer.publish(replace(manifest, skipped=entry))
