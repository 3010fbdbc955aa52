"""Case ``warm-query``: what a text query costs in a process that has the model and the collection open.

    python benchmarks/warm_query.py [--turns 3] [--work FOLDER] [--out FOLDER]

Two collections of `mini`, of made-up files: 170 files of all four modalities (100 pictures, 40 texts, 20 sounds, 10
films with sound), and 100,000 rows of pictures, compared one by one. Three things are timed in turns, for the same
words: the text network alone (with the prompts that a single word is put into), the comparison with the stored vectors
alone, and the whole query. What is left is mmsearch's own work. One query at a time, and 100 as one batch.

BLAS has one thread here. More of them go on spinning for some milliseconds after a product, which the processor's clock
would count as the work of whatever comes next.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported

import av
import numpy as np
from cold_query import blends, stored_vectors
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from run import write_results

from mmsearch import Collection
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.search.query_texts import passages_of, prompted
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.searcher import Searcher

PICTURES, TEXTS, SOUNDS, FILMS = 100, 40, 20, 10
ROWS = 100_000
K = 10
QUERIES, BATCH, WARM_UPS = 60, 100, 3
OWN_MS, OWN_BATCH_MS, RATIO = 0.5, 0.3, 1.3
"""Targets: milliseconds beyond network and comparison, of one query and of each in a batch; with 100,000 rows, the
whole over network and comparison."""

_COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black", "brown", "pink")
_SHAPES = ("disc", "square", "triangle", "ring", "stripe", "cross", "star", "hill", "wave", "tower")
_PLACES = ("beach", "forest", "kitchen", "harbour", "street", "garden", "mountain", "station", "field", "bridge")
_DOINGS = ("runs over", "stands before", "lies beside", "hangs above", "turns towards", "leans on", "passes")
_BEINGS = ("dog", "child", "woman", "horse", "boat", "train", "bicycle", "bird", "man", "cat", "lamp", "bottle")
_LIGHTS = ("at dawn", "in the rain", "at night", "in winter", "under a grey sky", "in bright light", "in fog")
_NAMES = ("Milmold", "Oakhurst", "Brandoval", "Tessaly", "Quenby", "invoice 4711", "IMG_0042", "ticket 2209")
_RATE = 16_000
_FPS = 12


@dataclass(slots=True)
class Times:
    """Seconds of each turn: of the processor, and by the clock."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def take(self, work: Callable[[], object], share: int = 1) -> None:
        """Time something once; ``share``: of how many queries it is the work."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.cpu_s.append((time.process_time() - cpu) / share)
        self.wall_s.append((time.perf_counter() - wall) / share)

    def ms(self) -> tuple[float, float]:
        """Medians in milliseconds: of the processor, and by the clock."""
        return 1e3 * statistics.median(self.cpu_s), 1e3 * statistics.median(self.wall_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/warm_query.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="how often each query and batch is asked")
    parser.add_argument("--work", type=Path, help="a folder where the collections stay for the next run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        work = options.work or Path(place)
        small, large = make_collections(work)
        lines = []
        for name, root in (("170 files", small), ("100,000 pictures", large)):
            lines += measure(name, root, options.turns)
    for line in lines:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'warm_query', lines)}")
    return 0


def measure(name: str, root: Path, turns: int) -> list[dict[str, Any]]:
    """A line for one query at a time, and one for a batch."""
    encoder = load_encoder("mini")
    assert isinstance(encoder, TextEncoder)
    with Collection.open(root) as collection:
        asked = sentences(WARM_UPS + QUERIES + (1 + turns) * BATCH)
        singles = [next(asked) for _ in range(WARM_UPS + QUERIES)]
        batches = [[next(asked) for _ in range(BATCH)] for _ in range(1 + turns)]
        one = [Times(), Times(), Times()]
        for turn, words in enumerate([*singles[:WARM_UPS], *(singles[WARM_UPS:] * turns)]):
            found = timed(collection, encoder, [words], lambda words=words: collection.search(words, K))
            if turn >= WARM_UPS:
                for times, work in zip(one, found, strict=True):
                    times.take(work)
            else:
                for work in found:
                    work()
        many = [Times(), Times(), Times()]
        for turn, batch in enumerate(batches):
            found = timed(collection, encoder, batch, lambda batch=batch: collection.ask_many(batch, K))
            for times, work in zip(many, found, strict=True):
                if turn:
                    times.take(work, BATCH)
                else:
                    work()
        rows = sum(count.rows for count in collection.status().modalities)
    is_large = rows >= ROWS
    about = {"collection": name, "rows": rows}
    return [
        {**about, "batch": 1, **summary(one), **({"target_ratio": RATIO} if is_large else {"target_own_ms": OWN_MS})},
        {
            **about,
            "batch": BATCH,
            **summary(many),
            **({"target_ratio": RATIO} if is_large else {"target_own_ms": OWN_BATCH_MS}),
        },
    ]


def timed(
    collection: Collection, encoder: TextEncoder, words: Sequence[str], ask: Callable[[], object]
) -> list[Callable[[], object]]:
    """What is timed for some queries: the network, the comparison, and the whole."""
    parts = [part for text in words for part in [*passages_of(text, encoder), *prompted(text, encoder)]]
    vectors = encoder.encode_texts(list(words))
    return [lambda: encoder.encode_texts(parts), lambda: compare(collection.searcher(), vectors), ask]


def compare(searcher: Searcher, vectors: NDArray[np.float32]) -> None:
    """Ask the indexes of all modalities for as many rows as a query looks at, and nothing else."""
    for modality in searcher.modalities:
        depth = (4 * K if modality in ("audio", "video") else K) + 1
        mask = searcher.mask(modality, SearchScope())
        searcher.index(modality).search(vectors, min(depth, len(searcher.rows(modality))), allowed=mask)


def summary(measured: Sequence[Times]) -> dict[str, Any]:
    """Medians in milliseconds of processor time, and of the clock for the whole; what is mmsearch's own, and the ratio
    of the whole to network and comparison."""
    (network, _), (scan, _), (whole, wall) = (times.ms() for times in measured)
    return {
        "network_ms": round(network, 3),
        "scan_ms": round(scan, 3),
        "query_ms": round(whole, 3),
        "query_wall_ms": round(wall, 3),
        "own_ms": round(whole - network - scan, 3),
        "ratio": round(whole / (network + scan), 2),
    }


def sentences(count: int) -> itertools.chain[str]:
    """Different queries: descriptions, of which every fifth is a single word and every tenth has a name."""
    chance, made = random.Random(0), dict[str, None]()
    singles = [*_BEINGS, *_SHAPES, *_PLACES, *_COLOURS]
    for number in itertools.count():
        if len(made) >= count:
            break
        if number % 5 == 4 and singles:
            made[singles.pop(chance.randrange(len(singles)))] = None
        elif number % 10 == 3:
            made[f"{chance.choice(_NAMES)} {chance.choice(_PLACES)} {chance.randrange(99)}"] = None
        else:
            made[description(chance)] = None
    return itertools.chain(made)


def description(chance: random.Random) -> str:
    """A sentence."""
    first, second = chance.sample(_BEINGS, 2)
    colour, place, light = chance.choice(_COLOURS), chance.choice(_PLACES), chance.choice(_LIGHTS)
    return f"a {colour} {first} {chance.choice(_DOINGS)} a {second} in the {place} {light}"


def make_collections(work: Path) -> tuple[Path, Path]:
    """The roots of both collections; they are made if they are not there."""
    small, large = work / "small.mms", work / "large.mms"
    if not small.exists():
        make_files(work / "files")
        with Collection.create(small, "mini") as collection:
            report = collection.index([work / "files"], ocr="off")
            assert not report.skipped, report.skipped
    if not large.exists():
        with Collection.open(small) as collection:
            seeds = stored_vectors(collection)
        with Collection.create(large, "mini") as collection:
            names = [f"/photos/{row // 1000:03d}/{row:06d}.jpg" for row in range(ROWS)]
            collection.add(blends(seeds, ROWS), paths=names, modality="image")
            assert collection.status().modalities[0].index == "exact"
    return small, large


def make_files(folder: Path) -> None:
    """170 files that differ: pictures, texts, sounds, films."""
    folder.mkdir(parents=True)
    chance = random.Random(0)
    for number in range(PICTURES):
        picture(chance).save(folder / f"IMG_{number:04d}.jpg", quality=90)
    for number in range(TEXTS):
        words = [description(chance) for _ in range(chance.randrange(2, 12))]
        if number % 4 == 0:
            words.append(f"See {chance.choice(_NAMES)}.")
        (folder / f"note {number}.txt").write_text(". ".join(words), "utf-8")
    for number in range(SOUNDS):
        write_sound(folder / f"sound {number}.wav", chance, chance.randrange(5, 25))
    for number in range(FILMS):
        write_film(folder / f"film {number}.mp4", chance, chance.randrange(2, 5))


def picture(chance: random.Random, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Shapes on a ground, more or less sharp."""
    ground = tuple(chance.randrange(256) for _ in range(3))
    drawn = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(drawn)
    for _ in range(chance.randrange(1, 9)):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        width, height = chance.randrange(20, 160), chance.randrange(20, 160)
        shape = chance.choice([pen.ellipse, pen.rectangle, pen.line])
        shape((x, y, x + width, y + height), fill=tuple(chance.randrange(256) for _ in range(3)))
    return drawn.filter(ImageFilter.GaussianBlur(chance.choice((0, 0, 1, 4))))


def write_sound(path: Path, chance: random.Random, seconds: int) -> None:
    """Tones and noise."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes((20_000 * samples(chance, seconds)).astype(np.int16).tobytes())


def samples(chance: random.Random, seconds: int) -> NDArray[np.float32]:
    """Mono samples in -1…1, float32 ``[samples]``."""
    numbers = np.random.default_rng(chance.randrange(1 << 30))
    at = np.arange(seconds * _RATE, dtype=np.float32) / _RATE
    tone = np.sin(2 * np.pi * chance.uniform(80, 3000) * at * (1 + chance.random() * np.sin(at)))
    noise = numbers.standard_normal(len(at), np.float32)
    share = chance.random()
    return np.clip(share * tone + (1 - share) * 0.3 * noise, -1, 1).astype(np.float32)


def write_film(path: Path, chance: random.Random, shots: int) -> None:
    """A film of some shots of a few seconds with sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(_FPS), options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("aac", rate=_RATE, layout="mono")
        seconds = 0
        for _ in range(shots):
            long = chance.randrange(2, 6)
            still = picture(chance, (160, 120))
            for _ in range(long * _FPS):
                container.mux(video.encode(av.VideoFrame.from_image(still)))
            frame = av.AudioFrame.from_ndarray(samples(chance, long)[None], "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = _RATE, Fraction(1, _RATE), seconds * _RATE
            container.mux(sound.encode(frame))
            seconds += long
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


if __name__ == "__main__":
    sys.exit(main())
