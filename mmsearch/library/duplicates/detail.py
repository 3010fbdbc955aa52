"""How much a picture really shows: what is left without an added border, and up to which frequency there is detail.

An enlarged picture has little at frequencies that its original did not have, and less just below them than the original
has: filters that enlarge weaken both. A reduced picture has less there than its original.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.extracts import Thumbnail
from mmsearch.hits import Record

DETAIL_TABLE = "duplicates-detail"

_BINS = 64  # from frequency 0 to the highest that a picture of its size can have
_BOXES = (256, 512, 1024, 2048, 4096)  # pictures are decoded in a box of one of these sides, larger ones in the last
_MOST_WORKERS = 4  # pictures in the last box take 50 MB each
_LEAST_SIDE = 32
_EVEN, _OUTERMOST_EVEN, _SAME_LEVEL = 3.0, 1.0, 3.0  # grey levels within and between the lines of an added border
_OUTERMOST = 3  # lines
_MOST_BORDER = 0.4  # of a side
_LEAST_SCALE = 1.1  # by less nobody enlarges
_MOST_GAP, _MOST_LEFT = -6.5, -1.2  # dB
_LEAST_BYTES = 0.5  # of the larger one's, for each pixel: a picture with less was compressed too hard to tell
_ASPECT = 0.04

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Detail:
    """What was measured of a picture.

    Attributes:
        width: pixels of what is inside an added border.
        height: the same from top to bottom.
        checksum: equal for pictures of equal pixels.
        spectrum: dB by frequency, in shares of the highest that its size allows; NaN where it is not known.
    """

    width: float
    height: float
    checksum: int
    spectrum: tuple[float, ...]

    @property
    def pixels(self) -> float:
        """Pixels inside the border."""
        return self.width * self.height


def measured(pixels: NDArray[np.uint8], width: int, height: int) -> Detail:
    """The detail of a picture.

    Args:
        pixels: the picture as it was decoded, uint8 ``[any, any, 3]``.
        width: what it has in its file.
        height: the same.
    """
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    rows, columns = grey.shape
    if (rows < columns) != (height < width) and width != height:  # it is turned as its Exif says
        width, height = height, width
    top, bottom = _border(grey)
    left, right = _border(np.ascontiguousarray(grey[top : rows - bottom].T))
    inside = grey[top : rows - bottom, left : columns - right]
    scale = max(rows, columns) / max(width, height, 1)
    return Detail(
        width * inside.shape[1] / columns,
        height * inside.shape[0] / rows,
        zlib.crc32(pixels.tobytes()),
        tuple(_spectrum(inside, scale).tolist()),
    )


def _border(grey: NDArray[np.float32]) -> tuple[int, int]:
    """How many lines at both ends are an added border: of one colour, at both ends."""
    deviations, means = grey.std(axis=1), grey.mean(axis=1)

    def at_end(step: int) -> int:
        own, level = deviations[::step], means[::step]
        if (own[:_OUTERMOST] > _OUTERMOST_EVEN).any():
            return 0
        even = (own < _EVEN) & (np.abs(level - level[0]) < _SAME_LEVEL)
        return len(even) if even.all() else int(np.argmin(even))

    first, last = at_end(1), at_end(-1)
    return (first, last) if first and last and max(first, last) < _MOST_BORDER * len(grey) else (0, 0)


def _spectrum(grey: NDArray[np.float32], scale: float) -> Floats:
    """The power of the square in the middle by frequency, in dB.

    Args:
        grey: grey levels.
        scale: by what the picture was enlarged (above 1) or reduced when it was decoded.
    """
    side = min(grey.shape)
    if side < _LEAST_SIDE:
        return np.full(_BINS, np.nan)
    y, x = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[y : y + side, x : x + side]
    window = np.hanning(side).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft2((square - square.mean()) * window[:, None] * window)))
    down, across = np.abs(np.fft.fftfreq(side)), np.abs(np.fft.rfftfreq(side))
    if scale > 1:
        power = power / np.square(_passed(down * scale)[:, None] * _passed(across * scale))
    share = np.maximum(down[:, None], across[None]) * 2 * scale
    bins = np.minimum((share * _BINS).astype(np.intp), _BINS).reshape(-1)
    counts = np.bincount(bins, minlength=_BINS + 1)[:_BINS]
    sums = np.bincount(bins, power.reshape(-1), _BINS + 1)[:_BINS]
    there = np.flatnonzero(counts)
    levels = 10 * np.log10(sums[there] / counts[there] / side**2 + 1e-3)
    made: Floats = np.interp(np.arange(_BINS), there, levels)
    made[(np.arange(_BINS) + 1) / _BINS > scale + 1e-6] = np.nan
    return made


def _passed(frequency: NDArray[np.floating]) -> Floats:
    """What bicubic enlarging leaves of a frequency, in cycles for a pixel of the file."""
    x = np.linspace(-2, 2, 129)
    near, far = np.abs(x) < 1, np.abs(x) >= 1
    one = np.abs(x)
    kernel = near * (1.5 * one**3 - 2.5 * one**2 + 1) + far * (-0.5 * one**3 + 2.5 * one**2 - 4 * one + 2)
    frequencies = np.linspace(0, 0.5, 65)
    left = (kernel * np.cos(2 * np.pi * frequencies[:, None] * x)).sum(axis=1) / kernel.sum()
    return np.asarray(np.interp(np.minimum(frequency, 0.5), frequencies, left))


def is_enlarged(large: Detail, small: Detail) -> bool:
    """Whether a picture shows no more than a smaller one of the same."""
    scale = (large.pixels / max(small.pixels, 1.0)) ** 0.5
    aspects = large.width / max(large.height, 1.0), small.width / max(small.height, 1.0)
    if scale < _LEAST_SCALE or abs(np.log(aspects[0] / max(aspects[1], 1e-6))) > _ASPECT:
        return False
    shares = (np.arange(_BINS) + 0.5) / _BINS
    ours, theirs = np.array(large.spectrum), np.array(small.spectrum)

    def level(spectrum: Floats, low: float, high: float) -> float:
        return float(np.interp(np.linspace(low, high, 12), shares, spectrum).mean())

    gap = level(ours, 1.1 / scale, min(1.0, 1.5 / scale)) - level(ours, 0.6 / scale, 0.9 / scale)
    near_limit = level(ours, 0.7 / scale, 0.95 / scale) - level(theirs, 0.7, 0.95)
    below = level(ours, 0.2 / scale, 0.45 / scale) - level(theirs, 0.2, 0.45)
    return gap <= _MOST_GAP and near_limit - below <= _MOST_LEFT  # false for NaN


def is_compressed_hard(small: tuple[Record, int, Detail], large: tuple[Record, int, Detail]) -> bool:
    """Whether a JPEG has so few bytes for a pixel, beside another, that its spectrum tells nothing."""
    if not all(os.path.splitext(one[0].path)[1].lower() in (".jpg", ".jpeg") for one in (small, large)):
        return False
    ours, theirs = (size / max(detail.pixels, 1.0) for _, size, detail in (small, large))
    return ours < _LEAST_BYTES * theirs


def read_details(collection: Collection) -> dict[int, Detail]:
    """What earlier runs have measured, by the row."""
    table = collection.side_table(DETAIL_TABLE)
    if table is None:
        return {}
    return {
        row["id"]: Detail(row["width"], row["height"], row["checksum"], tuple(row["spectrum"]))
        for row in table.to_pylist()
    }


def details_table(details: dict[int, Detail]) -> pa.Table:
    """Details as a side table."""
    rows = sorted(details.items())
    return pa.table(
        {
            "id": pa.array([row for row, _ in rows], pa.int64()),
            "width": pa.array([detail.width for _, detail in rows], pa.float32()),
            "height": pa.array([detail.height for _, detail in rows], pa.float32()),
            "checksum": pa.array([detail.checksum for _, detail in rows], pa.int64()),
            "spectrum": pa.array([detail.spectrum for _, detail in rows], pa.list_(pa.float32())),
        }
    )


def details_of(records: Iterable[Record], workers: int) -> dict[int, Detail]:
    """The details of pictures, decoded at their size; of those that cannot be read, nothing."""
    by_box: dict[int, list[Record]] = {}
    for record in records:
        longer = max(record.width or 0, record.height or 0)
        if longer >= _LEAST_SIDE:
            by_box.setdefault(next((box for box in _BOXES if box >= longer), _BOXES[-1]), []).append(record)
    return {
        record.id: measured(thumbnail.pixels, record.width or 0, record.height or 0)
        for box, some in by_box.items()
        for record, thumbnail in _thumbnails(some, box, min(workers, _MOST_WORKERS, max(1, len(some) // 4)))
        if thumbnail.pixels is not None
    }


def _thumbnails(records: Sequence[Record], box: int, workers: int) -> Iterable[tuple[Record, Thumbnail]]:
    return zip(records, Collection.thumbnails(records, height=box, width=box, workers=workers), strict=True)
