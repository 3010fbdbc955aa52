"""Edits of photographs whose copies are known: what people do to pictures, and what messengers and cameras do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

Random = np.random.Generator
Edit = Callable[[Image.Image, Random], Image.Image]

EXIF_TIME = 0x9003


def _resized(low: float, high: float) -> Edit:
    def edit(image: Image.Image, random: Random) -> Image.Image:
        scale = random.uniform(low, high)
        return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)

    return edit


def _doubled(image: Image.Image, random: Random) -> Image.Image:
    return image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)


def _same(image: Image.Image, random: Random) -> Image.Image:
    return image


def _cropped(low: float, high: float) -> Edit:
    """A share of the picture's area is cut off, anywhere, with the aspect ratio changed by up to a fifth."""

    def edit(image: Image.Image, random: Random) -> Image.Image:
        kept = 1 - random.uniform(low, high)
        stretch = random.uniform(-0.1, 0.1)
        across = min(1.0, kept**0.5 * (1 + stretch))
        down = min(1.0, kept / across)
        width, height = round(image.width * across), round(image.height * down)
        left, top = random.integers(0, image.width - width + 1), random.integers(0, image.height - height + 1)
        return image.crop((int(left), int(top), int(left) + width, int(top) + height))

    return edit


def _turned(turn: Image.Transpose) -> Edit:
    return lambda image, random: image.transpose(turn)


def _tilted(image: Image.Image, random: Random) -> Image.Image:
    angle = random.uniform(1, 5) * random.choice([-1, 1])
    fill = tuple(int(c) for c in random.choice([(0, 0, 0), (255, 255, 255)]))
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=fill)


def _text(image: Image.Image, random: Random) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    size = max(12, round(image.height * random.uniform(0.08, 0.14)))
    font = ImageFont.load_default(size)
    words = str(random.choice(["HAPPY BIRTHDAY", "Summer 2019", "SOLD", "when it is monday", "© studio north"]))
    x, y = image.width * random.uniform(0.02, 0.2), image.height * random.choice([0.05, 0.45, 0.8])
    draw.text((x, y), words, fill="white", font=font, stroke_width=max(1, size // 12), stroke_fill="black")
    return image


def _logo(image: Image.Image, random: Random) -> Image.Image:
    image = image.copy()
    side = round(min(image.size) * random.uniform(0.15, 0.3))
    x, y = random.choice([0, image.width - side]), random.choice([0, image.height - side])
    colour = tuple(int(c) for c in random.integers(0, 256, 3))
    draw = ImageDraw.Draw(image)
    draw.ellipse((x, y, x + side, y + side), fill=colour)
    draw.rectangle((x + side * 0.3, y + side * 0.3, x + side * 0.7, y + side * 0.7), fill="white")
    return image


def _brightness(image: Image.Image, random: Random) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(float(random.choice([0.6, 0.75, 1.25, 1.45])))


def _contrast(image: Image.Image, random: Random) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(float(random.choice([0.55, 0.7, 1.4, 1.7])))


def _grey(image: Image.Image, random: Random) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def _bordered(image: Image.Image, random: Random) -> Image.Image:
    fill = tuple(int(c) for c in random.choice([(0, 0, 0), (255, 255, 255), (240, 230, 210)]))
    return ImageOps.expand(image, round(min(image.size) * random.uniform(0.03, 0.15)), fill)


def _burst(image: Image.Image, random: Random) -> Image.Image:
    """The next picture of a burst: the camera has moved by up to 2 %, and the noise is another."""
    most = 0.02 * image.width
    dx, dy = random.uniform(-most, most, 2)
    moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy), Image.Resampling.BICUBIC)
    inner = round(most) + 1
    moved = moved.crop((inner, inner, image.width - inner, image.height - inner)).resize(image.size)
    noise = random.normal(0, 6, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(moved) + noise, 0, 255).astype(np.uint8))


def _mixed(image: Image.Image, random: Random) -> Image.Image:
    """What a picture goes through on its way: cut, made smaller, brightened."""
    return _resized(0.4, 0.7)(_brightness(_cropped(0.05, 0.2)(image, random), random), random)


EDITS: dict[str, tuple[Edit, str, dict[str, int]]] = {
    # kind: what is done, the file's ending, how it is saved (a quality is drawn where it is left out)
    "resized": (_resized(0.25, 0.8), ".jpg", {"quality": 90}),
    "enlarged": (_resized(1.3, 2.0), ".jpg", {"quality": 90}),
    "recompressed": (_same, ".jpg", {}),
    "webp": (_same, ".webp", {"quality": 80}),
    "png": (_same, ".png", {}),
    "cropped 5-20 %": (_cropped(0.05, 0.2), ".jpg", {"quality": 90}),
    "cropped 20-40 %": (_cropped(0.2, 0.4), ".jpg", {"quality": 90}),
    "turned 90": (_turned(Image.Transpose.ROTATE_90), ".jpg", {"quality": 90}),
    "turned 180": (_turned(Image.Transpose.ROTATE_180), ".jpg", {"quality": 90}),
    "turned 270": (_turned(Image.Transpose.ROTATE_270), ".jpg", {"quality": 90}),
    "mirrored": (_turned(Image.Transpose.FLIP_LEFT_RIGHT), ".jpg", {"quality": 90}),
    "tilted": (_tilted, ".jpg", {"quality": 90}),
    "text": (_text, ".jpg", {"quality": 90}),
    "logo": (_logo, ".jpg", {"quality": 90}),
    "brightness": (_brightness, ".jpg", {"quality": 90}),
    "contrast": (_contrast, ".jpg", {"quality": 90}),
    "grey": (_grey, ".jpg", {"quality": 90}),
    "bordered": (_bordered, ".jpg", {"quality": 90}),
    "mixed": (_mixed, ".jpg", {}),
    "burst": (_burst, ".jpg", {"quality": 92}),
}
"""The kinds of edits."""

KEPT_EDITS: dict[str, tuple[Edit, str, dict[str, int]]] = {
    "enlarged 1.5": (_resized(1.5, 1.5), ".jpg", {"quality": 90}),
    "enlarged 2": (_resized(2, 2), ".jpg", {"quality": 90}),
    "enlarged 2 bicubic": (_doubled, ".jpg", {"quality": 75}),
    "bordered": (_bordered, ".jpg", {"quality": 90}),
    "text": (_text, ".jpg", {"quality": 90}),
    "logo": (_logo, ".jpg", {"quality": 90}),
    "quality 30": (_same, ".jpg", {"quality": 30}),
    "half": (_resized(0.5, 0.5), ".jpg", {"quality": 90}),
    "two thirds": (_resized(0.67, 0.67), ".jpg", {"quality": 90}),
    "png": (_same, ".png", {}),
}
"""Edits of which the original is to be kept."""

TURNS = ("turned 90", "turned 180", "turned 270")


def write_edit(
    kind: str,
    photo: Path,
    folder: Path,
    random: Random,
    edits: dict[str, tuple[Edit, str, dict[str, int]]] | None = None,
) -> Path:
    """Write an edit of a photograph to a folder; returns its path."""
    edit, ending, saved = EDITS[kind] if edits is None else edits[kind]
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    made = edit(image, random)
    path = folder / f"{photo.stem}~{kind.replace(' ', '_').replace('%', 'pc')}{ending}"
    options: dict[str, object] = dict(saved)
    if not saved and ending == ".jpg":
        options["quality"] = int(random.integers(20, 71))
    if kind == "burst":
        options["exif"] = _taken(dt.datetime(2024, 5, 1, 12, 0, 1))
    made.save(path, **options)
    return path


def write_photo(photo: Path, folder: Path) -> Path:
    """Write a photograph as a camera does, with the time when it was taken; returns its path."""
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    path = folder / f"{photo.stem}.jpg"
    image.save(path, quality=95, exif=_taken(dt.datetime(2024, 5, 1, 12, 0, 0)))
    return path


def _taken(when: dt.datetime) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[EXIF_TIME] = when.strftime("%Y:%m:%d %H:%M:%S")
    return exif.tobytes()
