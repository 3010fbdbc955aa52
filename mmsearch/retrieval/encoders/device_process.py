"""The process that embeds on one device for `several_devices`: batches come by its input, vectors go by its output.

It is started with ``python -m``. Pixels and samples lie in shared memory. It ends when its input does, so also when its
parent is killed.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.encoders.device_messages import DeviceBatch, DeviceReply, DeviceSetup, SharedPart, Vectors

_BEGUN = 1
"""Batches that are begun and lie there, beside the one that is waited for and the one that is being begun."""


def main() -> None:
    """Embed batches until the input ends."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the replies
    setup: DeviceSetup = pickle.load(incoming)
    sys.path[:] = list(dict.fromkeys([*sys.path, *setup.search_path]))
    begun: queue.Queue[Callable[[], DeviceReply] | None] = queue.Queue(_BEGUN)
    replying = threading.Thread(target=_reply, args=(begun, outgoing), daemon=True)
    replying.start()
    try:
        encoder = _Encoder(setup)
        while (batch := _next(incoming)) is not None:
            begun.put(encoder.begin(batch))
    finally:
        begun.put(None)
        replying.join()


def _next(incoming: IO[bytes]) -> DeviceBatch | None:
    try:
        batch: DeviceBatch = pickle.load(incoming)
        return batch
    except EOFError:
        return None


def _reply(begun: queue.Queue[Callable[[], DeviceReply] | None], outgoing: IO[bytes]) -> None:
    while (wait := begun.get()) is not None:
        try:
            pickle.dump(wait(), outgoing, pickle.HIGHEST_PROTOCOL)
            outgoing.flush()
        except OSError:
            os._exit(0)  # nobody reads: the parent has ended


class _Encoder:
    """The encoder, loaded with the first batch, and the shared memory that it has seen."""

    def __init__(self, setup: DeviceSetup) -> None:
        self._setup = setup
        self._loaded: Any = None
        self._memory: dict[tuple[str, int], NDArray[np.uint8]] = {}

    def begin(self, batch: DeviceBatch) -> Callable[[], DeviceReply]:
        """Begin a batch; what it returns waits for the reply."""
        try:
            wait = self._begun(batch)
        except Exception as error:
            failure = _failure(error)
            return lambda: failure

        def reply() -> DeviceReply:
            try:
                return DeviceReply(np.ascontiguousarray(wait(), np.float32))
            except Exception as error:
                return _failure(error)

        return reply

    def _begun(self, batch: DeviceBatch) -> Callable[[], Vectors]:
        encoder = self._encoder()
        items: Any = list(batch.texts) if batch.kind == "texts" else self._arrays(batch.parts)
        if batch.kind == "images":
            items = items[0]
        begin = getattr(encoder, f"begin_{batch.kind}", None)
        if begin is not None:
            if batch.kind == "images" and hasattr(encoder, "image_buffer"):
                items = _copied(items, encoder.image_buffer(len(items)))
            return partial(_waited, begin(items), items)
        vectors: Vectors = getattr(encoder, f"encode_{batch.kind}")(items)
        return lambda: vectors

    def _encoder(self) -> Any:
        if self._loaded is None:
            from mmsearch.retrieval.encoders.load import load_encoder

            self._loaded = load_encoder(self._setup.model, self._setup.runtime, throughput=True)
        return self._loaded

    def _arrays(self, parts: Sequence[SharedPart]) -> list[NDArray[Any]]:
        arrays = []
        for part in parts:
            kind = np.dtype(part.dtype)
            count = int(np.prod(part.shape))
            memory = self._opened(part)[part.offset : part.offset + count * kind.itemsize]
            arrays.append(memory.view(kind).reshape(part.shape))
        return arrays

    def _opened(self, part: SharedPart) -> NDArray[np.uint8]:
        from mmsearch.retrieval.media.workers.slots import open_shared

        known = self._memory.get((part.handle, part.size))
        if known is None:
            known = self._memory[part.handle, part.size] = open_shared(part.handle, (part.size,))
        return known


def _waited(wait: Callable[[], Vectors], items: Any) -> Vectors:
    """The vectors; until they are there, what they are made of is kept."""
    return wait()


def _copied(pixels: NDArray[np.uint8], buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels in memory that the device reads by itself; the shared one is not page-locked."""
    buffer[:] = pixels
    return buffer


def _failure(error: Exception) -> DeviceReply:
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names:
        return DeviceReply(is_memory=True)
    if isinstance(error, MMSearchError):
        return DeviceReply(error=error)
    return DeviceReply(text=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


if __name__ == "__main__":
    main()
