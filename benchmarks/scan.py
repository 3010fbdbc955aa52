"""Case ``scan``: comparing every row, by three ways from stored halves to cosines, and within a filter.

    python benchmarks/scan.py [--rows 250000] [--out FOLDER]

numpy's own conversion, the one in registers (`to_float32`), FAISS on the halves where they lie. Rows are random: what
a scan takes does not depend on them. Every way runs in turns; medians, and ratios to numpy's conversion.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from run import write_results

DIM = 512
TURNS = 9
BLOCK = 1024  # rows that are floats at a time: they stay in the second-level cache


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/scan.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = measure(options.rows)
    for line in measured:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'scan', measured)}")
    return 0


def measure(rows: int) -> list[dict[str, Any]]:
    """A line for each way: median milliseconds of a query, and numpy's over them."""
    import faiss  # noqa: F401  (so that `VectorIndex` compares halves in place)

    from mmsearch.indexes import VectorIndex
    from mmsearch.indexes.vectors import as_stored_vectors, to_float32
    from mmsearch.unit import normalize_rows

    rng = np.random.default_rng(0)
    stored = np.empty((rows, DIM), np.float16)
    for start in range(0, rows, BLOCK):
        block = rng.standard_normal((min(BLOCK, rows - start), DIM), np.float32)
        stored[start : start + len(block)] = normalize_rows(block)
    query = to_float32(stored[:1])
    one, two = (VectorIndex(as_stored_vectors(stored), threads=threads) for threads in (1, 2))
    filters = {share: rng.random(rows) < share for share in (0.01, 0.1)}
    ways: dict[str, Callable[[], Any]] = {
        "numpy's conversion, 1 thread": lambda: product(stored, query, lambda block: block.astype(np.float32)),
        "in registers, 1 thread": lambda: product(stored, query, to_float32),
        "in place, 1 thread": lambda: one.search(query, 10),
        "in place, 2 threads": lambda: two.search(query, 10),
        "in place, 1 thread, 1 % filter": lambda: one.search(query, 10, allowed=filters[0.01]),
        "in place, 1 thread, 10 % filter": lambda: one.search(query, 10, allowed=filters[0.1]),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, run in ways.items():
            start_s = time.perf_counter()
            run()
            if turn:  # the first warms up
                took[way].append(1000 * (time.perf_counter() - start_s))
    base = median(next(iter(took.values())))
    return [
        {"way": way, "rows": rows, "dim": DIM, "ms": round(median(ms), 2), "ratio": round(base / median(ms), 1)}
        for way, ms in took.items()
    ]


def product(rows: Any, query: Any, convert: Callable[[Any], Any]) -> Any:
    """Cosines of all rows, a block of floats at a time."""
    return np.concatenate([convert(rows[start : start + BLOCK]) @ query[0] for start in range(0, len(rows), BLOCK)])


if __name__ == "__main__":
    sys.exit(main())
