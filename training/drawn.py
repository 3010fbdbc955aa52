"""Drawn pictures with exact captions: shapes, colours, counts and positions, and captions with one word changed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

COLOURS = {
    "red": (214, 32, 38),
    "green": (32, 150, 62),
    "blue": (34, 74, 205),
    "yellow": (246, 214, 40),
    "orange": (244, 134, 28),
    "purple": (126, 48, 160),
    "pink": (246, 138, 184),
    "brown": (122, 76, 40),
    "black": (18, 18, 18),
    "white": (250, 250, 250),
    "grey": (128, 128, 128),
}
SIDES = {  # corners of regular polygons; the others have their own drawing
    "triangle": 3,
    "square": 4,
    "pentagon": 5,
    "hexagon": 6,
}
SHAPES = ("circle", "square", "triangle", "star", "rectangle", "diamond", "hexagon", "cross", "heart", "ring")
NUMBERS = ("no", "a", "two", "three", "four", "five", "six")
RELATIONS = ("left of", "right of", "above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Group:
    """Some equal shapes, drawn together."""

    count: int
    colour: str
    shape: str

    def words(self) -> str:
        number = "an" if self.count == 1 and self.colour == "orange" else NUMBERS[self.count]
        return f"{number} {self.colour} {self.shape}{'' if self.count == 1 else 's' if self.shape != 'cross' else 'es'}"


@dataclass(frozen=True)
class Scene:
    """One group, or two with a relation of the first to the second."""

    first: Group
    relation: str = ""
    second: Group | None = None

    def words(self) -> str:
        if self.second is None:
            return self.first.words()
        return f"{self.first.words()} {self.relation} {self.second.words()}"

    def turned(self) -> Scene:
        """The same picture in other words: the second group before the first."""
        if self.second is None:
            return self
        return Scene(self.second, OPPOSITE[self.relation], self.first)


def random_scene(rng: random.Random) -> Scene:
    def group() -> Group:
        count = rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5))
        return Group(count, rng.choice(tuple(COLOURS)), rng.choice(SHAPES))

    first = group()
    if rng.random() < 0.25:
        return Scene(first)
    second = group()
    while second.colour == first.colour and second.shape == first.shape:
        second = group()
    return Scene(first, rng.choice(RELATIONS), second)


def changed(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one word changed: a colour, a shape, a number or the relation (or two words swapped)."""
    while True:
        kind = rng.choice(("colour", "shape", "count", "relation", "swap"))
        if kind in ("relation", "swap") and scene.second is None:
            continue
        if kind == "relation":
            return replace(scene, relation=OPPOSITE[scene.relation])
        if kind == "swap" and scene.second is not None:
            if scene.first.colour == scene.second.colour:
                continue
            return replace(
                scene,
                first=replace(scene.first, colour=scene.second.colour),
                second=replace(scene.second, colour=scene.first.colour),
            )
        at = "first" if scene.second is None or rng.random() < 0.5 else "second"
        group: Group = getattr(scene, at)
        if kind == "count":
            other = replace(group, count=rng.choice([n for n in (1, 2, 3, 4, 5) if n != group.count]))
        elif kind == "colour":
            other = replace(group, colour=rng.choice([c for c in COLOURS if c != group.colour]))
        else:
            other = replace(group, shape=rng.choice([s for s in SHAPES if s != group.shape]))
        return replace(scene, **{at: other})


def draw(scene: Scene, rng: random.Random, size: int = 224) -> Image.Image:
    """A picture of the scene, drawn at twice its size and reduced."""
    side = 2 * size
    used = {scene.first.colour} | ({scene.second.colour} if scene.second else set())
    ground = (255, 255, 255) if "white" not in used and rng.random() < 0.5 else None
    while ground is None:
        tone = rng.choice(
            ((240, 240, 235), (200, 215, 230), (60, 64, 70), (225, 205, 175), (150, 190, 150), (90, 110, 150))
        )
        if all(sum(abs(a - b) for a, b in zip(tone, COLOURS[c], strict=True)) > 120 for c in used):
            ground = tone
        elif rng.random() < 0.3:
            ground = (240, 235, 225) if "black" in used or "white" not in used else (60, 90, 80)
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    if scene.second is None:
        margin = rng.uniform(0, 0.25)
        _draw_group(pen, scene.first, (margin, margin, 1 - margin, 1 - margin), side, rng)
    else:
        cut = rng.uniform(0.42, 0.58)
        low, high = (0, 0, cut, 1), (cut, 0, 1, 1)
        if scene.relation in ("above", "below"):
            low, high = (0, 0, 1, cut), (0, cut, 1, 1)
        boxes = (low, high) if scene.relation in ("left of", "above") else (high, low)
        _draw_group(pen, scene.first, boxes[0], side, rng)
        _draw_group(pen, scene.second, boxes[1], side, rng)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _draw_group(
    pen: ImageDraw.ImageDraw, group: Group, box: tuple[float, float, float, float], side: int, rng: random.Random
) -> None:
    x0, y0, x1, y1 = (v * side for v in box)
    width, height = x1 - x0, y1 - y0
    columns = 1
    while columns * max(1, round(columns * height / width)) < group.count:
        columns += 1
    columns = min(columns, group.count)
    rows = -(-group.count // columns)
    cell = min(width / columns, height / rows)
    radius = cell * rng.uniform(0.24, 0.44)
    colour = tuple(max(0, min(255, v + rng.randint(-16, 16))) for v in COLOURS[group.colour])
    left, top = x0 + (width - columns * cell) / 2, y0 + (height - rows * cell) / 2
    for i in range(group.count):
        slack = cell / 2 - radius
        x = left + (i % columns + 0.5) * cell + rng.uniform(-slack, slack)
        y = top + (i // columns + 0.5) * cell + rng.uniform(-slack, slack)
        _draw_shape(pen, group.shape, x, y, radius, colour)


def _draw_shape(pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, colour: tuple[int, ...]) -> None:
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "ring":
        pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=max(3, int(r * 0.3)))
    elif shape == "square":
        pen.rectangle((x - 0.85 * r, y - 0.85 * r, x + 0.85 * r, y + 0.85 * r), fill=colour)
    elif shape == "rectangle":
        pen.rectangle((x - r, y - 0.5 * r, x + r, y + 0.5 * r), fill=colour)
    elif shape == "diamond":
        pen.polygon([(x, y - r), (x + 0.7 * r, y), (x, y + r), (x - 0.7 * r, y)], fill=colour)
    elif shape == "cross":
        pen.rectangle((x - 0.3 * r, y - r, x + 0.3 * r, y + r), fill=colour)
        pen.rectangle((x - r, y - 0.3 * r, x + r, y + 0.3 * r), fill=colour)
    elif shape == "heart":
        pen.pieslice((x - r, y - 0.9 * r, x, y + 0.1 * r), 150, 360, fill=colour)
        pen.pieslice((x, y - 0.9 * r, x + r, y + 0.1 * r), 180, 390, fill=colour)
        pen.polygon([(x - 0.95 * r, y - 0.25 * r), (x + 0.95 * r, y - 0.25 * r), (x, y + r)], fill=colour)
    elif shape == "star":
        from math import cos, pi, sin

        points = [(r if k % 2 == 0 else 0.42 * r, -pi / 2 + k * pi / 5) for k in range(10)]
        pen.polygon([(x + d * cos(t), y + d * sin(t)) for d, t in points], fill=colour)
    else:
        turn = -90 if SIDES[shape] % 2 else 0
        from math import cos, pi, sin

        angles = [pi * turn / 180 + 2 * pi * k / SIDES[shape] for k in range(SIDES[shape])]
        pen.polygon([(x + r * cos(t), y + r * sin(t)) for t in angles], fill=colour)
