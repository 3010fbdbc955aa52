"""Case ``recall``: what model and index find, on photographs and films with `mini`, and on vectors recorded with real
CLIP models.

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
from numpy.typing import NDArray

from mmsearch import Collection

RECALL_AT = (1, 5, 10)
Floats = NDArray[np.float32]


def measure() -> list[dict[str, Any]]:
    """Lines for photographs and films (both directions) and for each set of recorded vectors.

    Raises:
        MissingDataError: a data set is not here.
    """
    photos, recorded = data_set("flickr8k_dev500"), data_set("recorded_clip")
    stated = json.loads((recorded / "checks.json").read_text("utf-8"))
    lines = []
    for index in ("exact", "ivfpq"):
        lines += measure_media(photos, "images", index)
    lines += measure_media(data_set("video20"), "video", "exact")
    for folder in sorted(recorded.iterdir()):
        if (folder / "text.npy").exists() and (folder / "pairs.jsonl").exists():
            lines += measure_recorded(folder, stated[folder.name]["t2i_float16_one_to_one"])
    return lines


def measure_media(folder: Path, media: str, index: str) -> list[dict[str, Any]]:
    """Index photographs or films with `mini` and evaluate their pairs, by brute force and through the index."""
    with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini", index=index) as collection:
        collection.index([folder / media], ocr="off")
        built = collection.status().modalities[0].index
        scores = collection.evaluate(folder / "pairs.jsonl").to_json()["scores"]
    return [{"set": folder.name, "index": built, **line} for line in scores]


def measure_recorded(folder: Path, stated: dict[str, float]) -> list[dict[str, Any]]:
    """Text → image recall of recorded vectors, next to the recall stated for them.

    Three ways: brute force; IVF-PQ tuned on the pictures alone; IVF-PQ tuned on texts too, which are then in the
    collection. Words lie apart from pictures, so what the index was tuned on may matter for what words find.
    """
    images, texts = (np.load(folder / name).astype(np.float32) for name in ("image.npy", "text.npy"))
    lines_of_pairs = (folder / "pairs.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line)["query_row"] for line in lines_of_pairs]
    relevant = with_duplicates(images, rows)
    lines = []
    for texts_stored in (False, True):
        with tempfile.TemporaryDirectory() as root, Collection.create(root, None, index="ivfpq") as collection:
            image_ids = fill(collection, images, texts if texts_stored else None, folder.name)
            row_of = {int(row_id): row for row, row_id in enumerate(image_ids)}
            built = next(m for m in collection.status().modalities if m.modality == "image")
            for via, exact in (("index", False),) if texts_stored else (("brute force", True), ("index", False)):
                answers = collection.search_many(list(texts[rows]), max(RECALL_AT), to=["image"], exact=exact)
                measured = recall_at([[row_of[hit.id] for hit in hits] for hits in answers], relevant)
                line = {"set": folder.name, "index": built.index, "direction": "text → image", "via": via}
                line |= {} if exact else {"tuned_on": sorted(built.recall)}
                line |= {**measured, "queries": len(rows), "pool": len(images), "stated": stated}
                lines.append({**line, "difference": {k: round(measured[k] - stated[k], 4) for k in measured}})
    return lines


def fill(collection: Collection, images: Floats, texts: Floats | None, space: str) -> NDArray[np.int64]:
    """Add the vectors, texts first so that the index of the images can be tuned on them; returns the images' ids."""
    if texts is not None:
        names = [f"{row}.txt" for row in range(len(texts))]
        collection.add(texts, paths=names, modality="text", texts=names, space=space)
    names = [f"{row}.jpg" for row in range(len(images))]
    return collection.add(images, paths=names, modality="image", space=space)


def with_duplicates(vectors: Floats, rows: Sequence[int]) -> list[list[int]]:
    """For each row, all rows of the same vector: no search can tell them apart."""
    _, kind = np.unique(vectors, axis=0, return_inverse=True)
    return [np.flatnonzero(kind == kind[row]).tolist() for row in rows]


def recall_at(found: Sequence[Sequence[int]], relevant: Sequence[Sequence[int]]) -> dict[str, float]:
    """R@k: the share of queries with a relevant row among the first k found."""
    recall = {}
    for k in RECALL_AT:
        hits = [bool(set(rows[:k]) & set(right)) for rows, right in zip(found, relevant, strict=True)]
        recall[f"R@{k}"] = round(sum(hits) / len(hits), 4)
    return recall
