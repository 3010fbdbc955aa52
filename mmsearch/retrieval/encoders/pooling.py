"""Several unit vectors as one: what a shot has of its frames, and a film of its shots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


def pooled(vectors: Sequence[Vector] | NDArray[np.float32]) -> Vector:
    """The mean of unit vectors, float32 ``[dim]``, at unit length; a single one as it is."""
    if len(vectors) == 1:
        return vectors[0]
    mean = np.mean(vectors, axis=0)
    length = float(np.linalg.norm(mean))
    result: Vector = (mean / length if length > 0 else vectors[0]).astype(np.float32)
    return result
