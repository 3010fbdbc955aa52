"""One decoding worker, as the main process sees it: started when needed, given jobs, killed when it is late."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import mmsearch
from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.formats import FORMAT_BY_ENDING, FORMATS
from mmsearch.retrieval.media.workers.jobs import Decoded, TextPart
from mmsearch.retrieval.media.workers.messages import (
    READY_LINE,
    Extent,
    JobRequest,
    PartInMemory,
    WorkerSetup,
    from_line,
)
from mmsearch.types import SkipKind

_MAX_REPLY_BYTES = 128 << 20  # a text of 16 MiB, escaped
_START_LIMIT_S = 60.0
_LEAST_BYTES_A_SECOND = 25  # speech codecs need 75
_LONGEST_S = 24 * 3600.0  # a header may state any duration
_PACKAGE_PARENT = str(Path(mmsearch.__file__).resolve().parent.parent)

# The environment may hold keys and passwords. A worker gets only what Python needs to find its libraries, to read names
# of files, and to know the local time.
_ENVIRONMENT = (
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("PYTHONHOME", "PYTHONUTF8", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONDONTWRITEBYTECODE"),
    *("__PYVENV_LAUNCHER__", "SYSTEMROOT", "WINDIR"),
)


MOST_OF_DOCUMENT = 2 << 30
"""Bytes of memory that a worker may hold while it reads a document: a long one takes 80 MB, a bomb takes all."""


class WorkerDied(Exception):
    """The worker ended instead of replying; the text is the reason, for the report.

    ``why``: whether that lies in the file, so that later runs need not try again.
    """

    why: SkipKind = "transient"


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """The most seconds that a file may take: ``seconds``, and more per megabyte and per second of its duration."""

    seconds: float
    per_megabyte: float
    per_second: float

    def extension(self, extent: Extent, size: int) -> float:
        """The seconds that an extent adds; a duration counts as far as ``size`` bytes can hold it."""
        believed = min(max(extent.duration_s, 0.0), _LONGEST_S, size / _LEAST_BYTES_A_SECOND)
        return float(extent.size / 1e6 * self.per_megabyte + believed * self.per_second)


class WorkerProcess:
    """A process that answers one job at a time. `ask` is for one thread; the ``kill`` methods for any."""

    def __init__(self, setup: WorkerSetup, inherited: tuple[int, ...], command: Sequence[str] | None = None) -> None:
        # -P: the folder the user stands in may hold a stranger's json.py
        self._command = command or (sys.executable, "-P", "-m", "mmsearch.retrieval.media.workers.worker")
        self._setup = setup
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._started_at = 0.0
        self._late = False
        self._too_large = False
        self._reads_document = False

    def ask(self, request: JobRequest, limit: TimeLimit, take: Callable[[PartInMemory | TextPart], bool]) -> Decoded:
        """Do a job; returns the reply, without path and pixels.

        Args:
            request: the job.
            limit: how long it may take.
            take: is called with each part of a film, sound or table; False ends the job. Its time does not count.

        Raises:
            WorkerDied: the process crashed, or was killed at its deadline; the next call starts another one.
            MMSearchError: it cannot be started.
        """
        process = self._started()
        self._reads_document = _is_document(request.job.path)
        limit_s = left = limit.seconds
        size = 0
        self._set_deadline(left)
        try:
            self._send(process, request.to_line())
            while not isinstance(message := from_line(self._receive(process)), Decoded):
                left -= self._stop_clock()
                if isinstance(message, Extent):
                    size = message.size or size
                    more = limit.extension(message, size)
                    limit_s, left = limit_s + more, left + more
                else:
                    if not take(message):
                        self.kill()
                        raise WorkerDied("the run was stopped")
                    self._send(process, b"\n")
                self._set_deadline(left)
        except (OSError, EOFError, ValueError, TypeError):
            self._set_deadline(None)
            is_bomb = self._too_large and self._reads_document  # its limit is the same on every machine
            died = WorkerDied(self._reap(process, limit_s))
            died.why = "content" if is_bomb else "transient"
            raise died from None
        self._set_deadline(None)
        if self._late or self._too_large:  # it was killed just as it replied
            self._reap(process, limit_s)
        return message

    def kill(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def kill_if_busy(self) -> None:
        """Kill the process if it is at work, so that the thread that waits for its reply gets `WorkerDied`."""
        with self._lock:
            if self._deadline is not None and self._process is not None:
                self._process.kill()

    def kill_if_late(self, now: float) -> None:
        """Kill the process if ``now`` (monotonic seconds) is past its deadline."""
        with self._lock:
            if self._deadline is not None and now > self._deadline and self._process is not None:
                self._late = True
                self._process.kill()

    def kill_if_too_large(self, most_bytes: int) -> None:
        """Kill the process if it is at work and holds more than ``most_bytes`` of memory of its own.

        A document has no reason to need as much as a large picture: `MOST_OF_DOCUMENT` is its limit.
        """
        most_bytes = min(most_bytes, MOST_OF_DOCUMENT) if self._reads_document else most_bytes
        with self._lock:
            process = None if self._deadline is None else self._process
            if process is not None and _private_bytes(process.pid) > most_bytes:
                self._too_large = True
                process.kill()

    def _set_deadline(self, limit_s: float | None) -> None:
        with self._lock:
            self._started_at = time.monotonic()
            self._deadline = None if limit_s is None else self._started_at + limit_s

    def _stop_clock(self) -> float:
        """Remove the deadline; returns the seconds since it was set."""
        with self._lock:
            self._deadline = None
            return time.monotonic() - self._started_at

    def _send(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()

    def _receive(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        line = process.stdout.readline(_MAX_REPLY_BYTES)
        if not line.endswith(b"\n"):
            raise EOFError
        return line

    def _started(self) -> subprocess.Popen[bytes]:
        """The running process, or a new one that is ready."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.kill()
        self._late = self._too_large = False
        with tempfile.TemporaryFile() as complaints:
            process: subprocess.Popen[bytes] | None = None
            try:
                process = self._spawn(complaints)
                with self._lock:
                    self._process = process
                self._set_deadline(_START_LIMIT_S)
                self._send(process, self._setup.to_line())
                if self._receive(process) != READY_LINE:
                    raise ValueError("it gave no sensible answer")
            except (OSError, EOFError, ValueError) as error:
                self.kill()
                complaints.seek(0)
                last = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise MMSearchError(
                    f"the decoder cannot be started with {self._command[0] or 'no Python'}: "
                    f"{last or str(error) or 'it ended at once'}"
                ) from None
            finally:
                self._set_deadline(None)
        return process

    def _spawn(self, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
        search_path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _PACKAGE_PARENT)))
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**worker_environment(), "PYTHONPATH": search_path},
            pass_fds=self._inherited,
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    def _reap(self, process: subprocess.Popen[bytes], limit_s: float) -> str:
        """Reap a process that did not reply; returns the reason."""
        late, too_large = self._late, self._too_large
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        code = process.poll()
        self.kill()
        if too_large:
            return "needs more memory than a decoder may use"
        if late:
            return f"the decoder took longer than {limit_s:.0f} s"
        if code is None:
            return "the decoder gave no sensible answer"
        if code == -9:
            return "the decoder was killed, perhaps for want of memory"
        return f"the decoder crashed (signal {-code})" if code < 0 else f"the decoder crashed (exit code {code})"


def _is_document(path: bytes) -> bool:
    known = FORMAT_BY_ENDING.get(os.path.splitext(path)[1][1:].decode("ascii", "replace").lower())
    return known is not None and FORMATS[known].kind == "document"


def worker_environment() -> dict[str, str]:
    """The environment of a process that decodes files of unknown origin."""
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | one_thread


def _private_bytes(pid: int) -> int:
    """Resident memory of a process in bytes, on Linux without shared memory; 0 if it has ended."""
    try:
        if sys.platform == "linux":
            resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
            return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
        import psutil

        return int(psutil.Process(pid).memory_info().rss)
    except Exception:  # it has ended, or may not be looked at
        return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill and reap a process, and close both pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # buffered data has no reader any more
                pipe.close()
