"""Commits rows on a thread of its own, so that encoding does not wait for the disk."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.progress import Stopwatch
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Addition, Writer
from mmsearch.types import Modality, Space

COMMIT_AFTER_S = 5.0
COMMIT_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class FileUpdate:
    """The new rows of one file and the ids of the rows that they replace; committed together or not at all."""

    rows: list[StoredRows]
    replaced_ids: list[int] = field(default_factory=list)


class Committer:
    """Gathers updates of files and commits them every few seconds, in order; use `close` at the end.

    At most two commits wait; `add` blocks beyond that. ``added`` and ``committed`` count files.
    """

    def __init__(self, writer: Writer, clock: Stopwatch) -> None:
        self._writer = writer
        self._clock = clock
        self._gathered: list[FileUpdate] = []
        self._rows = 0
        self._since = time.monotonic()
        self._queue: queue.Queue[list[FileUpdate] | None] = queue.Queue(maxsize=2)
        self._failure: BaseException | None = None
        self.added = self.committed = 0
        self._thread = threading.Thread(target=self._run, name="mmsearch-commit", daemon=True)
        self._thread.start()

    def add(self, file: FileUpdate) -> None:
        """Add the update of a file; raises the error of an earlier commit."""
        if not self._gathered:
            self._since = time.monotonic()
        self._gathered.append(file)
        self.added += 1
        self._rows += sum(len(rows.items) for rows in file.rows)
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commit the gathered updates if they are old or large enough."""
        if self._rows >= COMMIT_ROWS or time.monotonic() - self._since >= COMMIT_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Commit the gathered updates."""
        self._raise_failure()
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered, self._rows = [], 0

    def close(self) -> None:
        """Commit the rest and wait until all is on disk."""
        try:
            self.flush()
        finally:
            self._queue.put(None)
            self._thread.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (files := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # keep taking, so that `flush` does not wait for a place in the queue
            try:
                with self._clock.timing("write"):
                    self._commit(files)
                self.committed += len(files)
            except BaseException as error:
                self._failure = error

    def _commit(self, files: list[FileUpdate]) -> None:
        groups: dict[tuple[Space, Modality], list[StoredRows]] = {}
        for file in files:
            for rows in file.rows:
                groups.setdefault((rows.space, rows.modality), []).append(rows)
        has_own = any(item.own_facts for file in files for rows in file.rows for item in rows.items)
        own_types = Snapshot(self._writer.root, self._writer.manifest).own_types if has_own else None
        additions = [
            Addition(
                space,
                modality,
                facts_table([item for rows in group for item in rows.items], own_types),
                np.concatenate([rows.vectors for rows in group]),
            )
            for (space, modality), group in groups.items()
        ]
        self._writer.commit(additions, [row_id for file in files for row_id in file.replaced_ids])
