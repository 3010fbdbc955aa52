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
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.resume import Places, places_to_json
from mmsearch.retrieval.media.workers.process import TimeLimit, WorkerDied, WorkerProcess
from mmsearch.retrieval.media.workers.slots import SharedArray
from mmsearch.retrieval.media.workers.streams import PartKind
from mmsearch.types import Facts, SkipKind

_POLL_S = 0.1
_STOP_LIMIT_S = 5.0
SPARE_BYTES = 1 << 30  # that a worker may hold beside its largest picture: libraries, a table, a film's frames

DecodedKind = Literal["image", "text", "table", "subtitles", "audio", "video"]


@dataclass(frozen=True, slots=True)
class Job:
    """A file to decode.

    ``named``: the user gave this very file. ``known``: hashes of contents that need no decoding. ``since``: by the hash
    of their content, which films and sounds need no decoding of what lies before a shot or window. ``moment``: of a
    film or sound, only what is there from one time to another, in seconds; the second may be None: what is there at the
    first. ``write``: put that into a new file, as a *frame* or a *clip*. ``sniff_only``: only recognise the file.
    """

    path: bytes
    named: bool = False
    known: frozenset[bytes] = frozenset()
    since: Places = field(default_factory=dict)
    text_column: str | None = None
    moment: tuple[float, float | None] | None = None
    write: tuple[Literal["frame", "clip"], bytes] | None = None
    sniff_only: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a film, a sound or a picture of several pages that is still being decoded; its `Decoded` comes last.

    ``array`` is the frames of a *shot* (uint8 ``[frames, height, width, 3]``), the samples of a *window* (float32
    ``[samples]``), or a *page* (uint8 ``[height, width, 3]``), whose number, from 0, stands for its time.
    ``continues``: this piece belongs to the same shot as the one before. ``index`` is its number among those of its
    kind; ``can_go_on`` and ``damage``: a later run may begin with it, and what was found wrong with the file so far.
    ``of_s`` is how long the file lasts, in seconds, if its header is right.
    """

    path: bytes
    kind: PartKind
    start_s: float
    end_s: float
    array: NDArray[Any]
    continues: bool = False
    content_hash: bytes = b""
    index: int = 0
    can_go_on: bool = False
    damage: str | None = None
    of_s: float | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some rows of a table that is still being read: ``(row, text)``; its `Decoded` has the last ones."""

    path: bytes
    texts: list[tuple[int, str]]
    content_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a job.

    *decoded*: ``pixels`` (uint8 ``[height, width, 3]``, a view that lasts until `Decoder.release`), ``text`` and its
    ``cuts`` (see `encoded.Kept`), the ``(row, text)`` pairs of a table in ``texts``, the ``(start_s, end_s, text)`` of
    subtitles in ``cues``; what is in a film or sound came before, as `Part`. *same*: the contents hash to one of the
    job's ``known``. *sniffed*: the file would be decoded. *skipped*: for ``reason``, which lies where ``why`` says;
    such a file has no hash, and its parts count for nothing.
    """

    path: bytes
    outcome: Literal["decoded", "same", "skipped", "sniffed"]
    kind: DecodedKind | None = None
    content_hash: bytes = b""
    size: int = 0
    mtime_ns: int = 0
    facts: Facts = field(default_factory=Facts)
    pixels: NDArray[np.uint8] | None = None
    text: str | None = None
    cuts: list[tuple[int, int]] = field(default_factory=list)
    texts: list[tuple[int, str]] | None = None
    cues: list[tuple[float, float, str]] = field(default_factory=list)
    column: str | None = None
    column_guessed: bool = False
    written: dict[str, Any] | None = None
    reason: str | None = None
    slot: int | None = None
    ctime_ns: int | None = None
    why: SkipKind = "transient"


class Decoder:
    """A pool of decoding workers, started when the first job needs them; a context manager.

    ``slots`` bounds the pictures that are decoded and not yet released: a consumer may hold up to ``slots - workers``
    of them before it asks for more. Files of which ``recipe`` makes nothing are skipped with a reason.
    ``time_limit_s`` is the most seconds that a file may take, to which each megabyte adds `SECONDS_PER_MEGABYTE` and
    each second of a film or sound `SECONDS_PER_SECOND`. ``max_pixels`` defaults to what memory allows.
    ``writes_to`` is the one file, which exists, that jobs with ``write`` may name.

    Raises:
        MMSearchError: from `map` and `decode_one`, where worker processes cannot be started.
    """

    SECONDS_PER_MEGABYTE = 0.5
    SECONDS_PER_SECOND = 2.0
    IDLE_S = 0.5

    def __init__(
        self,
        workers: int,
        recipe: DecodeSpec,
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
        self.recipe = recipe
        fitted = recipe.image
        self._slots = SharedArray(slots, fitted.height, fitted.width, 3) if fitted else None
        self._parts = SharedArray(workers, recipe.part_bytes) if recipe.part_bytes else None
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: set[int] = set()
        for slot in range(slots):
            self._free.put(slot)
        settings = {
            "recipe": recipe.to_json(),
            "pixels": self._slots and self._slots.place,
            "parts": self._parts and self._parts.place,
            "max_pixels": max_pixels,
            "written": writes_to and base64.b64encode(writes_to).decode("ascii"),
        }
        inherited = tuple(d for shared in (self._slots, self._parts) if shared for d in shared.descriptors)
        self._workers = [
            WorkerProcess({**settings, "number": number}, inherited, _worker_command) for number in range(workers)
        ]
        self._limit = TimeLimit(time_limit_s, self.SECONDS_PER_MEGABYTE, self.SECONDS_PER_SECOND)
        self._most_bytes = max_pixels * BYTES_PER_PIXEL + SPARE_BYTES
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
        for shared in (self._slots, self._parts):
            if shared is not None:
                shared.close()
        self._slots = self._parts = None

    def decode_one(self, job: Job) -> tuple[Decoded, list[Part]]:
        """Decode a single file, such as a query; with the parts of a film, a sound or a table, all at once."""
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

    def map(self, jobs: Iterable[Job]) -> Iterator[Decoded | Part | TextPart | None]:
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

    def _serve(self, number: int, run: _Run) -> None:
        """One worker's thread: take a job, have it done, pass on what came of it."""
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
        request = {
            "path": base64.b64encode(job.path).decode("ascii"),
            "named": job.named,
            "known": [digest.hex() for digest in job.known],
            "since": places_to_json(job.since),
            "text_column": job.text_column,
            "moment": job.moment,
            "write": job.write and (job.write[0], base64.b64encode(job.write[1]).decode("ascii")),
            "sniff_only": job.sniff_only,
            "slot": slot,
        }
        line = json.dumps(request).encode("ascii") + b"\n"
        worker = self._workers[number]
        try:
            reply = worker.ask(line, self._limit, lambda part: run.put(self._part(number, job.path, part)))
            return self._decoded(job, reply, slot)
        except WorkerDied as death:
            return Decoded(job.path, "skipped", reason=str(death))

    def _part(self, number: int, path: bytes, facts: dict[str, Any]) -> Part | TextPart:
        """A part, copied out of the memory that the worker's next one will be written to."""
        content_hash = bytes.fromhex(facts.pop("content_hash"))
        if facts["kind"] == "texts":
            return TextPart(path, _unpacked(facts["texts"]), content_hash)
        assert self._parts is not None
        dtype, shape = np.dtype(facts.pop("dtype")), facts.pop("shape")
        size = int(np.prod(shape)) * dtype.itemsize
        array = self._parts.array[number, :size].copy().view(dtype).reshape(shape)
        return Part(path, array=array, content_hash=content_hash, **facts)

    def _decoded(self, job: Job, reply: dict[str, Any], slot: int) -> Decoded:
        if reply["outcome"] == "skipped":
            return Decoded(job.path, "skipped", reason=reply["reason"], why=reply["why"])
        pixels = None
        in_parts = "pages" in reply
        if reply["outcome"] == "decoded" and reply["kind"] == "image" and self._slots is not None and not in_parts:
            pixels = self._slots.array[slot]
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
            ctime_ns=reply["ctime_ns"],
            facts=Facts(**{**facts, "taken_at": dt.datetime.fromisoformat(taken_at) if taken_at else None}),
            pixels=pixels,
            text=reply.get("text"),
            cuts=[(place, shift) for place, shift in reply.get("cuts", ())],
            texts=None if texts is None else _unpacked(texts),
            cues=[(start_s, end_s, text) for start_s, end_s, text in reply.get("cues", ())],
            column=reply.get("column"),
            column_guessed=reply.get("column_guessed", False),
            written=reply.get("written"),
            slot=None if pixels is None else slot,
        )

    def _watch(self, run: _Run) -> None:
        """Kill workers that are past their deadline or need too much memory, until the run ends."""
        while not run.stopping.wait(_POLL_S):
            now = time.monotonic()
            for worker in self._workers:
                worker.kill_if_late(now)
                worker.kill_if_too_large(self._most_bytes)


def _unpacked(packed: tuple[list[str], list[tuple[int, int]]]) -> list[tuple[int, str]]:
    """The inverse of `table.packed`."""
    texts, rows = packed
    return [(row, texts[place]) for row, place in rows]


class _Run:
    """One call of `Decoder.map`: its jobs, its bounded queue of results, its threads."""

    def __init__(self, jobs: Iterator[Job], bound: int) -> None:
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self._jobs = jobs
        self._lock = threading.Lock()
        self._results: queue.Queue[Decoded | Part | TextPart | BaseException | None] = queue.Queue(bound)

    def next_job(self) -> Job | None:
        with self._lock:
            return None if self.stopping.is_set() else next(self._jobs, None)

    def put(self, result: Decoded | Part | TextPart | BaseException | None) -> bool:
        """Queue a result when there is room; False once the run is stopping, since nobody takes it any more."""
        while not self.stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._results.put(result, timeout=_POLL_S)
                return True
        return False

    def take(self) -> Decoded | Part | TextPart | BaseException | None:
        return self._results.get(timeout=Decoder.IDLE_S)  # bounded, since on Windows Ctrl-C waits for its end

    def left_over(self) -> Iterator[Decoded]:
        with contextlib.suppress(queue.Empty):
            while True:
                result = self._results.get_nowait()
                if isinstance(result, Decoded):
                    yield result
