"""Decoding in worker processes: a file that crashes or hangs its decoder costs one line in the report, no more.

The main process hands out jobs and reads replies in a format of its own (see `worker`); it never
opens a stranger's file.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.process import WorkerDied, WorkerProcess
from mmsearch.retrieval.media.slots import PixelSlots
from mmsearch.retrieval.media.transform import ImageTransform
from mmsearch.types import Facts, Modality

_POLL_S = 0.1
_STOP_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """A file to decode.

    ``named``: the user gave this very file. ``known``: hashes of contents that need no decoding.
    """

    path: bytes
    named: bool = False
    known: frozenset[bytes] = frozenset()
    text_column: str | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a job.

    *decoded*: ``pixels`` (uint8 ``[height, width, 3]``, a view that lasts until `Decoder.release`), ``text``, or the
    ``(row, text)`` pairs of a table in ``texts``. *same*: the contents hash to one of the job's ``known``.
    *skipped*: for ``reason``; such a file has no hash.
    """

    path: bytes
    outcome: Literal["decoded", "same", "skipped"]
    kind: Literal["image", "text", "table"] | None = None
    content_hash: bytes = b""
    size: int = 0
    mtime_ns: int = 0
    facts: Facts = field(default_factory=Facts)
    pixels: NDArray[np.uint8] | None = None
    text: str | None = None
    texts: list[tuple[int, str]] | None = None
    column: str | None = None
    column_guessed: bool = False
    reason: str | None = None
    slot: int | None = None


class Decoder:
    """A pool of decoding workers, started when the first job needs them; a context manager.

    ``slots`` bounds the pictures that are decoded and not yet released: a consumer may hold up to ``slots - workers``
    of them before it asks for more. ``modalities`` says what is decoded; other files are skipped with a reason,
    as pictures are where ``transform`` is None. ``time_limit_s`` is the most seconds that a file may take,
    to which each megabyte adds ``SECONDS_PER_MEGABYTE``. ``max_pixels`` defaults to what memory allows.

    Raises:
        MMSearchError: from `map` and `decode_one`, where worker processes cannot be started.
    """

    SECONDS_PER_MEGABYTE = 0.5
    IDLE_S = 0.5

    def __init__(
        self,
        workers: int,
        transform: ImageTransform | None,
        slots: int,
        *,
        modalities: frozenset[Modality] = frozenset({"image", "text"}),
        max_pixels: int | None = None,
        time_limit_s: float = 60.0,
        _worker_command: Sequence[str] | None = None,
    ) -> None:
        if max_pixels is None:
            from mmsearch.retrieval.media.image import default_max_pixels

            max_pixels = default_max_pixels(workers)
        self._slots = PixelSlots(slots, transform.height, transform.width) if transform else None
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: set[int] = set()
        for slot in range(slots):
            self._free.put(slot)
        settings = {
            "transform": transform.to_json() if transform else None,
            "pixels": self._slots.handle if self._slots else None,
            "shape": self._slots.shape if self._slots else (0,),
            "modalities": sorted(modalities & ({"image", "text"} if transform else {"text"})),
            "max_pixels": max_pixels,
        }
        inherited = self._slots.descriptors if self._slots else ()
        self._workers = [WorkerProcess(settings, inherited, _worker_command) for _ in range(workers)]
        self._time_limit_s = time_limit_s
        self._run: _Run | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, whatever they are at. Arrays that were handed out stay readable."""
        if self._run is not None:
            self._stop(self._run)
        for worker in self._workers:
            worker.kill()
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def decode_one(self, job: Job) -> Decoded:
        """Decode a single file, such as a query."""
        (decoded,) = filter(None, self.map([job]))
        return decoded

    def map(self, jobs: Iterable[Job]) -> Iterator[Decoded | None]:
        """Decode files, in any order, one `Decoded` for each job; one call at a time.

        Yields None whenever nothing has been ready for `IDLE_S`, so that the consumer can do something else.

        ``jobs`` is read in other threads, one job at a time, and only as far ahead as there are workers. An error
        that it raises is raised here.
        """
        if self._run is not None:
            raise RuntimeError("this decoder is already mapping")
        run = self._run = _Run(iter(jobs), bound=2 * len(self._workers))
        run.threads = [
            threading.Thread(target=self._serve, args=(worker, run), daemon=True) for worker in self._workers
        ]
        run.threads.append(threading.Thread(target=self._watch, args=(run,), daemon=True))
        for thread in run.threads:
            thread.start()
        serving = len(self._workers)
        try:
            while serving:
                try:
                    result = run.take()
                except queue.Empty:
                    yield None
                    continue
                if isinstance(result, Decoded):
                    yield result
                elif result is not None:
                    raise result
                else:
                    serving -= 1
        finally:
            self._stop(run)

    def release(self, decoded: Decoded) -> None:
        """Give back the slot of a picture whose pixels are no longer needed; others are left alone."""
        if decoded.slot is not None and decoded.slot in self._held:
            self._held.remove(decoded.slot)
            self._free.put(decoded.slot)

    def _stop(self, run: _Run) -> None:
        """End a run: workers that are still busy are killed (and start afresh for the next run)."""
        run.stopping.set()
        patience = time.monotonic() + _STOP_LIMIT_S  # a thread may wait for the next job, which cannot be hurried
        while any(thread.is_alive() for thread in run.threads) and time.monotonic() < patience:
            for worker in self._workers:
                worker.kill_if_busy()
            run.threads[0].join(timeout=_POLL_S / 10)
            run.threads = [thread for thread in run.threads if thread.is_alive()]
        for decoded in run.left_over():
            self.release(decoded)
        self._run = None

    def _serve(self, worker: WorkerProcess, run: _Run) -> None:
        """One worker's thread: take a job, have it done, pass on what came of it."""
        try:
            while (slot := self._take_slot(run)) is not None:
                job = run.next_job()
                if job is None:
                    self._free.put(slot)
                    break
                decoded = self._decode(worker, job, slot)
                if decoded.slot is None:
                    self._free.put(slot)
                else:
                    self._held.add(slot)
                if not run.put(decoded):
                    self.release(decoded)
        except BaseException as error:
            run.put(error)
        finally:
            run.put(None)

    def _take_slot(self, run: _Run) -> int | None:
        """A free slot, waited for; None once the run is stopping."""
        while not run.stopping.is_set():
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=_POLL_S)
        return None

    def _decode(self, worker: WorkerProcess, job: Job, slot: int) -> Decoded:
        request = {
            "path": base64.b64encode(job.path).decode("ascii"),
            "named": job.named,
            "known": [digest.hex() for digest in job.known],
            "text_column": job.text_column,
            "slot": slot,
        }
        line = json.dumps(request).encode("ascii") + b"\n"
        try:
            reply = worker.ask(line, self._time_limit_s, self.SECONDS_PER_MEGABYTE)
            return self._decoded(job, reply, slot)
        except WorkerDied as death:
            return Decoded(job.path, "skipped", reason=str(death))

    def _decoded(self, job: Job, reply: dict[str, Any], slot: int) -> Decoded:
        if reply["outcome"] == "skipped":
            return Decoded(job.path, "skipped", reason=reply["reason"])
        pixels = None
        if reply["outcome"] == "decoded" and reply["kind"] == "image" and self._slots is not None:
            pixels = self._slots.pixels[slot]
        facts = reply.get("facts", {})
        taken_at = facts.get("taken_at")
        texts = reply.get("texts")
        return Decoded(
            job.path,
            reply["outcome"],
            kind=reply["kind"],
            content_hash=bytes.fromhex(reply["content_hash"]),
            size=reply["size"],
            mtime_ns=reply["mtime_ns"],
            facts=Facts(**{**facts, "taken_at": dt.datetime.fromisoformat(taken_at) if taken_at else None}),
            pixels=pixels,
            text=reply.get("text"),
            texts=None if texts is None else [(row, text) for row, text in texts],
            column=reply.get("column"),
            column_guessed=reply.get("column_guessed", False),
            slot=None if pixels is None else slot,
        )

    def _watch(self, run: _Run) -> None:
        """Kill workers that are past their deadline, until the run ends."""
        while not run.stopping.wait(_POLL_S):
            now = time.monotonic()
            for worker in self._workers:
                worker.kill_if_late(now)


class _Run:
    """One call of `Decoder.map`: its jobs, its bounded queue of results, its threads."""

    def __init__(self, jobs: Iterator[Job], bound: int) -> None:
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self._jobs = jobs
        self._lock = threading.Lock()
        self._results: queue.Queue[Decoded | BaseException | None] = queue.Queue(bound)

    def next_job(self) -> Job | None:
        with self._lock:
            return None if self.stopping.is_set() else next(self._jobs, None)

    def put(self, result: Decoded | BaseException | None) -> bool:
        """Queue a result when there is room; False once the run is stopping, since nobody takes it any more."""
        while not self.stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._results.put(result, timeout=_POLL_S)
                return True
        return False

    def take(self) -> Decoded | BaseException | None:
        return self._results.get(timeout=Decoder.IDLE_S)  # bounded, since on Windows Ctrl-C waits for its end

    def left_over(self) -> Iterator[Decoded]:
        with contextlib.suppress(queue.Empty):
            while True:
                result = self._results.get_nowait()
                if isinstance(result, Decoded):
                    yield result
