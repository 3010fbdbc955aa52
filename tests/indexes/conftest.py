"""Vectors for the tests of indexes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def unit_rows() -> Callable[..., np.ndarray]:
    """Makes unit vectors around random centres: ``unit_rows(count, dim, seed=0)``, float32 ``[count, dim]``."""

    def make(count: int, dim: int, *, seed: int = 0) -> np.ndarray:
        centres = np.random.default_rng(99).normal(size=(40, dim))
        rng = np.random.default_rng(seed)
        points = centres[rng.integers(40, size=count)] + 0.6 * rng.normal(size=(count, dim))
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)

    return make
