"""Lists the photos of the unpacked sources with their captions or labels: `photos.jsonl`, one row a photo.

    python -m training.photos --sources FOLDER --exclude FOLDER --work FOLDER

A row: `file` (under --sources), `part` (train, val), `kind` (which source) and `texts` (captions) or `label` (a name).
Evaluation photos are left out as `docs/training-data.md` of the data says. README.md says how the folders are made.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from training import everyday

Row = dict[str, Any]
NOT_PHOTOS = re.compile(r"\b(graph|chart|map|diagram|table|illustration|logo|figure|timeline|flow|screenshot)\b", re.I)


def flickr8k(sources: Path, exclude: Path) -> list[Row]:
    """Train photos less the excluded ones, and for validation the dev split less the evaluation's photos."""
    captions: dict[str, list[str]] = defaultdict(list)
    text = sources / "flickr8k_text/Flickr8k_text"
    for line in (text / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        name, caption = line.split("\t", 1)
        captions[name.split("#")[0]].append(caption.strip())
    evaluation = {
        row["file"].split("/")[-1]
        for row in map(json.loads, (exclude.parent / "dev/flickr8k_dev500/meta.jsonl").read_text().splitlines())
    }
    excluded = set((exclude / "flickr8k.txt").read_text().split()) | evaluation
    dev = set((text / "Flickr_8k.devImages.txt").read_text().split()) - evaluation
    rows = []
    for path in sorted((sources / "flickr8k/data/images").glob("*.jpg")):
        part = "val" if path.name in dev else "train"
        if captions[path.name] and (part == "val" or path.name not in excluded):
            file = str(path.relative_to(sources))
            rows.append({"file": file, "part": part, "kind": "flickr8k", "texts": captions[path.name]})
    return rows


def coco(sources: Path) -> list[Row]:
    """COCO-mini: validation only, as another world than Flickr8k's."""
    captions: dict[int, list[str]] = defaultdict(list)
    for part in ("train", "val"):
        for row in json.loads((sources / f"coco/annotations/captions_{part}2017.json").read_text())["annotations"]:
            captions[row["image_id"]].append(row["caption"].strip())
    files = sorted(p for part in ("train", "val") for p in (sources / f"coco/{part}2017").rglob("*.jpg"))
    return [
        {"file": str(p.relative_to(sources)), "part": "val", "kind": "coco", "texts": captions[int(p.stem)]}
        for p in files
        if captions.get(int(p.stem))
    ]


def openstax(sources: Path) -> list[Row]:
    """Photos of textbooks with their alt texts; drawings and charts are left out by their words."""
    rows = {}
    for book in sorted((sources / "openstax").iterdir()):
        for module in sorted((book / "modules").rglob("*.cnxml")):
            text = module.read_text(encoding="utf-8")
            for alt, name in re.findall(r'<media[^>]*\balt="([^"]*)"[^>]*>\s*<image[^>]*\bsrc="[^"]*?([^"/]+)"', text):
                words = re.sub(r"\s+", " ", html.unescape(alt)).strip()
                path = book / "media" / name
                is_photo = len(words) > 15 and not NOT_PHOTOS.search(words)
                if is_photo and path.suffix.lower() in (".jpg", ".jpeg") and path.exists():
                    file = str(path.relative_to(sources))
                    rows[file] = {"file": file, "part": "train", "kind": "openstax", "texts": [words[:400]]}
    return list(rows.values())


def imagenet(sources: Path) -> list[Row]:
    """One photo of each class."""
    files = sorted((sources / "imagenet").glob("*.JPEG"))
    return [
        {
            "file": str(p.relative_to(sources)),
            "part": "train",
            "kind": "imagenet",
            "label": p.stem.split("_", 1)[1].replace("_", " "),
        }
        for p in files
    ]


def caltech(sources: Path, exclude: Path, each: int, rng: random.Random) -> list[Row]:
    """Up to `each` photos of every class, evaluation photos left out, five of each for validation."""
    meta = (exclude.parent / "dev/labels100/meta.jsonl").read_text()
    names = {
        "airplanes": "airplane",
        "Motorbikes": "motorbike",
        "car_side": "car",
        "Leopards": "leopard",
        "Faces": "face",
    }
    rows = []
    for folder in sorted((sources / "caltech/101_ObjectCategories").iterdir()):
        if folder.name in ("BACKGROUND_Google", "Faces_easy"):
            continue
        label = names.get(folder.name, folder.name.replace("_", " ").lower())
        files = [p for p in sorted(folder.glob("*.jpg")) if f"{folder.name}/{p.name}" not in meta]
        rng.shuffle(files)
        for i, path in enumerate(files[:each]):
            part = "val" if i < 5 else "train"
            rows.append({"file": str(path.relative_to(sources)), "part": part, "kind": "caltech", "label": label})
    return rows


def places(sources: Path, each: int, rng: random.Random) -> list[Row]:
    """`each` photos of every scene of MiniPlaces, three of each for validation."""
    by_scene: dict[str, list[str]] = defaultdict(list)
    for line in (sources / "places/data/train.txt").read_text().splitlines():
        by_scene["/".join(line.split("/")[2:-1])].append(line.split()[0])
    rows = []
    for scene, files in sorted(by_scene.items()):
        rng.shuffle(files)
        found = [f for f in files if (sources / "places/data/images" / f).exists()][:each]
        label = " ".join(reversed(scene.split("/"))).replace("_", " ")
        for i, file in enumerate(found):
            part = "val" if i < 3 else "train"
            rows.append({"file": f"places/data/images/{file}", "part": part, "kind": "places", "label": label})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("sources", "exclude", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    rng = random.Random(12)
    rows = [
        *flickr8k(given.sources, given.exclude),
        *coco(given.sources),
        *openstax(given.sources),
        *imagenet(given.sources),
        *caltech(given.sources, given.exclude, 45, rng),
        *places(given.sources, 150, rng),
        *everyday.furniture(given.sources),
        *everyday.exercise(given.sources),
        *everyday.dishes(given.sources),
        *everyday.things(given.sources, rng),
        *everyday.fashion(given.sources, given.exclude, rng),
    ]
    given.work.mkdir(parents=True, exist_ok=True)
    (given.work / "photos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        counts[row["kind"], row["part"]] += 1
    print(dict(counts))


if __name__ == "__main__":
    main()
