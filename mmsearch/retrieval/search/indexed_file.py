"""Opens the file of a row, if it is still what was indexed and lies in an indexed folder."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from mmsearch.errors import FileNotServedError
from mmsearch.extracts import IndexedFile
from mmsearch.hits import Record
from mmsearch.retrieval.media.media_types import media_type_of
from mmsearch.retrieval.paths import lies_under
from mmsearch.retrieval.search.contents import RowFacts, read_shown
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.schema import is_without_file
from mmsearch.types import printable

_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that has replaced the file does not wait for a writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_indexed_file(session: Session, row_id: int) -> IndexedFile:
    """The open file of a row; see `Collection.open_file`.

    Raises:
        NoSuchRowError: there is no such row.
        FileNotServedError: the file may not be opened, or is not what was indexed.
    """
    record, facts = read_shown(session, row_id)
    name = printable(record.path)
    if is_without_file(facts):
        raise FileNotServedError(f"row {row_id} was added under a name that is no file: {name}", "no file")
    if facts["mms_source"] is not None:
        from mmsearch.retrieval.search.item_file import open_indexed_item

        return open_indexed_item(session, record, facts)
    roots = [os.path.realpath(os.fsencode(root)) for root in session.manifest.roots]
    return open_file_beneath(record, facts, roots)


def open_file_beneath(record: Record, facts: RowFacts, roots: Sequence[bytes]) -> IndexedFile:
    """The open file of a row, if it is what was indexed and lies under one of some real paths.

    Raises:
        FileNotServedError: it is gone, lies elsewhere, or has changed.
    """
    name = printable(record.path)
    try:
        descriptor = open_beneath(facts["path"], roots, name)
    except OSError:
        raise FileNotServedError(f"the file is gone or cannot be read: {name}", "gone") from None
    try:
        _check_unchanged(os.fstat(descriptor), facts, name)
        file = os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise
    return IndexedFile(record, file, facts["size"], facts["mtime_ns"], media_type_of(record.path, record.modality))


def open_beneath(path: bytes, roots: Sequence[bytes], name: str) -> int:
    """A descriptor of a file whose real path, all links followed, lies under one of the roots.

    Raises:
        FileNotServedError: it lies elsewhere.
        OSError: it cannot be opened.
    """
    real = os.path.realpath(path, strict=True)
    _check_beneath(real, roots, name)
    descriptor = os.open(real, _OPEN_FLAGS)
    try:  # a folder on the way may have become a link since
        _check_beneath(_path_of(descriptor, real), roots, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _path_of(descriptor: int, real: bytes) -> bytes:
    """The real path of an open file: as the kernel states it, else that of ``real``, which must lead to the file."""
    with contextlib.suppress(OSError):
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    if not os.path.samestat(os.stat(real), os.fstat(descriptor)):
        raise FileNotFoundError(real)
    return os.path.realpath(real, strict=True)


def _check_beneath(real: bytes, roots: Sequence[bytes], name: str) -> None:
    if not any(lies_under(real, root) for root in roots):
        raise FileNotServedError(f"the file lies outside the indexed folders: {name}", "outside")


def _check_unchanged(found: os.stat_result, facts: RowFacts, name: str) -> None:
    same = (found.st_size, found.st_mtime_ns) == (facts["size"], facts["mtime_ns"])
    if not same or not stat.S_ISREG(found.st_mode):
        raise FileNotServedError(f"the file has changed since it was indexed: {name}", "changed")
