"""Reading and writing FAISS indexes: whole ones, trained ones without rows, and segments without centroids."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mmsearch.durable import Sink, durable_file
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.faiss.factory import ivf_of

SIZE_BYTES = 8  # a file ends with the length of its FAISS part


def write(index: Any, target: Path | Sink) -> None:
    """Write an index in FAISS's format, followed by the length of that (8 bytes, little-endian)."""
    import faiss

    if isinstance(target, Path):
        with durable_file(target) as sink:
            write(index, sink)
        return
    sink = target
    start = sink.tell()

    def put(data: bytes) -> None:
        if sink.failure is None:
            with suppress(OSError):  # raised below: FAISS would swallow it, or leak its writer
                sink.write(data)

    faiss.write_index(index, faiss.PyCallbackIOWriter(put))
    if sink.failure is not None:
        raise sink.failure
    write_length(sink, start)


def write_length(sink: Sink, start: int) -> None:
    """Write the length of what stands in a file from ``start`` on."""
    sink.write((sink.tell() - start).to_bytes(SIZE_BYTES, "little"))


def read(path: Path, *, mapped: bool) -> Any:
    """Read an index that `write` wrote; ``mapped``: memory-map what FAISS can search in the file.

    Raises:
        FileNotFoundError: the file is gone; a newer manifest may have replaced it.
        CollectionDamagedError: the file is truncated or altered.
    """
    import faiss

    try:
        with path.open("rb") as file:
            _check_length(file)
            return faiss.read_index(_name_for_faiss(path, file), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except FileNotFoundError:
        raise
    except (RuntimeError, OSError, MemoryError) as error:  # altered sizes can ask for any amount of memory
        if not path.exists():  # deleted between the check and the reading
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise CollectionDamagedError(f"index {path} cannot be read") from error


def write_segment(segment: Any, target: Path | Sink) -> None:
    """Write an inverted file without its centroids; the index that it belongs to has them."""
    import faiss

    quantizer, owned = segment.quantizer, segment.own_fields
    without = faiss.IndexFlatIP(segment.d)
    segment.own_fields = False
    segment.quantizer = without
    try:
        write(segment, target)
    finally:
        segment.quantizer = quantizer
        segment.own_fields = owned


def read_segment(path: Path, index: Any, *, mapped: bool) -> Any:
    """Read a segment of ``index``, and let it share the centroids of that.

    Raises:
        FileNotFoundError: the file is gone; a newer manifest may have replaced it.
        CollectionDamagedError: the file is truncated or altered, or the segment belongs to another index.
    """
    segment, first = read(path, mapped=mapped), ivf_of(index)
    fits = first is not None and type(segment) is type(first)
    if not fits or (segment.d, segment.nlist, segment.code_size) != (first.d, first.nlist, first.code_size):
        raise CollectionDamagedError(f"index {path} is no segment of the index that it is named with")
    share_centroids(segment, first)
    return segment


def share_centroids(segment: Any, first: Any) -> None:
    """Let a segment use the centroids of the inverted file ``first``."""
    segment.own_fields = False
    segment.quantizer = first.quantizer
    segment.referenced_objects = [*getattr(segment, "referenced_objects", []), first]  # keeps `first` alive


def copy_without_rows(index: Any) -> Any:
    """A copy of a trained index without its rows."""
    import faiss

    copy = faiss.clone_index(index)
    copy.reset()
    return copy


def can_be_mapped(ivf: Any) -> bool:
    """Whether FAISS can search the lists of an inverted file on disk; those for fast scan are read into memory."""
    import faiss

    return not isinstance(faiss.downcast_InvertedLists(ivf.invlists), faiss.BlockInvertedLists)


def _name_for_faiss(path: Path, file: IO[bytes]) -> str:
    """The path; or, as FAISS takes only UTF-8, a path by the descriptor of the open file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"/dev/fd/{file.fileno()}"
    return str(path)


def _check_length(file: IO[bytes]) -> None:
    """Raise RuntimeError for a truncated file: FAISS would map it, and reading past its end would end the process."""
    size = max(0, os.fstat(file.fileno()).st_size - SIZE_BYTES)
    file.seek(size)
    if size != int.from_bytes(file.read(), "little"):
        raise RuntimeError("the file does not have the length that it was written with")
    file.seek(0)
