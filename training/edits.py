"""Edits of pictures: mild ones that teach the towers, and hard ones whose originals must still be found."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

SIDE = 256  # of the pictures that `mini` takes


def squash(image: Image.Image) -> Image.Image:
    """As `mini` takes pictures: the whole picture squashed to `SIDE`."""
    return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def mild(image: Image.Image, rng: random.Random, least: float = 0.35) -> Image.Image:
    """A crop of `least` to all of the area, half of them mirrored, with brightness and colour varied."""
    width, height = image.size
    area, ratio = rng.uniform(least, 1), rng.uniform(0.8, 1.25)
    w, h = min(width, int(width * (area * ratio) ** 0.5)), min(height, int(height * (area / ratio) ** 0.5))
    x, y = rng.randint(0, width - w), rng.randint(0, height - h)
    image = squash(image.crop((x, y, x + w, y + h)))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))
    if rng.random() < 0.3:
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.5, 1.3))
    return image


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """60 % of the area, anywhere."""
    width, height = image.size
    w, h = int(width * 0.6**0.5), int(height * 0.6**0.5)
    x, y = rng.randint(0, width - w), rng.randint(0, height - h)
    return image.crop((x, y, x + w, y + h))


def turn(image: Image.Image, rng: random.Random) -> Image.Image:
    """10 degrees either way, corners filled with black or white."""
    fill = rng.choice(((0, 0, 0), (255, 255, 255)))
    return image.rotate(rng.choice((-10, 10)), Image.Resampling.BICUBIC, expand=False, fillcolor=fill)


def overlay(image: Image.Image, rng: random.Random) -> Image.Image:
    """Large text over the picture."""
    image = image.copy()
    width, height = image.size
    text = "".join(rng.choice("ABCDEFGHIJKLMNOPRSTUVWXYZ ") for _ in range(rng.randint(6, 12)))
    font = ImageFont.load_default(size=max(12, height // 6))
    fill = rng.choice(((255, 255, 255), (0, 0, 0), (255, 230, 0), (220, 0, 0)))
    at = (rng.uniform(0, 0.2) * width, rng.uniform(0.05, 0.75) * height)
    ImageDraw.Draw(image).text(at, text, fill=fill, font=font, stroke_width=2, stroke_fill=tuple(255 - v for v in fill))
    return image


def recolour(image: Image.Image, rng: random.Random) -> Image.Image:
    """Each channel by a factor of its own, or grey."""
    if rng.random() < 0.25:
        return image.convert("L").convert("RGB")
    gains = np.array([rng.uniform(0.6, 1.4) for _ in range(3)])
    return Image.fromarray(np.clip(np.asarray(image) * gains, 0, 255).astype(np.uint8))


def border(image: Image.Image, rng: random.Random) -> Image.Image:
    """A frame of a tenth of the size in one colour."""
    width, height = image.size
    frame = Image.new("RGB", (int(width * 1.2), int(height * 1.2)), tuple(rng.randint(0, 255) for _ in range(3)))
    frame.paste(image, (int(width * 0.1), int(height * 0.1)))
    return frame


def jpeg(image: Image.Image, rng: random.Random) -> Image.Image:
    """JPEG at quality 20."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=20)
    return Image.open(data).convert("RGB")


HARD: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "crop": crop,
    "turn": turn,
    "text": overlay,
    "colour": recolour,
    "border": border,
    "jpeg": jpeg,
}


def hard(image: Image.Image, rng: random.Random) -> Image.Image:
    """One or two hard edits."""
    for name in rng.sample(sorted(HARD), rng.choice((1, 2, 2))):
        image = HARD[name](image, rng)
    return squash(image)
