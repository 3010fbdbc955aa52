"""Camera RAW, with the extra ``raw``: the embedded preview if it is large enough, else the sensor's data."""

from __future__ import annotations

import io
from typing import IO, Any

from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.dates import DateTaken, read_date, with_date
from mmsearch.retrieval.media.pictures.image import check_size, decode_image
from mmsearch.types import Facts

_TURNS = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.ROTATE_90, 6: Image.Transpose.ROTATE_270}
"""By LibRaw's ``flip``: the camera was held upside down, or on its side."""


def decode_raw(
    source: IO[bytes], *, max_pixels: int, target: tuple[int, int] | None = None, draft: float = 0.0
) -> tuple[Image.Image, Facts]:
    """An upright 8-bit sRGB picture and its facts; arguments as in `image.decode_image`.

    Raises:
        DecodeError: the extra is not installed, the file is damaged, or it has more than ``max_pixels``.
    """
    try:
        import rawpy
    except ImportError:
        raise DecodeError('camera RAW needs an extra: pip install "mmsearch[raw]"') from None
    try:
        with rawpy.imread(source) as raw:
            sizes = raw.sizes
            turned = sizes.flip in (5, 6)
            size = (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)
            taken = _taken(raw)
            image = _preview(rawpy, raw, max_pixels, target, draft)
            if image is None:
                check_size(size, size[0] * size[1], max_pixels)
                image = Image.fromarray(raw.postprocess(use_camera_wb=True, half_size=True))
    except rawpy.LibRawUnsufficientMemoryError:
        raise MemoryError from None
    except (rawpy.LibRawDataError, rawpy.LibRawIOError):
        raise DecodeError("damaged or cut off: not readable as a camera's raw picture") from None
    except rawpy.LibRawError:
        raise DecodeError("damaged, or of a camera that LibRaw does not know") from None
    return image, with_date(Facts(width=size[0], height=size[1]), taken)


def _taken(raw: Any) -> DateTaken | None:
    """The date by LibRaw, which gives the start of 1970 for files without a date."""
    other = getattr(raw, "other", None)  # older versions of rawpy have none
    at = getattr(other, "timestamp", None)
    at = None if at is None else read_date(at.isoformat(sep=" "))
    return None if at is None else DateTaken(at, "raw")


def _preview(rawpy: Any, raw: Any, max_pixels: int, target: tuple[int, int] | None, draft: float) -> Image.Image | None:
    """The embedded preview, upright; None if there is none that is as large as the target."""
    try:
        thumb = raw.extract_thumb()
        if thumb.format == rawpy.ThumbFormat.JPEG:
            image, _ = decode_image(io.BytesIO(thumb.data), max_pixels=max_pixels, target=target, draft=draft)
            stored = Image.open(io.BytesIO(thumb.data), formats=["JPEG", "MPO"]).getexif().get(0x0112, 1)
            already_upright = stored != 1
        else:
            image, already_upright = Image.fromarray(thumb.data), False
    except (rawpy.LibRawError, DecodeError):
        return None
    least = max(target) if target else 1024
    if min(image.size) < least:
        return None
    turn = None if already_upright else _TURNS.get(raw.sizes.flip)
    return image if turn is None else image.transpose(turn)
