"""Case ``ingest``: 500 photographs into a fresh collection with `mini`, as a whole and stage by stage.

The stages overlap, so the slowest of them alone, not their sum, bounds the whole. Measured alone, each stage
says what it could do with the machine to itself.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray

from mmsearch import Collection
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.protocol import ImageEncoder
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.writer import Addition, open_writer
from mmsearch.types import Item

RUNS = 3
SLOTS = 32


def measure() -> list[dict[str, Any]]:
    """Lines for the whole run, and for decoding, encoding and writing alone.

    Raises:
        MissingDataError: the photographs are not here.
    """
    photos = sorted((data_set("flickr8k_dev500") / "images").iterdir())
    encoder = load_encoder("mini")
    assert isinstance(encoder, ImageEncoder)
    pixels = decode(photos, encoder, workers=os.cpu_count() or 1)
    vectors = encoder.encode_images(pixels).astype(np.float16)
    lines = [measure_whole(photos)]
    for workers in (1, 2):
        lines.append(alone("decode", len(photos), lambda w=workers: decode(photos, encoder, w), workers=workers))
    for batch in (8, 32):
        lines.append(alone("encode", len(photos), lambda b=batch: encode(encoder, pixels, b), batch=batch))
    lines.append(alone("write", len(photos), lambda: write(encoder, photos, vectors)))
    return lines


def measure_whole(photos: Sequence[Path]) -> dict[str, Any]:
    """`Collection.index` on fresh collections; medians of the whole and of the seconds spent in each stage."""
    reports = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as collection:
            reports.append(collection.index([photos[0].parent], ocr="off"))
    stages = {stage: statistics.median(report.stages[stage] for report in reports) for stage in reports[0].stages}
    return {
        **summary("whole", reports[0].indexed, [report.seconds for report in reports]),
        "stage_s": {stage: round(seconds, 3) for stage, seconds in stages.items()},
    }


def alone(stage: str, items: int, work: Callable[[], object], **settings: int) -> dict[str, Any]:
    """One stage without the others; the first run warms up and does not count."""
    work()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {**summary(f"{stage} alone", items, seconds), **settings}


def summary(stage: str, items: int, seconds: Sequence[float]) -> dict[str, Any]:
    """The median run, in seconds and items per second."""
    median = statistics.median(seconds)
    per_second = round(items / median, 1)
    return {
        "stage": stage,
        "items": items,
        "runs": len(seconds),
        "seconds": round(median, 4),
        "items_per_s": per_second,
    }


def decode(photos: Sequence[Path], encoder: ImageEncoder, workers: int) -> NDArray[np.uint8]:
    """The photographs' pixels in order, uint8 ``[n, height, width, 3]``; worker processes start anew each time."""
    transform = encoder.image_transform
    pixels = np.empty((len(photos), transform.height, transform.width, 3), np.uint8)
    row_of = {os.fsencode(photo): row for row, photo in enumerate(photos)}
    with Decoder(workers, DecodeSpec(image=transform), SLOTS) as decoder:
        for file in decoder.map(Job(path) for path in row_of):
            if isinstance(file, Decoded) and file.pixels is not None:
                pixels[row_of[file.path]] = file.pixels
                decoder.release(file)
    return pixels


def encode(encoder: ImageEncoder, pixels: NDArray[np.uint8], batch: int) -> None:
    """Encode pictures that are decoded already."""
    for start in range(0, len(pixels), batch):
        encoder.encode_images(pixels[start : start + batch])


def write(encoder: ImageEncoder, photos: Sequence[Path], vectors: NDArray[np.float16]) -> None:
    """Commit the photographs' rows to a fresh collection in one shard."""
    items = [Item(os.fsencode(photo), bytes(16), 0, 0, "image") for photo in photos]
    with tempfile.TemporaryDirectory() as root:
        Collection.create(root, "mini").close()
        with open_writer(Path(root)) as writer:
            writer.commit([Addition(encoder.space, "image", facts_table(items), vectors)])
