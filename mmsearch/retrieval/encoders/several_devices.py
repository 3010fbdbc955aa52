"""`SeveralDevices`: one encoder whose batches are embedded by several processes, each on a device of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

import mmsearch
from mmsearch.errors import MMSearchError
from mmsearch.retrieval.encoders.device_messages import DeviceBatch, DeviceReply, DeviceSetup, SharedPart, Vectors
from mmsearch.retrieval.encoders.inputs import checked_films, checked_pixels, checked_sounds, checked_texts
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.encoders.runtime import Runtime, device_kind
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.slots import SharedArray
from mmsearch.types import Modality, Space

_PACKAGE_PARENT = str(Path(mmsearch.__file__).resolve().parent.parent)
_END_S = 5.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"


class SeveralDevices:
    """The encoder of a model that runs on several devices at once, in a process each.

    Batches go to the process that has the fewest. They are begun with ``begin_images`` and so on; the vectors of each
    are waited for by the function that this returns. The processes start with the first batch. They end with `close`,
    with the last reference to the encoder, and with this process, however it ends.

    Args:
        model: its name, as `load_encoder` takes it.
        devices: names of devices, such as ``cuda:0``; one may come more than once.
        runtime: precision and threads of each.
        local: the same encoder in this process: it counts tokens and says what it takes, and loads no weights.

    Attributes:
        batches_at_once: how many batches keep all devices at work.
    """

    space: Space
    modalities: frozenset[Modality]
    device: str
    max_tokens: int
    image_transform: ImageTransform
    frame_transform: ImageTransform
    sample_rate: int

    def __init__(self, model: str, devices: Sequence[str], runtime: Runtime, local: Encoder) -> None:
        self.local = local
        self.space = local.space
        self.modalities = local.modalities
        self.device = device_kind(devices[0])
        self.batches_at_once = 2 * len(devices) + 1
        for name in ("max_tokens", "image_transform", "frame_transform", "sample_rate"):
            if hasattr(local, name):
                setattr(self, name, getattr(local, name))
        self._processes = [_DeviceProcess(model, device, runtime) for device in devices]
        self._memory = _Memory()
        self._next = 0
        self._guard = threading.Lock()
        self._end = weakref.finalize(self, _end_all, self._processes, self._memory)

    def close(self) -> None:
        """End the processes, and free the shared memory. What is begun gives an error."""
        self._end()

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        counted: NDArray[np.int64] = cast(Any, self.local).count_tokens(texts)
        return counted

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 ``[len(texts), dim]``."""
        return self.begin_texts(texts)()

    def begin_texts(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """`encode_texts`, waited for by the function that it returns."""
        return self._begin(DeviceBatch("texts", tuple(checked_texts(texts))))

    def encode_images(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors, float32 ``[n, dim]``, of uint8 RGB pixels ``[n, height, width, 3]``."""
        return self.begin_images(pixels)()

    def image_buffer(self, count: int) -> NDArray[np.uint8]:
        """Shared memory for pictures, uint8 ``[count, height, width, 3]``: from there nothing is copied here."""
        return self._memory.pictures(count, self.image_transform.height, self.image_transform.width, 3)

    def begin_images(self, pixels: NDArray[np.uint8]) -> Callable[[], Vectors]:
        """`encode_images`, waited for by the function that it returns; until then the pixels must not change."""
        checked_pixels(pixels, self.image_transform)
        place = self._memory.place_of(pixels)
        return (
            self._begin_arrays("images", [pixels])
            if place is None
            else self._begin(DeviceBatch("images", (), (place,)))
        )

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> Vectors:
        """Unit vectors, float32 ``[len(sounds), dim]``, of mono samples."""
        return self.begin_sounds(sounds)()

    def begin_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> Callable[[], Vectors]:
        """`encode_sounds`, waited for by the function that it returns."""
        return self._begin_arrays("sounds", checked_sounds(sounds))

    def encode_films(self, films: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Unit vectors, float32 ``[len(films), dim]``, of RGB frames."""
        return self.begin_films(films)()

    def begin_films(self, films: Sequence[NDArray[np.uint8]]) -> Callable[[], Vectors]:
        """`encode_films`, waited for by the function that it returns."""
        return self._begin_arrays("films", checked_films(films, self.frame_transform))

    def _begin_arrays(self, kind: str, arrays: Sequence[NDArray[Any]]) -> Callable[[], Vectors]:
        block, parts = self._memory.shared(arrays)
        return self._begin(DeviceBatch(kind, (), parts), partial(self._memory.give_back, block))

    def _begin(self, batch: DeviceBatch, release: Callable[[], None] = lambda: None) -> Callable[[], Vectors]:
        with self._guard:
            count = len(self._processes)
            order = [self._processes[(self._next + step) % count] for step in range(count)]
            self._next += 1
            future = min(order, key=lambda process: process.waiting).submit(batch)
        future.add_done_callback(lambda _: release())
        return future.result


class _DeviceProcess:
    """One process, as this one sees it; started with its first batch."""

    def __init__(self, model: str, device: str, runtime: Runtime) -> None:
        self._device = device
        alone = "cuda" if device_kind(device) == "cuda" else device  # it sees no other
        self._setup = DeviceSetup(model, replace(runtime, device=alone), tuple(sys.path))
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._pending: deque[Future[Vectors]] = deque()
        self._guard = threading.Lock()
        self._ended = False
        self._reason = "has ended"
        self._explained = threading.Event()

    @property
    def waiting(self) -> int:
        """How many batches it has."""
        return len(self._pending)

    def submit(self, batch: DeviceBatch) -> Future[Vectors]:
        """Hand over a batch; the future gets its vectors, or an error."""
        future: Future[Vectors] = Future()
        with self._guard:
            process = None if self._ended else self._process or self._start()
            if process is not None:
                self._pending.append(future)
        if process is None:
            self._explained.wait(_END_S)
            raise self._error()
        assert process.stdin is not None
        try:
            pickle.dump(batch, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
        except (OSError, ValueError):
            self._fail_all(process)
        return future

    def end(self) -> None:
        """End the process, and reap it."""
        with self._guard:
            self._ended = True
            process = self._process
        self._explained.set()
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
        try:
            process.wait(0 if self._pending else _END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        search_path = os.pathsep.join(filter(None, (_PACKAGE_PARENT, os.environ.get("PYTHONPATH"))))
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (read when the process has died)
        try:
            self._process = subprocess.Popen(
                # -P: the folder the user stands in may hold a stranger's json.py
                (sys.executable, "-P", "-m", "mmsearch.retrieval.encoders.device_process"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={**os.environ, **_only(self._device), "PYTHONPATH": search_path},
                start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise MMSearchError(f"no process can be started for {self._device}: {error}") from None
        assert self._process.stdin is not None
        pickle.dump(self._setup, self._process.stdin, pickle.HIGHEST_PROTOCOL)
        threading.Thread(target=self._receive, args=(self._process,), name="mmsearch-device", daemon=True).start()
        return self._process

    def _receive(self, process: subprocess.Popen[bytes]) -> None:
        """Give each batch its reply, until the process ends."""
        assert process.stdout is not None
        with process.stdout as replies:
            while True:
                try:
                    reply: DeviceReply = pickle.load(replies)
                except Exception:  # it has ended, or writes what cannot be read
                    break
                with self._guard:
                    if not self._pending:
                        return
                    future = self._pending.popleft()
                if reply.vectors is not None:
                    future.set_result(reply.vectors)
                elif reply.is_memory:
                    future.set_exception(MemoryError())
                else:
                    future.set_exception(reply.error or MMSearchError(f"{self._device}: {reply.text}"))
        self._fail_all(process)

    def _fail_all(self, process: subprocess.Popen[bytes]) -> None:
        """The process has ended, or takes nothing any more: its batches get an error."""
        with self._guard:
            stopped, self._ended = self._ended, True
            pending = list(self._pending)
            self._pending.clear()
        if pending and not stopped:
            process.kill()
        if not stopped:
            self._reason = f"{_how(process)}{self._last_words()}"
        self._explained.set()
        for future in pending:
            future.set_exception(self._error())

    def _error(self) -> MMSearchError:
        return MMSearchError(f"the process that embeds on {self._device} {self._reason}")

    def _last_words(self) -> str:
        if self._complaints is None:
            return ""
        self._complaints.seek(0)
        last = self._complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2].strip()
        return f": {last}" if last else ""


class _Memory:
    """Shared memory: buffers for pictures, which the caller fills again and again, and blocks for other arrays."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._buffers: dict[int, SharedArray] = {}
        self._free: list[SharedArray] = []
        self._all: list[SharedArray] = []

    def pictures(self, *shape: int) -> NDArray[np.uint8]:
        """A new buffer, uint8 of a shape."""
        block = self._new(*shape)
        self._buffers[_address(block.array)] = block
        return block.array

    def place_of(self, pixels: NDArray[np.uint8]) -> SharedPart | None:
        """Where the first pictures of a buffer lie; None for other arrays."""
        block = self._buffers.get(_address(pixels))
        if block is None or not pixels.flags.c_contiguous or pixels.nbytes > block.array.nbytes:
            return None
        return SharedPart(_handle(block), block.array.nbytes, 0, pixels.shape, pixels.dtype.str)

    def shared(self, arrays: Sequence[NDArray[Any]]) -> tuple[SharedArray, tuple[SharedPart, ...]]:
        """Copies of arrays, and where they lie."""
        size = sum(_aligned(array.nbytes) for array in arrays)
        block = self._taken(size)
        memory = block.array.reshape(-1)
        parts, offset = [], 0
        for array in arrays:
            memory[offset : offset + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            parts.append(SharedPart(_handle(block), memory.nbytes, offset, array.shape, array.dtype.str))
            offset += _aligned(array.nbytes)
        return block, tuple(parts)

    def give_back(self, block: SharedArray) -> None:
        """The block may be used again."""
        with self._guard:
            self._free.append(block)

    def close(self) -> None:
        """Free all of it."""
        for block in self._all:
            block.close()
        self._all, self._free, self._buffers = [], [], {}

    def _taken(self, size: int) -> SharedArray:
        with self._guard:
            for place, block in enumerate(self._free):
                if block.array.nbytes >= size:
                    return self._free.pop(place)
        return self._new(1 << max(size - 1, 1 << 16).bit_length())

    def _new(self, *shape: int) -> SharedArray:
        block = SharedArray(*shape)
        self._all.append(block)
        return block


def _end_all(processes: Sequence[_DeviceProcess], memory: _Memory) -> None:
    for process in processes:
        process.end()
    memory.close()


def _handle(block: SharedArray) -> str:
    """A path by which a process of the same user opens the memory, which itself has no name."""
    return block.handle if isinstance(block.handle, str) else f"/proc/{os.getpid()}/fd/{block.handle}"


def _only(device: str) -> dict[str, str]:
    """The environment in which a process sees one GPU alone, so that it takes no memory of the others."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number:
        return {}
    visible = [name for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return {_VISIBLE: visible[int(number)] if visible else number}


def _how(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(_END_S)
    except subprocess.TimeoutExpired:
        return "gave no sensible answer"
    if code == -9:
        return "was killed, perhaps for want of memory"
    return f"crashed (signal {-code})" if code < 0 else f"ended (exit code {code})"


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _aligned(size: int) -> int:
    return (size + 63) // 64 * 64
