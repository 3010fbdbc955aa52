"""A pool of worker processes that decode files: one that crashes or hangs its decoder is skipped, the run goes on.

The main process sends jobs and reads replies (`messages`); it never opens an untrusted file.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from types import TracebackType

from mmsearch.retrieval.enrich.ocr.lines import MEMORY_BYTES
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part, TextPart
from mmsearch.retrieval.media.workers.messages import JobRequest, PartInMemory, WorkerSetup
from mmsearch.retrieval.media.workers.process import TimeLimit, WorkerDied, WorkerProcess
from mmsearch.retrieval.media.workers.slots import SharedArray

SPARE_BYTES = 1 << 30
"""What a worker may hold besides its largest picture: libraries, a table, a film's frames."""

_POLL_S = 0.1
_STOP_LIMIT_S = 5.0

Result = Decoded | Part | TextPart


class Decoder:
    """A pool of decoding workers, started when the first job needs them; a context manager.

    Args:
        workers: how many processes.
        spec: what decoding makes of files; those of which it makes nothing are skipped with a reason.
        slots: the most pictures that are decoded and not yet released. A consumer may hold up to ``slots - workers`` of
            them before it asks for more.
        max_pixels: of the largest picture that is decoded; None: what memory allows.
        time_limit_s: the most seconds that a file may take. Each megabyte adds `SECONDS_PER_MEGABYTE`, and each second
            of a film or sound `SECONDS_PER_SECOND`.
        writes_to: the one file, which exists, that jobs with ``write`` may name.

    Raises:
        MMSearchError: from `map` and `decode_one`, where worker processes cannot be started.
    """

    SECONDS_PER_MEGABYTE = 0.5
    SECONDS_PER_SECOND = 2.0
    IDLE_S = 0.5

    def __init__(
        self,
        workers: int,
        spec: DecodeSpec,
        slots: int,
        *,
        max_pixels: int | None = None,
        time_limit_s: float = 60.0,
        writes_to: bytes | None = None,
        _worker_command: Sequence[str] | None = None,
    ) -> None:
        from mmsearch.retrieval.media.pictures.image import BYTES_PER_PIXEL, default_max_pixels

        if max_pixels is None:
            max_pixels = default_max_pixels(workers)
        self.spec = spec
        self._slots = SharedArray(slots, spec.image.height, spec.image.width, 3) if spec.image else None
        self._parts = SharedArray(workers, spec.part_bytes) if spec.part_bytes else None
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: set[int] = set()
        for slot in range(slots):
            self._free.put(slot)
        pixels, parts = (shared.place if shared else None for shared in (self._slots, self._parts))
        setup = WorkerSetup(spec, pixels, parts, max_pixels, writes_to=writes_to)
        inherited = tuple(d for shared in (self._slots, self._parts) if shared for d in shared.descriptors)
        self._workers = [
            WorkerProcess(replace(setup, number=number), inherited, _worker_command) for number in range(workers)
        ]
        self._limit = TimeLimit(time_limit_s, self.SECONDS_PER_MEGABYTE, self.SECONDS_PER_SECOND)
        reading = MEMORY_BYTES if spec.ocr != "off" else 0
        self._most_bytes = max_pixels * BYTES_PER_PIXEL + SPARE_BYTES + reading
        self._run: _Run | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, even if they are at work. Arrays that were given out stay readable."""
        if self._run is not None:
            self._stop(self._run)
        for worker in self._workers:
            worker.kill()
        for shared in (self._slots, self._parts):
            if shared is not None:
                shared.close()
        self._slots = self._parts = None

    def decode_one(self, job: Job) -> tuple[Decoded, list[Part]]:
        """Decode a single file; returns all parts of a film or sound, and all rows of a table, at once."""
        parts: list[Part] = []
        texts: list[tuple[int, str]] = []
        for item in self.map([job]):
            if isinstance(item, Part):
                parts.append(item)
            elif isinstance(item, TextPart):
                texts += item.texts
            elif item is not None:
                decoded = item
        if texts and decoded.texts is not None:
            decoded = replace(decoded, texts=texts + decoded.texts)
        return decoded, parts

    def map(self, jobs: Iterable[Job]) -> Generator[Result | None, None, None]:
        """Decode files, in any order, one `Decoded` for each job; one call at a time.

        The parts of a film, a sound or a table come in order before its `Decoded`, with other files between them.
        Yields None whenever nothing has been ready for `IDLE_S`, so that the consumer can do something else.
        ``jobs`` is read in other threads, one job at a time, and only as far ahead as there are workers. An error
        that it raises is raised here.
        """
        if self._run is not None:
            raise RuntimeError("this decoder is already mapping")
        run = self._run = _Run(iter(jobs), bound=2 * len(self._workers))
        run.threads = [
            threading.Thread(target=self._serve, args=(number, run), daemon=True)
            for number in range(len(self._workers))
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
                if isinstance(result, Decoded | Part | TextPart):
                    yield result
                elif result is not None:
                    raise result
                else:
                    serving -= 1
        finally:
            self._stop(run)

    def release(self, decoded: Decoded) -> None:
        """Free the slot of a picture whose pixels are no longer needed; does nothing for other files."""
        if decoded.slot is not None and decoded.slot in self._held:
            self._held.remove(decoded.slot)
            self._free.put(decoded.slot)

    def _stop(self, run: _Run) -> None:
        """End a run: workers that are still busy are killed, and are started again for the next run."""
        run.stopping.set()
        patience = time.monotonic() + _STOP_LIMIT_S  # a thread may be waiting for the next job
        while any(thread.is_alive() for thread in run.threads) and time.monotonic() < patience:
            for worker in self._workers:
                worker.kill_if_busy()
            run.threads[0].join(timeout=_POLL_S / 10)
            run.threads = [thread for thread in run.threads if thread.is_alive()]
        for decoded in run.drain():
            self.release(decoded)
        self._run = None

    def _serve(self, number: int, run: _Run) -> None:
        """The thread of one worker: takes jobs, has them done, and queues the results."""
        try:
            while (slot := self._take_slot(run)) is not None:
                job = run.next_job()
                if job is None:
                    self._free.put(slot)
                    break
                decoded = self._decode(number, job, slot, run)
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

    def _decode(self, number: int, job: Job, slot: int, run: _Run) -> Decoded:
        worker = self._workers[number]
        try:
            reply = worker.ask(
                JobRequest(job, slot), self._limit, lambda part: run.put(self._with_array(number, job.path, part))
            )
        except WorkerDied as death:
            return Decoded.skipped(job.path, str(death), death.why)
        if reply.outcome != "decoded" or reply.slot is None or self._slots is None:
            return replace(reply, path=job.path, slot=None)
        return replace(reply, path=job.path, slot=slot, pixels=self._slots.array[slot])

    def _with_array(self, number: int, path: bytes, part: PartInMemory | TextPart) -> Part | TextPart:
        """A part with its array, copied from the memory that the worker's next part will overwrite."""
        if isinstance(part, TextPart):
            return replace(part, path=path)
        assert self._parts is not None
        array = part.array_in(self._parts.array[number])
        return Part(path=path, array=array, content_hash=part.content_hash, **asdict(part.facts))

    def _watch(self, run: _Run) -> None:
        """Until the run ends, kill workers that are past their deadline or hold too much memory."""
        while not run.stopping.wait(_POLL_S):
            now = time.monotonic()
            for worker in self._workers:
                worker.kill_if_late(now)
                worker.kill_if_too_large(self._most_bytes)


class _Run:
    """One call of `Decoder.map`: its jobs, its bounded queue of results, its threads."""

    def __init__(self, jobs: Iterator[Job], bound: int) -> None:
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self._jobs = jobs
        self._lock = threading.Lock()
        self._results: queue.Queue[Result | BaseException | None] = queue.Queue(bound)

    def next_job(self) -> Job | None:
        with self._lock:
            return None if self.stopping.is_set() else next(self._jobs, None)

    def put(self, result: Result | BaseException | None) -> bool:
        """Queue a result when there is room; returns False if the run is stopping and takes no more results."""
        while not self.stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._results.put(result, timeout=_POLL_S)
                return True
        return False

    def take(self) -> Result | BaseException | None:
        return self._results.get(timeout=Decoder.IDLE_S)  # bounded, since on Windows Ctrl-C waits for its end

    def drain(self) -> Iterator[Decoded]:
        with contextlib.suppress(queue.Empty):
            while True:
                result = self._results.get_nowait()
                if isinstance(result, Decoded):
                    yield result
