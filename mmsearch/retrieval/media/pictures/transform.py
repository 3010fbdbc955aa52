"""How a decoded picture becomes a model's input pixels; done with Pillow, so that workers need no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.pictures.resize import resize_pixels

if TYPE_CHECKING:
    from PIL import Image

_MAX_ENLARGEMENT = 64
"""If resizing would give more than this many times the pixels of the crop, only the centre is resized."""


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """How a picture is resized to the pixels that a model takes. Scaling of their values is left to the encoder.

    Attributes:
        height: rows of the result, in pixels.
        width: columns of the result, in pixels.
        resize: ``squash`` (the aspect ratio is lost), ``shortest`` (the short side is fitted, the centre cropped) or
            ``longest`` (the long side is fitted, the rest padded).
        interpolation: ``bicubic`` or ``bilinear``.
        fill: the colour of padding, red, green and blue in 0…255.
        draft: above 0, speed goes before equality with open_clip: JPEG may be decoded at a reduced scale, at least
            ``draft`` times the size of the result, and values may be some levels off.
    """

    height: int
    width: int
    resize: Literal["squash", "shortest", "longest"] = "squash"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill: tuple[int, int, int] = (0, 0, 0)
    draft: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, for a worker's start."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ImageTransform:
        """The inverse of `to_json`, also after a trip through JSON text."""
        return cls(**{**data, "fill": tuple(data["fill"])})

    def apply(self, picture: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An RGB picture as uint8 ``[height, width, 3]``: the pixels that open_clip's own transform gives.

        Args:
            picture: an RGB picture of Pillow, or its pixels as uint8 ``[any, any, 3]``.

        The rounding is that of torchvision's ``Resize`` and ``CenterCrop`` and of open_clip's
        ``ResizeKeepRatio`` and ``CenterCropOrPad``, all on Pillow pictures.
        """
        from PIL import Image

        if self.draft > 0 and self.resize == "squash":
            fast = resize_pixels(np.asarray(picture), self.height, self.width, self.interpolation)
            if fast is not None:
                return fast
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        resample = Image.Resampling[self.interpolation.upper()]
        if self.resize == "squash":
            resized = image.resize((self.width, self.height), resample)
        elif self.resize == "longest":
            resized = self._pad(image.resize(self._scaled_size(image, max), resample))
        elif self.height == self.width:
            resized = self._crop(image, _short_side_size(image, self.width), resample)
        else:  # open_clip uses its default filter for a target that is not square
            resized = self._crop(image, self._scaled_size(image, min), Image.Resampling.BICUBIC)
        return np.asarray(resized, dtype=np.uint8)

    def _scaled_size(self, image: Image.Image, side: Any) -> tuple[int, int]:
        """Width and height with the same aspect ratio: inside the target if ``side`` is `max`, around it if `min`."""
        ratio = side(image.height / self.height, image.width / self.width)
        return max(1, round(image.width / ratio)), max(1, round(image.height / ratio))

    def _crop(self, image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
        """The centre of the picture resized to ``size``."""
        left, top = round((size[0] - self.width) / 2), round((size[1] - self.height) / 2)
        box = (left, top, left + self.width, top + self.height)
        if size[0] * size[1] <= _MAX_ENLARGEMENT * self.width * self.height:
            return image.resize(size, resample).crop(box)
        # A strip of 1 × 30,000 pixels would grow to gigabytes before the crop: resize only its centre, across and then
        # down, as Pillow does. Pillow keeps box edges as float32, so a pixel may be one level off.
        x, y = image.width / size[0], image.height / size[1]
        across = (box[0] * x, 0, min(box[2] * x, image.width), image.height)
        down = (0, box[1] * y, self.width, min(box[3] * y, image.height))
        middle = image.resize((self.width, image.height), resample, box=across)
        return middle.resize((self.width, self.height), resample, box=down)

    def _pad(self, image: Image.Image) -> Image.Image:
        """The picture in the middle of the target, with padding around it."""
        from PIL import Image

        if image.size == (self.width, self.height):
            return image
        canvas = Image.new("RGB", (self.width, self.height), self.fill)
        canvas.paste(image, ((self.width - image.width) // 2, (self.height - image.height) // 2))
        return canvas


def _short_side_size(image: Image.Image, side: int) -> tuple[int, int]:
    """Width and height with the short side at ``side``; the long one is rounded down."""
    if image.width <= image.height:
        return side, int(side * image.height / image.width)
    return int(side * image.width / image.height), side
