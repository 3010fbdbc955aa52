"""Segments made in parts: rows encoded a million at a time, lists merged in ranges, by one process or by several.

What is not finished lies beside the index under names that no manifest has, and is deleted at the end; what a crash
leaves there, the next writer deletes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import durable_file
from mmsearch.indexes import RowsOfFile, TrainedIndex
from mmsearch.retrieval.upkeep.index_tasks import EncodeTask, MergeTask, run_tasks
from mmsearch.types import Modality

PART_ROWS = 1 << 20
"""Rows that are encoded at a time: 75 MB of codes of 64 bytes, and a few times as much while they are made."""

_RANGES_PER_PROCESS = 4  # so that no process waits long for another, and one that is killed loses little


class UnfinishedFiles:
    """Names for files in a folder that are deleted at the end; see `unfinished_files`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stem = f".unfinished-{secrets.token_hex(4)}"
        self._count = 0

    def new(self, ending: str) -> Path:
        """A name that no file has."""
        self._count += 1
        return self._folder / f"{self._stem}-{self._count}{ending}"

    def delete(self) -> None:
        """Delete all files with such names."""
        for path in self._folder.glob(f"{self._stem}-*"):
            path.unlink(missing_ok=True)


@contextmanager
def unfinished_files(folder: Path) -> Iterator[UnfinishedFiles]:
    """Names for files in ``folder`` that are deleted when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    files = UnfinishedFiles(folder)
    try:
        yield files
    finally:
        files.delete()


class PartMaker:
    """Encodes and merges with one trained index.

    Args:
        trained: its file.
        parallel: processes at a time.
        unfinished: where new files go.
    """

    def __init__(self, trained: Path, parallel: int, unfinished: UnfinishedFiles) -> None:
        self._trained = trained
        self._parallel = parallel
        self._unfinished = unfinished
        self.list_files = TrainedIndex.load(trained).list_files

    def encode(
        self, root: Path, space: str, modality: Modality, start: int, stop: int, threads: int | None
    ) -> list[RowsOfFile]:
        """Segments with the rows of a collection from position ``start`` to ``stop - 1``."""
        per_process = -(-(stop - start) // self._parallel)
        step = max(1, min(PART_ROWS, per_process))
        bounds = [*range(start, stop, step), stop]
        tasks = [
            EncodeTask(
                *(str(root), space, modality, first, last),
                *(str(self._trained), str(self._unfinished.new(".faiss"))),
                threads=threads,
            )
            for first, last in pairwise(bounds)
        ]
        run_tasks(tasks, self._parallel)
        return [RowsOfFile(Path(task.target)) for task in tasks]

    def merge(self, files: Sequence[RowsOfFile], dead: NDArray[np.int64]) -> list[Path]:
        """The merged ranges of the lists of ``files``, without the rows ``dead`` (ascending), for `ListFiles.join`."""
        dead_path: Path | None = None
        if len(dead):
            dead_path = self._unfinished.new(".npy")
            with durable_file(dead_path, sync_folder=False) as sink:
                np.save(sink, dead)
        count = 1 if self._parallel < 2 else min(self._parallel * _RANGES_PER_PROCESS, self.list_files.lists)
        bounds = [self.list_files.lists * number // count for number in range(count + 1)]
        tasks = [
            MergeTask(
                str(self._trained),
                tuple((str(file.path), file.shift) for file in files),
                first,
                last,
                None if dead_path is None else str(dead_path),
                str(self._unfinished.new(".range")),
            )
            for first, last in pairwise(bounds)
        ]
        run_tasks(tasks, self._parallel)
        return [Path(task.target) for task in tasks]
