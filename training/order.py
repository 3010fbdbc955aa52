"""Teaches the text tower's branch for word order which words belong to what stands where, by made captions alone.

    python -m training.order --work FOLDER --towers blocks.pt [--steps 300]

Rewrites the checkpoint. Captions of photographs are held to what the branch made of them before. This is fast by itself
and does not begin at all among the other losses of `train.py`, which keep it afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmsearch.retrieval.encoders.mini.text_tower import MiniTextTower
from training import drawn, scenes
from training.towers import DIM, TextTower, padded
from training.train import PACKAGE

LEARNED = ("positions", "qkv", "mix", "wide", "narrow", "gate", "order")
MADE, HELD = 160, 96  # captions in a step
READ = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--towers", required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--hold", type=float, default=3.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = random.Random(0)
    saved = torch.load(given.work / given.towers, weights_only=False)
    text, before, probes = TextTower(), TextTower().eval(), scenes.Probes(DIM)
    state = {k.removeprefix("text."): v for k, v in saved["averaged"].items() if k.startswith("text.")}
    text.load_state_dict(state)
    before.load_state_dict(state)
    tokens = MiniTextTower(PACKAGE).tokens
    rows = [json.loads(line) for line in (given.work / "photos.jsonl").read_text().splitlines()]
    captions = [t for r in rows if r["kind"] == "flickr8k" and r["part"] == "train" for t in r["texts"]]
    learned = [p for n, p in text.named_parameters() if n.split(".")[0] in LEARNED]
    rates = [(learned, 2e-3), (list(probes.parameters()), 5e-3)]
    optimizer = torch.optim.AdamW([{"params": p, "lr": r, "first": r} for p, r in rates], betas=(0.9, 0.98))

    def branch(tower: TextTower, texts: list[str]) -> tuple[Tensor, Tensor]:
        matrix, there = padded([ids[:READ] for ids in tokens(texts)])
        mixed = tower.mixed(matrix, there)
        return mixed, tower.ordered(mixed, there)

    for step in range(given.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * min(1, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * step / given.steps))
        made = [drawn.random_scene(rng) for _ in range(MADE)]
        said = [scenes.spoken(s, rng.randrange(3)) for s in made]
        firsts, seconds = [s.first.words() for s in made], [s.second.words() if s.second else "" for s in made]
        counts = ([len(ids) for ids in tokens(texts)] for texts in (said, firsts, seconds))
        mixed, ordered = branch(text, said)
        whole = probes(ordered, made)
        role = probes.roles(mixed, made, list(zip(*counts, strict=True)))
        others = rng.sample(captions, HELD)
        with torch.no_grad():
            _, wanted = branch(before, others)
        _, now = branch(text, others)
        moved = ((now - wanted) ** 2).sum(1).mean() / (wanted**2).sum(1).mean()
        optimizer.zero_grad()
        (whole + role + given.hold * moved).backward()
        nn.utils.clip_grad_norm_(learned, 5.0)
        optimizer.step()
        if step % 50 == 49:
            print(step + 1, f"{whole.item():.3f} {role.item():.3f} moved {moved.item():.4f}", flush=True)
    for state_name in ("towers", "averaged"):
        if state_name in saved:
            saved[state_name].update(
                {f"text.{k}": v.clone() for k, v in text.state_dict().items() if k.split(".")[0] in LEARNED}
            )
    saved["probes"] = probes.state_dict()
    torch.save(saved, given.work / given.towers)


if __name__ == "__main__":
    main()
