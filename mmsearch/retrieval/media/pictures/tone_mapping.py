"""High dynamic range → sRGB: PQ (SMPTE ST 2084, HDR10) and HLG (ARIB STD-B67), as BT.2100 defines them.

Reference white, 203 cd/m² (BT.2408), becomes nearly white. Brighter values are compressed above it; their hue stays.
"""

from __future__ import annotations

import functools
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.retrieval.media.pictures.bit_depth import png_chunk

PQ, HLG = 16, 18
"""Transfer characteristics by their numbers in ITU-T H.273."""

_BT2020 = 9
_REFERENCE, _PEAK = 203.0, 1000.0
_KNEE = 0.75
_LEVELS = 1024
_ROWS = 256
_HEAD_BYTES = 1 << 16
_TO_BT709: NDArray[np.float32] = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_BT2020_LUMA: NDArray[np.float32] = np.array([0.2627, 0.6780, 0.0593], np.float32)


def to_sdr(values: NDArray[Any], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """Coded RGB, uint8 or uint16 ``[height, width, 3]`` of full range, as 8-bit sRGB."""
    out = np.empty(values.shape, np.uint8)
    shift = 8 * values.dtype.itemsize - 10
    for first in range(0, len(values), _ROWS):
        part = values[first : first + _ROWS]
        levels = part >> shift if shift > 0 else part.astype(np.uint16) << -shift | part >> 6
        out[first : first + _ROWS] = _tone_mapped(_light(transfer)[levels], transfer, primaries)
    return out


@functools.cache
def _light(transfer: int) -> NDArray[np.float32]:
    """The light of each of 1024 coded levels: of the display, in reference whites (PQ), or of the scene, 0…1 (HLG)."""
    coded = np.linspace(0, 1, _LEVELS)
    if transfer == PQ:
        root = coded ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return (nits / _REFERENCE).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12).astype(np.float32)


def _tone_mapped(light: NDArray[np.float32], transfer: int, primaries: int) -> NDArray[np.uint8]:
    if transfer == HLG:  # from the scene to a display of 1000 cd/m²
        luma = np.maximum(light @ _BT2020_LUMA, 1e-6)[..., None]
        light = light * luma**0.2 * (_PEAK / _REFERENCE)
    if primaries == _BT2020:
        light = np.maximum(light @ _TO_BT709.T, 0)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    over = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    bent = np.where(brightest > _KNEE, _KNEE + (1 - _KNEE) * over / (over + 1), brightest)
    light = light * (bent / brightest)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)
    pixels: NDArray[np.uint8] = (coded * 255).round().clip(0, 255).astype(np.uint8)
    return pixels


def hdr_coding(image: Image.Image, source: IO[bytes]) -> tuple[int, int] | None:
    """Transfer and primaries of an AVIF, HEIC or PNG with PQ or HLG values; None for all other pictures.

    They are in a box *colr* of type *nclx*, or in a chunk *cICP*.
    """
    if image.format == "PNG":
        data = png_chunk(source, b"cICP") or b""
        primaries, transfer = (data[0], data[1]) if len(data) >= 4 else (0, 0)
    elif image.format in ("AVIF", "HEIF"):
        source.seek(0)
        head = source.read(_HEAD_BYTES)
        at = head.find(b"colrnclx") + 8
        primaries, transfer = (int.from_bytes(head[at + i : at + i + 2], "big") for i in (0, 2)) if at >= 8 else (0, 0)
    else:
        return None
    return (transfer, primaries) if transfer in (PQ, HLG) else None


def still_to_sdr(image: Image.Image, coding: tuple[int, int]) -> Image.Image:
    """A picture with PQ or HLG values (see `hdr_coding`), as Pillow decoded it, in sRGB; its transparency stays."""
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    shown = Image.fromarray(to_sdr(np.asarray(image.convert("RGB")), *coding))
    if alpha is not None:
        shown.putalpha(alpha)
    return shown
