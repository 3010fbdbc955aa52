"""Arrays to a device and vectors back; on a GPU both while it computes, so that it waits for neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.runtime import device_kind

Vectors = NDArray[np.float32]


class TorchDevice:
    """A device of torch. On a GPU, copies to it run beside what is computed there; elsewhere nothing is copied.

    Args:
        name: ``cpu``, ``mps``, ``cuda`` or one of several GPUs, such as ``cuda:1``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._is_gpu = device_kind(name) == "cuda"
        self._uploads: Lazy[Any] = Lazy(_stream)

    def buffer(self, *shape: int) -> NDArray[np.uint8]:
        """Memory, uint8 of that shape, not filled; that of a GPU's copies is page-locked, so that they need no help."""
        if not self._is_gpu:
            return np.empty(shape, np.uint8)
        import torch

        locked: NDArray[np.uint8] = torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
        return locked

    def upload(self, array: NDArray[Any]) -> Any:
        """A tensor with the values of an array, which must not change until what is computed from it is there."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if not self._is_gpu:
            return tensor.to(self.name)
        uploads, computing = self._uploads(), torch.cuda.current_stream()
        with torch.cuda.stream(uploads):
            copied = tensor.to(self.name, non_blocking=True)
        computing.wait_stream(uploads)
        copied.record_stream(computing)
        return copied

    def download(self, parts: Sequence[Any], order: Sequence[int] | None, dim: int) -> Callable[[], Vectors]:
        """Begin to copy back what is being computed.

        Args:
            parts: tensors ``[n, dim]``, float32.
            order: the row of the result that each row of them becomes; None: in order.
            dim: of rows.

        Returns:
            A function that waits for all rows, float32 ``[rows, dim]``.
        """
        import torch

        rows = torch.cat(list(parts)) if parts else torch.empty((0, dim))
        if not self._is_gpu:
            vectors = _in_order(rows.cpu().numpy(), order)
            return lambda: vectors
        host = torch.empty(rows.shape, dtype=torch.float32, pin_memory=True)
        host.copy_(rows, non_blocking=True)
        done = torch.cuda.Event(blocking=True)
        done.record()

        def wait() -> Vectors:
            done.synchronize()
            return _in_order(host.numpy().copy(), order)

        return wait

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Within it nothing is kept for gradients, and the GPU is this one where there are several.

        Memory that was too short is given back, so that less may fit.
        """
        import torch

        try:
            with torch.inference_mode(), torch.cuda.device(self.name) if ":" in self.name else nullcontext():
                yield
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise


def _in_order(rows: Vectors, order: Sequence[int] | None) -> Vectors:
    if order is None:
        return rows
    ordered = np.empty_like(rows)
    ordered[np.asarray(order, np.int64)] = rows
    return ordered


def _stream() -> Any:
    import torch

    return torch.cuda.Stream()
