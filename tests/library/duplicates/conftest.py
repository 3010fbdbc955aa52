"""Pictures with detail on all scales, as photographs have it, that nothing but their number tells apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

Photograph = Callable[..., Image.Image]


def draw_photograph(number: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    random = np.random.default_rng(number)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for cells in (3, 6, 12, 24, 48):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize(size, Image.Resampling.BICUBIC), np.float32) / cells**0.7
    total -= total.min()
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


@pytest.fixture
def photograph() -> Photograph:
    """A picture by its number and size."""
    return draw_photograph
