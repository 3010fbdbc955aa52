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

THUMBNAIL_SIDE = 32
_SAMPLES_PER_CELL = 2
_MEANS: NDArray[np.float32] = np.kron(
    np.eye(THUMBNAIL_SIDE), np.full((1, _SAMPLES_PER_CELL), 1 / _SAMPLES_PER_CELL)
).astype(np.float32)
_MAX_STRETCH = 20
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
"""Luma and two chroma planes, float32 ``[3, 32, 32]`` of 0…255: cell means of a sparse sample of the frame."""


class Frame(Protocol):
    """One frame of a film."""

    @property
    def time(self) -> float:
        """When it is shown, in seconds."""

    @property
    def duration(self) -> float:
        """For how many seconds it is shown; 0.0: until the next frame."""

    def thumbnail(self) -> FrameThumbnail:
        """A small version for the comparison with other frames."""

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """Upright, with square pixels, in RGB; with ``least`` (height, width) perhaps reduced, but not below that."""


@dataclass(frozen=True, slots=True)
class StillFrame:
    """A frame that Pillow decoded."""

    time: float
    duration: float
    image: Image.Image

    def thumbnail(self) -> FrameThumbnail:
        """See `Frame`."""
        small = self.image.convert("YCbCr").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        return np.asarray(small, np.float32).transpose(2, 0, 1)

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """See `Frame`."""
        return self.image


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """A frame that FFmpeg decoded; ``pixel_aspect`` is the width of a pixel divided by its height."""

    time: float
    duration: float
    decoded: VideoFrame
    pixel_aspect: Fraction = Fraction(1)

    def thumbnail(self) -> FrameThumbnail:
        """See `Frame`."""
        frame = self.decoded
        layout = _LAYOUTS.get(frame.format.name)
        if layout is None:
            frame, layout = frame.reformat(96, 96, "yuv420p", interpolation="POINT"), _LAYOUTS["yuv420p"]
        return np.stack([_plane(frame, *where) for where in layout])

    def picture(self, least: tuple[int, int] | None = None) -> Image.Image:
        """See `Frame`."""
        return Image.fromarray(self.pixels(least))

    def pixels(self, least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The picture as uint8 ``[height, width, 3]``."""
        frame = self.decoded
        turns = round(frame.rotation / 90) % 4
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
            deep = frame.reformat(width, height, "rgb48le", interpolation="AREA", **colours).to_ndarray()
            rgb: NDArray[Any] = to_sdr(deep, transfer, int(getattr(frame, "color_primaries", 0) or 0))
        else:
            rgb = frame.reformat(width, height, "rgb24", interpolation="AREA", **colours).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, turns))


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels; the height stays, as in players."""
    if pixel_aspect <= 0 or not Fraction(1, _MAX_STRETCH) <= pixel_aspect <= _MAX_STRETCH:
        return width, height
    return max(1, round(width * pixel_aspect)), height


def _plane(frame: VideoFrame, index: int, first: int, step: int, bits: int) -> NDArray[np.float32]:
    """The cell means of one of a frame's values, float32 ``[32, 32]`` of 0…255, from four samples a cell."""
    plane = frame.planes[index]
    memory: Any = plane
    values: NDArray[Any] = np.frombuffer(memory, np.uint8 if bits == 8 else np.dtype("<u2"))
    values = values.reshape(-1, plane.line_size // values.itemsize)
    rows, columns = _spread(plane.height), _spread(plane.width)
    sparse = values[rows[:, None], columns * step + first].astype(np.float32)
    return np.asarray(_MEANS @ sparse @ _MEANS.T * 2.0 ** (8 - bits), np.float32)


@functools.lru_cache(maxsize=16)
def _spread(size: int) -> NDArray[np.intp]:
    """The positions of the samples along a side of ``size`` pixels, evenly spread."""
    count = THUMBNAIL_SIDE * _SAMPLES_PER_CELL
    return (2 * np.arange(count) + 1) * size // (2 * count)
