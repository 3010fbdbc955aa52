"""To an index that FAISS opens alone: ``index.faiss``, and ``ids.npy`` and ``payload.parquet`` in the same order."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file, explained_write_errors, fsync_folder
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.npy import VECTORS, NpyDestination
from mmsearch.machine import free_memory
from mmsearch.types import sized

INDEX = "index.faiss"
_ROOM = 1.5
"""Memory that an index takes while it is built, of what its vectors take: the rows that it is trained on count."""


class FaissDestination:
    """Arrays are written first, and can be continued; in the end the index is built from them and takes their place."""

    def __init__(self, place: str, plan: Plan) -> None:
        needed = int(_ROOM * len(plan.ids) * plan.space.dim * np.dtype(plan.dtype).itemsize)
        if needed > free_memory():
            raise MMSearchError(
                f"an index of {len(plan.ids):,} vectors takes {sized(needed)} of memory, and "
                f"{sized(free_memory())} are free; export fewer rows, or arrays"
            )
        self._arrays = NpyDestination(place, plan, more=(INDEX, f".{INDEX}"))
        self._path = self._arrays.folder / INDEX
        if self._path.exists():
            from mmsearch.indexes import read_plain_index

            index = read_plain_index(self._path)
            if (index.rows, index.dim) != (len(plan.ids), plan.space.dim):
                raise UsageError(f"{place} holds an index of {index.rows:,} other rows; name a new folder")
            self._arrays.done = index.rows

    def ids(self) -> NDArray[np.int64]:
        """The ids of those whose vectors and payload are there."""
        return self._arrays.ids()

    def write(self, rows: Rows) -> None:
        """Append them to the arrays."""
        self._arrays.write(rows)

    def finish(self) -> None:
        """Build the index, unless it is there, and take the array of vectors away, which it holds."""
        self._arrays.finish()
        vectors = self._arrays.folder / VECTORS
        with explained_write_errors(self._arrays.folder):
            if not self._path.exists():
                from mmsearch.indexes import write_plain_index

                temporary = self._path.with_name(f".{INDEX}.part")
                with durable_file(temporary, sync_folder=False) as sink:
                    write_plain_index(np.load(vectors, mmap_mode="r"), sink)
                os.replace(temporary, self._path)
                fsync_folder(self._path.parent)
            vectors.unlink(missing_ok=True)

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id, from the index where it is there."""
        if not self._path.exists():
            return self._arrays.read(ids)
        from mmsearch.indexes import read_plain_index

        places = self._arrays.places(ids)
        vectors = read_plain_index(self._path).vectors_at(places)
        paths = self._arrays.paths(places)
        return {row: Stored(path, v) for row, path, v in zip(ids.tolist(), paths, vectors, strict=True)}

    def close(self) -> None:
        """Close the growing file."""
        self._arrays.close()
