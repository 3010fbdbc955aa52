"""Photographs of everyday things, beside the sources of `photos.py`: furniture, fashion, exercises, dishes, food.

Each function lists rows as `photos.py` does. Names of products, files and classes become short texts.
"""

from __future__ import annotations

import csv
import json
import pickle
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

Row = dict[str, Any]
CLOTHES = {
    "longsleeve": "long-sleeved shirt",
    "outwear": "jacket",
    "pants": "pair of trousers",
    "shoes": "pair of shoes",
}
VIEWS = {"sea": "sea and beach", "street": "street in a city", "buildings": "building"}
FASHION = 3000
EACH = 100  # photographs of one label


class PlainUnpickler(pickle.Unpickler):
    """Reads strings, lists and dicts; refuses anything that would run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")


def furniture(sources: Path) -> list[Row]:
    """IKEA's things as "white, pine reversible bed" and their first sentence; its rooms by the names of their files."""
    folder = sources / "ikea"
    with (folder / "text_data/products_dict.p").open("rb") as file:
        products = PlainUnpickler(file).load()
    rows = []
    for _, product in sorted(products.items()):
        path = folder / product["img"]
        if path.exists():
            name = f"{product['color'].replace(',', ' and ')} {product['type']}".strip().lower()
            told = product["desc"].replace("View more product information", "").split(". ")[0].strip()
            texts = [f"a {name}", product["type"].lower(), *([told] if len(told) > 15 else [])]
            rows.append({"file": str(path.relative_to(sources)), "texts": texts})
    for path in sorted((folder / "images/room_scenes").glob("*.jpg")):
        words = re.sub(r"__.*", "", path.stem).removeprefix("ikea-").replace("-", " ").strip()
        rows.append({"file": str(path.relative_to(sources)), "texts": [words, f"a room: {words}"]})
    return [{**row, "part": "train", "kind": "furniture"} for row in rows]


def fashion(sources: Path, exclude: Path, rng: random.Random) -> list[Row]:
    """Product photographs with the shop's title, and colour and kind in words."""
    folder = sources / "fashion"
    left_out = set((exclude / "myntra_ids.txt").read_text().split())
    rows = []
    with (folder / "styles.csv").open(encoding="utf-8") as facts, (folder / "styles_text.csv").open("r") as titles:
        for row, title in zip(csv.DictReader(facts), csv.DictReader(titles), strict=True):
            path = folder / f"images/{row['id']}.jpg"
            if row["id"] not in left_out and path.exists():
                name = f"{row['baseColour']} {row['articleType']}".lower()
                texts = [title["productDisplayName"], name, f"{name} for {row['gender'].lower()}"]
                file = str(path.relative_to(sources))
                rows.append({"file": file, "part": "train", "kind": "fashion", "texts": texts})
    return rng.sample(rows, FASHION)


def exercise(sources: Path) -> list[Row]:
    """Two photographs of each exercise: its name, what is used, what is done first."""
    rows = []
    for path in sorted((sources / "exercise/exercises").glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        name, used = facts["name"].lower(), facts["equipment"]
        tool = f" with {used}" if used and used not in ("body only", "other") else ""
        texts = [f"a person doing {name}", f"{name}{tool}", *facts["instructions"][:1]]
        for photo in facts["images"]:
            file = f"exercise/exercises/{photo}"
            if (sources / file).exists():
                rows.append({"file": file, "part": "train", "kind": "exercise", "texts": texts})
    return rows


def dishes(sources: Path) -> list[Row]:
    rows = []
    for path in sorted((sources / "cooking/static/pix").glob("*.webp")):
        name = re.sub(r"[-_ ]*\d*$", "", path.stem).replace("-", " ").replace("_", " ")
        texts = [name, f"a dish of {name}", f"{name} on a plate"]
        rows.append({"file": str(path.relative_to(sources)), "part": "train", "kind": "dishes", "texts": texts})
    return rows


def things(sources: Path, rng: random.Random) -> list[Row]:
    """Food in shops, clothes, and six kinds of views, by label."""
    found: dict[str, list[Path]] = defaultdict(list)
    with (sources / "grocery/dataset/classes.csv").open(encoding="utf-8") as file:
        names = {row["Class ID (int)"]: row["Coarse Class Name (str)"] for row in csv.DictReader(file)}
    for line in (sources / "grocery/dataset/train.txt").read_text().splitlines():
        name, fine, _ = line.split(", ")
        found[names[fine].replace("-", " ").lower()].append(sources / "grocery/dataset" / name)
    for folder, other in ((sources / "clothes/train", CLOTHES), (sources / "intel/dataset/seg_train", VIEWS)):
        for label in sorted(folder.iterdir()):
            found[other.get(label.name, label.name)] += sorted(label.glob("*.jpg"))
    rows = []
    for name, paths in sorted(found.items()):
        rng.shuffle(paths)
        for path in paths[:EACH]:
            rows.append({"file": str(path.relative_to(sources)), "part": "train", "kind": "things", "label": name})
    return rows
