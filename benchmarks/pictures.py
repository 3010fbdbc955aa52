"""What a JPEG costs from its bytes to the pixels of `mini`, and how near indexing comes to decoding alone.

The pictures are made here of the photographs of ``flickr8k_dev500``, which are small:

- *mosaic*: 12 megapixels, 100 photographs side by side. Every block has detail.
- *camera*: 12 megapixels, one photograph enlarged, with grain as of a sensor.
- *small*: 500 × 375 pixels, four photographs side by side.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import MissingDataError, data_set
from machine import machine_facts
from numpy.typing import NDArray
from PIL import Image

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.media.pictures.image import decode_picture

TRANSFORM = MiniEncoder.image_transform
SIDE = TRANSFORM.width
ROUNDS = 5
LARGE = (4000, 3000)
SMALL = (500, 375)
QUALITY = 85
GRAIN = 5.0
INDEXED = 24
LIMIT = 100_000_000

Pixels = NDArray[np.uint8]


def main() -> int:
    """Print one line for each measurement; returns 1 where the photographs are not on this machine."""
    try:
        photos = sorted((data_set("flickr8k_dev500") / "images").iterdir())
    except MissingDataError as missing:
        print(f"not run: it {missing}", file=sys.stderr)
        return 1
    print(machine_facts())
    kinds = {
        "small": [mosaic(photos, 2, 2, SMALL, start) for start in range(0, 40, 4)],
        "camera": [camera(photos[number], number) for number in range(2)],
        "mosaic": [mosaic(photos, 10, 10, LARGE, start) for start in (0, 100)],
    }
    for kind, pictures in kinds.items():
        for line in measure_decoding(kind, pictures):
            print(line, flush=True)
    for line in measure_ingest(photos):
        print(line, flush=True)
    return 0


def measure_decoding(kind: str, pictures: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Processor time of a picture by each way, in turns on one core, and how often it goes into Pillow's."""
    ways: dict[str, Callable[[bytes], Pixels]] = {
        "Pillow, full size": lambda data: with_pillow(data, 0.0),
        "Pillow, draft": lambda data: with_pillow(data, 2.0),
        "mmsearch": as_workers,
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, decode in ways.items():
            start = time.process_time()
            for data in pictures:
                decode(data)
            seconds[way].append((time.process_time() - start) / len(pictures))
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    whole = [with_pillow(data, 0.0).astype(int) for data in pictures]
    for way, median in medians.items():
        difference = [np.abs(ways[way](data) - pixels).mean() for data, pixels in zip(pictures, whole, strict=True)]
        yield {
            "pictures": kind,
            "megabytes": round(sum(map(len, pictures)) / len(pictures) / 1e6, 2),
            "way": way,
            "ms": round(1e3 * median, 2),
            "x_full": round(medians["Pillow, full size"] / median, 2),
            "x_draft": round(medians["Pillow, draft"] / median, 2),
            "levels_from_full": round(float(np.mean(difference)), 2),
        }


def measure_ingest(photos: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Wall time of `INDEXED` mosaics: processes that only decode, one for each core, and `Collection.index`."""
    processes = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        for number in range(INDEXED):
            (Path(folder) / f"{number}.jpg").write_bytes(mosaic(photos, 10, 10, LARGE, number * 7))
        paths = [str(path) for path in sorted(Path(folder).iterdir())]
        bare, whole = [], []
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(decode_file, paths[: 2 * processes])
            for _ in range(3):
                start = time.perf_counter()
                pool.map(decode_file, paths, chunksize=1)
                bare.append(time.perf_counter() - start)
                with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as collection:
                    whole.append(collection.index([folder], ocr="off").seconds)
    shares = [alone / all_of_it for alone, all_of_it in zip(bare, whole, strict=True)]
    yield {
        "pictures": INDEXED,
        "processes": processes,
        "bare_s": round(statistics.median(bare), 3),
        "index_s": round(statistics.median(whole), 3),
        "share": round(statistics.median(shares), 3),
    }


def decode_file(path: str) -> int:
    """A picture as a worker decodes it, without anything else."""
    return int(as_workers(Path(path).read_bytes())[0, 0, 0])


def as_workers(data: bytes) -> Pixels:
    """The pixels that a worker makes of a file."""
    target = (TRANSFORM.height, TRANSFORM.width)
    picture, _ = decode_picture(io.BytesIO(data), max_pixels=LIMIT, target=target, draft=TRANSFORM.draft, format="jpeg")
    return TRANSFORM.apply(picture)


def with_pillow(data: bytes, draft: float) -> Pixels:
    """The pixels by Pillow, from a reduced scale of at least ``draft`` times the side; 0: from all pixels."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (round(draft * SIDE), round(draft * SIDE)))
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def mosaic(photos: Sequence[Path], columns: int, rows: int, size: tuple[int, int], start: int) -> bytes:
    """Photographs side by side."""
    width, height = size[0] // columns, size[1] // rows
    canvas = Image.new("RGB", size)
    for place in range(columns * rows):
        with Image.open(photos[(start + place) % len(photos)]) as photo:
            piece = photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        canvas.paste(piece, (place % columns * width, place // columns * height))
    return as_jpeg(canvas)


def camera(photo: Path, seed: int) -> bytes:
    """A photograph enlarged to 12 megapixels, with grain."""
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB").resize(LARGE, Image.Resampling.LANCZOS)).astype(np.float32)
    grain = np.random.default_rng(seed).standard_normal(pixels.shape[:2], np.float32) * GRAIN
    return as_jpeg(Image.fromarray((pixels + grain[..., None]).clip(0, 255).astype(np.uint8)))


def as_jpeg(image: Image.Image) -> bytes:
    """The picture as a baseline JPEG with halved colours, as cameras write it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=2)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
