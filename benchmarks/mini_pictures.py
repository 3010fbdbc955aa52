"""What the case ``mini`` shows the model: hard edits of photographs, and drawn scenes with captions.

Written apart from `training/`, so that the model is not measured by the drawings that it was trained on.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from itertools import combinations

from PIL import Image, ImageDraw, ImageFont

Edit = Callable[[Image.Image, random.Random], Image.Image]
COLOURS = {
    "red": (230, 30, 30),
    "blue": (30, 60, 220),
    "green": (20, 150, 50),
    "yellow": (250, 220, 30),
    "orange": (250, 140, 20),
    "purple": (130, 40, 170),
    "black": (10, 10, 10),
    "pink": (250, 150, 190),
}
SHAPES = ("circle", "square", "triangle", "star")
NUMBERS = ("", "a", "two", "three", "four")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
Group = tuple[int, str, str]  # how many, colour, shape


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    width, height = image.size
    w, h = round(width * 0.6**0.5), round(height * 0.6**0.5)
    left, top = rng.randint(0, width - w), rng.randint(0, height - h)
    return image.crop((left, top, left + w, top + h))


def turn(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.rotate(rng.choice((10, -10)), Image.Resampling.BICUBIC)


def text(image: Image.Image, rng: random.Random) -> Image.Image:
    image = image.copy()
    width, height = image.size
    place = (width * 0.05, height * rng.uniform(0.1, 0.7))
    font = ImageFont.load_default(size=max(10, width // 9))
    words = rng.choice(("HAPPY NEW YEAR", "SALE 50 % OFF", "© MY PHOTOS", "Greetings from"))
    ImageDraw.Draw(image).text(place, words, fill=rng.choice(("white", "black", "yellow", "red")), font=font)
    return image


def colour(image: Image.Image, rng: random.Random) -> Image.Image:
    gains = [rng.choice((0.65, 1.0, 1.35)) for _ in range(3)]
    return Image.merge(
        "RGB", [band.point(lambda v, g=g: min(255, v * g)) for band, g in zip(image.split(), gains, strict=True)]
    )


def border(image: Image.Image, rng: random.Random) -> Image.Image:
    width, height = image.size
    edge = round(0.08 * max(width, height))
    framed = Image.new("RGB", (width + 2 * edge, height + 2 * edge), rng.choice(("white", "black", "red", "grey")))
    framed.paste(image, (edge, edge))
    return framed


def jpeg(image: Image.Image, rng: random.Random) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=20)
    return Image.open(data).convert("RGB")


EDITS: dict[str, Edit] = {"crop": crop, "turn": turn, "text": text, "colour": colour, "border": border, "jpeg": jpeg}
RECIPES = [(name,) for name in EDITS] + list(combinations(EDITS, 2))


def edited(image: Image.Image, names: tuple[str, ...], rng: random.Random) -> Image.Image:
    for name in names:
        image = EDITS[name](image, rng)
    return image


def scene(rng: random.Random) -> tuple[Group, str, Group]:
    """Two groups that differ in colour and shape, and where the first is."""
    colours, shapes = rng.sample(sorted(COLOURS), 2), rng.sample(SHAPES, 2)
    first, second = ((rng.choice((1, 1, 2, 3, 4)), colours[i], shapes[i]) for i in (0, 1))
    return first, rng.choice(sorted(OPPOSITE)), second


def words(first: Group, relation: str, second: Group) -> str:
    def of(count: int, colour: str, shape: str) -> str:
        number = "an" if count == 1 and colour == "orange" else NUMBERS[count]
        return f"{number} {colour} {shape}{'s' if count > 1 else ''}"

    return f"{of(*first)} {relation} {of(*second)}"


def captions(rng: random.Random, first: Group, relation: str, second: Group) -> list[str]:
    """The right caption, then five with one word changed: both colours, a shape, a number, the relation."""

    def other(values: tuple[str, ...] | list[int], *not_these: object) -> object:
        return rng.choice([v for v in values if v not in not_these])

    colours, taken = tuple(sorted(COLOURS)), (first[1], second[1])
    wrong = [
        ((first[0], other(colours, *taken), first[2]), relation, second),
        (first, relation, (second[0], other(colours, *taken), second[2])),
        (first, OPPOSITE[relation], second),
    ]
    if rng.random() < 0.5:
        wrong.append(((first[0], first[1], other(SHAPES, first[2])), relation, second))
        wrong.append((first, relation, (other([1, 2, 3, 4], second[0]), second[1], second[2])))
    else:
        wrong.append((first, relation, (second[0], second[1], other(SHAPES, second[2]))))
        wrong.append(((other([1, 2, 3, 4], first[0]), first[1], first[2]), relation, second))
    return [words(first, relation, second), *(words(*changed) for changed in wrong)]


def draw(rng: random.Random, first: Group, relation: str, second: Group, side: int = 320) -> Image.Image:
    image = Image.new("RGB", (side, side), rng.choice(("white", "#f0f0e8", "#dfe8f0")))
    pen = ImageDraw.Draw(image)
    for group, before in ((first, relation in ("left of", "above")), (second, relation in ("right of", "below"))):
        count, colour, shape = group
        across = relation in ("above", "below")  # a group above or below is a row, one beside is a column
        radius = side / 2 / max(2.6, count + 0.6) * rng.uniform(0.7, 1) * 0.9
        at = side * (0.25 if before else 0.75) + rng.uniform(-0.03, 0.03) * side
        for i in range(count):
            along = side * (i + 0.5) / count if count > 1 else side * rng.uniform(0.4, 0.6)
            x, y = (along, at) if across else (at, along)
            shape_at(pen, shape, x, y, radius, COLOURS[colour])
    return image


def shape_at(pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, colour: tuple[int, int, int]) -> None:
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=colour)
    else:
        outer = [(0, -1), (0.95, -0.31), (0.59, 0.81), (-0.59, 0.81), (-0.95, -0.31)]
        inner = [(0.22, -0.31), (0.36, 0.12), (0, 0.38), (-0.36, 0.12), (-0.22, -0.31)]
        points = [p for pair in zip(outer, inner, strict=True) for p in pair]
        pen.polygon([(x + r * a, y + r * b) for a, b in points], fill=colour)
