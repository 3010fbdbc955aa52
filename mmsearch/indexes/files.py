"""FAISS indexes in files: whole ones, ones that only say what was learned, and segments that leave that out."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.factory import ivf_of

_SIZE_BYTES = 8  # the length of the FAISS part stands at the end of a file


def write(index: Any, path: Path) -> None:
    """Write an index as FAISS does, followed by how many bytes that took (8, little-endian)."""
    import faiss

    faiss.write_index(index, str(path))
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(size.to_bytes(_SIZE_BYTES, "little"))


def read(path: Path, *, mapped: bool) -> Any:
    """Read an index that `write` wrote; ``mapped`` leaves in the file what FAISS can search there.

    Raises:
        FileNotFoundError: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: the file is cut or altered.
    """
    import faiss

    try:
        _check_whole(path)
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except FileNotFoundError:
        raise
    except (RuntimeError, OSError, MemoryError) as error:  # altered sizes ask for any amount of memory
        if not path.exists():  # swept between the check and the reading
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise CollectionDamagedError(f"index {path} cannot be read; `mmsearch doctor --repair` rebuilds it") from error


def write_segment(segment: Any, path: Path) -> None:
    """Write an inverted file without its centroids, which the first segment has."""
    import faiss

    quantizer, owned = segment.quantizer, segment.own_fields
    without = faiss.IndexFlatIP(segment.d)
    segment.own_fields = False
    segment.quantizer = without
    try:
        write(segment, path)
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
        raise CollectionDamagedError(
            f"index {path} is no segment of the index that it is named with; `mmsearch doctor --repair` rebuilds it"
        )
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


def _check_whole(path: Path) -> None:
    """Raise RuntimeError for a file that was cut: FAISS would map it and end the process by reading past its end."""
    with path.open("rb") as file:
        size = max(0, os.fstat(file.fileno()).st_size - _SIZE_BYTES)
        file.seek(size)
        if size != int.from_bytes(file.read(), "little"):
            raise RuntimeError("the file has not the length that it was written with")
