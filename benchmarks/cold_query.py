"""Case ``cold-query``: a text query from a fresh process with `mini` on 100,000 vectors.

Reported as a ratio to a process that only imports numpy and pyarrow, which no reader of the store can do without:
a ratio travels from machine to machine better than seconds do.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from fresh_process import Took, environment, launch
from numpy.typing import NDArray

from mmsearch import Collection

ROWS = 100_000
RUNS = 15
WARM_UPS = 2
TARGET, MEMORY_TARGET = 2.0, 1.6
FEW_ROWS = 500  # the photographs themselves: what a query holds besides rows
WORDS = "a dog on a beach"
BASELINE = (sys.executable, "-c", "import numpy, pyarrow")
# The command line in a process that afterwards says which heavy packages it had imported.
WATCHED = """
import sys
from mmsearch.cli import main
try:
    main()
finally:
    heavy = {"torch", "open_clip", "transformers", "onnxruntime", "pyarrow.parquet", "pyarrow.compute", "PIL"}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def measure() -> list[dict[str, Any]]:
    """A line for each form of output: medians in seconds, and ratios to the baseline.

    Raises:
        MissingDataError: the photographs that the vectors are made from are not here.
    """
    photos = data_set("flickr8k_dev500") / "images"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "vectors.mms"
        built = fill(root, photos)
        query = ("query", WORDS, "--collection", str(root))
        lines = []
        for output, options in (("text", ()), ("json", ("--json",))):
            ours, baseline = alternate([sys.executable, "-m", "mmsearch", *query, *options], BASELINE)
            line = {"output": output, "rows": ROWS, "index": built, "runs": RUNS, **compare(ours, baseline)}
            lines.append({**line, "target": TARGET, "heavy_imports": heavy_imports([*query, *options])})
        few = Path(folder) / "few.mms"
        built = fill(few, photos, FEW_ROWS)
        query = ("query", WORDS, "--collection", str(few))
        ours, baseline = alternate([sys.executable, "-m", "mmsearch", *query], BASELINE)
        line = {"output": "text", "rows": FEW_ROWS, "index": built, "runs": RUNS, **compare(ours, baseline)}
        lines.append({**line, "memory_target": MEMORY_TARGET})
    return lines


def fill(root: Path, photos: Path, rows: int = ROWS) -> str:
    """Make a collection of so many vectors that lie as those of photographs do; returns the index that it got."""
    with Collection.create(root, "mini") as collection:
        collection.index([photos], ocr="off")
        seeds = stored_vectors(collection)
        names = [f"/photos/{row // 1000:03d}/{row:06d}.jpg" for row in range(rows - len(seeds))]
        collection.add(blends(seeds, len(names)), paths=names, modality="image")
        return collection.status().modalities[0].index


def stored_vectors(collection: Collection) -> NDArray[np.float32]:
    """The collection's picture vectors, float32 ``[rows, dim]``."""
    rows = collection.searcher().rows("image")
    return np.asarray(rows.vectors_at(np.arange(len(rows))), np.float32)


def blends(seeds: NDArray[np.float32], count: int, *, noise: float = 0.5) -> NDArray[np.float32]:
    """Vectors between two random seeds each, and off them by Gaussian noise of about length ``noise``."""
    random = np.random.default_rng(0)
    share = random.uniform(0.5, 1, (count, 1)).astype(np.float32)
    first, second = (seeds[random.integers(len(seeds), size=count)] for _ in range(2))
    dim = seeds.shape[1]
    off = random.standard_normal((count, dim), np.float32) * np.float32(noise / np.sqrt(dim))
    return share * first + (1 - share) * second + off


def alternate(ours: Sequence[str], baseline: Sequence[str]) -> tuple[list[Took], list[Took]]:
    """What both commands took, run in turns so that a busy spell of the machine meets both."""
    for _ in range(WARM_UPS):
        launch(ours)
        launch(baseline)
    pairs = [(launch(ours), launch(baseline)) for _ in range(RUNS)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def compare(ours: Sequence[Took], baseline: Sequence[Took]) -> dict[str, float | None]:
    """Medians, and ratios: of the medians, the median of each pair's own, and of the processor time of all runs.

    The last one hardly minds other work on the machine. It is None where the system does not tell (Windows).
    """
    median = statistics.median(took.wall_s for took in ours)
    base = statistics.median(took.wall_s for took in baseline)
    pairs = [a.wall_s / b.wall_s for a, b in zip(ours, baseline, strict=True)]
    cpu, base_cpu = (sum(took.cpu_s for took in runs) for runs in (ours, baseline))
    peak, base_peak = (statistics.median(took.peak_mb for took in runs) for runs in (ours, baseline))
    return {
        "query_s": round(median, 4),
        "baseline_s": round(base, 4),
        "ratio_of_medians": round(median / base, 3),
        "median_of_ratios": round(statistics.median(pairs), 3),
        "ratio_of_cpu": round(cpu / base_cpu, 3) if base_cpu else None,
        "peak_mb": round(peak, 1),
        "baseline_peak_mb": round(base_peak, 1),
        "ratio_of_peaks": round(peak / base_peak, 3) if base_peak else None,
    }


def heavy_imports(arguments: Sequence[str]) -> list[str]:
    """Which packages the query imported that it must not."""
    command = [sys.executable, "-c", WATCHED, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    listed = done.stderr.splitlines()[-1].strip("[]")
    return [name.strip(" '") for name in listed.split(",") if name]
