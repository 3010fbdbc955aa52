"""A frame of a film: as an upright RGB picture, or only as a thumbnail for the comparison with others."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.retrieval.media.pictures.tone_mapping import HLG, PQ, to_sdr

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

THUMBNAIL_SIDE = 32
_SAMPLES_PER_CELL = 4
_MAX_STRETCH = 20
_MAX_REFORMATTERS = 8
_EIGHT_BITS, _TEN_BITS = np.dtype(np.uint8), np.dtype("<u2")
_SHAPE = (3, _SAMPLES_PER_CELL, THUMBNAIL_SIDE**2)
UNSPECIFIED, BT601, BT709 = 2, 5, 1
HD_HEIGHT = 720

_YUV_8 = ((0, 0, 1, 8), (1, 0, 1, 8), (2, 0, 1, 8))
_NV_8 = ((0, 0, 1, 8), (1, 0, 2, 8), (1, 1, 2, 8))
_YUV_10 = ((0, 0, 1, 10), (1, 0, 1, 10), (2, 0, 1, 10))
_LAYOUTS: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    **dict.fromkeys(
        ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv410p"), _YUV_8
    ),
    **dict.fromkeys(("nv12", "nv16"), _NV_8),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le", "yuv444p10le"), _YUV_10),
}
"""For each pixel format the plane, first value, step and bits of luma and of the two chroma values."""

FrameThumbnail = NDArray[np.float32]
"""Luma and two chroma planes, float32 ``[3, 32, 32]`` of 0…255: each cell is the mean of four pixels of the frame."""


FrameSamples = NDArray[Any]
"""Luma and two chroma planes, ``[3, n, 32 · 32]``: n values of each cell, uint8, or uint16 of 10 bits."""


def thumbnails(samples: FrameSamples) -> NDArray[np.float32]:
    """The thumbnails of frames, float32 ``[frames, 3, 32, 32]``, from their samples ``[frames, 3, n, 32 · 32]``."""
    sums = np.add.reduce(samples, axis=2, dtype=np.uint16)
    scale = (1.0 if samples.dtype == np.uint8 else 0.25) / samples.shape[2]
    means: NDArray[np.float32] = sums * np.float32(scale)
    return means.reshape(-1, 3, THUMBNAIL_SIDE, THUMBNAIL_SIDE)


class Scaler:
    """Resizes frames and converts their pixels. It keeps FFmpeg's tables, which cost more to make than to use."""

    def __init__(self) -> None:
        self._reformatters: dict[tuple[int, int, str], VideoReformatter] = {}

    def reformat(self, frame: VideoFrame, width: int, height: int, format: str, **how: Any) -> VideoFrame:
        """The frame in another size and pixel format."""
        from av.video.reformatter import VideoReformatter

        key = (width, height, format)
        reformatter = self._reformatters.get(key)
        if reformatter is None:
            if len(self._reformatters) == _MAX_REFORMATTERS:
                self._reformatters.clear()
            reformatter = self._reformatters[key] = VideoReformatter()
        return reformatter.reformat(frame, width, height, format, threads=1, **how)


class Frame(Protocol):
    """One frame of a film."""

    @property
    def time(self) -> float:
        """When it is shown, in seconds."""

    @property
    def duration(self) -> float:
        """For how many seconds it is shown; 0.0: until the next frame."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture, in pixels."""

    @property
    def held_bytes(self) -> int:
        """The memory that is held as long as the frame is."""

    def samples(self, room: FrameSamples | None = None) -> FrameSamples:
        """Some of its values, of which `thumbnails` makes a small version for the comparison with other frames.

        They are written to ``room`` if they have its shape and type.
        """

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """Upright, with square pixels, in RGB; with ``least`` (height, width) perhaps reduced, but not below that."""


@dataclass(frozen=True, slots=True)
class StillFrame:
    """A frame that Pillow decoded."""

    time: float
    duration: float
    image: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """See `Frame`."""
        return self.image.size

    @property
    def held_bytes(self) -> int:
        """See `Frame`."""
        return self.image.width * self.image.height * len(self.image.getbands())

    def samples(self, room: FrameSamples | None = None) -> FrameSamples:
        """See `Frame`."""
        small = self.image.convert("YCbCr").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        return np.asarray(small).transpose(2, 0, 1).reshape(3, 1, THUMBNAIL_SIDE**2)

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """See `Frame`."""
        return self.image


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """A frame that FFmpeg decoded; ``pixel_aspect`` is the width of a pixel divided by its height."""

    time: float
    duration: float
    decoded: VideoFrame
    scaler: Scaler
    pixel_aspect: Fraction = Fraction(1)

    @property
    def size(self) -> tuple[int, int]:
        """See `Frame`."""
        width, height = square_size(self.decoded.width, self.decoded.height, self.pixel_aspect)
        return (height, width) if self._turns % 2 else (width, height)

    @property
    def held_bytes(self) -> int:
        """See `Frame`."""
        return sum(plane.buffer_size for plane in self.decoded.planes)

    @property
    def _turns(self) -> int:
        return round(self.decoded.rotation / 90) % 4

    def samples(self, room: FrameSamples | None = None) -> FrameSamples:
        """See `Frame`."""
        frame = self.decoded
        layout = _LAYOUTS.get(frame.format.name)
        if layout is None:
            frame, layout = self.scaler.reformat(frame, 96, 96, "yuv420p", interpolation="POINT"), _YUV_8
        dtype = _EIGHT_BITS if layout[0][3] == 8 else _TEN_BITS
        fits = room is not None and room.dtype == dtype and room.shape == _SHAPE
        samples = room if room is not None and fits else np.empty(_SHAPE, dtype)
        planes: Any = frame.planes
        for (index, first, step, _), taken in zip(layout, samples, strict=True):
            plane = planes[index]
            values = np.frombuffer(plane, samples.dtype)
            places = _places(plane.width, plane.height, plane.line_size // samples.itemsize, first, step)
            values.take(places, out=taken, mode="clip")  # the other modes copy
        return samples

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """See `Frame`."""
        return Image.fromarray(self.pixels(least))

    def pixels(self, least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The picture as uint8 ``[height, width, 3]``."""
        frame = self.decoded
        turns = self._turns
        width, height = square_size(frame.width, frame.height, self.pixel_aspect)
        if least is not None:
            low, wide = least[::-1] if turns % 2 else least
            scale = max(low / height, wide / width)
            if scale <= 0.75:  # a smaller reduction is not worth a second interpolation
                width, height = max(wide, round(width * scale)), max(low, round(height * scale))
        colours: dict[str, Any] = {"dst_colorspace": BT601}
        if frame.colorspace == UNSPECIFIED:
            colours["src_colorspace"] = BT709 if frame.height >= HD_HEIGHT else BT601
        transfer = int(getattr(frame, "color_trc", 0) or 0)
        if transfer in (PQ, HLG):
            deep = self.scaler.reformat(frame, width, height, "rgb48le", interpolation="AREA", **colours).to_ndarray()
            rgb: NDArray[Any] = to_sdr(deep, transfer, int(getattr(frame, "color_primaries", 0) or 0))
        else:
            rgb = self.scaler.reformat(frame, width, height, "rgb24", interpolation="AREA", **colours).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, turns))


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels; the height stays, as in players."""
    if pixel_aspect <= 0 or not Fraction(1, _MAX_STRETCH) <= pixel_aspect <= _MAX_STRETCH:
        return width, height
    return max(1, round(width * pixel_aspect)), height


@functools.lru_cache(maxsize=16)
def _places(width: int, height: int, line: int, first: int, step: int) -> NDArray[np.intp]:
    """Where in a plane the samples of each cell lie, ``[4, 32 · 32]``: two by two in each, evenly spread."""
    rows, columns = _spread(height) * line, _spread(width) * step + first
    places = (rows[:, None] + columns).reshape(THUMBNAIL_SIDE, 2, THUMBNAIL_SIDE, 2)
    return np.ascontiguousarray(places.transpose(1, 3, 0, 2)).reshape(_SAMPLES_PER_CELL, THUMBNAIL_SIDE**2)


def _spread(size: int) -> NDArray[np.intp]:
    """The positions of the samples along a side of ``size`` pixels, evenly spread."""
    count = 2 * THUMBNAIL_SIDE
    return (2 * np.arange(count) + 1) * size // (2 * count)
