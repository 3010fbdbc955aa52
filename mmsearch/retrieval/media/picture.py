"""Frames of a film: an upright RGB picture of one, or only a thumbnail to compare it by, each at the least cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

THUMBNAIL_SIDE = 32
_SAMPLES_PER_CELL = 3
_MAX_STRETCH = 20
_UNSPECIFIED, _BT601, _BT709 = 2, 5, 1
_HD_HEIGHT = 720

Thumbnail = NDArray[np.float32]
"""Luma and two chroma planes, float32 ``[3, 32, 32]`` of 0…255: cell means of a sparse sample of the frame."""


class Frame(Protocol):
    """One picture of a film and when it is shown: ``time`` for ``duration`` seconds (0.0: until the next)."""

    @property
    def time(self) -> float: ...
    @property
    def duration(self) -> float: ...
    def thumbnail(self) -> Thumbnail: ...
    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """Upright, with square pixels, in RGB; where ``least`` (height, width) is given, perhaps reduced to no less."""


@dataclass(frozen=True, slots=True)
class StillFrame:
    """A frame that Pillow decoded."""

    time: float
    duration: float
    image: Image.Image

    def thumbnail(self) -> Thumbnail:
        small = self.image.convert("YCbCr").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        return np.asarray(small, np.float32).transpose(2, 0, 1)

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        return self.image


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """A frame that FFmpeg decoded; ``pixel_aspect`` is the width of a pixel over its height."""

    time: float
    duration: float
    decoded: VideoFrame
    pixel_aspect: Fraction = Fraction(1)

    def thumbnail(self) -> Thumbnail:
        frame = self.decoded
        layout = _LAYOUTS.get(frame.format.name)
        if layout is None:
            frame, layout = frame.reformat(96, 96, "yuv420p", interpolation="POINT"), _LAYOUTS["yuv420p"]
        return np.stack([_cells(_plane(frame, *where)) for where in layout])

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        frame = self.decoded
        turns = round(frame.rotation / 90) % 4
        width, height = square_size(frame.width, frame.height, self.pixel_aspect)
        if least is not None:
            low, wide = least[::-1] if turns % 2 else least
            scale = max(low / height, wide / width)
            if scale <= 0.75:  # less is not worth a second interpolation
                width, height = max(wide, round(width * scale)), max(low, round(height * scale))
        colours: dict[str, Any] = {"dst_colorspace": _BT601}
        if frame.colorspace == _UNSPECIFIED:
            colours["src_colorspace"] = _BT709 if frame.height >= _HD_HEIGHT else _BT601
        rgb = frame.reformat(width, height, "rgb24", interpolation="AREA", **colours).to_ndarray()
        return Image.fromarray(np.ascontiguousarray(np.rot90(rgb, turns)))


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels, as players show it: the height stays."""
    if pixel_aspect <= 0 or not Fraction(1, _MAX_STRETCH) <= pixel_aspect <= _MAX_STRETCH:
        return width, height
    return max(1, round(width * pixel_aspect)), height


def at(frame: Any, time: float) -> Any:
    """The same picture, shown at another time."""
    return dataclasses.replace(frame, time=time)


_LAYOUTS: dict[str, tuple[tuple[int, int, int, int], ...]] = {}
"""For each pixel format the plane, first value, step and bits of luma and of the two chroma values."""
for _name in ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv410p"):
    _LAYOUTS[_name] = ((0, 0, 1, 8), (1, 0, 1, 8), (2, 0, 1, 8))
for _name in ("nv12", "nv16"):
    _LAYOUTS[_name] = ((0, 0, 1, 8), (1, 0, 2, 8), (1, 1, 2, 8))
for _name in ("yuv420p10le", "yuv422p10le", "yuv444p10le"):
    _LAYOUTS[_name] = ((0, 0, 1, 10), (1, 0, 1, 10), (2, 0, 1, 10))


def _plane(frame: VideoFrame, index: int, first: int, step: int, bits: int) -> NDArray[Any]:
    """A sparse sample of one of a frame's values, float32 ``[height, width]`` of 0…255."""
    plane = frame.planes[index]
    values = np.frombuffer(plane, np.uint8 if bits == 8 else np.dtype("<u2"))
    line = plane.line_size // values.itemsize
    values = values.reshape(-1, line)[: plane.height, first : plane.width * step : step]
    across = max(1, values.shape[1] // (THUMBNAIL_SIDE * _SAMPLES_PER_CELL))
    down = max(1, values.shape[0] // (THUMBNAIL_SIDE * _SAMPLES_PER_CELL))
    sparse = values[down // 2 :: down, across // 2 :: across]
    return sparse if bits == 8 else sparse / np.float32(1 << (bits - 8))


def _cells(values: NDArray[Any]) -> NDArray[np.float32]:
    """The means of 32 × 32 cells; a side of fewer values is repeated."""
    for axis in (0, 1):
        edges = np.arange(THUMBNAIL_SIDE) * values.shape[axis] // THUMBNAIL_SIDE
        if values.shape[axis] < THUMBNAIL_SIDE:
            values = values.take(edges, axis)
        else:
            ends = np.append(edges[1:], values.shape[axis])
            shape = (-1, 1) if axis == 0 else (1, -1)
            values = np.add.reduceat(values, edges, axis, dtype=np.float32) / (ends - edges).reshape(shape)
    return values.astype(np.float32)
