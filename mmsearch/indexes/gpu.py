"""What a GPU does, where there is one: exact search by PyTorch; by FAISS, choosing lists while an index is built.

A card of 80 GB holds some 60 million vectors of 512 dimensions, one of 141 GB 100 million: all are compared with a
query, block by block with a running top-k, in about the time it takes to read them, and nothing is lost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.exact import SLACK, cuts_ties
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors, release

_WORTH_VALUES = 20_000_000  # below, the processor has compared them before a GPU has answered
_WORTH_PRODUCTS = 20_000_000_000  # of rows, lists and dimensions: 0.1 s, until FAISS has a GPU ready
_TORCH = (2, 8)  # multiplies halves into single precision
_MEMORY_SHARE = 0.8  # of what is free on the card
_SCRATCH = 1 << 28  # bytes for FAISS to work with
_STAGED = 1 << 16  # rows brought to the card at a time
_PRODUCTS = 1 << 26  # held at a time: 256 MB
_QUERIES = 1024  # compared at a time
_SPARE = 32  # rows looked at beyond k, so that those of nearly equal cosines are seen
_WIDEST = 4096  # so many of nearly equal cosines are left to the processor


class GpuRows:
    """Rows in half precision on a device of PyTorch (``cuda``; on ``cpu``, for testing, in single precision)."""

    def __init__(self, vectors: StoredVectors, device: str = "cuda") -> None:
        import torch

        on_card = torch.device(device).type == "cuda"
        self._rows = torch.empty(
            (len(vectors), vectors.dim), dtype=torch.float16 if on_card else torch.float32, device=device
        )
        staged = torch.empty((min(_STAGED, len(vectors)), vectors.dim), dtype=torch.float16, pin_memory=on_card)
        for start, halves in vectors.slices(0, len(vectors), _STAGED):
            staged.numpy()[: len(halves)] = halves
            self._rows[start : start + len(halves)] = staged[: len(halves)].to(device)
            release(halves)

    def nearest(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Positions | None:
        """Positions among which the k nearest rows of each query are, ``[q, c]``, best first, -1 for none.

        None where so many rows are about as near as the k-th that it is better to compare them on the processor, or
        where others have taken the memory of the card.
        """
        import torch

        try:
            return self._of_all(queries, k, allowed)
        except torch.cuda.OutOfMemoryError:
            return None

    def _of_all(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None) -> Positions | None:
        import torch

        mask = None if allowed is None else torch.from_numpy(np.array(allowed)).to(self._rows.device)
        parts: list[Positions] = []
        with torch.inference_mode():
            for begin in range(0, len(queries), _QUERIES):
                found = self._certain(queries[begin : begin + _QUERIES], k, mask)
                if found is None:
                    return None
                parts.append(found)
        width = max((part.shape[1] for part in parts), default=1)
        return np.concatenate(
            [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in parts]
        )

    def _certain(self, queries: Floats, k: int, mask: Any) -> Positions | None:
        """As `nearest`, of few queries: wider until the last one found is surely farther than the k-th."""
        slack = SLACK * np.linalg.norm(queries, axis=1)
        width = k + _SPARE
        while True:
            scores, positions = self._of_all_blocks(queries, min(width, len(self._rows)), mask)
            if width >= len(self._rows) or not cuts_ties(scores, positions, k, slack):
                return positions
            width *= 8
            if width > _WIDEST:
                return None

    def _of_all_blocks(self, queries: Floats, width: int, mask: Any) -> tuple[Floats, Positions]:
        """The ``width`` rows of the highest products with each query; a running top-k over blocks of rows."""
        import torch

        device = self._rows.device
        asked = _in_two_halves(torch.from_numpy(np.ascontiguousarray(queries)).to(device), self._rows.dtype)
        scores = torch.full((len(queries), width), -torch.inf, device=device)
        positions = torch.full((len(queries), width), -1, dtype=torch.int64, device=device)
        for start, rows in self._blocks(_PRODUCTS // max(len(queries), 1)):
            products = _products(asked, rows)
            if mask is not None:
                products.masked_fill_(~mask[start : start + len(rows)], -torch.inf)
            some, places = products.topk(min(width, len(rows)), dim=1)
            scores, order = torch.cat([scores, some], dim=1).topk(width, dim=1)
            positions = torch.cat([positions, places + start], dim=1).gather(1, order)
        positions = torch.where(scores > -torch.inf, positions, -1)
        return scores.cpu().numpy(), positions.cpu().numpy()

    def _blocks(self, rows: int) -> Iterator[tuple[int, Any]]:
        start = 0
        for block in self._rows.split(max(rows, 1)):
            yield start, block
            start += len(block)


def _in_two_halves(queries: Any, dtype: Any) -> Any:
    """Queries ``[q, dim]`` as two of half precision that sum up to them, ``[2q, dim]``; as they are for other rows.

    Their products with rows of half precision are then those of single precision, at the speed of half.
    """
    import torch

    if dtype != torch.float16:
        return queries
    first = queries.half()
    return torch.cat([first, (queries - first.float()).half()])


def _products(asked: Any, rows: Any) -> Any:
    """Inner products of queries (`_in_two_halves`) and rows, float32 ``[q, rows]``."""
    import torch

    if rows.dtype != torch.float16:
        return asked @ rows.T
    halves = torch.mm(asked, rows.T, out_dtype=torch.float32)
    return halves[: len(asked) // 2].add_(halves[len(asked) // 2 :])


def rows_on_gpu(vectors: StoredVectors) -> GpuRows | None:
    """The rows on the first GPU, where PyTorch is in use in this process, sees one, and has room; else None."""
    torch = sys.modules.get("torch")  # a search alone is no reason to wait for its import
    if torch is None or len(vectors) * vectors.dim < _WORTH_VALUES or not torch.cuda.is_available():
        return None
    if tuple(map(int, torch.__version__.split(".")[:2])) < _TORCH:
        return None
    free, _ = torch.cuda.mem_get_info()
    return GpuRows(vectors) if 2 * len(vectors) * vectors.dim <= _MEMORY_SHARE * free else None


def faiss_gpus() -> int:
    """How many GPUs FAISS sees; one that was built without has no such function, or sees none."""
    import faiss

    return int(getattr(faiss, "get_num_gpus", lambda: 0)())


def flat_on_gpu(index: Any, products: int) -> Any:
    """A flat index of FAISS on every GPU that FAISS sees, where so many products are worth it; else as it is."""
    import faiss

    if products < _WORTH_PRODUCTS or not faiss_gpus():
        return index
    resources = [faiss.StandardGpuResources() for _ in range(faiss_gpus())]
    for each in resources:
        each.setTempMemory(_SCRATCH)  # FAISS would take 1.5 GB, of a card on which models may be
    try:
        return faiss.index_cpu_to_gpu_multiple_py(resources, index)
    except RuntimeError:  # a card that is full already
        return index
