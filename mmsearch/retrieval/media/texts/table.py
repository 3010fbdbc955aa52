"""Tables of texts (CSV, TSV, JSON lines, Parquet): one column of them, named or guessed, cell by cell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from mmsearch.errors import DecodeError, HintKind
from mmsearch.retrieval.media.texts.cells import USUAL_NAMES, is_words
from mmsearch.retrieval.media.texts.delimited import DelimitedTable
from mmsearch.retrieval.media.texts.encoded_data import BREAK, left_out_note, readable_part
from mmsearch.retrieval.media.texts.nested import JsonLinesTable, ParquetTable
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import counted, sized

MAX_TABLE_BYTES = 128 * 1024 * 1024
"""Larger tables are refused; of Parquet, the size of the column when it is decompressed."""

MAX_CELL = 1024 * 1024
"""In characters; a longer cell is cut."""

MAX_ROWS, _MOST_ROWS, _BYTES_OF_ROW = 100_000, 1_000_000, 8
"""A file gives at most 100,000 rows, or one per 8 bytes if that is more, up to a million."""

_CHARACTERS_OF_ROW = 256
"""The length of a passage, roughly: a longer cell counts as several rows."""

_PART_ROWS, _PART_CHARACTERS = 4096, 1024 * 1024

Texts = list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class TableTexts:
    """The texts of one column of a table.

    Attributes:
        column: its name.
        guessed: the column was not named by the user, and other columns hold something too.
        texts: ``(row, text)``, rows from 0, without empty cells.
        note: what was guessed or left out.
    """

    column: str
    guessed: bool
    texts: Texts
    note: str | None = None


class _Table(Protocol):
    """A table of any format; its rows can be read several times."""

    names: list[str]
    notes: list[str | None]

    @property
    def has_header(self) -> bool: ...

    @property
    def is_empty(self) -> bool: ...

    def sample(self, column: int) -> list[str]: ...

    def texts(self, column: int) -> Iterator[tuple[int, str]]: ...


def read_table(
    source: str | os.PathLike[str] | IO[bytes],
    format: str,
    column: str | None = None,
    emit: Callable[[Texts], None] | None = None,
) -> TableTexts:
    """The texts of one column of a table.

    Rows of CSV are numbered from the first after the header, those of JSON lines by the lines of the file.

    Args:
        source: the file.
        format: csv, tsv, jsonl, ndjson or parquet.
        column: its name, or its number from 1 in CSV without a header; None: the column that looks most like captions.
        emit: is called with the texts in order, in parts of bounded size; the result has only the last part. Without
            it the result has all texts.

    Raises:
        DecodeError: there is no such column, or none that holds text; the file is damaged or too large.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read_table(file, format, column, emit)
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if format == "parquet":
        import pyarrow as pa

        try:
            return _read(ParquetTable(source, column, MAX_TABLE_BYTES), column, size, emit)
        except MemoryError:  # Arrow has one of its own, which is one of its exceptions, too
            raise
        except pa.ArrowNotImplementedError:
            raise DecodeError("damaged, or a kind of Parquet that is not read") from None
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # an error of the disk
                raise
            raise DecodeError("damaged Parquet file: it cannot be read") from None
    if size > MAX_TABLE_BYTES:
        raise DecodeError(f"a table of over {MAX_TABLE_BYTES >> 20} MiB of text: split it")
    if format in ("csv", "tsv"):
        return _read(DelimitedTable(source, "\t" if format == "tsv" else None, column), column, size, emit)
    return _read(JsonLinesTable(source, column), column, size, emit)


def _read(table: _Table, column: str | None, size: int, emit: Callable[[Texts], None] | None) -> TableTexts:
    chosen = _choose_column(table, column)
    cleaner = _Cleaner(min(max(MAX_ROWS, size // _BYTES_OF_ROW), _MOST_ROWS), size)
    texts: Texts = []
    characters = 0
    last = ""
    for row, text in cleaner.cleaned(table.texts(chosen)):
        if emit is not None and (len(texts) >= _PART_ROWS or characters > _PART_CHARACTERS):
            emit(texts)
            texts, characters = [], 0
        texts.append((row, text))
        characters += len(text) if text is not last else 0
        last = text
    guessed = column is None and any(table.sample(i) for i in range(len(table.names)) if i != chosen)
    return TableTexts(table.names[chosen], guessed, texts, join_notes(*table.notes, *cleaner.notes()))


class _Cleaner:
    """Removes white space and encoded data from cells, bounds the number of rows, and counts what was left out."""

    def __init__(self, most_rows: int, size: int) -> None:
        self._left = self._most = most_rows
        self._size = size
        self._left_out = self._repeated = self._cut = 0
        self._last: tuple[str, str] = ("", "")

    def cleaned(self, cells: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        for row, cell in cells:
            text = self._clean(cell)
            if text:
                if self._left <= 0:
                    self._left = -1
                    return
                self._left -= 1 + len(text) // _CHARACTERS_OF_ROW
                yield row, text

    def _clean(self, cell: str) -> str:
        raw, text = self._last
        if cell == raw:
            return text
        raw = cell
        if len(cell) > MAX_CELL:
            self._cut += 1
            cell = cell[:MAX_CELL]
        readable = readable_part(cell)
        self._left_out += readable.left_out
        self._repeated += readable.repeated
        text = readable.text.replace(BREAK, " ").strip()
        self._last = raw, text
        return text

    def notes(self) -> Iterator[str | None]:
        yield left_out_note(self._left_out, self._repeated)
        if self._cut:
            yield f"{counted(self._cut, 'cell')} of over {sized(MAX_CELL)} cut"
        if self._left < 0:
            yield f"only its first rows are indexed: a table of {sized(self._size)} may give {self._most:,}"


def _choose_column(table: _Table, column: str | None) -> int:
    """The number of the named column, else of one with a usual name, else of the one with the longest texts."""
    names = table.names
    if column is not None:
        return _find_column(table, column)
    if table.is_empty:
        raise DecodeError("there are no rows under the header")
    lower = [name.lower() for name in names] if table.has_header else []
    for usual in USUAL_NAMES:
        for i, name in enumerate(lower):
            if name == usual and table.sample(i):
                return i
    lengths = [_mean_length(table.sample(i)) for i in range(len(names))]
    longest = max(range(len(names)), key=lengths.__getitem__, default=None)
    if longest is None or not lengths[longest]:
        raise DecodeError("no column of texts found", hint=HintKind.TEXT_COLUMN)
    return longest


def _find_column(table: _Table, column: str) -> int:
    places = [i for i, name in enumerate(table.names) if name == column]
    if places:
        return next((i for i in places if table.sample(i)), places[0])
    if not table.has_header:
        raise DecodeError(f"no column {column!r}: the table has no header, its columns are 1 to {len(table.names)}")
    raise DecodeError(f"no column {column!r}; the columns are {', '.join(map(repr, table.names)) or 'none'}")


def _mean_length(texts: Sequence[str]) -> float:
    """The mean number of characters of a column's texts; 0 if most cells are numbers, dates or addresses."""
    words = [text for text in texts if is_words(text)]
    return sum(map(len, words)) / len(words) if len(words) * 2 > len(texts) else 0.0
