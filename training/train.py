"""Trains the picture and text towers on the cached maps; saves after every round and goes on from there.

    python -m training.train --checkpoint LITE2.pth --work FOLDER --stage heads  [--steps 600]
    python -m training.train --checkpoint LITE2.pth --work FOLDER --stage blocks [--steps 300] --start towers-heads.pt

`heads` trains the heads on pooled features; `blocks` then also the trunk's last four blocks. The loss is a sum:

1. captions: symmetric softmax over all captions of the batch, 15 % of the target by MiniLM's similarity
2. classes: Lite2's own ImageNet probabilities against 1,000 class texts; labels of ImageNet, Caltech-101, MiniPlaces
3. words: rows of similarities between texts as MiniLM has them
4. drawn: captions of drawn pictures against each other and against five with a word changed
5. edits: a photo finds its own hard edit among the batch's
"""

from __future__ import annotations

import argparse
import json
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsearch.retrieval.encoders.mini.text import MiniTextTower
from training import drawn
from training.features import drawn_scene
from training.lite import Lite2, end_as_matrices
from training.towers import PictureHead, TextTower, padded

PACKAGE = Path(__file__).parent.parent / "mmsearch/retrieval/encoders/mini"
FORMS = ("{}", "a photo of a {}", "a picture of the {}", "there is a {} here")
PHRASES = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
CAPTIONED, TEXTBOOK, LABELLED, DRAWN, EDITED = 320, 32, 24, 64, 24  # pictures in a step
READ, LENGTHS = 32, (0, 1, 4, 8, 12, 16, 22, 32)  # tokens of a text that training reads, and groups of them
CLASSES = 300  # of ImageNet's that a step looks at, besides those of its own photos


class Views:
    """The cached views of every photo, and random draws of them."""

    def __init__(self, work: Path) -> None:
        self.maps: dict[str, np.ndarray] = {}
        self.pooled: dict[str, np.ndarray] = {}
        self.rows: dict[str, dict[str, int]] = {}
        self.photos: list[dict[str, Any]] = []
        for done in sorted((work / "maps").glob("*.done")):
            view, count = done.stem, int(done.read_text())
            rows = [json.loads(line) for line in (work / f"maps/{view}.jsonl").read_text().splitlines()][:count]
            self.maps[view] = np.load(work / f"maps/{view}.npy", mmap_mode="r")
            self.pooled[view] = np.load(work / f"maps/{view}.pooled.npy", mmap_mode="r")
            self.rows[view] = {row["file"]: i for i, row in enumerate(rows)}
            if view in ("plain", "drawn"):
                self.photos += rows

    def of(self, kind: str, part: str) -> list[dict[str, Any]]:
        return [p for p in self.photos if p["kind"] == kind and p["part"] == part]

    def pick(self, file: str, rng: random.Random, among: tuple[str, ...]) -> tuple[str, int]:
        there = [v for v in among if v in self.rows and file in self.rows[v]]
        view = rng.choice(there)
        return view, self.rows[view][file]

    def read(self, picked: list[tuple[str, int]]) -> tuple[Tensor, Tensor]:
        """Maps as bfloat16 and pooled features as float32."""
        maps = np.stack([self.maps[v][i] for v, i in picked])
        pooled = np.stack([self.pooled[v][i] for v, i in picked])
        return torch.from_numpy(maps).bfloat16(), torch.from_numpy(pooled.astype(np.float32))


class Towers(nn.Module):
    """Everything that is trained; `scales` are the logarithms of the softmaxes' inverse temperatures."""

    def __init__(self, end: nn.Module, head: PictureHead, text: TextTower, still: int) -> None:
        super().__init__()
        self.end, self.head, self.text = end, head, text
        self.still = still
        self.scales = nn.Parameter(torch.tensor([2.7, 3.0, 2.3, 2.7, 3.0]))

    def pictures(self, maps: Tensor, pooled: Tensor | None, dropout: float = 0.0) -> Tensor:
        """Unit vectors; the end of the trunk runs where no pooled features are given."""
        if pooled is None:
            with torch.autocast("cpu", torch.bfloat16):
                pooled = end_as_matrices(self.end, maps, self.still)
        return self.head(pooled, maps.float(), dropout)


def spoken(scene: drawn.Scene, rng: random.Random, words: str) -> str:
    """A scene in the words of one form, so that a changed caption differs in what was changed alone."""
    if scene.second is None:
        return scene.first.words()
    return f"{scene.first.words()} {words or rng.choice(PHRASES[scene.relation])} {scene.second.words()}"


def drawn_captions(name: str, rng: random.Random, count: int = 5) -> list[str]:
    """The right caption of a drawn picture first, then `count` with one word changed."""
    scene = drawn_scene(name)
    if rng.random() < 0.5:
        scene = scene.turned()
    form = rng.randrange(3)
    scenes = [scene]
    while len(scenes) <= count:
        other = drawn.changed(scene, rng)
        if other not in scenes:
            scenes.append(other)
    return [spoken(s, rng, PHRASES[s.relation][form] if s.relation else "") for s in scenes]


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


class Trainer:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.rng = random.Random(given.seed)
        torch.manual_seed(given.seed)
        self.views = Views(given.work)
        network = Lite2(given.checkpoint)
        self.class_weight, self.class_bias = network.class_weight, network.class_bias
        captioned = self.views.of("flickr8k", "train")
        sample = np.stack([self.views.pooled["plain"][self.views.rows["plain"][p["file"]]] for p in captioned])
        mean, deviation = (torch.from_numpy(f(sample.astype(np.float32), axis=0)) for f in (np.mean, np.std))
        self.towers = Towers(network.end, PictureHead(mean, deviation + 0.05), TextTower(given.first), given.still)
        self.tokenizer = MiniTextTower(PACKAGE)
        self.texts = (given.work / "texts.txt").read_text().split("\n")
        self.row_of = {t: i for i, t in enumerate(self.texts)}
        self.teacher = np.load(given.work / "texts.npy")
        self.words = [i for i, t in enumerate(self.texts) if t.isalpha() and t.islower()]
        self.sentences = list(range(len(self.texts) - 12000, len(self.texts)))
        self.captioned, self.textbook = captioned, self.views.of("openstax", "train")
        self.labelled = {k: self.views.of(k, "train") for k in ("imagenet", "caltech", "places")}
        self.names = {k: list(dict.fromkeys(r["label"] for r in rows)) for k, rows in self.labelled.items()}
        # ImageNet's classes in the order of Lite2's logits: that of their files' names.
        self.names["imagenet"] = [r["label"] for r in sorted(self.labelled["imagenet"], key=lambda r: r["file"])]
        self.classes = {r["file"]: i for i, r in enumerate(sorted(self.labelled["imagenet"], key=lambda r: r["file"]))}
        self.drawings = [r["file"] for r in self.views.of("drawn", "train")]
        self.cache: dict[str, list[int]] = {}

    def encode(self, texts: list[str], token_dropout: float = 0.0, towers: Towers | None = None) -> Tensor:
        new = [t for t in texts if t not in self.cache]
        if new:
            self.cache.update(zip(new, self.tokenizer.tokens(new), strict=True))
        tower = (towers or self.towers).text
        ids = [self.cache[t][:READ] for t in texts]
        # Texts of like lengths together: the padding of a mixed batch would be most of its cost.
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        groups = [[i for i in order if low < max(1, len(ids[i])) <= high] for low, high in pairwise(LENGTHS)]
        vectors = [tower(*padded([ids[i] for i in group]), token_dropout) for group in groups if group]
        place = torch.tensor([i for group in groups for i in group]).argsort()
        return torch.cat(vectors)[place]

    def teacher_rows(self, texts: list[str]) -> Tensor:
        return torch.from_numpy(self.teacher[[self.row_of[t.replace("\n", " ")] for t in texts]].astype(np.float32))

    def step_loss(self) -> tuple[Tensor, dict[str, float]]:
        given, rng, views = self.given, self.rng, self.views
        every = ("plain", "mild0", "mild1", "mild0", "mild1", "hard0")
        photos = rng.sample(self.captioned, CAPTIONED) + rng.sample(self.textbook, TEXTBOOK)
        picked = [views.pick(p["file"], rng, every) for p in photos]
        labelled = [(k, r) for k, rows in self.labelled.items() for r in rng.sample(rows, LABELLED)]
        picked += [views.pick(r["file"], rng, ("plain", "mild0", "mild1")) for _, r in labelled]
        drawings = rng.sample(self.drawings, DRAWN)
        picked += [("drawn", views.rows["drawn"][f]) for f in drawings]
        edited = [views.pick(p["file"], rng, ("hard0", "hard0", "mild0")) for p in photos[:EDITED]]
        maps, pooled = views.read(picked + edited)
        if given.stage == "heads":
            y = self.towers.pictures(maps, pooled, given.dropout)
        else:
            if rng.random() < 0.5:  # mirrored all but the drawn ones, whose captions say left and right
                n, m = len(photos) + len(labelled), len(picked)
                maps[:n], maps[m:] = maps[:n].flip(3), maps[m:].flip(3)
            y = self.towers.pictures(maps, None, given.dropout)
        at_labels, at_drawn = len(photos), len(photos) + len(labelled)
        scale = self.towers.scales.exp().clamp(max=60)
        losses = {}

        # 1. captions, two of each photo
        x = y[: len(photos)]
        chosen = [rng.sample(p["texts"], 2) if len(p["texts"]) > 1 else p["texts"] * 2 for p in photos]
        total = torch.zeros(())
        t = None
        for k in (0, 1):
            texts = [c[k] for c in chosen]
            t = self.encode(texts, given.token_dropout)
            with torch.no_grad():
                alike = self.teacher_rows(texts)
                soft = 0.85 * torch.eye(len(texts)) + 0.15 * (alike @ alike.T / 0.06).softmax(-1)
            logits = scale[0] * x @ t.T
            total = total + (soft_cross_entropy(logits, soft) + soft_cross_entropy(logits.T, soft)) / 4
        losses["captions"] = total

        # 2. classes and labels
        form = rng.choice(FORMS)
        with torch.no_grad():
            logits = (pooled[:at_drawn] @ self.class_weight.T + self.class_bias) / 1.5
        own = {self.classes[r["file"]] for kind, r in labelled if kind == "imagenet"}
        # The likeliest class of every photo, those of the labelled photos, and some others.
        own |= set(logits.argmax(-1).tolist()) | set(rng.sample(range(1000), CLASSES))
        looked_at = sorted(own)
        sure = logits[:, looked_at].softmax(-1)
        names = {k: self.encode([form.format(n) for n in v]) for k, v in self.names.items() if k != "imagenet"}
        names["imagenet"] = self.encode([form.format(self.names["imagenet"][i]) for i in looked_at])
        named = (scale[1] * y[:at_drawn] @ names["imagenet"].T).log_softmax(-1)
        losses["classes"] = F.kl_div(named, sure, reduction="batchmean")
        for i, kind in enumerate(self.labelled):
            rows = [r for _, r in labelled[i * LABELLED : (i + 1) * LABELLED]]
            if kind == "imagenet":
                target = torch.tensor([looked_at.index(self.classes[r["file"]]) for r in rows])
            else:
                target = torch.tensor([self.names[kind].index(r["label"]) for r in rows])
            z = y[at_labels + i * LABELLED : at_labels + (i + 1) * LABELLED]
            losses[kind] = 0.3 * F.cross_entropy(scale[1] * z @ names[kind].T, target)

        # 3. words
        some = [self.texts[i] for i in rng.sample(self.words, 250) + rng.sample(self.sentences, 150)]
        prompts = [
            form.format(n) for n in rng.sample(self.names["imagenet"], 80) + rng.sample(self.names["places"], 20)
        ]
        z = torch.cat([self.encode(some), self.encode(prompts), t[:150]])
        with torch.no_grad():
            teacher = self.teacher_rows([*some, *prompts, *texts[:150]])
            diagonal = torch.eye(len(z), dtype=torch.bool)
            target = (teacher @ teacher.T / 0.08).masked_fill(diagonal, -1e4).softmax(-1)
        rows = (scale[2] * z @ z.T).masked_fill(diagonal, -1e4).log_softmax(-1)
        losses["words"] = F.kl_div(rows, target, reduction="batchmean")

        # 4. drawn pictures
        z = y[at_drawn : at_drawn + DRAWN]
        captions = [drawn_captions(f, rng) for f in drawings]
        u = self.encode([c for cs in captions for c in cs]).view(DRAWN, 6, -1)
        right = torch.zeros(DRAWN, dtype=torch.long)
        hard = F.cross_entropy(2 * scale[3] * torch.einsum("nd,nkd->nk", z, u), right)
        logits = scale[3] * z @ u[:, 0].T
        same = torch.arange(DRAWN)
        losses["drawn"] = given.drawn * (
            hard + 0.5 * F.cross_entropy(logits, same) + 0.5 * F.cross_entropy(logits.T, same)
        )

        # 5. edits
        logits = scale[4] * y[at_drawn + DRAWN :] @ y[:EDITED].T
        same = torch.arange(EDITED)
        losses["edits"] = given.edits * (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        return sum(losses.values(), torch.zeros(())), {k: float(v.detach()) for k, v in losses.items()}

    @torch.no_grad()
    def validate(self, towers: Towers) -> str:
        towers.eval()
        views, said = self.views, []

        def seen(rows: list[dict[str, Any]], view: str = "plain") -> Tensor:
            out = []
            for i in range(0, len(rows), 128):
                maps, pooled = views.read([(view, views.rows[view][r["file"]]) for r in rows[i : i + 128]])
                out.append(towers.pictures(maps, pooled if self.given.stage == "heads" else None))
            return torch.cat(out)

        for kind in ("flickr8k", "coco"):
            rows = sorted(views.of(kind, "val"), key=lambda r: r["file"])[:500]
            x, texts = seen(rows), [t for r in rows for t in r["texts"][:5]]
            owner = torch.tensor([i for i, r in enumerate(rows) for _ in r["texts"][:5]])
            s = self.encode(texts, towers=towers) @ x.T
            rank = (s > s.gather(1, owner[:, None])).sum(1)
            back = torch.stack([(s[:, i] > s[owner == i, i].max()).sum() for i in range(len(rows))])
            said.append(f"{kind} t2i " + "/".join(f"{(rank < k).float().mean():.3f}" for k in (1, 5, 10)))
            said.append("i2t " + "/".join(f"{(back < k).float().mean():.3f}" for k in (1, 5, 10)))
        for kind in ("caltech", "places"):
            rows = views.of(kind, "val")
            z = seen(rows) @ self.encode([f"a photo of a {n}" for n in self.names[kind]], towers=towers).T
            right = torch.tensor([self.names[kind].index(r["label"]) for r in rows])
            said.append(f"{kind} {(z.argmax(1) == right).float().mean():.3f}")
        rows, rng = views.of("drawn", "val"), random.Random(9)
        if rows:
            captions = [drawn_captions(r["file"], rng) for r in rows]
            u = self.encode([c for cs in captions for c in cs], towers=towers).view(len(rows), 6, -1)
            said.append(
                f"drawn {(torch.einsum('nd,nkd->nk', seen(rows, 'drawn'), u).argmax(1) == 0).float().mean():.3f}"
            )
        rows = self.captioned[:400]
        there = [r for r in rows if r["file"] in views.rows.get("hard0", {})]
        if there:
            z = seen(there, "hard0") @ seen(rows).T
            truth = torch.tensor([rows.index(r) for r in there])
            said.append(f"edits(train) {(z > z.gather(1, truth[:, None])).sum(1).lt(3).float().mean():.3f}")
        towers.train()
        return " ".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--first", type=Path, required=True, help="text.safetensors of the first version, the start")
    parser.add_argument("--stage", choices=("heads", "blocks"), required=True)
    parser.add_argument("--start", default="", help="a checkpoint of another stage")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--minutes", type=float, default=1e9, help="end sooner, the rate falling to 0 by then")
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--block-rate", type=float, default=2e-4)
    parser.add_argument("--table-rate", type=float, default=4e-4)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--token-dropout", type=float, default=0.1)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--drawn", type=float, default=0.5)
    parser.add_argument("--edits", type=float, default=0.3)
    parser.add_argument("--still", type=int, default=0, help="of the trunk's last blocks, how many stay as they are")
    parser.add_argument("--seed", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    trainer = Trainer(given)
    towers = trainer.towers
    out = given.work / given.out
    groups: dict[str, list[nn.Parameter]] = {"head": [], "text": [], "end": [], "table": [], "scales": []}
    for name, parameter in towers.named_parameters():
        groups["table" if "table" in name else name.split(".")[0]].append(parameter)
    rates = {"head": given.rate, "text": given.rate, "end": given.block_rate, "scales": given.rate}
    decays = {"head": given.decay, "text": 0.05, "end": 0.02, "scales": 0.0}
    if given.stage == "heads":
        del rates["end"]
        for parameter in groups["end"]:
            parameter.requires_grad_(False)
    optimizer = torch.optim.AdamW(
        [{"params": groups[k], "lr": rates[k], "first": rates[k], "weight_decay": decays[k]} for k in rates],
        betas=(0.9, 0.98),
    )
    table_optimizer = torch.optim.SparseAdam(groups["table"], lr=given.table_rate, betas=(0.9, 0.98))
    step = 0
    averaged = None
    if out.exists():
        saved = torch.load(out, weights_only=False)
        towers.load_state_dict(saved["towers"])
        optimizer.load_state_dict(saved["optimizer"])
        table_optimizer.load_state_dict(saved["table_optimizer"])
        averaged, step = saved["averaged"], saved["step"]
    elif given.start:
        towers.load_state_dict(torch.load(given.work / given.start, weights_only=False)["averaged"])
    averaged = averaged or {k: v.clone() for k, v in towers.state_dict().items()}
    trained = {n for n, p in towers.named_parameters() if p.requires_grad}
    started = time.monotonic()
    while step < given.steps and time.monotonic() - started < 60 * given.minutes:
        towers.train()
        done = max(step / given.steps, (time.monotonic() - started) / 60 / given.minutes)
        part = min(1.0, (step + 1) / 10) * 0.5 * (1 + np.cos(np.pi * min(1.0, done)))
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * part
        table_optimizer.param_groups[0]["lr"] = given.table_rate * part
        loss, parts = trainer.step_loss()
        optimizer.zero_grad()
        table_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in groups["end"] + groups["head"] + groups["text"] if p.requires_grad], 5.0)
        optimizer.step()
        table_optimizer.step()
        step += 1
        keep = min(0.96, 1 - 1 / (step / 4 + 1))
        for name, value in towers.state_dict().items():
            if name in trained:
                averaged[name].lerp_(value, 1 - keep)
        last = step == given.steps or time.monotonic() - started >= 60 * given.minutes
        if step % given.every == 0 or last:
            state = {"towers": towers.state_dict(), "averaged": averaged, "step": step}
            state |= {"optimizer": optimizer.state_dict(), "table_optimizer": table_optimizer.state_dict()}
            torch.save(state, out.with_suffix(".new"))
            out.with_suffix(".new").replace(out)
            now = {k: v.clone() for k, v in towers.state_dict().items()}
            towers.load_state_dict(averaged)
            print(step, f"{time.monotonic() - started:.0f} s", {k: round(v, 2) for k, v in parts.items()}, flush=True)
            print("   ", trainer.validate(towers), flush=True)
            towers.load_state_dict(now)


if __name__ == "__main__":
    main()
