"""Case ``recall``: what model and index find, on photographs with `mini` and on vectors recorded with real CLIP models.

The recorded vectors measure the store and the index alone: brute force must give the recall that was computed from
the source's own vectors, and IVF-PQ with re-scoring must come close to it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set

from mmsearch import Collection

RECALL_AT = (1, 5, 10)


def measure() -> list[dict[str, Any]]:
    """Lines for photographs (both directions) and for each set of recorded vectors.

    Raises:
        MissingDataError: a data set is not here.
    """
    photos, recorded = data_set("flickr8k_dev500"), data_set("recorded_clip")
    stated = json.loads((recorded / "checks.json").read_text("utf-8"))
    lines = []
    for index in ("exact", "ivfpq"):
        lines += measure_photos(photos, index)
    for folder in sorted(recorded.iterdir()):
        if (folder / "text.npy").exists() and (folder / "pairs.jsonl").exists():
            lines += measure_recorded(folder, stated[folder.name])
    return lines


def measure_photos(folder: Path, index: str) -> list[dict[str, Any]]:
    """Index photographs with `mini` and evaluate their pairs, by brute force and through the index."""
    with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini", index=index) as photos:
        photos.index([folder / "images"])
        built = photos.status().modalities[0].index
        scores = photos.evaluate(folder / "pairs.jsonl").to_json()["scores"]
    return [{"set": folder.name, "model": "mini", "index": built, **line} for line in scores]


def measure_recorded(folder: Path, stated: dict[str, Any]) -> list[dict[str, Any]]:
    """Text → image recall of recorded vectors, next to the recall stated for them, by brute force and IVF-PQ."""
    images, texts = (np.load(folder / name).astype(np.float32) for name in ("image.npy", "text.npy"))
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    queries = texts[[pair["query_row"] for pair in pairs]]
    right = {
        "one to one": ([[pair["query_row"]] for pair in pairs], stated["t2i_float16_one_to_one"]),
        "pairs file": ([pair["relevant_rows"] for pair in pairs], stated["t2i_float16_pairs_file"]),
    }
    lines = []
    for via, found, built in look_up(images, queries, folder.name):
        for relevance, (relevant, expected) in right.items():
            measured = recall_at(found, relevant)
            line = {"set": folder.name, "direction": "text → image", "index": built, "via": via}
            line |= {"relevance": relevance, "queries": len(pairs), "pool": len(images), **measured}
            line["stated"] = expected
            line["difference"] = {name: round(value - expected[name], 4) for name, value in measured.items()}
            lines.append(line)
    return lines


def look_up(images: np.ndarray, queries: np.ndarray, name: str) -> list[tuple[str, list[list[int]], str]]:
    """The ten best rows for each query through a collection: ``(via, rows, what index was built)``."""
    with tempfile.TemporaryDirectory() as root, Collection.create(root, None, index="ivfpq") as collection:
        ids = collection.add(images, paths=[f"{row}.jpg" for row in range(len(images))], modality="image", space=name)
        row_of = {int(row_id): row for row, row_id in enumerate(ids)}
        built = collection.status().modalities[0].index
        ways = []
        for via, exact in (("brute force", True), ("index", False)):
            answers = collection.search_many(list(queries), max(RECALL_AT), exact=exact)
            ways.append((via, [[row_of[hit.id] for hit in hits] for hits in answers], "exact" if exact else built))
    return ways


def recall_at(found: Sequence[Sequence[int]], relevant: Sequence[Sequence[int]]) -> dict[str, float]:
    """R@k: the share of queries with a relevant row among the first k found."""
    recall = {}
    for k in RECALL_AT:
        hits = [bool(set(rows[:k]) & set(right)) for rows, right in zip(found, relevant, strict=True)]
        recall[f"R@{k}"] = round(sum(hits) / len(hits), 4)
    return recall
