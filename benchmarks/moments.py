"""Case ``moments``: photographs joined to one long film; their captions find them there, and as files.

Each photograph is a shot of 2 to 5 seconds, squashed to the film's frame as `mini` squashes any picture, so that what
is lost is lost through coding, finding the shots and pooling their frames.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from data import data_set
from PIL import Image

from mmsearch import Collection

PHOTOS = 200
FPS = 12
SIZE = (480, 360)
SHORTEST_S, LONGEST_S = 2.0, 5.0


def measure() -> list[dict[str, Any]]:
    """Lines for the captions against the photographs as files, and against their moments in the film.

    Raises:
        MissingDataError: the photographs are not here.
    """
    folder = data_set("flickr8k_dev500")
    photos = sorted((folder / "images").iterdir())[:PHOTOS]
    captions = read_captions(folder, photos)
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        spans = make_film(photos, top / "film.mp4")
        as_files = search(top / "files", photos, [(c, {"relevant": [str(p)]}) for p in photos for c in captions[p]])
        film = top / "film.mp4"
        pairs = [(c, {"relevant": [film.name], "spans": [spans[p]]}) for p in photos for c in captions[p]]
        in_film = search(top, [film], pairs)
    still, moment = (
        next(s for s in scores if s.direction == name and s.via == "brute force")
        for scores, name in ((as_files, "text → image"), (in_film, "text → moment"))
    )
    about = {"photos": len(photos), "queries": still.queries, "model": "mini"}
    return [
        {"searched": "photos as files", **about, "pool": still.pool, **recall(still.recall)},
        {"searched": "moments of a film, IoU 0.5", **about, "pool": moment.pool, **recall(moment.recall)},
        {"searched": "loss", **about, **recall({k: still.recall[k] - moment.recall[k] for k in still.recall})},
    ]


def recall(values: dict[int, float]) -> dict[str, float]:
    """Recall@k by name."""
    return {f"R@{k}": round(value, 4) for k, value in values.items()}


def read_captions(folder: Path, photos: Sequence[Path]) -> dict[Path, list[str]]:
    """The captions of each photograph."""
    captions: dict[Path, list[str]] = {photo: [] for photo in photos}
    for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines():
        pair = json.loads(line)
        photo = folder / pair["relevant"][0]
        if photo in captions:
            captions[photo].append(pair["query"])
    return captions


def search(home: Path, files: Sequence[Path], pairs: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """Scores of the pairs on a fresh collection of the files."""
    home.mkdir(exist_ok=True)
    written = home / "pairs.jsonl"
    written.write_text("".join(json.dumps({"query": query, **answer}) + "\n" for query, answer in pairs), "utf-8")
    with Collection.create(home / "collection.mms", "mini") as collection:
        collection.index(files, ocr="off")
        return collection.evaluate(written).directions


def make_film(photos: Sequence[Path], path: Path) -> dict[Path, tuple[float, float]]:
    """Write a film of the photographs, one after the other; returns when each is shown, in seconds."""
    lengths = random.Random(0)
    counts = [round(lengths.uniform(SHORTEST_S, LONGEST_S) * FPS) for _ in photos]
    write_film(frames(photos, counts), path)
    spans, start = {}, 0
    for photo, count in zip(photos, counts, strict=True):
        spans[photo] = (start / FPS, (start + count) / FPS)
        start += count
    return spans


def frames(photos: Sequence[Path], counts: Sequence[int]) -> Iterator[Image.Image]:
    """Each photograph as often as it is shown."""
    for photo, count in zip(photos, counts, strict=True):
        picture = Image.open(photo).convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
        yield from [picture] * count


def write_film(pictures: Iterator[Image.Image], path: Path) -> None:
    """H.264 in MP4 at x264's own quality."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
