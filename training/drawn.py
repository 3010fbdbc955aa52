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
    image = _ground(used, side, rng)
    pen = ImageDraw.Draw(image)
    if scene.second is None:
        margin = rng.uniform(0, 0.25)
        _draw_group(pen, scene.first, (margin, margin, 1 - margin, 1 - margin), side, rng)
    else:
        cut, gap = rng.uniform(0.4, 0.6), rng.uniform(0, 0.04)
        start, end = rng.uniform(0, 0.15), 1 - rng.uniform(0, 0.15)  # of the groups, across what parts them
        low, high = (0.0, start, cut - gap, end), (cut + gap, start, 1.0, end)
        if scene.relation in ("above", "below"):
            low, high = (start, 0.0, end, cut - gap), (start, cut + gap, end, 1.0)
        boxes = (low, high) if scene.relation in ("left of", "above") else (high, low)
        _draw_group(pen, scene.first, boxes[0], side, rng)
        _draw_group(pen, scene.second, boxes[1], side, rng)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _ground(used: set[str], side: int, rng: random.Random) -> Image.Image:
    """White, black or a tone, unlike the colours that are used; some run into another tone, some are grainy."""
    tones: list[tuple[int, int, int]] = [(255, 255, 255)] * 3 if "white" not in used else []
    while len(tones) < 4:
        tone = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
        if rng.random() < 0.5:  # pale or dark
            tone = tuple(v // 6 + rng.choice((0, 210)) for v in tone)  # type: ignore[assignment]
        if all(sum(abs(a - b) for a, b in zip(tone, COLOURS[c], strict=True)) > 130 for c in used):
            tones.append(tone)
    tone = rng.choice(tones)
    image = Image.new("RGB", (side, side), tone)
    if rng.random() < 0.2:
        other = tuple(max(0, min(255, v + rng.randint(-30, 30))) for v in tone)
        mask = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180))).resize((side, side))
        image.paste(Image.new("RGB", (side, side), other), mask=mask)
    if rng.random() < 0.2:
        grain = Image.effect_noise((side // 2, side // 2), rng.uniform(10, 40)).resize((side, side)).convert("RGB")
        image = Image.blend(image, grain, 0.12)
    return image


def _draw_group(
    pen: ImageDraw.ImageDraw, group: Group, box: tuple[float, float, float, float], side: int, rng: random.Random
) -> None:
    """Equal shapes in a grid, a row, a column or along a slant, apart from each other."""
    x0, y0, x1, y1 = (v * side for v in box)
    width, height = x1 - x0, y1 - y0
    columns = 1
    while columns * max(1, round(columns * height / width)) < group.count:
        columns += 1
    layout = rng.choice(("grid", "grid", "long", "row", "column"))
    if layout != "grid":
        columns = group.count if layout == "row" or (layout == "long" and width > height) else 1
    columns = min(columns, group.count)
    rows = -(-group.count // columns)
    cell = min(width / columns, height / rows)
    radius = cell * rng.uniform(0.24, 0.47)
    shade = rng.randint(-20, 20)
    colour = tuple(max(0, min(255, v + shade + rng.randint(-16, 16))) for v in COLOURS[group.colour])
    spread = rng.random()  # 0: close together; 1: over the whole box
    across, down = (cell + spread * (whole / n - cell) for whole, n in ((width, columns), (height, rows)))
    left = x0 + (width - columns * across) * rng.uniform(0.3, 0.7)
    top = y0 + (height - rows * down) * rng.uniform(0.3, 0.7)
    slack = (cell / 2 - radius) * rng.choice((0.2, 1.0))
    for i in range(group.count):
        x = left + (i % columns + 0.5) * across + rng.uniform(-slack, slack)
        y = top + (i // columns + 0.5) * down + rng.uniform(-slack, slack)
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
        pen.ellipse((x - r, y - 0.9 * r, x + 0.08 * r, y + 0.18 * r), fill=colour)
        pen.ellipse((x - 0.08 * r, y - 0.9 * r, x + r, y + 0.18 * r), fill=colour)
        pen.polygon([(x - 0.93 * r, y - 0.12 * r), (x + 0.93 * r, y - 0.12 * r), (x, y + r)], fill=colour)
        pen.rectangle((x - 0.5 * r, y - 0.4 * r, x + 0.5 * r, y), fill=colour)
    elif shape == "star":
        from math import cos, pi, sin

        points = [(r if k % 2 == 0 else 0.42 * r, -pi / 2 + k * pi / 5) for k in range(10)]
        pen.polygon([(x + d * cos(t), y + d * sin(t)) for d, t in points], fill=colour)
    else:
        turn = -90 if SIDES[shape] % 2 else 0
        from math import cos, pi, sin

        angles = [pi * turn / 180 + 2 * pi * k / SIDES[shape] for k in range(SIDES[shape])]
        pen.polygon([(x + r * cos(t), y + r * sin(t)) for t in angles], fill=colour)
