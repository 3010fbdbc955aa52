"""Drawn scenes and their captions: what the attributes of `mini` are taught by."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")

from training import drawn, scenes  # noqa: E402
from training.features import drawn_scene  # noqa: E402

NAMES = [f"drawn {i}" for i in range(200)]


@pytest.mark.parametrize("name", NAMES[:40])
def test_captions_differ_and_the_first_wrong_one_of_two_groups_says_the_opposite(name):
    scene, captions = scenes.told(name, random.Random(name))
    assert len(set(captions)) == 6
    if scene.second is not None:
        own, opposite = (p for p in (scene.relation, drawn.OPPOSITE[scene.relation]))
        forms = list(zip(scenes.PHRASES[own], scenes.PHRASES[opposite], strict=True))
        assert captions[1] in [captions[0].replace(f" {a} ", f" {b} ") for a, b in forms]


def test_a_scene_told_from_its_other_group_is_the_same_picture():
    scene = next(s for s in map(drawn_scene, NAMES) if s.second is not None)
    turned = scene.turned()
    assert (turned.first, turned.second) == (scene.second, scene.first)
    assert turned.relation == drawn.OPPOSITE[scene.relation]
    assert turned.turned() == scene


def test_the_probes_read_off_what_a_vector_holds():
    torch.manual_seed(0)
    told = [s for s in map(drawn_scene, NAMES) if s.second is None]
    colours = torch.tensor([scenes.COLOURS.index(s.first.colour) for s in told])
    vectors = torch.nn.functional.one_hot(colours, 16).float()
    probes = scenes.Probes(16)
    optimizer = torch.optim.Adam(probes.parameters(), lr=0.1)
    before = probes(vectors, told).item()
    for _ in range(100):
        optimizer.zero_grad()
        probes(vectors, told).backward()
        optimizer.step()
    assert probes(vectors, told).item() < before - 0.5
    alone = scenes.ROLES.index("")
    logits = (vectors @ probes.weight[alone].T + probes.bias[alone])[:, : len(scenes.COLOURS)]
    assert torch.equal(logits.argmax(1), colours)
