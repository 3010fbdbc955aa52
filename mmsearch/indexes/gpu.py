"""What a GPU is used for: exact search (by PyTorch), and assigning rows to lists while an index is built (by FAISS).

A GPU with 80 GB holds some 60 million vectors of 512 dimensions, one with 141 GB 100 million. A query is compared with
all of them, block by block with a running top-k, in about the time that it takes to read them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.exact import COSINE_ERROR, cuts_ties
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, release_pages

_MIN_VALUES = 20_000_000  # rows × dimensions: below, the CPU is done before a GPU answers
_MIN_PRODUCTS = 20_000_000_000  # rows × lists × dimensions: below, FAISS needs longer (0.1 s) to set up a GPU
_MIN_TORCH = (2, 8)  # the first PyTorch that multiplies float16 into float32
_MEMORY_SHARE = 0.8  # of the free memory of the GPU
_FAISS_SCRATCH_BYTES = 1 << 28
_STAGED_ROWS = 1 << 16  # rows copied to the GPU at a time
_BLOCK_PRODUCTS = 1 << 26  # scores held at a time: 256 MB
_QUERY_BATCH = 1024
_EXTRA_ROWS = 32  # rows looked at beyond k, to notice near ties with the k-th
_MAX_WIDTH = 4096  # with more near ties than this, the CPU compares the rows


class GpuRows:
    """Rows on a device of PyTorch: float16 on ``cuda``, float32 on ``cpu`` (for tests)."""

    def __init__(self, vectors: StoredVectors, device: str = "cuda") -> None:
        import torch

        on_gpu = torch.device(device).type == "cuda"
        self._rows = torch.empty(
            (len(vectors), vectors.dim), dtype=torch.float16 if on_gpu else torch.float32, device=device
        )
        staged = torch.empty((min(_STAGED_ROWS, len(vectors)), vectors.dim), dtype=torch.float16, pin_memory=on_gpu)
        for start, rows in vectors.iter_float16(0, len(vectors), _STAGED_ROWS):
            staged.numpy()[: len(rows)] = rows
            self._rows[start : start + len(rows)] = staged[: len(rows)].to(device)
            release_pages(rows)

    def nearest(self, queries: Float32, k: int, allowed: NDArray[np.bool_] | None = None) -> Positions | None:
        """Positions that include the k nearest rows of each query: ``[q, c]``, best first, -1 for no row.

        None if so many rows are about as near as the k-th that the CPU should compare them, or if the GPU has no
        memory left.
        """
        import torch

        try:
            return self._nearest(queries, k, allowed)
        except torch.cuda.OutOfMemoryError:
            return None

    def _nearest(self, queries: Float32, k: int, allowed: NDArray[np.bool_] | None) -> Positions | None:
        import torch

        mask = None if allowed is None else torch.from_numpy(np.array(allowed)).to(self._rows.device)
        parts: list[Positions] = []
        with torch.inference_mode():
            for begin in range(0, len(queries), _QUERY_BATCH):
                found = self._nearest_of_batch(queries[begin : begin + _QUERY_BATCH], k, mask)
                if found is None:
                    return None
                parts.append(found)
        width = max((part.shape[1] for part in parts), default=1)
        return np.concatenate(
            [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in parts]
        )

    def _nearest_of_batch(self, queries: Float32, k: int, mask: Any) -> Positions | None:
        """As `nearest`: looks at more rows until the last one found is certainly farther than the k-th."""
        error = COSINE_ERROR * np.linalg.norm(queries, axis=1)
        width = k + _EXTRA_ROWS
        while True:
            scores, positions = self._top_rows(queries, min(width, len(self._rows)), mask)
            if width >= len(self._rows) or not cuts_ties(scores, positions, k, error):
                return positions
            width *= 8
            if width > _MAX_WIDTH:
                return None

    def _top_rows(self, queries: Float32, width: int, mask: Any) -> tuple[Float32, Positions]:
        """The ``width`` rows with the highest products with each query: a running top-k over blocks of rows."""
        import torch

        device = self._rows.device
        split = _split_float16(torch.from_numpy(np.ascontiguousarray(queries)).to(device), self._rows.dtype)
        scores = torch.full((len(queries), width), -torch.inf, device=device)
        positions = torch.full((len(queries), width), -1, dtype=torch.int64, device=device)
        for start, rows in self._iter_blocks(_BLOCK_PRODUCTS // max(len(queries), 1)):
            products = _products(split, rows)
            if mask is not None:
                products.masked_fill_(~mask[start : start + len(rows)], -torch.inf)
            block_scores, numbers = products.topk(min(width, len(rows)), dim=1)
            scores, order = torch.cat([scores, block_scores], dim=1).topk(width, dim=1)
            positions = torch.cat([positions, numbers + start], dim=1).gather(1, order)
        positions = torch.where(scores > -torch.inf, positions, -1)
        return scores.cpu().numpy(), positions.cpu().numpy()

    def _iter_blocks(self, rows: int) -> Iterator[tuple[int, Any]]:
        start = 0
        for block in self._rows.split(max(rows, 1)):
            yield start, block
            start += len(block)


def _split_float16(queries: Any, dtype: Any) -> Any:
    """Queries ``[q, dim]`` as float16 values followed by what rounding lost, ``[2q, dim]``; unchanged for other dtypes.

    The sum of both products with float16 rows has float32 precision, at the speed of float16.
    """
    import torch

    if dtype != torch.float16:
        return queries
    rounded = queries.half()
    return torch.cat([rounded, (queries - rounded.float()).half()])


def _products(split_queries: Any, rows: Any) -> Any:
    """Inner products of queries (as `_split_float16` returns them) and rows, float32 ``[q, rows]``."""
    import torch

    if rows.dtype != torch.float16:
        return split_queries @ rows.T
    products = torch.mm(split_queries, rows.T, out_dtype=torch.float32)
    half = len(split_queries) // 2
    return products[:half].add_(products[half:])


def rows_on_gpu(vectors: StoredVectors) -> GpuRows | None:
    """The rows on the first GPU; None if PyTorch is not imported yet, sees no GPU, or the rows do not fit."""
    torch = sys.modules.get("torch")  # the import takes seconds: not worth it for a search alone
    if torch is None or len(vectors) * vectors.dim < _MIN_VALUES or not torch.cuda.is_available():
        return None
    if tuple(map(int, torch.__version__.split(".")[:2])) < _MIN_TORCH:
        return None
    free, _ = torch.cuda.mem_get_info()
    return GpuRows(vectors) if 2 * len(vectors) * vectors.dim <= _MEMORY_SHARE * free else None


def faiss_gpus() -> int:
    """How many GPUs FAISS sees; 0 for a FAISS that was built without GPUs, which may lack the function."""
    import faiss

    return int(getattr(faiss, "get_num_gpus", lambda: 0)())


def flat_on_gpu(index: Any, products: int) -> Any:
    """A flat FAISS index copied to every GPU that FAISS sees, if ``products`` are worth it; else the index itself."""
    import faiss

    if products < _MIN_PRODUCTS or not faiss_gpus():
        return index
    resources = [faiss.StandardGpuResources() for _ in range(faiss_gpus())]
    for each in resources:
        each.setTempMemory(_FAISS_SCRATCH_BYTES)  # the default of 1.5 GB may be too much beside a model
    try:
        return faiss.index_cpu_to_gpu_multiple_py(resources, index)
    except RuntimeError:  # the memory of the GPU is full
        return index
