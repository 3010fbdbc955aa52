"""Several unit vectors as one: a shot's frames, a film's shots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.unit import normalize

Vector = NDArray[np.float32]


def pooled(vectors: Sequence[Vector] | NDArray[np.float32]) -> Vector:
    """The mean of unit vectors at unit length, float32 ``[dim]``; if they cancel out, the first of them."""
    if len(vectors) == 1:
        return vectors[0]
    mean = normalize(np.mean(vectors, axis=0))
    return mean if mean.any() else vectors[0].astype(np.float32)
