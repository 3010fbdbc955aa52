"""Vectors at length 1: the one place where vectors are scaled, so that an inner product is a cosine.

Networks that scale inside their own graph (torch, ONNX) do it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One vector, float32 ``[dim]``."""


def row_lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The Euclidean length of each row of ``[n, dim]``, float32 ``[n]``."""
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1)
    return lengths


def normalize_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row of ``[n, dim]`` divided by its length, float32.

    A row of zeros has no direction and stays zeros. A row that holds NaN or infinity gets NaN: check `row_lengths`.
    """
    return _divided(rows, row_lengths(rows)[:, None])


def normalize(vector: Vector) -> Vector:
    """A vector ``[dim]`` divided by its length, float32; zeros stay zeros."""
    return _divided(vector, np.linalg.norm(vector))


def _divided(values: NDArray[np.float32], lengths: NDArray[np.float32] | np.floating[Any]) -> NDArray[np.float32]:
    with np.errstate(invalid="ignore"):  # infinity / infinity
        return (values / np.where(lengths == 0, np.float32(1), lengths)).astype(np.float32, copy=False)
