"""Parquet files as sources: pictures and sounds as bytes or as paths in a column, captions and facts in others.

Such files come from Hugging Face's datasets (a struct of ``bytes`` and ``path``) and from img2dataset.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.formats import FORMATS, MEDIA_ENDINGS, endings_of
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.addresses import member_path
from mmsearch.retrieval.sources.archives import part_of_file
from mmsearch.retrieval.sources.members import captions_in, facts_in
from mmsearch.retrieval.sources.protocol import SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.storage import is_remote, storage_of

_AT_ONCE = 64  # rows
_LOOKED_AT = 32  # rows, to find out what a column holds
_PATH_COLUMNS = (
    *("path", "file_name", "filename", "filepath", "file_path", "file"),
    *("image_path", "audio_path", "video_path", "image", "audio", "video"),
)
_SHOWN_KINDS = ("image", "raw", "audio", "video", "document")


@dataclass(frozen=True, slots=True)
class MediaColumn:
    """A column that holds pictures, sounds, films or documents.

    ``how``: as *bytes*, as a *struct* of ``bytes`` and ``path``, or as *paths* of files.
    """

    name: str
    how: str


class ParquetSource:
    """A Parquet file: a part for each of its row groups.

    Args:
        address: its path or address.
        text_column: the column of captions; None: the first whose name usually stands for them.
    """

    def __init__(self, address: str, text_column: str | None = None) -> None:
        self._address = address
        self._text_column = text_column

    def has_media(self) -> bool:
        """Whether a column holds pictures, sounds, films or documents, or names such files.

        Raises:
            MMSearchError: it cannot be read as Parquet.
        """
        with _opened(self._address) as (_, file):
            return bool(media_columns(self._address, file))

    def parts(self) -> Iterator[SourcePart]:
        """The row groups.

        Raises:
            MMSearchError: there is no such file, it is no Parquet file, or no column of it holds pictures or sounds.
        """
        whole = part_of_file(self._address)
        with _opened(self._address) as (_, file):
            if not media_columns(self._address, file):
                columns = ", ".join(file.schema_arrow.names[:12])
                raise MMSearchError(
                    f"{self._address} holds no pictures, sounds or films, and no paths of files that exist; "
                    f"its columns are {columns}"
                )
            metadata = file.metadata
            for group in range(metadata.num_row_groups):
                yield SourcePart(self._address, metadata.row_group(group).total_byte_size, whole.etag, group)

    def items(self, part: SourcePart) -> Iterator[SourceItem | SourceNote]:
        """The items in the rows of a row group."""
        found = storage_of(part.address).stat(part.address)
        group = part.index or 0
        with _opened(part.address) as (_, file):
            columns = media_columns(part.address, file)
            first = sum(file.metadata.row_group(before).num_rows for before in range(group))
            if columns and columns[0].how == "paths":
                with _explained(part.address):
                    rows = file.read_row_group(group).to_pylist()
                yield from self._items_of_files(rows, columns[0])
                return
            with _explained(part.address):
                for batch in file.iter_batches(batch_size=_AT_ONCE, row_groups=[group]):
                    for offset, row in enumerate(_rows(batch)):
                        yield from self._items_of_row(row, first + offset, columns, found.mtime_ns)
                    first += batch.num_rows

    def _items_of_files(self, rows: list[dict[str, Any]], column: MediaColumn) -> Iterator[SourceItem]:
        """The files that rows name: one that several rows name, such as a picture with five captions, is one item."""
        captions: dict[str, dict[str, None]] = {}
        facts: dict[str, dict[str, Any]] = {}
        for row in rows:
            path = row[column.name]
            if not path:
                continue
            others = {name: value for name, value in row.items() if name != column.name}
            field, texts = captions_in(others, self._text_column)
            captions.setdefault(path, {}).update(dict.fromkeys(texts))
            facts.setdefault(path, facts_in(others, besides=field))
        for path, of_file in captions.items():
            yield _file_item(_beside(self._address, path), tuple(of_file), facts[path])

    def _items_of_row(
        self, row: dict[str, Any], number: int, columns: list[MediaColumn], mtime_ns: int
    ) -> Iterator[SourceItem]:
        others = {name: value for name, value in row.items() if all(name != column.name for column in columns)}
        field, captions = captions_in(others, self._text_column)
        facts = facts_in(others, besides=field)
        for column in columns:
            several = f".{column.name}" if len(columns) > 1 else ""
            yield _item(self._address, row[column.name], f"{number}{several}", column, mtime_ns, tuple(captions), facts)


def _item(
    address: str,
    value: Any,
    number: str,
    column: MediaColumn,
    mtime_ns: int,
    captions: tuple[str, ...],
    facts: dict[str, Any],
) -> SourceItem:
    data, path = _bytes_and_path(value)
    if data is None and path:
        return _file_item(_beside(address, path), captions, facts)
    if not data:
        problem = f"there is nothing in its column {column.name}"
        return SourceItem(member_path(address, number), None, 0, mtime_ns, captions, facts, problem)
    name = number + _ending(data, path)
    return SourceItem(member_path(address, name), HeldContent(data, len(data)), len(data), mtime_ns, captions, facts)


def _file_item(path: str, captions: tuple[str, ...], facts: dict[str, Any]) -> SourceItem:
    """The item of a row that names a file."""
    if is_remote(path):
        storage = storage_of(path)
        try:
            found = storage.stat(path)
            content = HeldContent(storage.read(path), found.size)
        except (FileNotFoundError, MMSearchError) as error:
            return SourceItem(path, None, 0, 0, captions, facts, f"cannot be read: {error}")
        return SourceItem(path, content, found.size, found.mtime_ns, captions, facts)
    try:
        facts_of_file = os.stat(path)
    except OSError as error:
        return SourceItem(path, None, 0, 0, captions, facts, f"cannot be read: {(error.strerror or '').lower()}")
    return SourceItem(path, None, facts_of_file.st_size, facts_of_file.st_mtime_ns, captions, facts)


def _bytes_and_path(value: Any) -> tuple[bytes | None, str | None]:
    """What a cell holds: bytes, or a struct of bytes and a path."""
    if isinstance(value, dict):
        return value.get("bytes"), value.get("path")
    return value, None


def _beside(address: str, path: str) -> str:
    """A path in a table: relative to the folder of the table."""
    if is_remote(path) or os.path.isabs(path):
        return path
    if is_remote(address):
        return posixpath.join(posixpath.dirname(address), path)
    return os.path.normpath(os.path.join(os.path.dirname(address), path))


def _ending(data: bytes, path: str | None) -> str:
    """The ending of an item's name: that of its path, else one of its format."""
    ending = os.path.splitext(path or "")[1]
    if ending[1:].lower() in MEDIA_ENDINGS:
        return ending.lower()
    format = sniff(data[:HEAD_BYTES], "", explicitly_requested=False).format
    known = FORMATS[format].endings if format in FORMATS else ()
    return f".{known[0]}" if known else ""


def media_columns(address: str, file: Any) -> list[MediaColumn]:
    """The columns that hold pictures, sounds, films or documents, or else the first that names such files."""
    schema = file.schema_arrow
    found = []
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and {"bytes", "path"} <= {inner.name for inner in kind}:
            found.append(MediaColumn(field.name, "struct"))
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            values = _first_values(file, field.name)
            if any(_is_media(value) for value in values):
                found.append(MediaColumn(field.name, "bytes"))
    if found:
        return found
    for name in _PATH_COLUMNS:
        if name in schema.names and pa.types.is_string(schema.field(name).type):
            values = _first_values(file, name)
            if any(_is_media_name(value) and _exists(_beside(address, value)) for value in values):
                return [MediaColumn(name, "paths")]
    return []


def _first_values(file: Any, column: str) -> list[Any]:
    batch = next(file.iter_batches(batch_size=_LOOKED_AT, columns=[column]), None)
    return [] if batch is None else [value for value in batch.column(0).to_pylist() if value]


def _is_media(data: bytes) -> bool:
    return sniff(data[:HEAD_BYTES], "", explicitly_requested=False).kind in _SHOWN_KINDS


def _is_media_name(path: str) -> bool:
    ending = os.path.splitext(path)[1][1:].lower()
    return ending in MEDIA_ENDINGS or ending in endings_of("document")


def _exists(path: str) -> bool:
    return is_remote(path) or os.path.exists(path)


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    for row in range(batch.num_rows):  # one at a time: a list of all rows would double the memory of their bytes
        yield {name: batch.column(place)[row].as_py() for place, name in enumerate(batch.schema.names)}


@contextlib.contextmanager
def _opened(address: str, opened: IO[bytes] | None = None) -> Iterator[tuple[IO[bytes], Any]]:
    import pyarrow.parquet as pq  # imports file systems and TLS

    with storage_of(address).open(address) if opened is None else contextlib.nullcontext(opened) as file:
        with _explained(address):
            table = pq.ParquetFile(file)
        yield file, table


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise MMSearchError(f"{address} cannot be read as Parquet ({reason})") from error


def open_cell(address: str, name: str, file: IO[bytes] | None = None) -> HeldContent:
    """The bytes of one item of a Parquet file, by its name, ``row[.column].ending``.

    ``file``: the Parquet file, if it is open already; it stays open.

    Raises:
        FileNotFoundError: there is no such file, row or column.
        MMSearchError: it cannot be read.
    """
    number, *rest = name.split(".")
    with _opened(address, file) as (_, table):
        columns = media_columns(address, table)
        wanted = [column for column in columns if rest and column.name == rest[0]] or columns[:1]
        if not number.isdigit() or not wanted:
            raise FileNotFoundError(f"there is no {name} in {address}")
        row = int(number)
        for group in range(table.metadata.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            if row < count:
                with _explained(address):
                    value = table.read_row_group(group, columns=[wanted[0].name]).column(0)[row].as_py()
                data, _ = _bytes_and_path(value)
                if data:
                    return HeldContent(data, len(data))
                break
            row -= count
    raise FileNotFoundError(f"there is no {name} in {address}")
