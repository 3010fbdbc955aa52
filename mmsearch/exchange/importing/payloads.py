"""The file beside an array that has a line for each of its vectors: Parquet, CSV or JSON lines, read in step."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from mmsearch.errors import UsageError
from mmsearch.exchange.packages import checked_file, one_line

ENDINGS = (".parquet", ".csv", ".jsonl", ".json", ".ndjson")


def payload_beside(path: str) -> str | None:
    """The payload that lies beside an array: of the same name, or ``payload.parquet`` beside ``vectors.npy``."""
    stem = os.path.splitext(path)[0]
    names = [stem + ending for ending in ENDINGS]
    if os.path.basename(path) == "vectors.npy":
        names.append(os.path.join(os.path.dirname(path), "payload.parquet"))
    return next((name for name in names if os.path.isfile(name)), None)


class Payload:
    """A table that is read from its start, as many lines at a time as are asked for."""

    def __init__(self, name: str) -> None:
        self.name = checked_file(name)
        self.metadata: dict[bytes, bytes] = {}
        self.rows: int | None = None
        ending = os.path.splitext(name)[1].lower()
        if ending not in ENDINGS:
            raise UsageError(f"{name}: a payload is a file that ends in {', '.join(ENDINGS)}")
        if ending == ".parquet":
            file = _parquet(self.name)
            self.rows = file.metadata.num_rows
            self.metadata = dict(file.schema_arrow.metadata or {})
        self._batches = _batches(self.name, ending)
        self._rest = pa.table({})
        self._read = 0

    def take(self, count: int) -> pa.Table:
        """The next so many lines.

        Raises:
            UsageError: there are fewer, or the file cannot be read.
        """
        parts = [self._rest] if len(self._rest) else []
        have = len(self._rest)
        while have < count:
            batch = self._next()
            if batch is None:
                raise UsageError(f"{self.name} has {self._read + have:,} lines, fewer than there are vectors")
            parts.append(batch)
            have += len(batch)
        whole = pa.concat_tables(parts, promote_options="permissive")
        self._read += count
        self._rest = whole.slice(count)
        return whole.slice(0, count)

    def check_end(self) -> None:
        """See that no line is left.

        Raises:
            UsageError: there are more lines than vectors.
        """
        if len(self._rest) or self._next() is not None:
            raise UsageError(f"{self.name} has more than {self._read:,} lines, which is how many vectors there are")

    def _next(self) -> pa.Table | None:
        try:
            batch = next(self._batches, None)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise UsageError(f"{self.name} cannot be read: {one_line(error)}") from error
        return None if batch is None else pa.Table.from_batches([batch])


def _batches(path: str, ending: str) -> Iterator[pa.RecordBatch]:
    if ending == ".parquet":
        yield from _parquet(path).iter_batches(16_384)
    elif ending == ".csv":
        import pyarrow.csv

        yield from pyarrow.csv.open_csv(path)
    else:
        import pyarrow.json

        yield from pyarrow.json.open_json(path)


def _parquet(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise UsageError(f"{path} cannot be read as Parquet: {one_line(error)}") from error
