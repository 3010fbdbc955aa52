"""Trains the picture and text towers on the cached maps; saves after every round and goes on from there.

    python -m training.train --checkpoint LITE2.pth --work FOLDER --first PACKAGE --out blocks12.pt

Trained are the trunk's last blocks, the picture's head and the text tower. The loss is a sum:

1. captions: softmax over all captions of the batch, and over all captions and photographs there are (their last
   vectors), a part of the target by MiniLM's similarity
2. classes: Lite2's own ImageNet probabilities against 1,000 class texts; labels of ImageNet, Caltech-101, MiniPlaces,
   food, clothes and views
3. words: rows of similarities between texts as MiniLM has them
4. drawn: captions of drawn pictures against each other and against five with a word changed; and what stands where is
   read off the branches for place and order by classifiers that both share
5. edits: a photo finds its own hard edit among the batch's
"""

from __future__ import annotations

import argparse
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsearch.retrieval.encoders.mini.text_tower import MiniTextTower
from training.drawn import Scene
from training.features import drawn_scene
from training.lite import Lite2
from training.scenes import Probes, told
from training.start import start_from
from training.towers import DIM, Towers, padded
from training.views import Views

PACKAGE = Path(__file__).parent.parent / "mmsearch/retrieval/encoders/mini"
FORMS = ("{}", "a photo of a {}", "a picture of the {}", "there is a {} here")
CAPTIONED, TOLD, DRAWN, PLACED, EDITED = 256, 56, 80, 128, 24  # pictures in a step
LABELLED = {"imagenet": 24, "caltech": 20, "places": 40, "things": 28}
READ, LENGTHS = 32, (0, 1, 4, 8, 12, 16, 22, 32)  # tokens of a text that training reads, and groups of them
CLASSES = 300  # of ImageNet's that a step looks at, besides those of its own photos


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
        self.towers = Towers(network.end, given.still)
        start_from(self.towers, given.first)
        self.probes = Probes(DIM)
        self.tokenizer = MiniTextTower(PACKAGE)
        self.texts = (given.work / "texts.txt").read_text().split("\n")
        self.row_of = {t: i for i, t in enumerate(self.texts)}
        self.teacher = np.load(given.work / "texts.npy")
        self.words = [i for i, t in enumerate(self.texts) if t.isalpha() and t.islower()]
        self.sentences = list(range(len(self.texts) - 12000, len(self.texts)))
        self.captioned = self.views.of("train", "flickr8k")
        self.told = self.views.of("train", "openstax", "furniture", "fashion", "exercise", "dishes")
        self.labelled = {k: self.views.of("train", k) for k in LABELLED}
        self.names = {k: list(dict.fromkeys(r["label"] for r in rows)) for k, rows in self.labelled.items()}
        # ImageNet's classes in the order of Lite2's logits: that of their files' names.
        self.names["imagenet"] = [r["label"] for r in sorted(self.labelled["imagenet"], key=lambda r: r["file"])]
        self.classes = {r["file"]: i for i, r in enumerate(sorted(self.labelled["imagenet"], key=lambda r: r["file"]))}
        self.drawings = [r["file"] for r in self.views.of("train", "drawn")]
        self.edited = [p for p in self.captioned if p["file"] in self.views.rows["hard0"]]
        self.cache: dict[str, list[int]] = {}
        self.made: list[tuple[Tensor, Tensor, Tensor]] = []  # vectors that belong into the banks
        self.fill_banks()

    def encode(self, texts: list[str], token_dropout: float = 0.0) -> Tensor:
        """Unit vectors of the texts."""
        new = [t for t in texts if t not in self.cache]
        if new:
            self.cache.update(zip(new, self.tokenizer.tokens(new), strict=True))
        tower = self.towers.text
        ids = [self.cache[t][:READ] for t in texts]
        # Texts of like lengths together: the padding of a mixed batch would be most of its cost.
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        groups = [[i for i in order if low < max(1, len(ids[i])) <= high] for low, high in pairwise(LENGTHS)]
        vectors = []
        for group in groups:
            if group:
                matrix, there = padded([ids[i] for i in group])
                vectors.append(tower(matrix, there, token_dropout))
        place = torch.tensor([i for group in groups for i in group]).argsort()
        return torch.cat(vectors)[place]

    def ordered_loss(self, scenes: list[Scene], texts: list[str]) -> Tensor:
        """What the classifiers say of the branch for word order: of the texts, and of their tokens."""
        ids = self.tokenizer.tokens(texts)
        first = self.tokenizer.tokens([s.first.words() for s in scenes])
        second = self.tokenizer.tokens([s.second.words() if s.second else "" for s in scenes])
        matrix, there = padded(ids)
        mixed = self.towers.text.mixed(matrix, there)
        lengths = [(len(a), len(b), len(c)) for a, b, c in zip(ids, first, second, strict=True)]
        return self.probes(self.towers.text.ordered(mixed, there), scenes) + self.probes.roles(mixed, scenes, lengths)

    def teacher_rows(self, texts: list[str]) -> Tensor:
        return torch.from_numpy(self.teacher[[self.row_of[t.replace("\n", " ")] for t in texts]].astype(np.float32))

    @torch.no_grad()
    def fill_banks(self) -> None:
        """The vectors of all captioned photographs and of their captions; a step renews those that it has made."""
        self.towers.eval()
        self.photo_bank = self.seen(self.captioned)
        texts = [t for p in self.captioned for t in p["texts"]]
        self.caption_bank = torch.cat([self.encode(texts[i : i + 512]) for i in range(0, len(texts), 512)])
        self.owner = torch.tensor([i for i, p in enumerate(self.captioned) for _ in p["texts"]])
        self.first = np.cumsum([0, *(len(p["texts"]) for p in self.captioned)])
        self.caption_teacher = self.teacher_rows(texts)
        sums = torch.zeros(len(self.captioned), self.caption_teacher.shape[1])
        self.photo_teacher = F.normalize(sums.index_add(0, self.owner, self.caption_teacher), dim=-1)
        self.towers.train()

    @torch.no_grad()
    def seen(self, rows: list[dict[str, Any]], view: str = "plain") -> Tensor:
        """Vectors of one view of the photographs."""
        out = []
        for i in range(0, len(rows), 128):
            out.append(
                self.towers.pictures(self.views.read([self.views.rows[view][r["file"]] for r in rows[i : i + 128]]))
            )
        return torch.cat(out)

    def step_loss(self) -> tuple[Tensor, dict[str, float]]:
        given, rng, views = self.given, self.rng, self.views
        while self.made:  # by the step before; its gradients needed the banks as they were
            bank, at, vectors = self.made.pop()
            bank[at] = vectors
        every = ("plain", "mild0", "mild1", "mild2", "mild3", "hard0")
        own = rng.sample(range(len(self.captioned)), CAPTIONED)
        photos = [self.captioned[i] for i in own] + rng.sample(self.told, TOLD)
        labelled = [(k, r) for k, n in LABELLED.items() for r in rng.sample(self.labelled[k], n)]
        picked = [views.pick(p["file"], rng, every) for p in photos]
        picked += [views.pick(r["file"], rng, ("plain", "mild0", "mild1")) for _, r in labelled]
        at_labels, at_drawn = len(photos), len(picked)
        teacher_features = views.features(picked)
        drawings = rng.sample(self.drawings, DRAWN + PLACED)
        edited = rng.sample(range(CAPTIONED), EDITED)
        picked += [views.pick(photos[i]["file"], rng, ("hard0", "hard0", "mild0")) for i in edited]
        photo_maps, drawn_maps = views.read(picked), views.read([views.rows["drawn"][f] for f in drawings])
        if rng.random() < 0.5:  # mirrored all but the drawn ones, whose captions say left and right
            photo_maps = photo_maps.flip(3)
        y = self.towers.pictures(torch.cat([photo_maps, drawn_maps[:DRAWN]]), given.dropout)
        scale = self.towers.scales.exp().clamp(max=60)
        losses = {}

        # 1. captions, two of each photo
        x = y[: len(photos)]
        turns = [rng.sample(range(len(p["texts"])), 2) if len(p["texts"]) > 1 else (0, 0) for p in photos]
        mine = torch.tensor(own)
        total, banked = torch.zeros(()), torch.zeros(())
        with torch.no_grad():
            taught = [
                self.teacher_rows([p["texts"][turn[k]] for p, turn in zip(photos, turns, strict=True)]) for k in (0, 1)
            ]
            alike = (self.photo_teacher[mine] @ self.caption_teacher.T / 0.06).softmax(-1)
            theirs = (self.owner[None] == mine[:, None]).float()
            soft = (1 - given.soft) * theirs / theirs.sum(1, keepdim=True) + given.soft * alike
        banked = banked + soft_cross_entropy(scale[5] * x[:CAPTIONED] @ self.caption_bank.T, soft) / 2
        fresh = []
        for k in (0, 1):
            texts = [p["texts"][turn[k]] for p, turn in zip(photos, turns, strict=True)]
            t = self.encode(texts, given.token_dropout)
            fresh.append(t)
            soft = (1 - given.soft) * torch.eye(len(texts)) + given.soft * (taught[k] @ taught[k].T / 0.06).softmax(-1)
            logits = scale[0] * x @ t.T
            total = total + (soft_cross_entropy(logits, soft) + soft_cross_entropy(logits.T, soft)) / 4
            soft = (1 - given.soft) * F.one_hot(mine, len(self.captioned)) + given.soft * (
                taught[k][:CAPTIONED] @ self.photo_teacher.T / 0.06
            ).softmax(-1)
            banked = banked + soft_cross_entropy(scale[5] * t[:CAPTIONED] @ self.photo_bank.T, soft) / 4
        losses["captions"], losses["banks"] = total, given.banks * banked
        self.made.append((self.photo_bank, mine, x[:CAPTIONED].detach()))
        for k in (0, 1):
            at = torch.from_numpy(self.first[own]) + torch.tensor([turn[k] for turn in turns[:CAPTIONED]])
            self.made.append((self.caption_bank, at, fresh[k][:CAPTIONED].detach()))

        # 2. classes and labels
        form = rng.choice(FORMS)
        with torch.no_grad():
            logits = (teacher_features @ self.class_weight.T + self.class_bias) / 1.5
        looked = {self.classes[r["file"]] for kind, r in labelled if kind == "imagenet"}
        # The likeliest class of every photo, those of the labelled photos, and some others.
        looked |= set(logits.argmax(-1).tolist()) | set(rng.sample(range(1000), CLASSES))
        looked_at = sorted(looked)
        sure = logits[:, looked_at].softmax(-1)
        names = {k: self.encode([form.format(n) for n in v]) for k, v in self.names.items() if k != "imagenet"}
        names["imagenet"] = self.encode([form.format(self.names["imagenet"][i]) for i in looked_at])
        named = (scale[1] * y[:at_drawn] @ names["imagenet"].T).log_softmax(-1)
        losses["classes"] = F.kl_div(named, sure, reduction="batchmean")
        at = at_labels
        for kind, count in LABELLED.items():
            rows = [r for k, r in labelled if k == kind]
            if kind == "imagenet":
                target = torch.tensor([looked_at.index(self.classes[r["file"]]) for r in rows])
            else:
                target = torch.tensor([self.names[kind].index(r["label"]) for r in rows])
            losses[kind] = 0.3 * F.cross_entropy(scale[1] * y[at : at + count] @ names[kind].T, target)
            at += count

        # 3. words
        some = [self.texts[i] for i in rng.sample(self.words, 250) + rng.sample(self.sentences, 150)]
        prompts = [
            form.format(n) for n in rng.sample(self.names["imagenet"], 80) + rng.sample(self.names["places"], 20)
        ]
        z = torch.cat([self.encode(some), self.encode(prompts), fresh[1][:150]])
        with torch.no_grad():
            teacher = torch.cat([self.teacher_rows([*some, *prompts]), taught[1][:150]])
            diagonal = torch.eye(len(z), dtype=torch.bool)
            target = (teacher @ teacher.T / 0.08).masked_fill(diagonal, -1e4).softmax(-1)
        rows = (scale[2] * z @ z.T).masked_fill(diagonal, -1e4).log_softmax(-1)
        losses["words"] = F.kl_div(rows, target, reduction="batchmean")

        # 4. drawn pictures
        z = y[-DRAWN:]
        scenes, captions = zip(*(told(f, rng) for f in drawings), strict=True)
        u = self.encode([c for cs in captions[:DRAWN] for c in cs]).view(DRAWN, 6, -1)
        hard = F.cross_entropy(2 * scale[3] * torch.einsum("nd,nkd->nk", z, u), torch.zeros(DRAWN, dtype=torch.long))
        logits = scale[3] * z @ u[:, 0].T
        same = torch.arange(DRAWN)
        batch = F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)
        losses["drawn"] = given.drawn * (hard + 0.5 * batch)
        placed = self.towers.head.placed(drawn_maps.float(), given.dropout / 3)
        losses["placed"] = given.placed * self.probes(placed, list(scenes))
        losses["ordered"] = given.placed * self.ordered_loss(list(scenes), [cs[0] for cs in captions])

        # 5. edits
        logits = scale[4] * y[at_drawn : at_drawn + EDITED] @ y[edited].T
        same = torch.arange(EDITED)
        losses["edits"] = given.edits * (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        return sum(losses.values(), torch.zeros(())), {k: float(v.detach()) for k, v in losses.items()}

    @torch.no_grad()
    def validate(self) -> str:
        self.towers.eval()
        views, said, seen = self.views, [], self.seen
        for kind in ("flickr8k", "coco"):
            rows = sorted(views.of("val", kind), key=lambda r: r["file"])[:500]
            x, texts = seen(rows), [t for r in rows for t in r["texts"][:5]]
            owner = torch.tensor([i for i, r in enumerate(rows) for _ in r["texts"][:5]])
            s = self.encode(texts) @ x.T
            rank = (s > s.gather(1, owner[:, None])).sum(1)
            back = torch.stack([(s[:, i] > s[owner == i, i].max()).sum() for i in range(len(rows))])
            said.append(f"{kind} t2i " + "/".join(f"{(rank < k).float().mean():.3f}" for k in (1, 5, 10)))
            said.append("i2t " + "/".join(f"{(back < k).float().mean():.3f}" for k in (1, 5, 10)))
        for kind in ("caltech", "places"):
            rows = views.of("val", kind)
            z = seen(rows) @ self.encode([f"a photo of a {n}" for n in self.names[kind]]).T
            right = torch.tensor([self.names[kind].index(r["label"]) for r in rows])
            said.append(f"{kind} {(z.argmax(1) == right).float().mean():.3f}")
        rows, rng = views.of("val", "drawn"), random.Random(9)
        captions = [told(r["file"], rng)[1] for r in rows]
        u = self.encode([c for cs in captions for c in cs]).view(len(rows), 6, -1)
        best = torch.einsum("nd,nkd->nk", seen(rows, "drawn"), u).argmax(1)
        two = torch.tensor([drawn_scene(r["file"]).second is not None for r in rows])
        said.append(f"drawn {(best == 0).float().mean():.3f} opposite {(best[two] == 1).float().mean():.3f}")
        rows = self.edited[:400]
        z = seen(rows, "hard0") @ seen(rows).T
        truth = torch.arange(len(rows))
        said.append(f"edits(train) {(z > z.gather(1, truth[:, None])).sum(1).lt(3).float().mean():.3f}")
        self.towers.train()
        return " ".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--first", type=Path, required=True, help="folder of the earlier version's files, the start")
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
    parser.add_argument("--soft", type=float, default=0.15, help="share of MiniLM's similarities in captions' targets")
    parser.add_argument("--banks", type=float, default=0.5)
    parser.add_argument("--drawn", type=float, default=0.5)
    parser.add_argument("--placed", type=float, default=0.4)
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
    groups["probes"] = list(trainer.probes.parameters())
    rates = {"head": given.rate, "text": given.rate, "end": given.block_rate, "scales": given.rate, "probes": 2e-3}
    decays = {"head": given.decay, "text": 0.05, "end": 0.02, "scales": 0.0, "probes": 0.01}
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
        trainer.probes.load_state_dict(saved["probes"])
        averaged, step = saved["averaged"], saved["step"]
        trainer.fill_banks()
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
        keep = min(0.97, 1 - 1 / (step / 4 + 1))
        for name, value in towers.state_dict().items():
            if name in trained:
                averaged[name].lerp_(value, 1 - keep)
        last = step == given.steps or time.monotonic() - started >= 60 * given.minutes
        if step % given.every == 0 or last:
            state = {"towers": towers.state_dict(), "averaged": averaged, "step": step}
            state["probes"] = trainer.probes.state_dict()
            state |= {"optimizer": optimizer.state_dict(), "table_optimizer": table_optimizer.state_dict()}
            torch.save(state, out.with_suffix(".new"))
            out.with_suffix(".new").replace(out)
            now = {k: v.clone() for k, v in towers.state_dict().items()}
            towers.load_state_dict(averaged)
            print(step, f"{time.monotonic() - started:.0f} s", {k: round(v, 2) for k, v in parts.items()}, flush=True)
            print("   ", trainer.validate(), flush=True)
            towers.load_state_dict(now)


if __name__ == "__main__":
    main()
