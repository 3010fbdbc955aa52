"""The source that an address names, and the item that a path names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.addresses import archive_kind, member_of
from mmsearch.retrieval.sources.archives import ArchiveSource, open_member
from mmsearch.retrieval.sources.folders import FolderSource, ListedFile
from mmsearch.retrieval.sources.parquet import ParquetSource, open_cell
from mmsearch.retrieval.sources.protocol import Source
from mmsearch.retrieval.storage import is_remote, storage_of

_MOST_TAKEN_OUT = 4 << 30


def source_of(
    address: str, text_column: str | None = None, *, list_folder: Callable[[str], Iterator[ListedFile]]
) -> Source:
    """The source at an address: a folder, a tar, a ZIP file or a Parquet file.

    Args:
        address: an absolute path, or an address of an object store, without ranges.
        text_column: the column of Parquet files that holds captions; None: guessed.
        list_folder: lists the files of a folder of this machine, in order of their names.

    Raises:
        MMSearchError: a file that is none of these.
    """
    if not os.path.isdir(address) and (archive := _archive(address, text_column)) is not None:
        return archive
    if not is_remote(address) and not os.path.isdir(address):
        what = "not a folder, a tar, a ZIP or a Parquet file:" if os.path.exists(address) else "there is no"
        raise MMSearchError(f"{what} {address}")
    return FolderSource(address, lambda one: _in_folder(one, text_column), list_folder)


def _archive(address: str, text_column: str | None) -> ArchiveSource | ParquetSource | None:
    kind = archive_kind(address)
    if kind is None:
        return None
    return ParquetSource(address, text_column) if kind == "parquet" else ArchiveSource(address)


def _in_folder(address: str, text_column: str | None) -> Source | None:
    """The source of an archive in a folder; None for a table without pictures, such as those beside tars."""
    source = _archive(address, text_column)
    return None if isinstance(source, ParquetSource) and not source.has_media() else source


def open_item(path: str, source: str, archive: IO[bytes] | None = None) -> HeldContent:
    """The bytes of an item that is no file of this machine.

    Args:
        path: of the item, as its rows have it.
        source: the archive or the folder that it was read from.
        archive: the archive, if it is open already; it stays open.

    Raises:
        FileNotFoundError: it is gone.
        MMSearchError: it cannot be read.
    """
    name = member_of(path, source)
    if name is None:
        storage = storage_of(path)
        found = storage.stat(path)
        with storage.open(path) as file:
            return HeldContent(file, found.size)
    if archive_kind(source) == "parquet":
        return open_cell(source, name, archive)
    return open_member(source, name, _MOST_TAKEN_OUT, archive)
