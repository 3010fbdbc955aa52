"""Pieces of building an index that need nothing of each other: each can run in a process of its own, or be run again.

A piece reads files that never change and writes one new file. So a process that is killed costs its piece alone, which
is then started once more; nothing is named by the manifest before all pieces are there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import mmsearch
from mmsearch.errors import MMSearchError
from mmsearch.indexes import RowsOfFile, StoredVectors, TrainedIndex
from mmsearch.machine import usable_cpus
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.store.remote import collection_root
from mmsearch.retrieval.store.shards import Shard
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality

_TIMES = 2  # that a piece is tried
_PACKAGE_PARENT = str(Path(mmsearch.__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class EncodeTask:
    """Encode the rows of a modality from position ``start`` to ``stop - 1`` into a segment at ``target``.

    Attributes:
        root: the collection, whose manifest does not change meanwhile: its writer waits for the task.
        space: the key of the space.
        modality: of the rows.
        start: position of the first row.
        stop: position after the last one.
        trained: the file of the `TrainedIndex`.
        target: the new file.
        threads: at most; None for one for each processor.
    """

    name: ClassVar[str] = "encode"

    root: str
    space: str
    modality: Modality
    start: int
    stop: int
    trained: str
    target: str
    threads: int | None = None

    def run(self) -> None:
        """Do it.

        Raises:
            MMSearchError: a file is damaged, or the disk refuses.
        """
        root = collection_root(self.root)
        rows = Snapshot(root, load_manifest(root)).rows(self.space, self.modality)
        trained = TrainedIndex.load(Path(self.trained))
        vectors = rows_between(rows.vector_blocks, self.start, self.stop, trained.dim)
        trained.encode(vectors, rows.ids[self.start : self.stop], threads=self.threads).save(Path(self.target))


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Merge the lists from number ``first`` to ``last - 1`` of index files into ``target``.

    Attributes:
        trained: the file of the `TrainedIndex` that the files belong to.
        files: paths, each with what is added to the ids of its rows.
        first: number of the first list.
        last: number after the last one.
        dead: a file of the ids (``.npy``, ascending) of rows that are left out; None for none.
        target: the new file.
    """

    name: ClassVar[str] = "merge"

    trained: str
    files: tuple[tuple[str, int], ...]
    first: int
    last: int
    dead: str | None
    target: str

    def run(self) -> None:
        """Do it; raises as `EncodeTask.run`."""
        dead = np.empty(0, np.int64) if self.dead is None else np.load(self.dead, allow_pickle=False)
        files = [RowsOfFile(Path(path), shift) for path, shift in self.files]
        list_files = TrainedIndex.load(Path(self.trained)).list_files
        list_files.merge(files, self.first, self.last, dead, Path(self.target))


Task = EncodeTask | MergeTask
_TASKS: dict[str, type[Task]] = {task.name: task for task in (EncodeTask, MergeTask)}


def encode_shard(trained: Path, shard: Path, target: Path, *, threads: int | None = None) -> int:
    """Encode all rows of a shard into an index segment, far from any collection; returns how many there are.

    For whoever makes shards and does not write the collection: a worker that has embedded its part. The ids in the
    segment are those in the shard; `RowsOfFile.shift` moves them where the rows get others. The same two files make the
    same segment.

    Args:
        trained: the file of the `TrainedIndex`.
        shard: the shard's file.
        target: the new file.
        threads: at most; None for one for each processor.

    Raises:
        FileNotFoundError: a file is gone.
        CollectionDamagedError: a file is damaged.
    """
    opened, index = Shard(shard), TrainedIndex.load(trained)
    index.encode(StoredVectors(opened.vector_blocks, index.dim), opened.ids, threads=threads).save(target)
    return len(opened)


def rows_between(blocks: Sequence[Any], start: int, stop: int, dim: int) -> StoredVectors:
    """The rows from position ``start`` to ``stop - 1`` of blocks ``[rows, dim]``."""
    kept, begin = [], 0
    for block in blocks:
        first, last = max(start - begin, 0), min(stop - begin, len(block))
        if first < last:  # a block of a collection in a bucket is fetched when it is cut
            kept.append(block if (first, last) == (0, len(block)) else block[first:last])
        begin += len(block)
    return StoredVectors(kept, dim)


def run_tasks(tasks: Sequence[Task], parallel: int) -> None:
    """Run all tasks, so many at a time, each in a process of its own; one after another in this one if that is 1.

    Raises:
        MMSearchError: a task failed as often as it may, or what it raised. Some targets may be there then.
    """
    if parallel < 2 or len(tasks) < 2:
        for task in tasks:
            task.run()
        return
    threads = max(1, usable_cpus() // parallel)
    with ThreadPoolExecutor(parallel) as pool:
        started = [pool.submit(_run_in_process, task, threads) for task in tasks]
        try:
            for each in started:
                each.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_in_process(task: Task, threads: int) -> None:
    search_path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _PACKAGE_PARENT)))
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    line = json.dumps({"task": task.name, **dataclasses.asdict(task)}).encode() + b"\n"
    for _ in range(_TIMES):
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(
                (sys.executable, "-P", "-m", "mmsearch.retrieval.upkeep.index_tasks"),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                env={**os.environ, **limits, "PYTHONPATH": search_path},
            ) as process,
        ):
            assert process.stdin is not None
            try:
                process.stdin.write(line)
                process.stdin.flush()  # and left open: the process ends when this one does
            except BrokenPipeError:
                pass
            code = process.wait()
            complaints.seek(0)
            reason = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        if code == 0:
            return
        if code > 0:
            break  # it said why, and would again
    died = f"it was ended by signal {-code}, perhaps for want of memory" if code < 0 else f"exit code {code}"
    raise MMSearchError(f"a process that should {task.name} a part of the index failed: {reason or died}")


def _main() -> int:
    """Run the one task that stands on standard input; end with it, should the process that asked be gone."""
    given = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kind = _TASKS[given.pop("task")]
    if "files" in given:
        given["files"] = tuple((path, shift) for path, shift in given["files"])
    try:
        kind(**given).run()
    except (MMSearchError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not `sys.stdin`, whose lock Python wants when it ends
    os._exit(1)


if __name__ == "__main__":
    sys.exit(_main())
