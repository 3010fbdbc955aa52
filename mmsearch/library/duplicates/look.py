"""What of a small picture is compared: its grey levels at three sizes, without an even border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SIDE = 128
"""Pixels of the longer side of a thumbnail."""

_SQUARE = 32
_DRAWN = 0.25  # of the pixels
_AROUND = 3  # pixels of the square: contrast is evened out over twice as many and one
_MOST_CONTRAST = 2.0
_BORDER_LEVELS = 6.0  # grey levels by which the pixels of an even border differ
_MOST_BORDER = 0.3  # of a side
_FLAT = 4.0  # grey levels of deviation: a picture with less shows nothing that could be compared

Grey = NDArray[np.float32]
Square = NDArray[np.float32]

VARIANTS = 8
"""A picture, and it turned by 90, 180 and 270 degrees; the same mirrored."""


@dataclass(frozen=True)
class Look:
    """A picture as it is compared.

    Attributes:
        grey: grey levels, float32 ``[height, width]``, the longer side of `SIDE` pixels.
    """

    grey: Grey

    @cached_property
    def is_flat(self) -> bool:
        """Whether it shows next to nothing: a black frame, a blank page."""
        return float(self.grey.std()) < _FLAT

    @cached_property
    def is_drawn(self) -> bool:
        """Whether it is drawn or written, not photographed: much of it has one grey level."""
        levels = np.bincount(np.clip(self.grey, 0, 255).astype(np.intp).reshape(-1), minlength=258)
        return float((levels[:-2] + levels[1:-1] + levels[2:]).max()) > _DRAWN * self.grey.size

    def reduced_to(self, side: int) -> Look:
        """With a longer side of at most so many pixels."""
        height, width = self.grey.shape
        if max(height, width) <= side:
            return self
        scale = side / max(height, width)
        return Look(squeezed(self.grey, max(1, round(height * scale)), max(1, round(width * scale))))

    @cached_property
    def half(self) -> Grey:
        """At half of the size."""
        return reduced(self.grey, 2)

    @cached_property
    def coarse(self) -> Grey:
        """At a quarter and a bit of the size."""
        return reduced(self.grey, 3)

    @cached_property
    def squares(self) -> tuple[Square, Square]:
        """Squeezed to a square: as it is, and with the contrast evened out, so that what is written over a part of it
        counts for little; float32 ``[32, 32]`` of mean 0 and length 1."""
        square = squeezed(self.grey, _SQUARE, _SQUARE)
        mean = _around(square)
        spread = np.sqrt(np.maximum(_around(square * square) - mean * mean, np.float32(0)))
        even = np.clip((square - mean) / (spread + _FLAT), -_MOST_CONTRAST, _MOST_CONTRAST)
        return _normal(square), _normal(even.astype(np.float32))

    @cached_property
    def variants(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The squares of its `VARIANTS`, float32 ``[8, 1024]`` both."""
        plain, even = (
            np.stack([np.ascontiguousarray(turned(square, v)).reshape(-1) for v in range(VARIANTS)])
            for square in self.squares
        )
        return plain, even

    def turned(self, variant: int) -> Look:
        """One of its variants."""
        return self if not variant else Look(np.ascontiguousarray(turned(self.grey, variant)))


def look_of(pixels: NDArray[np.uint8]) -> Look:
    """The look of a thumbnail, uint8 ``[height, width, 3]``."""
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return Look(np.ascontiguousarray(_without_border(grey)))


def turned(grey: Grey, variant: int) -> Grey:
    """A variant: turned by 90 degrees ``variant % 4`` times, and mirrored before that from 4 on."""
    return np.rot90(grey[:, ::-1] if variant >= 4 else grey, variant % 4)


def _without_border(grey: Grey) -> Grey:
    """The picture without even bars at its edges, if some of it is left."""
    height, width = grey.shape
    top, bottom = _even(grey, grey.std(axis=1), height)
    left, right = _even(grey.T, grey[top : height - bottom].std(axis=0), width)
    inside = grey[top : height - bottom, left : width - right]
    return inside if (top or bottom or left or right) and inside.std() >= _FLAT else grey


def _even(lines: Grey, deviations: NDArray[np.float32], count: int) -> tuple[int, int]:
    """How many lines at both ends are of one level each, the level of the outermost."""
    means, most = lines.mean(axis=1), int(_MOST_BORDER * count)

    def at_end(order: slice) -> int:
        own, level = deviations[order][:most], means[order][:most]
        even = (own < _BORDER_LEVELS) & (np.abs(level - level[0]) < _BORDER_LEVELS) if len(own) else own > 0
        return int(len(even) if even.all() else np.argmin(even))

    first, last = at_end(slice(None)), at_end(slice(None, None, -1))
    most_of_all = most - 1
    return (0 if first > most_of_all else first), (0 if last > most_of_all else last)


def reduced(grey: Grey, factor: int) -> Grey:
    """At a fraction of the size; the longer side is cut to a multiple of it."""
    return squeezed(grey, max(8, round(grey.shape[0] / factor)), max(8, round(grey.shape[1] / factor)))


def squeezed(grey: Grey, height: int, width: int) -> Grey:
    """At another size: each pixel is the mean of the area that it stands for."""
    rows, columns = _weights(grey.shape[0], height), _weights(grey.shape[1], width)
    return np.asarray(rows @ grey @ columns.T, np.float32)


_KEPT: dict[tuple[int, int], NDArray[np.float32]] = {}


def _weights(size: int, target: int) -> NDArray[np.float32]:
    """What makes ``target`` means of ``size`` values, float32 ``[target, size]``; it interpolates to enlarge."""
    key = (size, target)
    if key not in _KEPT:
        scale = size / target
        centres = (np.arange(target) + 0.5) * scale
        reach = max(scale, 1.0)
        distance = np.abs(centres[:, None] - (np.arange(size) + 0.5)[None, :]) / reach
        weights = np.clip(1 - distance, 0, None)
        _KEPT[key] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return _KEPT[key]


def _around(values: Square) -> Square:
    """The mean around each pixel of a square."""
    padded = np.pad(values, _AROUND, mode="reflect")
    across = sliding_window_view(padded, 2 * _AROUND + 1, axis=1).mean(axis=-1)
    return np.asarray(sliding_window_view(across, 2 * _AROUND + 1, axis=0).mean(axis=-1), np.float32)


def _normal(values: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length > 0 else centred, np.float32)
