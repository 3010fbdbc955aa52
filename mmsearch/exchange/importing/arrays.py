"""Arrays in files: npy and npz of NumPy, HDF5 (the layout of ann-benchmarks), fvecs and bvecs.

Nothing is loaded whole: npy and fvecs are mapped, npz and HDF5 are read block by block.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.columns import find_path_column, space_of_metadata, table_blocks
from mmsearch.exchange.importing.payloads import Payload, payload_beside
from mmsearch.exchange.importing.source import Block, Choice, no_facts
from mmsearch.exchange.packages import check_installed, checked_file, one_line

Read = Callable[[int, int], NDArray[Any]]
"""Vectors from one row to another, ``[n, dim]``; asked for in order."""

_ARRAY_NAMES = ("vectors", "embeddings", "train", "features", "arr_0")


class ArraySource:
    """An array of vectors, and maybe a payload with a line for each."""

    def __init__(
        self, name: str, shape: tuple[int, int], read: Read, choice: Choice, close: Callable[[], object]
    ) -> None:
        self.rows, self.dim = shape
        self._name, self._read, self._choice, self._close = name, read, choice, close
        beside = choice.payload or payload_beside(name)
        self._payload = None if beside is None else Payload(beside)
        self.space = None
        if self._payload is None:
            find_path_column([], choice.path_column, name)  # says that there is none
        else:
            if self._payload.rows is not None and self._payload.rows != self.rows:
                raise UsageError(
                    f"{name} holds {self.rows:,} vectors, but {self._payload.name} has {self._payload.rows:,} lines"
                )
            self.space = space_of_metadata(self._payload.metadata)

    def blocks(self, rows: int) -> Iterator[Block]:
        """All vectors in order; those without a name are named by their place, as in ``vectors.npy#17``."""
        base = os.path.basename(self._name)
        for start in range(0, self.rows, rows):
            stop = min(start + rows, self.rows)
            vectors = self._read(start, stop)
            facts = no_facts(stop - start) if self._payload is None else self._payload.take(stop - start)
            names = [f"{base}#{row}" for row in range(start, stop)]
            yield from table_blocks(facts, vectors, self._choice, self._name, names)
        if self._payload is not None:
            self._payload.check_end()

    def close(self) -> None:
        """Close the file."""
        self._close()


def open_npy(name: str, choice: Choice) -> ArraySource:
    """A file of NumPy, or a folder with ``vectors.npy`` in it.

    Raises:
        UsageError: it holds no vectors.
    """
    path = checked_file(name)
    if os.path.isdir(path):
        path = checked_file(os.path.join(path, "vectors.npy"))
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UsageError(f"{path} cannot be read as an array of NumPy: {one_line(error)}") from error
    shape = _checked_shape(array.shape, array.dtype, path)
    return ArraySource(path, shape, lambda start, stop: array[start:stop], choice, _nothing)


def open_npz(name: str, choice: Choice) -> ArraySource:
    """One array of an archive of NumPy.

    Raises:
        UsageError: it holds none, or several.
    """
    path = checked_file(name)
    try:
        archive = zipfile.ZipFile(path)
        headers = {member.removesuffix(".npy"): _npy_header(archive, member) for member in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be read as an archive of NumPy: {one_line(error)}") from error
    which = _chosen_array({key: (shape, dtype) for key, (shape, dtype, _) in headers.items()}, choice.table, path)
    shape, dtype, fortran = headers[which]
    if fortran:
        raise UsageError(f"{path}: array {which!r} is stored column by column; save it in C order")
    file = archive.open(f"{which}.npy")
    _read_header(file)

    def read(start: int, stop: int) -> NDArray[Any]:
        count = (stop - start) * shape[1]
        data = file.read(count * dtype.itemsize)
        if len(data) < count * dtype.itemsize:
            raise UsageError(f"{path} is cut short")
        return np.frombuffer(data, dtype, count).reshape(-1, shape[1])

    return ArraySource(path, _checked_shape(shape, dtype, path), read, choice, archive.close)


def open_hdf5(name: str, choice: Choice) -> ArraySource:
    """One dataset of an HDF5 file: ``train`` of those of ann-benchmarks, or its only one of vectors.

    Raises:
        MMSearchError: h5py is not installed.
        UsageError: it holds none, or several.
    """
    check_installed("hdf5", "h5py")
    import h5py

    path = checked_file(name)
    try:
        file: Any = h5py.File(path, "r")
    except OSError as error:
        raise UsageError(f"{path} cannot be read as HDF5: {one_line(error)}") from error
    arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

    def note(key: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[key] = (item.shape, item.dtype)

    file.visititems(note)
    which = _chosen_array(arrays, choice.table, path)
    data = file[which]
    shape = _checked_shape(*arrays[which], path)
    return ArraySource(path, shape, lambda start, stop: data[start:stop], choice, file.close)


def open_fvecs(name: str, choice: Choice) -> ArraySource:
    """A file of vectors that each begin with their dimension: floats (fvecs) or bytes (bvecs).

    Raises:
        UsageError: it is cut short, or its vectors have several dimensions.
    """
    path = checked_file(name)
    is_bytes = path.lower().endswith(".bvecs")
    size = os.path.getsize(path)
    head = np.fromfile(path, "<i4", 1)
    dim = int(head[0]) if len(head) else 0
    line = 4 + dim * (1 if is_bytes else 4)
    if dim < 1 or size % line:
        kind = "bvecs" if is_bytes else "fvecs"
        raise UsageError(
            f"{path} cannot be read as {kind}: {size:,} bytes are no whole number of vectors of {dim} numbers"
        )
    lines = np.memmap(path, np.uint8, "r", shape=(size // line, line))

    def read(start: int, stop: int) -> NDArray[Any]:
        block = np.ascontiguousarray(lines[start:stop])
        dims = block[:, :4].copy().view("<i4")[:, 0]
        if len(other := np.flatnonzero(dims != dim)):
            raise UsageError(
                f"{path}: vector {start + int(other[0])} has {dims[other[0]]} numbers, and the first {dim}"
            )
        return block[:, 4:] if is_bytes else block[:, 4:].copy().view("<f4")

    return ArraySource(path, (size // line, dim), read, choice, _nothing)


def _chosen_array(arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]], wanted: str | None, path: str) -> str:
    """The array that is meant: the one that was named, one with a usual name, or the only one of vectors."""
    if wanted is not None:
        if wanted not in arrays:
            raise UsageError(f"{path} has no array {wanted!r}; its arrays: {', '.join(arrays) or 'none'}")
        return wanted
    vectors = [key for key, (shape, dtype) in arrays.items() if len(shape) == 2 and dtype.kind == "f"]
    usual = [key for key in _ARRAY_NAMES if key in vectors]
    if usual or len(vectors) == 1:
        return (usual or vectors)[0]
    found = f"several: {', '.join(vectors)}" if vectors else "none"
    raise UsageError(f"{path}: which array holds the vectors? it has {found}")


def _checked_shape(shape: tuple[int, ...], dtype: np.dtype[Any], path: str) -> tuple[int, int]:
    if len(shape) != 2 or not shape[1]:
        raise UsageError(f"{path} holds no vectors: its array has the shape {list(shape)}, not [number, dimension]")
    if dtype.kind not in "fiu":
        raise UsageError(f"{path} holds no vectors: its values are of type {dtype}, not numbers")
    return shape[0], shape[1]


def _npy_header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    with archive.open(member) as file:
        return _read_header(file)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, dtype, fortran


def _nothing() -> None:
    """There is nothing to close: the file is mapped."""
