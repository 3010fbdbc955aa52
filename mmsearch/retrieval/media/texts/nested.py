"""JSON lines and Parquet as tables: their columns are the strings of a record; those in objects have dotted names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts.lines import MAX_LINE, Lines, open_text

_SAMPLE_RECORDS = 1000
_MOST_NAMES = 1000
_DEEPEST = 4
_BATCH = 4096


def strings(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The strings of a record as ``(name, text)``: ``{"a": {"b": ["x", "y"]}}`` gives ``a.b`` twice."""
    if isinstance(value, str):
        yield prefix, value
    elif isinstance(value, dict) and depth < _DEEPEST:
        for name, inner in value.items():
            yield from strings(inner, f"{prefix}.{name}" if prefix else str(name), depth + 1)
    elif isinstance(value, list) and prefix:
        for inner in value:
            yield from strings(inner, prefix, depth + 1)


class JsonLinesTable:
    """A table of JSON objects, one per line; rows are numbered by lines."""

    has_header = True
    is_empty = False

    def __init__(self, source: IO[bytes], expected_column: str | None) -> None:
        self._source = source
        self._bad = 0
        self._first: dict[str, list[str]] = {}
        self.notes: list[str | None] = []
        names: dict[str, None] = {}
        for number, record in self._records():
            if number >= _SAMPLE_RECORDS and (expected_column is None or expected_column in names):
                break
            names |= dict.fromkeys(_names(record)) if len(names) < _MOST_NAMES else {}
            for name, text in strings(record) if number < _SAMPLE_RECORDS else ():
                self._first.setdefault(name, []).append(text)
        self.names = list(names)

    def sample(self, column: int) -> list[str]:
        """The texts of a column in the first rows, empty ones left out."""
        return [text.strip() for text in self._first.get(self.names[column], ()) if text.strip()]

    def texts(self, column: int) -> Iterator[tuple[int, str]]:
        """Rows and their texts; a list of strings gives several for a row."""
        name = self.names[column]
        for number, record in self._records():
            yield from ((number, text) for own, text in strings(record) if own == name)
        if self._bad:
            self.notes.append(f"{self._bad} line{'s' if self._bad > 1 else ''} without a JSON object left out")

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        self._bad = 0
        with open_text(self._source) as (text, note):
            self.notes[:] = [note]
            for number, line in enumerate(Lines(text)):
                try:
                    record = json.loads(line) if line.strip() and len(line) < MAX_LINE else {}
                except (ValueError, RecursionError):
                    record = None
                self._bad += not isinstance(record, dict) or len(line) >= MAX_LINE
                if isinstance(record, dict):
                    yield number, record


def _names(record: dict[str, Any]) -> list[str]:
    return [*map(str, record), *(name for name, _ in strings(record))]


class ParquetTable:
    """A Parquet file, read some thousand rows at a time; a text that is stored once is held in memory once.

    Raises:
        DecodeError: the column ``expected_column`` holds no text.
    """

    has_header = True
    is_empty = False

    def __init__(self, source: IO[bytes], expected_column: str | None, max_bytes: int) -> None:
        import pyarrow.parquet as pq

        schema = pq.ParquetFile(source).schema
        leaves = [schema.column(i) for i in range(len(schema))]
        texts = [leaf.path for leaf in leaves if leaf.logical_type.type == "STRING"]
        self._paths = {_plain_name(path): path for path in texts}
        self.names = list(self._paths)
        self.notes: list[str | None] = []
        self._max_bytes = max_bytes
        self._file = pq.ParquetFile(source, read_dictionary=texts)
        if (
            expected_column is not None
            and expected_column not in self.names
            and expected_column in {_plain_name(leaf.path) for leaf in leaves}
        ):
            listed = ", ".join(map(repr, self.names)) or "none"
            raise DecodeError(f"column {expected_column!r} does not hold text; those that do: {listed}")

    def sample(self, column: int) -> list[str]:
        """The texts of a column in the first rows, empty ones left out."""
        rows = islice(self._rows(column, 256), _SAMPLE_RECORDS)
        return [text[:_BATCH].strip() for _, text in rows if text.strip()]

    def texts(self, column: int) -> Iterator[tuple[int, str]]:
        """Rows and their texts.

        Raises:
            DecodeError: unpacked, the column is too large.
        """
        metadata = self._file.metadata
        path = self._paths[self.names[column]]
        chunks = (
            metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)
        )
        if sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == path) > self._max_bytes:
            raise DecodeError(f"a table of over {self._max_bytes >> 20} MiB of text: split it")
        yield from self._rows(column, _BATCH)

    def _rows(self, column: int, batch_rows: int) -> Iterator[tuple[int, str]]:
        import pyarrow as pa

        path = self._paths[self.names[column]]
        row = 0
        for batch in self._file.iter_batches(batch_size=batch_rows, columns=[path], use_threads=False):
            values = batch.column(0)
            if isinstance(values, pa.DictionaryArray):
                places = values.indices.to_pylist()
                used = sorted({place for place in places if place is not None})
                words = dict(zip(used, values.dictionary.take(pa.array(used, pa.int64())).to_pylist(), strict=True))
                for place in places:
                    if place is not None and isinstance(words[place], str):
                        yield row, words[place]
                    row += 1
            else:
                for value in values:
                    yield from ((row, text) for _, text in strings(value.as_py(), "."))
                    row += 1


def _plain_name(path: str) -> str:
    """A column's dotted name without the names that Parquet gives to the elements of a list."""
    for inner in (".list.element", ".list.item", ".bag.array_element"):
        path = path.replace(inner, "")
    return path
