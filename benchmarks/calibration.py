"""Case ``calibration``: how good levels are that a collection learns from pairs, or without pairs from its contents.

`mini` as if nobody had measured it, and a real CLIP model by its recorded vectors (`openai/clip-vit-base-patch32`). A
collection holds photographs, and texts about one half of them; or no texts, so that probe texts are asked. Levels are
fitted by `Collection.calibrate` and scored by `Collection.evaluate`: captions of the other half of the photographs are
answerable, and texts of another data set are not. Pairs are learned from the first half of photographs and of texts
that nothing answers. Generated photographs enlarge collections, see `synthetic`. Means over splits.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray
from synthetic import Gap, Generator

from mmsearch import Collection, LevelScores, Space, TextEncoder
from mmsearch.unit import normalize_rows

ROWS = (300, 5_000)
SPLITS = 3
MOST_QUERIES = 300  # of each kind that are scored
_NO_GAP = Gap(0.0, 0.0, 0.0, 0.0)  # only pictures are generated

Floats = NDArray[np.float32]


class Unmeasured:
    """A model of texts that no catalogue knows: texts are embedded by another model, or have recorded vectors."""

    modalities = frozenset({"text"})
    device = "cpu"
    max_tokens = 77

    def __init__(self, name: str, dim: int, recorded: dict[str, Floats], embed: Any = None) -> None:
        self.space = Space(name, weights="1", processing="1", dim=dim)
        self._recorded = recorded
        self._embed = embed

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, float32 ``[n, dim]``."""
        if self._embed is not None and texts:
            found: Floats = self._embed(list(texts))
            return found
        return np.array([self._recorded[text] for text in texts], np.float32).reshape(-1, self.space.dim)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Words, int64 ``[n]``; recorded texts are not cut."""
        return np.ones(len(texts), np.int64)


@dataclass(frozen=True)
class Scene:
    """Photographs with captions, and texts that none of them answers.

    Attributes:
        model: what embeds the texts.
        photos: the data set of the photographs.
        vectors: unit vectors of the photographs, float32 ``[n, dim]``.
        captions: of each photograph.
        others: unit vectors of further photographs that may enlarge the collection, float32 ``[m, dim]``.
        absent: texts that nothing answers, by data set.
        probes: whether texts of one's own choice can be embedded.
    """

    model: Unmeasured
    photos: str
    vectors: Floats
    captions: list[list[str]]
    others: Floats
    absent: dict[str, list[str]]
    probes: bool


def measure() -> list[dict[str, Any]]:
    """A line for each scene, number of rows and set of absent texts.

    Raises:
        MissingDataError: a data set is not here.
    """
    lines = []
    for scene in (*mini_scenes(), *clip_scenes()):
        for rows in ROWS:
            for absent in scene.absent:
                splits = [measure_split(scene, rows, absent, seed) for seed in range(SPLITS)]
                found = {name: round(float(np.mean([s[name] for s in splits])), 3) for name in splits[0]}
                held = min(rows, len(scene.vectors)) if rows == ROWS[0] else rows
                about = {"model": scene.model.space.model, "photos": scene.photos, "rows": held, "absent": absent}
                lines.append({**about, "splits": SPLITS, **found})
    return lines


def mini_scenes() -> Iterator[Scene]:
    """`mini` under another name, with photographs of two data sets."""
    titles = [text.split(" | ")[0] for text in recorded_texts("amazon_products_997")]
    folders = {
        "flickr8k_dev500": data_set("flickr8k_dev500") / "images",
        "photos_memorylens_290": memorylens() / "images",
    }
    found = {}
    with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as collection:
        for name, folder in folders.items():
            collection.index([folder], ocr="off")
            records = sorted(collection, key=lambda record: record.path)  # in one order in every run
            rows = [record for record in records if Path(record.path).is_relative_to(folder)]
            found[name] = ([Path(row.path).name for row in rows], collection.vectors([row.id for row in rows]).vectors)
        encoder = collection.encoder()
        assert isinstance(encoder, TextEncoder)
        model = Unmeasured("mini, unmeasured", collection.space.dim, {}, encoder.encode_texts)
        captions = {name: captions_of(name) for name in folders}
        for name, other in (tuple(folders), tuple(folders)[::-1]):
            names, vectors = found[name]
            own = [captions[name][file] for file in names]
            absent = {other: [texts[0] for texts in captions[other].values()], "amazon_products_997": titles}
            yield Scene(model, name, vectors, own, vectors[:0], absent, probes=True)


def clip_scenes() -> Iterator[Scene]:
    """Vectors recorded with openai/clip-vit-base-patch32."""
    sets = ("photos_memorylens_290", "amazon_products_997")
    folder = data_set("recorded_clip")
    texts = {name: recorded_texts(name) for name in sets}
    vectors = {
        name: [normalize_rows(np.load(folder / name / f"{kind}.npy").astype(np.float32)) for kind in ("image", "text")]
        for name in sets
    }
    recorded = {text: row for name in sets for text, row in zip(texts[name], vectors[name][1], strict=True)}
    model = Unmeasured("CLIP ViT-B/32, recorded", 512, recorded)
    flickr = normalize_rows(np.load(folder / "flickr8k_images_2347" / "image.npy").astype(np.float32))
    for name, other, more in ((*sets, flickr), (*sets[::-1], flickr[:0])):
        yield Scene(
            model, name, vectors[name][0], [[t] for t in texts[name]], more, {other: texts[other]}, probes=False
        )


def memorylens() -> Path:
    """The folder of the photographs that were recorded with their captions."""
    return data_set("recorded_clip") / "photos_memorylens_290"


def recorded_texts(name: str) -> list[str]:
    """The texts of a recorded set in order of its rows."""
    lines = (data_set("recorded_clip") / name / "pairs.jsonl").read_text("utf-8").splitlines()
    found = {pair["query_row"]: pair["query"] for pair in map(json.loads, lines)}
    return [found[row] for row in sorted(found)]


def captions_of(name: str) -> dict[str, list[str]]:
    """The captions of each photograph of a data set, by the name of its file."""
    path = data_set(name) / "pairs.jsonl" if name != memorylens().name else memorylens() / "media_pairs.jsonl"
    found: dict[str, list[str]] = {}
    for pair in map(json.loads, path.read_text("utf-8").splitlines()):
        for file in pair["relevant"]:
            found.setdefault(Path(file).name, []).append(pair["query"])
    return found


def measure_split(scene: Scene, rows: int, absent: str, seed: int) -> dict[str, float]:
    """AUROC and ECE by contents, by probe texts and by pairs, of queries that were not learned from."""
    rng = np.random.default_rng(seed)
    photos = rng.permutation(len(scene.vectors))[:rows]
    scene = replace(scene, vectors=scene.vectors[photos], captions=[scene.captions[i] for i in photos])
    half = len(photos) // 2
    nothing = [scene.absent[absent][i] for i in rng.permutation(len(scene.absent[absent]))]
    learned, stated = nothing[: len(nothing) // 2], nothing[len(nothing) // 2 :]
    found: dict[str, float] = {}
    ways = {"contents": True, "probes": False, "pairs": False}
    for way, has_texts in ways.items():
        if way == "probes" and not scene.probes:
            continue
        with tempfile.TemporaryDirectory() as root, Collection.create(root, scene.model) as collection:
            fill(collection, scene, rows, half if has_texts else 0)
            if way == "pairs":
                collection.calibrate(write_pairs(Path(root), scene, range(half), learned))
            else:
                collection.calibrate()
            pairs = write_pairs(Path(root), scene, range(half, len(photos)), stated[:MOST_QUERIES])
            scores = next(s for s in collection.evaluate(pairs).levels if s.direction == "text → image")
        found |= named(way, scores)
    return found


def fill(collection: Collection, scene: Scene, rows: int, captioned: int) -> None:
    """Add the photographs, further ones up to ``rows``, and a caption of each of the first ``captioned``."""
    more = scene.others[: max(rows - len(scene.vectors), 0)]
    known = np.concatenate([scene.vectors, more])
    missing = rows - len(known)
    if rows > ROWS[0] and missing > 0:
        generated = np.concatenate(list(Generator(known, _NO_GAP).pictures(missing))).astype(np.float32)
        known = np.concatenate([known, generated])
    root = collection.root
    collection.add(known, paths=[root / f"{i}.jpg" for i in range(len(known))], modality="image")
    if captioned:
        texts = [own[0] for own in scene.captions[:captioned]]
        names = [root / f"{i}.txt" for i in range(captioned)]
        collection.add(scene.model.encode_texts(texts), paths=names, modality="text", texts=texts)


def write_pairs(root: Path, scene: Scene, photos: range, absent: Sequence[str]) -> Path:
    """A PAIRS file: the last caption of each photograph, and texts that nothing answers."""
    lines = [{"query": scene.captions[i][-1], "relevant": [f"{i}.jpg"]} for i in photos]
    lines += [{"query": text, "relevant": []} for text in absent]
    path = root / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def named(way: str, scores: LevelScores) -> dict[str, float]:
    """The figures with the name of the way they were reached by."""
    assert scores.quality is not None
    return {f"{way} AUROC": scores.quality.auroc, f"{way} ECE": scores.quality.ece}
