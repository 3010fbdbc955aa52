"""Trains the head of the audio tower into the space of the package's text and picture towers, and exports it.

    python -m training.audio --sources FOLDER --work FOLDER [--final] [--steps 1200]

Without --final, ESC-10's fold 5 is kept for validation; with it, all is trained on and `audio.onnx` is written into
the package. YAMNet stays as it is. The head: attention over the patches, then

    y = Σ_c p_c T_c + MLP(features),   y ← y / |y|

where p are YAMNet's probabilities of AudioSet's 521 classes and T starts as the text vectors of their names: sounds
of which there is no training clip land near their class's words all the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from mmsearch.retrieval.encoders.mini import MiniEncoder
from training import sounds
from training.edits import squash
from training.yamnet import FEATURES, Yamnet

PICTURES = {  # label of sounds: words of photos, in captions or labels
    "dog": "dogs?|puppy|.*terrier|.*retriever|.*hound",
    "baby": "baby|infant|toddler",
    "sea": "ocean|beach|coast|waves?|seashore",
    "clock": "analog clock|wall clock|clock",
    "rooster": "cock|rooster|hen",
    "helicopter": "helicopter",
    "fire": "fire|campfire|bonfire|flames",
    "chainsaw": "chain saw",
    "rain": "rain|umbrella",
    "cat": "cats?|tabby.*|kitten",
    "cow": "cows?|ox",
    "lion": "lion",
    "sheep": "sheep|ram",
    "frog": "frog|bullfrog|tree frog",
    "monkey": "monkeys?|guenon|macaque",
    "bird": "birds?|robin|jay|bulbul",
    "children": "children|kids|playground",
    "engine": "motorcycles?|motorbike|truck|pickup",
    "siren": "ambulance|police van|fire engine",
    "street music": "band|musicians?",
    "car horn": "traffic light|cars?|taxi|street",
    "gunshot": "rifle|revolver|guns?",
    "drill": "power drill",
    "violin": "violin",
    "cello": "cello",
    "flute": "flute",
    "saxophone": "sax|saxophone",
    "trombone": "trombone",
    "acoustic grand piano": "grand piano|piano",
    "church organ": "organ",
    "accordion": "accordion",
    "harmonica": "harmonica",
    "banjo": "banjo",
    "oboe": "oboe",
    "french horn": "french horn",
    "applause": "crowd|audience|stage",
}
PROMPTS = ("{}", "the sound of {}", "{} sound", "a recording of {}")


class AudioHead(nn.Module):
    """YAMNet's patch features ``[patches, 1024]`` of one sound → a unit vector; `forward` takes them padded."""

    def __init__(self, network: Yamnet, names: Tensor) -> None:
        super().__init__()
        self.register_buffer("class_weight", network.class_weight.clone())
        self.register_buffer("class_bias", network.class_bias.clone())
        self.table = nn.Parameter(names.clone())
        self.sharpness = nn.Parameter(torch.tensor(0.5))
        self.attention = nn.Linear(FEATURES, 1)
        self.inner, self.outer = nn.Linear(FEATURES, 512), nn.Linear(512, names.shape[1])
        for layer in (self.attention, self.outer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """``[n, patches, 1024]`` and a mask ``[n, patches]`` → unit vectors ``[n, 256]``."""
        weight = self.attention(x)[..., 0].masked_fill(~there, -1e4).softmax(1)
        logits = x @ self.class_weight.T + self.class_bias
        y = torch.sigmoid(logits).clamp_min(1e-6) ** self.sharpness @ self.table
        y = y + self.outer(F.dropout(F.relu(self.inner(F.dropout(x, 0.2, self.training))), 0.4, self.training))
        return F.normalize((y * weight[..., None]).sum(1), dim=-1)


class AudioTower(nn.Module):
    """What is exported: log-mel patches ``[n, 96, 64]`` of one sound → its unit vector ``[1, 256]``."""

    def __init__(self, network: Yamnet, head: AudioHead) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, patches: Tensor) -> Tensor:
        x = self.network(patches)[None]
        return self.head(x, x[..., 0] > -1.0)


def matching_photos(work: Path, part: str, each: int) -> dict[str, list[str]]:
    """Photos of each sound's label: a word of the label's in its own label, or in three of its captions."""
    rows = [json.loads(line) for line in (work / "photos.jsonl").read_text().splitlines()]
    rng = random.Random(3)
    rng.shuffle(rows)
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["part"] != part or row["kind"] in ("openstax", "coco", "furniture", "fashion", "exercise", "dishes"):
            continue
        for label, words in PICTURES.items():
            if len(found[label]) >= each:
                continue
            if "label" in row:
                hit = re.fullmatch(words, row["label"].lower()) is not None
            else:
                hit = sum(bool(re.search(rf"\b({words})\b", t.lower())) for t in row["texts"]) >= 3
            if hit:
                found[label].append(row["file"])
    return {label: files for label, files in found.items() if len(files) >= 2}


def photo_vectors(encoder: MiniEncoder, sources: Path, files: list[str]) -> Tensor:
    pixels = [np.asarray(squash(Image.open(sources / f).convert("RGB"))) for f in files]
    return torch.from_numpy(encoder.encode_images(np.stack(pixels)))


class Sounds:
    """The cached features, and batches of them."""

    def __init__(self, work: Path, parts: tuple[str, ...]) -> None:
        self.features = np.load(work / "sounds.npz")["features"]
        rows = [json.loads(line) for line in (work / "sounds.jsonl").read_text().splitlines()]
        self.rows = [r for r in rows if r["part"] in parts]

    def padded(self, rows: list[dict[str, Any]], rng: random.Random | None) -> tuple[Tensor, Tensor]:
        """Features and mask; with `rng` a random run of each sound's patches."""
        parts = []
        for row in rows:
            start, count = row["start"], row["count"]
            if rng and count > 1:
                length = min(rng.randint(max(1, count // 3), count), 6)
                start, count = start + rng.randint(0, count - length), length
            parts.append(torch.from_numpy(self.features[start : start + count].astype(np.float32)))
        there = torch.zeros(len(parts), max(map(len, parts)), dtype=torch.bool)
        x = torch.zeros(*there.shape, FEATURES)
        for i, part in enumerate(parts):
            x[i, : len(part)], there[i, : len(part)] = part, True
        return x, there


def train(given: argparse.Namespace) -> tuple[Yamnet, AudioHead]:
    rng = random.Random(given.seed)
    torch.manual_seed(given.seed)
    encoder = MiniEncoder(threads=1)
    network = Yamnet(torch.load(given.work / "yamnet.pt", weights_only=True)).eval()
    with open(given.sources / "yamnet/yamnet_class_map.csv", encoding="utf-8") as file:
        names = [row["display_name"].lower() for row in csv.DictReader(file)]
    class_texts = torch.from_numpy(
        np.stack([encoder.encode_texts([p.format(n) for n in names]) for p in PROMPTS])
    )  # [prompts, 521, 256]
    head = AudioHead(network, F.normalize(class_texts.mean(0), dim=-1))
    if given.start:
        head.load_state_dict(torch.load(given.work / given.start, weights_only=True))
    data = Sounds(given.work, ("train", "val") if given.final else ("train",))
    labels = sorted({r["label"] for r in data.rows})
    number = {label: i for i, label in enumerate(labels)}
    texts = {r["label"]: r["texts"] for r in data.rows}
    text_vectors = [torch.from_numpy(encoder.encode_texts(texts[label])) for label in labels]
    photos = {k: v for k, v in matching_photos(given.work, "train", 30).items() if k in number}
    photo_labels = sorted(photos)
    photo_sets = [photo_vectors(encoder, given.sources, photos[k]) for k in photo_labels]
    photo_number = {k: i for i, k in enumerate(photo_labels)}
    sizes = defaultdict(int)
    for row in data.rows:
        sizes[row["label"]] += 1
    # ESC-10's few clips are the cleanest of all: they weigh as much as the rest of their label.
    weights = [(3.0 if r["kind"] == "esc10" else 1.0) / sizes[r["label"]] ** 0.6 for r in data.rows]
    scales = nn.Parameter(torch.tensor([3.0, 3.0, 3.0]))
    optimizer = torch.optim.AdamW(
        [{"params": head.parameters(), "weight_decay": 0.05}, {"params": [scales], "weight_decay": 0.0}], lr=1e-3
    )
    averaged = {k: v.clone() for k, v in head.state_dict().items()}
    for step in range(given.steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * step / given.steps))
        rows = rng.choices(data.rows, weights, k=128)
        x, there = data.padded(rows, rng)
        y = head(x, there)
        with torch.no_grad():
            heard = torch.sigmoid(network.classes(x)) * there[..., None]
            heard = (heard.sum(1) / there.sum(1, keepdim=True)).clamp_min(0) * 0.5 + heard.amax(1) * 0.5
            heard = torch.where(heard > 0.03, heard, 0.0) + 1e-8
            sure = heard.amax(1)  # what YAMNet is not sure of teaches less
            heard = heard / heard.sum(1, keepdim=True)
        target = torch.tensor([number[r["label"]] for r in rows])
        candidates = torch.stack([v[rng.randrange(len(v))] for v in text_vectors])
        scale = scales.exp().clamp(max=60)
        loss = F.cross_entropy(scale[0] * y @ candidates.T, target)
        named = (scale[1] * y @ class_texts[rng.randrange(len(PROMPTS))].T).log_softmax(1)
        loss = loss + 0.7 * (F.kl_div(named, heard, reduction="none").sum(1) * sure.sqrt()).mean()
        seen = [i for i, r in enumerate(rows) if r["label"] in photo_number]
        centres = torch.stack([F.normalize(v[torch.randint(len(v), (3,))].mean(0), dim=0) for v in photo_sets])
        photo_target = torch.tensor([photo_number[rows[i]["label"]] for i in seen])
        loss = loss + 0.7 * F.cross_entropy(scale[2] * y[seen] @ centres.T, photo_target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        keep = min(0.995, step / (step + 10))
        for name, value in head.state_dict().items():
            averaged[name].lerp_(value, 1 - keep)
        if step % 250 == 249 or step == given.steps - 1:
            print(step + 1, f"{loss.item():.3f}", flush=True)
    head.load_state_dict(averaged)
    return network, head.eval()


@torch.no_grad()
def validate(head: AudioHead, given: argparse.Namespace) -> None:
    """On ESC-10's fold 5: precision in the first five by every phrase of a label, and by held-out photos."""
    encoder = MiniEncoder(threads=1)
    data = Sounds(given.work, ("val",))
    y = head(*data.padded(data.rows, None))
    truth = [r["label"] for r in data.rows]

    def precision(queries: Tensor, label: str) -> float:
        top = (queries @ y.T).topk(5, dim=1).indices
        return float(np.mean([[truth[i] == label for i in row] for row in top.tolist()]))

    spoken = {
        label: precision(torch.from_numpy(encoder.encode_texts(sounds.phrases(label))), label) for label in set(truth)
    }
    photos = {k: v for k, v in matching_photos(given.work, "val", 20).items() if k in truth}
    shown = {k: precision(photo_vectors(encoder, given.sources, v), k) for k, v in photos.items()}
    print(
        "text→sound P@5", {k: round(v, 2) for k, v in sorted(spoken.items())}, round(np.mean(list(spoken.values())), 3)
    )
    print(
        "photo→sound P@5", {k: round(v, 2) for k, v in sorted(shown.items())}, round(np.mean(list(shown.values())), 3)
    )


def export(network: Yamnet, head: AudioHead, out: Path) -> None:
    """`audio.onnx`: weights int8 by output channel, computed in float32 (DequantizeLinear, folded when it loads)."""
    from training.weights import int8_weights

    torch.onnx.export(
        AudioTower(network, head).eval(),
        (torch.zeros(3, 96, 64),),
        str(out),
        input_names=["patches"],
        output_names=["embedding"],
        dynamic_axes={"patches": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    int8_weights(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--start", default="", help="a head of an earlier space to go on from")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--final", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    network, head = train(given)
    torch.save(head.state_dict(), given.work / "audio-head.pt")
    validate(head, given)
    if given.final:
        folder = Path(__file__).parent.parent / "mmsearch/retrieval/encoders/mini"
        export(network, head, folder / "audio.onnx")


if __name__ == "__main__":
    main()
