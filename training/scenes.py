"""Drawn scenes in words, and what is asked of the branches that know where things are and in what order words stand.

The branches must agree on which colour, shape and number stands where: the same linear classifiers read them off the
picture's branch and off the text's. They are thrown away after training.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import drawn
from training.drawn import OPPOSITE, Group, Scene
from training.features import drawn_scene

PHRASES = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
ROLES = ("", *OPPOSITE)
COLOURS = tuple(drawn.COLOURS)


def spoken(scene: Scene, form: int) -> str:
    """A scene in the words of one form, so that a changed caption differs in what was changed alone."""
    if scene.second is None:
        return scene.first.words()
    return f"{scene.first.words()} {PHRASES[scene.relation][form]} {scene.second.words()}"


def swapped(scene: Scene, rng: random.Random) -> Scene:
    """The colours, shapes or numbers of the two groups exchanged; the scene itself where that changes nothing."""
    if scene.second is None:
        return scene
    what = rng.choice(("colour", "colour", "shape", "count"))
    a, b = getattr(scene.first, what), getattr(scene.second, what)
    return replace(scene, first=replace(scene.first, **{what: b}), second=replace(scene.second, **{what: a}))


def told(name: str, rng: random.Random, count: int = 5) -> tuple[Scene, list[str]]:
    """A drawn picture's scene as told, and captions: the right one first, then `count` with a word changed.

    Of two groups, the first wrong caption has the opposite relation, the second has words exchanged.
    """
    scene = drawn_scene(name)
    if rng.random() < 0.5:
        scene = scene.turned()
    scenes = [scene]
    if scene.second is not None:
        scenes.append(replace(scene, relation=OPPOSITE[scene.relation]))
        other = swapped(scene, rng)
        if other not in scenes:
            scenes.append(other)
    while len(scenes) <= count:
        other = drawn.changed(scene, rng)
        if other not in scenes:
            scenes.append(other)
    form = rng.choice((0, 0, 1, 2))
    return scene, [spoken(s, form) for s in scenes[: count + 1]]


class Probes(nn.Module):
    """For each place a linear classifier of the colour, the shape and the number of what stands there."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.sizes = (len(COLOURS), len(drawn.SHAPES), len(drawn.NUMBERS))
        self.weight = nn.Parameter(torch.randn(len(ROLES), sum(self.sizes), dim) * dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(ROLES), sum(self.sizes)))
        self.role = nn.Linear(dim, len(ROLES))

    def forward(self, vectors: Tensor, scenes: list[Scene]) -> Tensor:
        """Cross entropy of the groups' attributes, of vectors ``[n, dim]`` and their scenes."""
        rows, roles, targets = [], [], []
        for i, scene in enumerate(scenes):
            for group, role in ((scene.first, scene.relation), (scene.second, OPPOSITE.get(scene.relation, ""))):
                if group is not None:
                    rows.append(i)
                    roles.append(ROLES.index(role))
                    targets.append(attributes(group))
        place = torch.tensor(roles)
        logits = (self.weight[place] @ vectors[rows][..., None])[..., 0] + self.bias[place]
        wanted = torch.tensor(targets).T
        parts = logits.split(self.sizes, 1)
        return sum((F.cross_entropy(p, w) for p, w in zip(parts, wanted, strict=True)), torch.zeros(())) / 3

    def roles(self, mixed: Tensor, scenes: list[Scene], lengths: list[tuple[int, int, int]]) -> Tensor:
        """Cross entropy of where each token's group stands, of tokens ``[n, tokens, dim]``.

        `lengths` has the tokens of each text, of its first group and of its second, which begin and end it. Without it
        the text tower finds colours, shapes and numbers soon, but not whose they are.
        """
        rows, columns, targets = [], [], []
        for i, (scene, (whole, first, second)) in enumerate(zip(scenes, lengths, strict=True)):
            rows += [i] * (first + second)
            columns += [*range(first), *range(whole - second, whole)]
            targets += [ROLES.index(scene.relation)] * first + [ROLES.index(OPPOSITE.get(scene.relation, ""))] * second
        return F.cross_entropy(self.role(mixed[rows, columns]), torch.tensor(targets))


def attributes(group: Group) -> tuple[int, int, int]:
    return COLOURS.index(group.colour), drawn.SHAPES.index(group.shape), group.count
