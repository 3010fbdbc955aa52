"""Tables of texts (CSV, TSV, JSON lines, Parquet): one column of them, named or guessed, cell by cell."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.text import decode_text

MAX_TABLE_BYTES = 128 * 1024 * 1024
"""Larger tables (for Parquet: a larger column, unpacked) are refused, since their texts are held in memory at once."""

_USUAL_NAMES = (
    "caption",
    "text",
    "description",
    "title",
    "sentence",
    "passage",
    "content",
    "body",
    "abstract",
    "comment",
    "summary",
    "question",
    "name",
)
_DELIMITERS = ",;\t|"
_ROWS_FOR_GUESS = 1000


@dataclass(frozen=True, slots=True)
class TableTexts:
    """The texts of one column: ``(row, text)`` with rows counted from 0 and empty cells left out."""

    column: str
    guessed: bool
    texts: list[tuple[int, str]]
    note: str | None = None


def read_table(source: str | os.PathLike[str] | IO[bytes], format: str, column: str | None = None) -> TableTexts:
    """The texts in ``column`` of a table, or in the column that most looks like captions.

    ``format`` is csv, tsv, jsonl, ndjson or parquet. The rows of CSV begin after the header; those of JSON lines are
    the lines of the file.

    Raises:
        DecodeError: no such column (the message lists those there are), none that holds text, a damaged or too
            large file.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read_table(file, format, column)
    if format == "parquet":
        return _read_parquet(source, column)
    data = source.read(MAX_TABLE_BYTES + 1)
    if len(data) > MAX_TABLE_BYTES:
        raise _too_large()
    text, note = decode_text(data, limit=MAX_TABLE_BYTES)
    if format in ("csv", "tsv"):
        return _read_csv(text, "\t" if format == "tsv" else None, column, note)
    return _read_json_lines(text, column, note)


def _read_csv(text: str, delimiter: str | None, column: str | None, note: str | None) -> TableTexts:
    csv.field_size_limit(MAX_TABLE_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _guess_delimiter(text))
    try:
        header, *rows = (row for row in reader if row) if text.strip() else ([],)
    except csv.Error as error:
        raise DecodeError(f"damaged table: {error}") from None
    names = [name.strip() for name in header]

    def cells(name: str, limit: int | None = None) -> list[tuple[int, str]]:
        at = names.index(name)
        return _texts((row[at] if at < len(row) else None) for row in rows[:limit])

    return _choose(names, cells, column, note)


def _guess_delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into the most columns, all into the same number if any does so."""
    lines = text[: 64 * 1024].splitlines()[:20]

    def fit(delimiter: str) -> tuple[bool, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return False, 0
        return widths != [] and min(widths) == max(widths) > 1, widths[0] if widths else 0

    return max(_DELIMITERS, key=fit)


def _read_json_lines(text: str, column: str | None, note: str | None) -> TableTexts:
    rows: list[dict[str, Any]] = []
    bad = 0
    for line in text.split("\n"):
        try:
            value = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            value = None
        bad += not isinstance(value, dict)
        rows.append(value if isinstance(value, dict) else {})
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cells(name: str, limit: int | None = None) -> list[tuple[int, str]]:
        return _texts(row.get(name) for row in rows[:limit])

    if bad:
        lines = f"{bad} line{'s' if bad > 1 else ''} without a JSON object left out"
        note = f"{note}; {lines}" if note else lines
    return _choose(names, cells, column, note)


def _read_parquet(source: IO[bytes], column: str | None) -> TableTexts:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
        fields = [(field.name, _holds_text(pa, field.type)) for field in file.schema_arrow]
        names = [name for name, is_text in fields if is_text]

        def cells(name: str, limit: int | None = None) -> list[tuple[int, str]]:
            if limit is None:
                _check_column_size(file.metadata, name)
            values: list[object] = []
            for batch in file.iter_batches(batch_size=_ROWS_FOR_GUESS, columns=[name], use_threads=False):
                values += batch.column(0).to_pylist()
                if limit is not None and len(values) >= limit:
                    break
            return _texts(values)

        if column in dict(fields) and column not in names:
            raise DecodeError(f"column {column!r} does not hold text; those that do: {_listed(names)}")
        return _choose(names, cells, column, None)
    except (pa.ArrowException, OSError) as error:
        raise DecodeError(f"damaged Parquet file: {str(error).splitlines()[0]}") from None


def _holds_text(pa: Any, type: Any) -> bool:
    if pa.types.is_dictionary(type):
        type = type.value_type
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type))


def _check_column_size(metadata: Any, name: str) -> None:
    total = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        total += sum(
            chunks.column(i).total_uncompressed_size
            for i in range(metadata.num_columns)
            if chunks.column(i).path_in_schema == name
        )
    if total > MAX_TABLE_BYTES:
        raise _too_large()


def _choose(
    names: Sequence[str],
    cells: Callable[..., list[tuple[int, str]]],
    column: str | None,
    note: str | None,
) -> TableTexts:
    """The named column, or else one with a usual name, or else the one with the longest texts."""
    if column is not None:
        if column not in names:
            raise DecodeError(f"no column {column!r}; the columns are {_listed(names)}")
        return TableTexts(column, False, cells(column), note)
    lower = {name.lower(): name for name in reversed(names)}
    for usual in _USUAL_NAMES:
        if usual in lower:
            texts = cells(lower[usual])
            if texts:
                return TableTexts(lower[usual], True, texts, note)
    lengths = {name: _mean_length(cells(name, _ROWS_FOR_GUESS)) for name in dict.fromkeys(names)}
    longest = max(lengths, key=lambda name: lengths[name], default=None)
    if longest is None or not lengths[longest]:
        raise DecodeError("no column of texts found: name one with --text-column")
    return TableTexts(longest, True, cells(longest), note)


def _texts(values: Any) -> list[tuple[int, str]]:
    return [(row, value.strip()) for row, value in enumerate(values) if isinstance(value, str) and value.strip()]


def _mean_length(texts: list[tuple[int, str]]) -> float:
    """The mean number of characters of a column's texts; 0 where most cells are numbers."""
    words = [text for _, text in texts if any(character.isalpha() for character in text)]
    return sum(map(len, words)) / len(words) if len(words) * 2 > len(texts) else 0.0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _too_large() -> DecodeError:
    return DecodeError(f"a table of over {MAX_TABLE_BYTES >> 20} MiB of text: split it")
