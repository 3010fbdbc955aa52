"""What confining the decoding workers costs: the same pictures decoded by turns with it and without."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine_facts
from PIL import Image

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job

_FREE = "from mmsearch.retrieval.media.workers import worker\nworker.confine = lambda *_: None\nworker.main()\n"


def make_pictures(folder: Path, count: int) -> list[Path]:
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        path = folder / f"{number}.jpg"
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return paths


def decode_all(paths: list[Path], command: list[str] | None) -> float:
    spec = DecodeSpec(image=ImageTransform(224, 224))
    start = time.perf_counter()
    with Decoder(2, spec, slots=32, _worker_command=command) as decoder:
        for file in filter(None, decoder.map(Job(os.fsencode(path)) for path in paths)):
            decoder.release(file)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_pictures(folder, given.pictures)
        script = folder / "free_worker.py"
        script.write_text(_FREE)
        free = [sys.executable, "-P", str(script)]
        decode_all(paths, None)
        ratios = []
        for turn in range(given.rounds):
            order = [None, free] if turn % 2 else [free, None]
            took = {str(command): decode_all(paths, command) for command in order}
            ratios.append(took["None"] / took[str(free)])
    print(machine_facts())
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(
        f"{given.pictures} pictures, confined over not: median {statistics.median(ratios):.3f}"
        f" ({spread}, {given.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
