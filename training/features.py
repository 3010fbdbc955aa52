"""Caches the trunk's maps of one view of every photo, float16 [n, 208, 8, 8]; stops and goes on where it was.

    python -m training.features --sources FOLDER --work FOLDER --view VIEW [--kinds a,b] [--more]

The view `plain` is the photo as it is, `mildK` and `hardK` are edits with the seed K, `drawn` draws its own pictures.
Writes `maps/VIEW.npy`, its rows in `maps/VIEW.jsonl`, and how many are done in `maps/VIEW.done`. With --more the
photographs that VIEW lacks, because they were listed later, go to `maps/VIEW.more.npy`.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from training import drawn, edits
from training.lite import MAP_CHANNELS, MAP_SIDE
from training.trunk import open_onnx

CHUNK = 16
DRAWN = 20000


def picture(row: dict[str, Any], view: str, sources: Path) -> Image.Image:
    """The view of a photo; the same for the same row and view."""
    rng = random.Random(f"{view} {row['file']}")
    if view == "drawn":
        return drawn.draw(drawn_scene(row["file"]), rng, edits.SIDE)
    image = Image.open(sources / row["file"])
    image.draft("RGB", (2 * edits.SIDE, 2 * edits.SIDE))
    image = ImageOps.exif_transpose(image).convert("RGB")
    if view.startswith("mild"):
        return edits.mild(image, rng, 0.5 if row["kind"] == "openstax" else 0.35)
    if view.startswith("hard"):
        image.thumbnail((2 * edits.SIDE, 2 * edits.SIDE))
        return edits.hard(image, rng)
    return edits.squash(image)


def drawn_scene(name: str) -> drawn.Scene:
    return drawn.random_scene(random.Random(f"scene {name}"))


def rows_of(view: str, work: Path, kinds: list[str]) -> list[dict[str, Any]]:
    if view == "drawn":
        return [{"file": f"drawn {i}", "kind": "drawn", "part": "val" if i < 300 else "train"} for i in range(DRAWN)]
    rows = [json.loads(line) for line in (work / "photos.jsonl").read_text().splitlines()]
    rows = [r for r in rows if r["kind"] in kinds] if kinds else rows
    if view != "plain":
        rows = [r for r in rows if r["part"] == "train"]
    random.Random(0).shuffle(rows)  # so that a cache that is not yet full is a fair sample
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--view", required=True)
    parser.add_argument("--kinds", default="")
    parser.add_argument("--more", action="store_true")
    given = parser.parse_args()
    folder = given.work / "maps"
    folder.mkdir(exist_ok=True)
    name = f"{given.view}.more" if given.more else given.view
    done_file, maps_file = folder / f"{name}.done", folder / f"{name}.npy"
    rows = rows_of(given.view, given.work, given.kinds.split(",") if given.kinds else [])
    if given.more:
        there = {json.loads(line)["file"] for line in (folder / f"{given.view}.jsonl").read_text().splitlines()}
        rows = [row for row in rows if row["file"] not in there]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = int(done_file.read_text()) if done_file.exists() else 0
    mode = "r+" if maps_file.exists() else "w+"
    shape = (len(rows), MAP_CHANNELS, MAP_SIDE, MAP_SIDE)
    maps = np.lib.format.open_memmap(maps_file, mode, dtype=np.float16, shape=None if mode == "r+" else shape)
    network = open_onnx(given.work / "trunk.onnx")
    for start in range(done, len(rows), CHUNK):
        pixels = np.stack([np.asarray(picture(r, given.view, given.sources)) for r in rows[start : start + CHUNK]])
        maps[start : start + CHUNK] = network.run(None, {"image": pixels})[0]
        if start // CHUNK % 20 == 19 or start + CHUNK >= len(rows):
            maps.flush()
            done_file.write_text(str(min(start + CHUNK, len(rows))))


if __name__ == "__main__":
    main()
