"""To arrays of NumPy: ``vectors.npy``, ``ids.npy``, and ``payload.parquet`` with a line for each vector."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmsearch.durable import durable_file, explained_write_errors, fsync_folder
from mmsearch.errors import UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.files import check_room, export_folder, new_file, parquet_writer, write_table
from mmsearch.exchange.exporting.payload import space_metadata

VECTORS, IDS, PAYLOAD = "vectors.npy", "ids.npy", "payload.parquet"
_GROWING = "vectors.npy.part"
_PARTS = "payload.parts"


class NpyDestination:
    """A folder that is filled in the order of the plan, so that the size of a file tells how far a run came."""

    def __init__(self, place: str, plan: Plan, *, more: tuple[str, ...] = ()) -> None:
        self.folder = export_folder(place, (VECTORS, IDS, PAYLOAD, _PARTS, *(f".{n}" for n in (IDS, PAYLOAD)), *more))
        self._plan = plan
        self._shape = (len(plan.ids), plan.space.dim)
        self._dtype = np.dtype(plan.dtype)
        self._file: Any = None
        with explained_write_errors(self.folder):
            if (self.folder / IDS).exists():
                self._check_same(place)
            else:
                with durable_file(self.folder / f".{IDS}.part", sync_folder=False) as sink:
                    np.save(sink, plan.ids)
                os.replace(self.folder / f".{IDS}.part", self.folder / IDS)
        self.done = self._rows_there()

    def ids(self) -> NDArray[np.int64]:
        """The ids of those whose vectors and payload are there."""
        return self._plan.ids[: self.done]

    def write(self, rows: Rows) -> None:
        """Append them."""
        with explained_write_errors(self.folder):
            if self._file is None:
                self._file = self._growing_file()
            (self.folder / _PARTS).mkdir(exist_ok=True)
            write_table(self.folder / _PARTS / f"{self.done:012d}.parquet", rows.payload)
            self._file.write(np.ascontiguousarray(rows.vectors).data)
            self._file.flush()
            self.done += len(rows.ids)

    def finish(self) -> None:
        """Join the parts of the payload, and name the vectors."""
        with explained_write_errors(self.folder):
            if self._file is not None:
                os.fsync(self._file.fileno())
                self.close()
            if not (self.folder / PAYLOAD).exists():
                self._join_parts()
            if (self.folder / _GROWING).exists():
                os.replace(self.folder / _GROWING, self.folder / VECTORS)
                fsync_folder(self.folder)
            shutil.rmtree(self.folder / _PARTS, ignore_errors=True)

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id."""
        if not self.done:
            return {}
        places = self.places(ids)
        path = self.folder / (VECTORS if (self.folder / VECTORS).exists() else _GROWING)
        shape = (self.done, self._shape[1])
        vectors = np.memmap(path, self._dtype, "r", offset=_header(path)[2], shape=shape)[places]
        paths = self.paths(places)
        return {
            row_id: Stored(path, vector.astype(np.float32))
            for row_id, path, vector in zip(ids.tolist(), paths, vectors, strict=True)
        }

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows lie in the arrays."""
        order = np.argsort(self._plan.ids)
        return order[np.searchsorted(self._plan.ids, ids, sorter=order)]

    def paths(self, places: NDArray[np.int64]) -> list[str]:
        """The paths of rows, from the payload or its parts."""
        files = [self.folder / PAYLOAD] if (self.folder / PAYLOAD).exists() else self._parts()
        columns = [pq.read_table(file, columns=["path"])["path"] for file in files]
        starts = np.cumsum([0, *map(len, columns)])
        owners = np.searchsorted(starts, places, side="right") - 1
        return [columns[owner][place - starts[owner]].as_py() for owner, place in zip(owners, places, strict=True)]

    def close(self) -> None:
        """Close the growing file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _growing_file(self) -> Any:
        """The file of vectors, open at its end: it begins with the header of the whole array."""
        path = self.folder / _GROWING
        if not path.exists():
            value = self._dtype.itemsize
            check_room(self.folder, (self._shape[0] - self.done) * self._shape[1] * value)
            with durable_file(path) as sink:
                header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(sink, {**header, "shape": self._shape})
        file = open(path, "r+b")  # noqa: SIM115  # closed by `close`
        file.seek(_header(path)[2] + self.done * self._shape[1] * self._dtype.itemsize)
        file.truncate()
        for part in self._parts():
            if int(part.stem) >= self.done:
                part.unlink()
        return file

    def _rows_there(self) -> int:
        """How many rows were written whole: as many as both the vectors and the parts of the payload have."""
        if (self.folder / VECTORS).exists():
            return self._shape[0]
        path = self.folder / _GROWING
        if not path.exists():
            return 0
        vectors = (path.stat().st_size - _header(path)[2]) // (self._shape[1] * self._dtype.itemsize)
        payload = 0
        for part in self._parts():
            rows = int(pq.read_metadata(part).num_rows)
            if int(part.stem) != payload or payload + rows > vectors:
                break
            payload += rows
        return payload

    def _parts(self) -> list[Path]:
        return sorted((self.folder / _PARTS).glob("*.parquet"))

    def _join_parts(self) -> None:
        schema = self._plan.payload.with_metadata(space_metadata(self._plan.space))
        with new_file(self.folder / PAYLOAD) as file, parquet_writer(file, schema) as writer:
            for part in self._parts():
                writer.write_table(
                    pq.read_table(part).cast(self._plan.payload).replace_schema_metadata(schema.metadata)
                )

    def _check_same(self, place: str) -> None:
        there = np.load(self.folder / IDS)
        files = [self.folder / name for name in (VECTORS, _GROWING) if (self.folder / name).exists()]
        same = all(_header(path)[:2] == (self._shape, self._dtype) for path in files)
        if not np.array_equal(there, self._plan.ids) or not same:
            raise UsageError(
                f"{place} holds an export of {len(there):,} rows that are not these {len(self._plan.ids):,}, or of "
                "another type; name a new folder"
            )


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of an array in a file, and where its values begin."""
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return shape, dtype, file.tell()
