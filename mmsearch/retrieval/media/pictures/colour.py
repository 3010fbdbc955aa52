"""Pillow pictures of any mode → 8-bit sRGB: profiles, CMYK, 16-bit and float values, palettes, transparency."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import Image

from mmsearch.retrieval.media.pictures.bit_depth import as_bytes

_WHITE = (255, 255, 255)
_HIGH_BIT_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_MODE_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def to_srgb(image: Image.Image) -> Image.Image:
    """A loaded picture of any mode as RGB in the sRGB colour space, transparent parts over white.

    Of grey pictures with more than 8 bits, ``info["maximum"]`` is the value of white if the file states it, and
    ``info["unsigned"]`` says that 32-bit values are unsigned.
    """
    if image.mode in _HIGH_BIT_MODES:
        image = _grey_to_8_bits(image)
    if not image.has_transparency_data:
        return _apply_profile(image)
    rgba = image.convert("RGBA")
    opaque = Image.new("RGB", image.size, _WHITE)
    opaque.paste(_apply_profile(rgba.convert("RGB")), mask=rgba.getchannel("A"))
    return opaque


def is_srgb(image: Image.Image) -> bool:
    """Whether no usable profile says that the colours of an RGB or grey picture mean something else."""
    profile = image.info.get("icc_profile")
    return not profile or _transform_to_srgb(bytes(profile), image.mode) is None


def _apply_profile(image: Image.Image) -> Image.Image:
    """An opaque picture in sRGB, by its embedded profile, or by its mode if it has no usable profile."""
    profile = image.info.get("icc_profile")
    if image.mode in ("P", "1"):
        image = image.convert("RGB" if image.mode == "P" else "L")
    if profile:
        transform = _transform_to_srgb(bytes(profile), image.mode)
        if transform is not None:
            converted: Image.Image = transform.apply(image)
            return converted
    return image.convert("RGB")


@functools.lru_cache(maxsize=8)
def _transform_to_srgb(profile: bytes, mode: str) -> Any:
    """Little CMS's transform from a profile; None if it changes nothing, is broken, or is for another mode."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _MODE_OF_PROFILE.get(source.profile.xcolor_space.strip()) != mode:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=ImageCms.Intent.PERCEPTUAL)
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _changes_nothing(transform: Any) -> bool:
    """Whether a transform moves no colour by more than two levels, as the many versions of sRGB's profile do."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(transform.apply(Image.fromarray(lattice))).astype(np.int16)
    return bool(np.abs(moved - lattice).max() <= 2)


def _grey_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits, or floats, as 8-bit grey: scaled, never clipped."""
    values = np.asarray(image)
    if image.mode == "I" and image.info.get("unsigned"):
        values = values.view(np.uint32)
    grey = Image.fromarray(as_bytes(values, stated=image.info.get("maximum")))
    if "icc_profile" in image.info:
        grey.info["icc_profile"] = image.info["icc_profile"]
    return grey
