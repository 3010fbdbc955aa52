"""FAISS indexes in files: whole ones, ones that only say what was learned, and segments that leave that out."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mmsearch.durable import Sink, durable_file
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.faiss.factory import ivf_of

_SIZE_BYTES = 8  # the length of the FAISS part stands at the end of a file


def write(index: Any, target: Path | Sink) -> None:
    """Write an index as FAISS does, followed by how many bytes that took (8, little-endian)."""
    import faiss

    if isinstance(target, Path):
        with durable_file(target) as sink:
            write(index, sink)
        return
    sink = target
    start = sink.tell()

    def put(data: bytes) -> None:
        if sink.failure is None:
            with suppress(OSError):  # FAISS would lose it, or not let go of what it writes with
                sink.write(data)

    faiss.write_index(index, faiss.PyCallbackIOWriter(put))
    if sink.failure is not None:
        raise sink.failure
    sink.write((sink.tell() - start).to_bytes(_SIZE_BYTES, "little"))


def read(path: Path, *, mapped: bool) -> Any:
    """Read an index that `write` wrote; ``mapped`` leaves in the file what FAISS can search there.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: the file is cut or altered.
    """
    import faiss

    try:
        with path.open("rb") as file:
            _check_whole(file)
            return faiss.read_index(_name_for_faiss(path, file), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except FileNotFoundError:
        raise
    except (RuntimeError, OSError, MemoryError) as error:  # altered sizes ask for any amount of memory
        if not path.exists():  # swept between the check and the reading
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise CollectionDamagedError(f"index {path} cannot be read") from error


def write_segment(segment: Any, target: Path | Sink) -> None:
    """Write an inverted file without its centroids, which the first segment has."""
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
    """Read a segment of ``index``, whose centroids it shares from now on.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: the file is cut or altered, or the segment of another index.
    """
    segment, first = read(path, mapped=mapped), ivf_of(index)
    fits = first is not None and type(segment) is type(first)
    if not fits or (segment.d, segment.nlist, segment.code_size) != (first.d, first.nlist, first.code_size):
        raise CollectionDamagedError(f"index {path} is no segment of the index that it is named with")
    share_centroids(segment, first)
    return segment


def share_centroids(segment: Any, first: Any) -> None:
    """Let a segment use the centroids of the first one, which must live as long."""
    segment.own_fields = False
    segment.quantizer = first.quantizer
    segment.referenced_objects = [*getattr(segment, "referenced_objects", []), first]  # keeps it alive


def emptied(index: Any) -> Any:
    """A copy of an index with what it learned and none of its rows."""
    import faiss

    copy = faiss.clone_index(index)
    copy.reset()
    return copy


def can_be_mapped(ivf: Any) -> bool:
    """Whether FAISS searches the lists in the file; those for fast scanning it reads into memory."""
    import faiss

    return not isinstance(faiss.downcast_InvertedLists(ivf.invlists), faiss.BlockInvertedLists)


def _name_for_faiss(path: Path, file: IO[bytes]) -> str:
    """The path, or where it is not UTF-8, which FAISS cannot be told, the open file's other name."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"/dev/fd/{file.fileno()}"
    return str(path)


def _check_whole(file: IO[bytes]) -> None:
    """Raise RuntimeError for a file that was cut: FAISS would map it and end the process by reading past its end."""
    size = max(0, os.fstat(file.fileno()).st_size - _SIZE_BYTES)
    file.seek(size)
    if size != int.from_bytes(file.read(), "little"):
        raise RuntimeError("the file has not the length that it was written with")
    file.seek(0)
