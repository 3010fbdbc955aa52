"""Pictures that look alike and are no copies: pages of text, filled forms, screenshots, slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Random = np.random.Generator

_TEXT = (
    "the of and to in that it is was for on are with as his they be at one have this from or had by hot "
    "but some what there we can out other were all your when up use word how said an each she which do "
    "their time if will way about many then them would write like so these her long make thing see him "
    "two has look more day could go come did my sound no most number who over know water than call first "
    "people may down side been now find any new work part"
)
_WORDS = _TEXT.split()


def page(random: Random) -> Image.Image:
    """A page of a letter or a book: lines of words on white."""
    image = Image.new("RGB", (850, 1100), (250, 250, 248))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    for y in range(90, 1010, 26):
        if random.random() < 0.08:
            continue
        width = 670 if random.random() < 0.85 else random.integers(150, 600)
        draw.text((90, y), _line(random, font, float(width)), fill=(30, 30, 30), font=font)
    return image


def form(random: Random) -> Image.Image:
    """A form that is the same every time, filled in another way: names, numbers, amounts."""
    image = Image.new("RGB", (850, 1100), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 60, 790, 130), fill=(40, 70, 120))
    draw.text((80, 78), "INVOICE", fill="white", font=ImageFont.load_default(34))
    font = ImageFont.load_default(20)
    for row, name in enumerate(("Name", "Street", "Town", "Date", "Number")):
        draw.text((80, 170 + 40 * row), name, fill=(90, 90, 90), font=font)
        draw.text((240, 170 + 40 * row), " ".join(random.choice(_WORDS, 3)), fill="black", font=font)
    for row in range(int(random.integers(4, 14))):
        y = 420 + 36 * row
        draw.line((60, y, 790, y), fill=(200, 200, 200))
        draw.text((80, y + 6), " ".join(random.choice(_WORDS, 4)), fill="black", font=font)
        draw.text((680, y + 6), f"{random.integers(1, 999)}.{random.integers(10, 99)}", fill="black", font=font)
    return image


def screenshot(random: Random) -> Image.Image:
    """A window with a side bar that is the same every time, and a chat that is not."""
    image = Image.new("RGB", (1280, 800), (245, 246, 248))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(17)
    draw.rectangle((0, 0, 1280, 48), fill=(32, 34, 40))
    draw.rectangle((0, 48, 260, 800), fill=(60, 64, 74))
    for row in range(14):
        draw.ellipse((18, 66 + 50 * row, 48, 96 + 50 * row), fill=((37 * row) % 256, (91 * row) % 256, 140))
        draw.text((62, 70 + 50 * row), f"channel {row}", fill=(220, 220, 220), font=font)
    y = 70
    while y < 720:
        lines = int(random.integers(1, 4))
        left = 290 if random.random() < 0.6 else 640
        draw.rounded_rectangle((left, y, left + 560, y + 14 + 24 * lines), 8, fill="white")
        for _ in range(lines):
            draw.text((left + 14, y + 7), _line(random, font, 520), fill=(40, 40, 40), font=font)
            y += 24
        y += 34
    return image


def slide(random: Random) -> Image.Image:
    """A slide of a talk: its frame is that of all others."""
    image = Image.new("RGB", (1280, 720), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 90), fill=(0, 90, 110))
    draw.rectangle((0, 690, 1280, 720), fill=(0, 90, 110))
    draw.ellipse((1170, 10, 1240, 80), fill="orange")
    draw.text((40, 22), " ".join(random.choice(_WORDS, 3)).upper(), fill="white", font=ImageFont.load_default(42))
    font = ImageFont.load_default(30)
    for row in range(int(random.integers(3, 7))):
        y = 140 + 78 * row
        draw.ellipse((60, y + 10, 76, y + 26), fill=(0, 90, 110))
        draw.text((100, y), _line(random, font, float(random.integers(300, 1000))), fill=(40, 40, 40), font=font)
    return image


def _line(random: Random, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    words: list[str] = []
    while font.getlength(" ".join(words)) < width:
        words.append(str(random.choice(_WORDS)))
    return " ".join(words[:-1])


LOOKALIKES = {"page": page, "form": form, "screenshot": screenshot, "slide": slide}


def write_lookalikes(folder: Path, each: int) -> list[Path]:
    """Write so many pictures of each kind, no two of which are copies; returns their paths."""
    paths = []
    for number, (name, draw) in enumerate(LOOKALIKES.items()):
        for i in range(each):
            paths.append(folder / f"{name}-{i:03}.png")
            draw(np.random.default_rng([number, i])).save(paths[-1])
    return paths
