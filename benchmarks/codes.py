"""Case ``codes``: how many of the ten nearest rows stand among the first candidates, by kind of code.

    python benchmarks/codes.py [--rows 200000] [--cuttings 50000] [--out FOLDER]

On pairs of texts and pictures recorded with real CLIP models: one list, so that nothing but the codes is measured.
Codes are learned from the pictures and every second text, and asked by the other texts and by pictures. Then on
pictures and texts generated to lie as these do (`synthetic`), many enough for lists, of which 128 are probed; and on
vectors of `mini`: cuttings of photographs, asked by captions and by other cuttings.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from run import write_results
from synthetic import Generator, unit

REAL = ("amazon_products_997", "fashion_shopsphere_1126", "fashion_stbi_1000")
SHORT = ("PQ256x4fsr", "QW,PQ128x4fsr", "QW,PQ64x4fsr", "QW,PQ32x4fsr")  # the sets are too small for more than 4 bits
KINDS = (*SHORT, "QW,PQ256x4fsr", "PQ128x4fsr", "PQ64x4fsr", "PQ64", "QW,PQ32", "RaBitQ")
FIRST = {"real": (10, 20, 40), "generated": (40, 80, 160, 320, 960)}
OF_MINI = ("PQ128x4fsr", "QW,PQ64x4fsr", "PQ64x4fsr", "QW,PQ32x4fsr", "QW,PQ16")  # of 256 dimensions
PROBED, QUERIES, LEARNED_FROM = 128, 300, 512

Line = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/codes.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--cuttings", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = []
    for line in chain(real(), generated(options.rows), of_mini(options.cuttings)):
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
        measured.append(line)
    print(f"  → {write_results(options.out, 'codes', measured)}")
    return 0


def real() -> Iterator[Line]:
    """Recorded pairs: texts that no code was learned from, and pictures, over their pictures."""
    for name in REAL:
        folder = data_set("recorded_clip") / name
        texts, pictures = (unit(np.load(folder / f"{kind}.npy")) for kind in ("text", "image"))
        asked = {"text": texts[1::2], "picture": pictures[1::2]}
        for kind in SHORT:
            yield {"set": name, **measure(pictures, texts[::2], asked, kind, 1, FIRST["real"])}


def generated(rows: int) -> Iterator[Line]:
    """Generated ones, in about 2·√n lists."""
    from mmsearch.indexes.plan import round_to_power_of_two

    made = Generator()
    pictures = np.concatenate(list(made.pictures(rows))).astype(np.float32)
    asked = {"text": made.texts(QUERIES), "picture": next(made.pictures(QUERIES, stream=2)).astype(np.float32)}
    lists = round_to_power_of_two(2 * rows**0.5)
    for kind in KINDS:
        found = measure(pictures, made.texts(LEARNED_FROM, stream=4), asked, kind, lists, FIRST["generated"])
        yield {"set": f"generated, {rows:,}", **found}


def of_mini(count: int) -> Iterator[Line]:
    """Cuttings of photographs as `mini` embeds them; and the index that is planned for them, as it tunes itself."""
    from mmsearch.indexes import VectorIndex, build_index
    from mmsearch.indexes.plan import round_to_power_of_two
    from mmsearch.indexes.vectors import as_stored_vectors
    from mmsearch.retrieval.encoders.load import load_encoder

    folder, encoder = data_set("flickr8k_dev500"), load_encoder("mini")
    captions = [json.loads(line)["query"] for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    texts = encoder.encode_texts(captions)
    made = cuttings(sorted((folder / "images").iterdir()), count + QUERIES, encoder)
    pictures = as_stored_vectors(made[:count])
    rows, asked = pictures.take_float32(np.arange(count)), {"text": texts[1::5], "picture": made[count:]}
    lists = round_to_power_of_two(2 * count**0.5)
    learned_from = texts[::5]  # other captions of the same photographs, which the codes hold anyway
    for kind in OF_MINI:
        yield {
            "set": f"mini, {count:,} cuttings",
            **measure(rows, learned_from, asked, kind, lists, FIRST["generated"]),
        }
    index = build_index(pictures, requested="ivfpq", text_queries=np.concatenate([texts[2::5], learned_from]))
    recall = {kind: found_again(index, VectorIndex(pictures), queries) for kind, queries in asked.items()}
    yield {"set": f"mini, {count:,} cuttings", "codes": "tuned", "bytes": index.load().code_bytes, "recall": recall}


def found_again(index: Any, truth: Any, queries: Any) -> float:
    """The share of the ten nearest by brute force that an index finds."""
    pairs = zip(truth.search(queries, 10)[1], index.search(queries, 10)[1], strict=True)
    return round(float(np.mean([np.isin(nearest, found).mean() for nearest, found in pairs])), 3)


def cuttings(paths: Sequence[Path], count: int, encoder: Any) -> Any:
    """Vectors of random parts of photographs, a fifth of a side or more, every second one mirrored."""
    from PIL import Image, ImageOps

    rng = np.random.default_rng(0)
    photographs = [Image.open(path).convert("RGB") for path in paths]
    vectors = np.empty((count, encoder.space.dim), np.float32)
    for start in range(0, count, 64):
        pixels = []
        for number in range(start, min(start + 64, count)):
            photograph = photographs[number % len(photographs)]
            size = np.maximum(np.array(photograph.size) * rng.uniform(0.2, 1, 2), 16)
            left, top = rng.uniform(0, 1, 2) * (photograph.size - size)
            part = photograph.crop((int(left), int(top), int(left + size[0]), int(top + size[1])))
            pixels.append(encoder.image_transform.apply(ImageOps.mirror(part) if number % 2 else part))
        vectors[start : start + len(pixels)] = encoder.encode_images(np.stack(pixels))
    return vectors


def measure(rows: Any, learned_from: Any, asked: Line, kind: str, lists: int, first: Sequence[int]) -> Line:
    """Bytes, seconds to build, and for each kind of query the share of its ten nearest among the first candidates."""
    from mmsearch.indexes.faiss.approximate import ApproximateIndex
    from mmsearch.indexes.faiss.factory import QUERY_WEIGHTED
    from mmsearch.indexes.faiss.probing import Probing
    from mmsearch.indexes.plan import IndexPlan
    from mmsearch.indexes.vectors import as_stored_vectors

    stored = as_stored_vectors(rows)
    weighted = QUERY_WEIGHTED if kind.startswith(QUERY_WEIGHTED) else ""
    plan = IndexPlan(
        "faiss", "", f"{weighted}IVF{lists},{kind.removeprefix(QUERY_WEIGHTED)}", train_rows=min(len(rows), 65_536)
    )
    started = time.process_time()
    index = ApproximateIndex.build(stored, np.arange(len(rows)), plan, seed=0, threads=1, queries=[learned_from])
    line = {"codes": kind, "bytes": index.code_bytes, "build_cpu_s": round(time.process_time() - started, 1)}
    for name, queries in asked.items():
        nearest = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
        started = time.process_time()
        proposed = [index.candidates(query[None], first[-1], Probing(PROBED), threads=1)[0] for query in queries]
        line[f"{name}_cpu_ms"] = round(1e3 * (time.process_time() - started) / len(queries), 3)
        line[name] = {
            count: round(
                float(np.mean([np.isin(n, p[:count]).mean() for n, p in zip(nearest, proposed, strict=True)])), 3
            )
            for count in first
        }
    return line


if __name__ == "__main__":
    sys.exit(main())
