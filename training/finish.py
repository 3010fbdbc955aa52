"""A last stage for attributes and word order: drawn pictures alone, everything else held where it is.

    python -m training.finish --checkpoint LITE2.pth --work WORK --first FIRST --towers towers.pt --out done.pt

The trunk and the table stay; the heads learn to tell the right caption of a drawn picture from those with a word
changed, while photographs and captions are held to the vectors that they had, and to each other.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.train import Towers, Trainer, drawn_captions

DRAWN, HELD = 160, 96  # drawn pictures and held photographs in a step
PHOTOS = 2500


@torch.no_grad()
def pooled_by(towers: Towers, trainer: Trainer, picked: list[tuple[str, int]]) -> Tensor:
    """Features under the trained end of the trunk, which no longer changes."""
    out = []
    for i in range(0, len(picked), 64):
        maps, _ = trainer.views.read(picked[i : i + 64])
        with torch.autocast("cpu", torch.bfloat16):
            x = maps.contiguous(memory_format=torch.channels_last)
            out.append(towers.end(x).float().mean((2, 3)))
    return torch.cat(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "work", "first"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--towers", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=12)
    parser.set_defaults(stage="blocks", still=0, dropout=0.0, token_dropout=0.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    trainer = Trainer(given)
    towers, rng, views = trainer.towers, trainer.rng, trainer.views
    towers.load_state_dict(torch.load(given.work / given.towers, weights_only=False)["averaged"])
    before = copy.deepcopy(towers).eval()
    photos = trainer.captioned[:PHOTOS]
    held = [("plain", views.rows["plain"][p["file"]]) for p in photos]
    drawings = [("drawn", views.rows["drawn"][f]) for f in trainer.drawings]
    held_features = pooled_by(towers, trainer, held)
    drawn_features = pooled_by(towers, trainer, drawings)
    learned = [*towers.head.parameters(), *(p for n, p in towers.text.named_parameters() if "table" not in n)]
    optimizer = torch.optim.AdamW(learned, lr=given.rate, weight_decay=0.05, betas=(0.9, 0.98))
    scale = towers.scales.detach().exp().clamp(max=60)
    started = time.monotonic()
    for step in range(given.steps):
        towers.train()
        optimizer.param_groups[0]["lr"] = (
            given.rate * min(1.0, (step + 1) / 10) * 0.5 * (1 + np.cos(np.pi * step / given.steps))
        )
        chosen = rng.sample(range(len(drawings)), DRAWN)
        maps, _ = views.read([drawings[i] for i in chosen])
        z = towers.pictures(maps, drawn_features[chosen], 0.1)
        captions = [drawn_captions(trainer.drawings[i], rng) for i in chosen]
        others = [drawn_captions(trainer.drawings[i], rng, 0)[0] for i in chosen]
        u = trainer.encode([c for cs in captions for c in cs]).view(DRAWN, 6, -1)
        right = torch.zeros(DRAWN, dtype=torch.long)
        loss = F.cross_entropy(60 * torch.einsum("nd,nkd->nk", z, u), right)
        # Another wording of the picture, half of the time with its groups in the other order, must choose the same.
        loss = loss + F.cross_entropy(60 * torch.einsum("nd,nkd->nk", trainer.encode(others), u), right)
        same = torch.arange(DRAWN)
        loss = (
            loss + 0.25 * F.cross_entropy(20 * z @ u[:, 0].T, same) + 0.25 * F.cross_entropy(20 * u[:, 0] @ z.T, same)
        )
        some = rng.sample(range(len(photos)), HELD)
        maps, _ = views.read([held[i] for i in some])
        y = towers.pictures(maps, held_features[some], 0.1)
        texts = [rng.choice(photos[i]["texts"]) for i in some]
        prompts = [
            f"a photo of a {n}" for k in ("places", "imagenet", "caltech") for n in rng.sample(trainer.names[k], 12)
        ]
        t = trainer.encode(texts + prompts)
        with torch.no_grad():
            y0 = before.pictures(maps, held_features[some])
            t0 = trainer.encode(texts + prompts, towers=before)
        held_loss = (1 - (y * y0).sum(1)).mean() + (1 - (t * t0).sum(1)).mean()
        logits = scale[0] * y @ t[:HELD].T
        own = torch.arange(HELD)
        loss = loss + 5 * held_loss + 0.25 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 5.0)
        optimizer.step()
        if step % 20 == 19 or step + 1 == given.steps:
            print(
                step + 1, f"{time.monotonic() - started:.0f} s", f"{loss.item():.3f} {held_loss.item():.4f}", flush=True
            )
    print(trainer.validate(towers), flush=True)
    torch.save({"averaged": towers.state_dict()}, given.work / given.out)


if __name__ == "__main__":
    main()
