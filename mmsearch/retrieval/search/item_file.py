"""Opens the item of a row in its archive or bucket, if that is a source of the collection and has not changed."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsearch.errors import DecodeError, FileNotServedError, MMSearchError, NoSuchFileError
from mmsearch.extracts import IndexedFile
from mmsearch.hits import Record
from mmsearch.retrieval.media.media_types import media_type_of
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.search.contents import RowFacts
from mmsearch.retrieval.search.indexed_file import open_beneath, open_file_beneath
from mmsearch.retrieval.search.item_paths import is_item, item_named, written
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.sources.addresses import absolute_address, expanded, member_of, member_path
from mmsearch.retrieval.sources.find import open_item
from mmsearch.retrieval.storage import is_remote, storage_of
from mmsearch.retrieval.store.side_tables import PARTS_TABLE
from mmsearch.types import printable


def content_of(record: Record) -> HeldContent | None:
    """The bytes of a record's file, where that is an item of an archive or a bucket; None where it is a file.

    Raises:
        FileNotFoundError: it is gone.
        MMSearchError: it cannot be read.
    """
    return open_item(record.path, record.source) if record.is_item and record.source is not None else None


@contextmanager
def content_at(path: Path) -> Iterator[bytes | None]:
    """The file that holds the bytes of what a path names, while the block runs: None for the path of a file.

    Raises:
        NoSuchFileError: the path names an item that is not in its archive.
        DecodeError: the archive cannot be read.
    """
    named = item_named(written(path)) if is_item(path) else None
    if named is None:
        yield None
        return
    archive = absolute_address(named[0])
    try:
        held = open_item(member_path(archive, named[1]), archive)
    except FileNotFoundError as error:
        raise NoSuchFileError(str(error)) from None
    except MMSearchError as error:
        raise DecodeError(str(error)) from None
    with held:
        yield held.path


def open_indexed_item(session: Session, record: Record, facts: RowFacts) -> IndexedFile:
    """The open item of a row that was read from an archive or a bucket.

    The archive or bucket must be a source of the collection. An archive of this machine is opened once, and what is
    open is checked. What a source only names, such as the files in a column of paths, must lie beside it or in an
    indexed folder, or be no link.

    Raises:
        FileNotServedError: the source is none of the collection, or is gone, or has changed, or the item is gone.
    """
    path, source = record.path, os.fsdecode(facts["mms_source"])
    name = printable(path)
    if source not in _sources_of(session):
        raise FileNotServedError(f"the item was read from no source of the collection: {name}", "outside")
    member = member_of(path, source)
    if record.state == "none":
        raise FileNotServedError(f"row {record.id} was read under a name that is no file: {name}", "no file")
    if member is None and not is_remote(path):
        return open_file_beneath(record, facts, _allowed_roots(session, path, source))
    try:
        if is_remote(path if member is None else source):
            _check_remote(path if member is None else source, facts, name, is_archive=member is not None)
            held = open_item(path, source)
        else:
            held = _from_archive(path, source, facts, name)
    except FileNotFoundError:
        raise FileNotServedError(f"the file is gone or cannot be read: {name}", "gone") from None
    except FileNotServedError:
        raise
    except MMSearchError as error:
        raise FileNotServedError(f"the file cannot be read: {name} ({error})", "gone") from None
    if held.written != facts["size"]:
        held.close()
        raise FileNotServedError(f"the file has changed since it was indexed: {name}", "changed")
    kind = media_type_of(path, record.modality)
    return IndexedFile(record, _HeldFile(held), facts["size"], facts["mtime_ns"], kind, os.fsencode(held.path))


def _sources_of(session: Session) -> set[str]:
    """The archives and folders that the collection was filled from: those that were named, and those of its parts."""
    named = {address for source in session.manifest.sources for address in expanded(source)}
    table = session.retrying(lambda: session.snapshot.side_table(PARTS_TABLE))
    return named if table is None else named | set(table["address"].to_pylist())


def _allowed_roots(session: Session, path: str, source: str) -> list[bytes]:
    """The real paths beneath one of which a file must lie that a local source names."""
    roots: Iterable[str] = session.manifest.roots
    if not is_remote(source):
        roots = [*roots, source if os.path.isdir(source) else os.path.dirname(source)]
    real = [os.path.realpath(os.fsencode(root)) for root in roots]
    folder, base = os.path.split(os.fsencode(path))
    # The path itself, unless it is a link by now. A bucket names no files of this machine.
    return real if is_remote(source) else [*real, os.path.join(os.path.realpath(folder), base)]


def _check_remote(address: str, facts: RowFacts, name: str, *, is_archive: bool) -> None:
    found = storage_of(address).stat(address)
    same_size = is_archive or found.size == facts["size"]
    if not same_size or found.mtime_ns != facts["mtime_ns"]:
        raise FileNotServedError(f"the file has changed since it was indexed: {name}", "changed")


def _from_archive(path: str, source: str, facts: RowFacts, name: str) -> HeldContent:
    """The bytes of an item of an archive of this machine."""
    real = os.path.realpath(os.fsencode(source))
    try:
        descriptor = open_beneath(os.fsencode(source), [real], name)
    except OSError:
        raise FileNotFoundError(source) from None
    with os.fdopen(descriptor, "rb") as archive:
        found = os.fstat(descriptor)
        if found.st_mtime_ns != facts["mtime_ns"] or not stat.S_ISREG(found.st_mode):
            raise FileNotServedError(f"the archive has changed since it was indexed: {name}", "changed")
        return open_item(path, source, archive)


class _HeldFile(io.FileIO):
    """The bytes of an item as a file that lets go of them when it is closed."""

    def __init__(self, held: HeldContent) -> None:
        self._held: HeldContent | None = held
        super().__init__(os.dup(held.file.fileno()), "rb")

    def close(self) -> None:
        super().close()
        if self._held is not None:
            self._held.close()
            self._held = None
