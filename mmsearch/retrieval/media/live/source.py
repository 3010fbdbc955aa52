"""A live source of sound, decoded in a process of its own, as samples when they come."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

import mmsearch
from mmsearch.errors import DecodeError, NoSuchFileError
from mmsearch.retrieval.media.workers.process import worker_environment
from mmsearch.types import printable

if TYPE_CHECKING:
    from typing import Self

STANDARD_INPUT, MICROPHONE = "-", "mic"
_STREAM = re.compile(r"(https?|rtsps?|rtmps?|srt|udp|rtp|tcp)://\S+")
_BLOCK = 8192  # bytes
_BLOCKS_HELD = 4096  # some minutes of sound that wait while a model is at work
_PACKAGE_PARENT = str(Path(mmsearch.__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class SourceName:
    """What a person called a source.

    Attributes:
        kind: what it is.
        name: a path, an address, or a microphone; empty for the default microphone and for standard input.
    """

    kind: Literal["microphone", "input", "stream", "file"]
    name: str = ""

    @classmethod
    def read(cls, source: str) -> SourceName:
        """``mic``, ``mic:NAME``, ``-``, an address such as ``rtsp://…``, or a path.

        Raises:
            NoSuchFileError: there is no such file, or it is a folder.
        """
        if source == STANDARD_INPUT:
            return cls("input")
        if source == MICROPHONE or source.startswith(f"{MICROPHONE}:"):
            return cls("microphone", source.partition(":")[2])
        if _STREAM.fullmatch(source):
            return cls("stream", source)
        path = os.path.abspath(os.path.expanduser(source))
        if not os.path.isfile(path) and not _is_pipe(path):
            raise NoSuchFileError(f"there is no file {printable(source)}; mic is the microphone, - standard input")
        return cls("file", path)

    def __str__(self) -> str:
        names = {"input": "standard input", "microphone": "the microphone"}
        return self.name or names[self.kind]


def _is_pipe(path: str) -> bool:
    import stat

    with contextlib.suppress(OSError):
        return stat.S_ISFIFO(os.stat(path).st_mode)
    return False


class LiveSource:
    """The sound of a source while it comes; a context manager.

    Args:
        source: what to listen to.
        rate: samples a second of what it gives.
        idle_s: a file has ended when it has not grown for so many seconds.
    """

    def __init__(self, source: SourceName, rate: int, idle_s: float) -> None:
        self._source = source
        asked = json.dumps({**asdict(source), "rate": rate, "idle_s": idle_s})
        needs_all = source.kind in ("microphone", "stream")  # where the sound server and the proxies are
        environment = dict(os.environ) if needs_all else worker_environment()
        search_path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _PACKAGE_PARENT)))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mmsearch.retrieval.media.live.recorder", asked],
            stdin=None if source.kind == "input" else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # a file could not be written to in the sandbox
            env={**environment, "PYTHONPATH": search_path},
            start_new_session=source.kind != "input",  # Ctrl-C ends the recording here, not the decoding there
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_BLOCKS_HELD)
        self._closing = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def next_samples(self, patience_s: float) -> NDArray[np.int16] | None:
        """What has come since the last call, int16 ``[samples]``; empty if nothing has for ``patience_s`` seconds, None
        at the end.

        Raises:
            DecodeError: the source cannot be read; the text is the reason.
        """
        try:
            block = self._blocks.get(timeout=patience_s)
        except queue.Empty:
            return np.empty(0, np.int16)
        blocks = []
        while block is not None:
            blocks.append(block)
            try:
                block = self._blocks.get_nowait()
            except queue.Empty:
                break
        else:
            if blocks:
                self._blocks.put(None)
            else:
                self._check_end()
                return None
        return np.frombuffer(b"".join(blocks), "<i2")

    def _read(self) -> None:
        """The thread that takes what the process writes, in whole samples."""
        assert self._process.stdout is not None
        half = b""
        with self._process.stdout as output:
            while data := output.read1(_BLOCK):  # type: ignore[attr-defined]
                data = half + data
                half = data[len(data) & ~1 :]
                self._put(data[: len(data) & ~1])
        self._put(None)

    def _put(self, block: bytes | None) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._blocks.put(block, timeout=0.5)
                return

    def _check_end(self) -> None:
        code = self._process.wait()
        if code == 0:
            return
        assert self._process.stderr is not None
        last = self._process.stderr.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = last if code == 1 and last else f"its decoder ended with {code}"
        raise DecodeError(f"cannot listen to {printable(str(self._source))}: {reason}")
