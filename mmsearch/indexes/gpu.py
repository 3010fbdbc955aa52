"""Exact search on a GPU by PyTorch, where FAISS sees none: products in half precision, block by block, a running top-k.

A card of 80 GB holds some 75 million vectors of 512 dimensions; all are compared in milliseconds, and nothing is lost.
Half precision picks more rows than are wanted; the caller re-scores them from the stored vectors.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.blocks import Floats, Positions, Vectors

_WORTH_VALUES = 20_000_000  # below, the processor has compared them before a GPU has answered
_MEMORY_SHARE = 0.8  # of what is free on the card
_BLOCK = 1 << 18  # rows multiplied at a time
_QUERIES = 1024  # queries multiplied at a time: their products with a block take 0.5 GB
_SPARE = 32  # rows looked at beyond k: products in half precision may swap neighbours


class GpuRows:
    """Rows as half-precision blocks on a device of PyTorch (``cuda``; ``cpu`` for testing)."""

    def __init__(self, vectors: Vectors, device: str = "cuda", *, block: int = _BLOCK) -> None:
        import torch

        self._device = torch.device(device)
        self._rows = len(vectors)
        dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._blocks: list[tuple[int, Any]] = [
            (start, torch.from_numpy(rows).to(self._device, dtype))
            for start, rows in vectors.stretches(0, len(vectors), block)
        ]

    def nearest(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Positions:
        """Positions among which the k nearest rows of each query are, ``[q, c]``, best first, -1 for none."""
        import torch

        width = min(k + _SPARE, self._rows)
        if not width:
            return np.full((len(queries), 1), -1, np.int64)
        mask = None if allowed is None else torch.from_numpy(np.ascontiguousarray(allowed)).to(self._device)
        found = np.empty((len(queries), width), np.int64)
        with torch.inference_mode():
            for begin in range(0, len(queries), _QUERIES):
                part = torch.from_numpy(np.ascontiguousarray(queries[begin : begin + _QUERIES])).to(self._device)
                found[begin : begin + _QUERIES] = self._of_all_blocks(part, width, mask).cpu().numpy()
        return found

    def _of_all_blocks(self, queries: Any, width: int, mask: Any) -> Any:
        import torch

        scores = torch.full((len(queries), width), -torch.inf, device=self._device)
        positions = torch.full((len(queries), width), -1, dtype=torch.int64, device=self._device)
        for start, rows in self._blocks:
            products = (queries.to(rows.dtype) @ rows.T).float()
            if mask is not None:
                products.masked_fill_(~mask[start : start + len(rows)], -torch.inf)
            some, places = products.topk(min(width, len(rows)), dim=1)
            scores, order = torch.cat([scores, some], dim=1).topk(width, dim=1)
            positions = torch.cat([positions, places + start], dim=1).gather(1, order)
        return torch.where(scores > -torch.inf, positions, -1)


def rows_on_gpu(vectors: Vectors) -> GpuRows | None:
    """The rows on the first GPU, where PyTorch is in use in this process, sees one, and has room; else None."""
    torch = sys.modules.get("torch")  # a search alone is no reason to wait for its import
    if torch is None or len(vectors) * vectors.dim < _WORTH_VALUES or not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return GpuRows(vectors) if 2 * len(vectors) * vectors.dim <= _MEMORY_SHARE * free else None
