"""Case ``mini``: the built-in model beside its first version, in one run, on data that neither has seen.

The first version is read from ``models/mini-v0`` of ``$MMSEARCH_SHARED``. ``$MMSEARCH_PICTURES`` names a folder of
photographs for picture → sound: a folder for each of dog, baby, rooster, clock, helicopter, sea and fire.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import mini_pictures
import numpy as np
from data import MissingDataError, data_set
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.unit import normalize, normalize_rows

Floats = NDArray[np.float32]
SHOWN = {  # picture → sound: the folder of the photographs, and the sounds that are right
    "dog": "a dog barking",
    "baby": "a baby crying",
    "rooster": "a rooster crowing",
    "clock": "a clock ticking",
    "helicopter": "a helicopter flying",
    "sea": "sea waves",
    "fire": "a crackling fire",
}
FRAMES, ROW = 32, 4  # frames of a film that are looked at, and how many of them are one row


class First:
    """The first version, behind the methods that are measured."""

    side = 224  # of the pictures that it takes

    def __init__(self, folder: Path) -> None:
        specification = importlib.util.spec_from_file_location("mini_v0", folder / "reference.py")
        if specification is None or specification.loader is None or not folder.is_dir():
            raise MissingDataError("needs models/mini-v0; set MMSEARCH_SHARED to the folder of evaluation data")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        self.model = module.Mini(threads=1)

    def encode_texts(self, texts: list[str]) -> Floats:
        return self.model.texts(texts)

    def encode_images(self, pixels: NDArray[np.uint8]) -> Floats:
        rows = [self.model.net.run(None, {"image": pixels[i : i + 8]})[0] for i in range(0, len(pixels), 8)]
        return normalize_rows(np.concatenate(rows))


def measure() -> list[dict[str, Any]]:
    """One line for each measure and version.

    Raises:
        MissingDataError: a data set or the first version is not here.
    """
    first = First(data_set("flickr8k_dev500").parent.parent.parent / "models" / "mini-v0")
    versions: dict[str, Any] = {"v0": first, "v1": Mini()}
    lines = []
    for case in (retrieval, labels, films, sounds, near_duplicates, attributes):
        for name, model in versions.items():
            if case is not sounds or hasattr(model, "encode_sounds"):
                lines += [{"version": name, **line} for line in case(model)]
    return [*lines, *speed(versions)]


class Mini(MiniEncoder):
    """This version, on one thread."""

    side = MiniEncoder.image_transform.width

    def __init__(self) -> None:
        super().__init__(threads=1)


def squashed(model: Any, image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((model.side, model.side), Image.Resampling.BICUBIC))


def pixels_of(model: Any, files: list[Path]) -> NDArray[np.uint8]:
    return np.stack([squashed(model, ImageOps.exif_transpose(Image.open(file))) for file in files])


def read_pairs(folder: Path, name: str = "pairs.jsonl") -> tuple[list[str], list[list[str]]]:
    rows = [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]
    return [row["query"] for row in rows], [row["relevant"] for row in rows]


def recall(scores: Floats, relevant: list[list[int]]) -> dict[str, float]:
    """Recall at 1, 5 and 10: a query counts where one of its own is among the first k."""
    best = np.array([max(row[i] for i in own) for row, own in zip(scores, relevant, strict=True)])
    rank = (scores > best[:, None]).sum(1)
    return {f"R@{k}": round(float((rank < k).mean()), 4) for k in (1, 5, 10)}


def retrieval(model: Any) -> list[dict[str, Any]]:
    lines = []
    photos = data_set("recorded_clip") / "photos_memorylens_290"
    for folder, pairs in ((data_set("flickr8k_dev500"), "pairs.jsonl"), (photos, "media_pairs.jsonl")):
        queries, relevant = read_pairs(folder, pairs)
        names = sorted({name for own in relevant for name in own})
        number = {name: i for i, name in enumerate(names)}
        scores = model.encode_texts(queries) @ model.encode_images(pixels_of(model, [folder / n for n in names])).T
        truth = [[number[n] for n in own] for own in relevant]
        lines.append({"measure": f"{folder.name} text → image", **recall(scores, truth)})
        back: list[list[int]] = [[] for _ in names]
        for query, own in enumerate(truth):
            for i in own:
                back[i].append(query)
        lines.append({"measure": f"{folder.name} image → text", **recall(scores.T, back)})
    return lines


def labels(model: Any) -> list[dict[str, Any]]:
    folder = data_set("labels100")
    queries, relevant = read_pairs(folder)
    texts = model.encode_texts(queries)
    files = [(folder / name, i) for i, own in enumerate(relevant) for name in own]
    found = (model.encode_images(pixels_of(model, [file for file, _ in files])) @ texts.T).argmax(1)
    top = float(np.mean(found == np.array([i for _, i in files])))
    return [{"measure": "labels100 zero-shot", "top-1": round(top, 4)}]


def frames_of(model: Any, file: Path) -> NDArray[np.uint8]:
    with av.open(str(file)) as container:
        frames = [squashed(model, frame.to_image()) for frame in container.decode(video=0)]
    return np.stack([frames[i] for i in np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).astype(int)])


def films(model: Any) -> list[dict[str, Any]]:
    """Rows of four frames and the whole film, each the mean of unit vectors; a film's score is its best row's."""
    folder = data_set("video20")
    queries, relevant = read_pairs(folder)
    texts = model.encode_texts(queries)
    files = sorted((folder / "video").iterdir())
    number = {f"video/{file.name}": i for i, file in enumerate(files)}
    scores = np.empty((len(queries), len(files)), np.float32)
    for i, file in enumerate(files):
        vectors = model.encode_images(frames_of(model, file))
        rows = [vectors.mean(0), *(vectors[j : j + ROW].mean(0) for j in range(0, len(vectors), ROW))]
        scores[:, i] = max_of([texts @ (normalize(row)) for row in rows])
    return [{"measure": "video20 text → video", **recall(scores, [[number[n] for n in own] for own in relevant])}]


def max_of(rows: list[Floats]) -> Floats:
    return np.max(np.stack(rows), axis=0)


def heard(file: Path, rate: int) -> Floats:
    resampler = av.AudioResampler("flt", "mono", rate)
    with av.open(str(file)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([f.to_ndarray()[0] for f in [*frames, *resampler.resample(None)]])[: 10 * rate]


def sounds(model: Any) -> list[dict[str, Any]]:
    folder = data_set("esc10_fold1")
    queries, relevant = read_pairs(folder)
    files = sorted((folder / "audio").iterdir())
    clips = [heard(file, model.sample_rate) for file in files]
    started = time.process_time()
    vectors = model.encode_sounds(clips)
    speed = sum(map(len, clips)) / model.sample_rate / (time.process_time() - started)
    names = [f"audio/{file.name}" for file in files]
    own = dict(zip(queries, relevant, strict=True))

    def precision(query: Floats, label: str) -> float:
        first = np.argsort(-(vectors @ query), kind="stable")[:5]
        return float(np.mean([names[i] in own[label] for i in first]))

    spoken = {q: precision(v, q) for q, v in zip(queries, model.encode_texts(queries), strict=True)}
    lines: list[dict[str, Any]] = [
        {"measure": "esc10_fold1 text → sound", "P@5": round(float(np.mean(list(spoken.values()))), 4), "each": spoken},
        {"measure": "sound, times real time in processor time", "value": round(speed)},
    ]
    pictures = Path(os.environ.get("MMSEARCH_PICTURES", ""))
    if os.environ.get("MMSEARCH_PICTURES"):
        shown, counts = {}, {}
        for name, label in SHOWN.items():
            photos = pixels_of(model, sorted((pictures / name).iterdir()))
            counts[name] = len(photos)
            shown[name] = round(float(np.mean([precision(v, label) for v in model.encode_images(photos)])), 4)
        mean = round(float(np.mean(list(shown.values()))), 4)
        lines.append({"measure": "picture → sound", "P@5": mean, "each": shown, "photographs": counts})
    return lines


def near_duplicates(model: Any, originals: int = 100) -> list[dict[str, Any]]:
    """Every edit and every pair of edits of some photographs: the original among the first 3 of all 500."""
    rng = random.Random(2026)
    files = sorted((data_set("flickr8k_dev500") / "images").iterdir())
    gallery = model.encode_images(pixels_of(model, files))
    found: dict[str, list[bool]] = {}
    for i in rng.sample(range(len(files)), originals):
        image = Image.open(files[i]).convert("RGB")
        recipes = [*mini_pictures.RECIPES[: len(mini_pictures.EDITS)], *rng.sample(mini_pictures.RECIPES[6:], 6)]
        vectors = model.encode_images(np.stack([squashed(model, mini_pictures.edited(image, r, rng)) for r in recipes]))
        scores = vectors @ gallery.T
        for recipe, row in zip(recipes, scores, strict=True):
            kind = recipe[0] if len(recipe) == 1 else "two at a time"
            found.setdefault(kind, []).append(bool((row > row[i]).sum() < 3))
    every = [hit for hits in found.values() for hit in hits]
    each = {kind: round(float(np.mean(hits)), 4) for kind, hits in found.items()}
    return [{"measure": "near duplicates, first 3", "found": round(float(np.mean(every)), 4), "each": each}]


def attributes(model: Any, drawings: int = 600) -> list[dict[str, Any]]:
    """The right caption of a drawn picture above five with one word changed."""
    rng = random.Random(2027)
    right, kinds = [], np.zeros(6)
    for _ in range(drawings):
        first, relation, second = mini_pictures.scene(rng)
        captions = mini_pictures.captions(rng, first, relation, second)
        picture = squashed(model, mini_pictures.draw(rng, first, relation, second))
        scores = model.encode_texts(captions) @ model.encode_images(picture[None])[0]
        right.append(int(scores.argmax()) == 0)
        kinds[int(scores.argmax())] += 1
    names = ("right", "colour of the first", "colour of the second", "relation", "shape", "number")
    chosen = {name: round(float(v / drawings), 4) for name, v in zip(names, kinds, strict=True)}
    return [{"measure": "attributes, 1 of 6", "right": round(float(np.mean(right)), 4), "chosen": chosen}]


def speed(versions: dict[str, Any]) -> list[dict[str, Any]]:
    """Eight pictures, and one text, in processor time of one thread: medians of interleaved runs."""
    random = np.random.default_rng(0)
    query = ["a brown dog runs along the beach with a stick in its mouth"]
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for name, model in versions.items():
        pixels = random.integers(0, 256, (8, model.side, model.side, 3), np.uint8)
        calls[name, "picture, batch of 8, ms"] = lambda m=model, p=pixels: m.encode_images(p)
        calls[name, "text, ms"] = lambda m=model: m.encode_texts(query)
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(30):
        for key, call in calls.items():
            started = time.process_time()
            call()
            taken[key].append(time.process_time() - started)
    lines = []
    for (name, measure), seconds in taken.items():
        per = 8 if "batch" in measure else 1
        lines.append({"version": name, "measure": measure, "median": round(float(np.median(seconds)) * 1000 / per, 3)})
    return lines
