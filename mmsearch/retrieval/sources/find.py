"""The source that an address names, and the item that a path names."""

from __future__ import annotations

import os

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.addresses import archive_kind, member_of
from mmsearch.retrieval.sources.archives import ArchiveSource, open_member
from mmsearch.retrieval.sources.folders import FolderSource
from mmsearch.retrieval.sources.parquet import ParquetSource, open_cell
from mmsearch.retrieval.sources.protocol import Source
from mmsearch.retrieval.storage import is_remote, storage_of

_MOST_TAKEN_OUT = 4 << 30


def source_of(address: str, text_column: str | None = None) -> Source:
    """The source at an address: a folder, a tar, a ZIP file or a Parquet file.

    Args:
        address: an absolute path, or an address of an object store, without ranges.
        text_column: the column of Parquet files that holds captions; None: guessed.

    Raises:
        MMSearchError: a file that is none of these.
    """
    kind = archive_kind(address)
    if kind is not None and not os.path.isdir(address):
        return ParquetSource(address, text_column) if kind == "parquet" else ArchiveSource(address)
    if not is_remote(address) and not os.path.isdir(address):
        what = "there is no" if not os.path.exists(address) else "not a folder, a tar, a ZIP or a Parquet file:"
        raise MMSearchError(f"{what} {address}")
    return FolderSource(address, lambda one: _source_in_folder(one, text_column))


def _source_in_folder(address: str, text_column: str | None) -> Source | None:
    """The source of an archive in a folder; None for tables without pictures, such as those beside each tar."""
    source = source_of(address, text_column)
    if isinstance(source, ParquetSource) and not source.has_media():
        return None
    return source


def open_item(path: str, source: str) -> HeldContent:
    """The bytes of an item that is no file of this machine.

    Args:
        path: of the item, as its rows have it.
        source: the archive or the folder that it was read from.

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
        return open_cell(source, name)
    return open_member(source, name, _MOST_TAKEN_OUT)
