"""Case ``facts``: changing facts of stored rows by a side table, beside writing their shard anew.

    python benchmarks/facts.py [--rows 200000 1000000] [--out FOLDER]

A collection of random vectors of 512 dimensions in one shard, each row with a colour and a price. ``update`` changes
the price of so many rows with `Collection.update_facts`; ``rewrite`` writes the shard anew, as a change without a side
table would have to, however few rows it is of; ``filter`` finds the rows of a condition on the price, in a snapshot
just opened, before any change and after all rows were changed; ``paths`` looks for the path of one row among the
stored ones, as `Collection.add` does. Medians of 3: ``seconds`` by the clock, ``cpu_s`` of the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from run import write_results

from mmsearch import Collection, Space
from mmsearch.retrieval.ingest.external_vectors import checked_addition, find_rows_of_same_paths
from mmsearch.retrieval.search.conditions import rows_where
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import open_writer

RUNS = 3
DIM = 512
_BLOCK = 100_000
_SPACE = Space.of_vectors("random", DIM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/facts.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = [line for rows in options.rows for line in measure(rows)]
    print(f"  → {write_results(options.out, 'facts', measured)}")
    return 0


def measure(rows: int) -> list[dict[str, Any]]:
    """The lines of a collection of so many rows."""
    lines: list[dict[str, Any]] = []

    def line(what: str, changed: int | None, work: Callable[[], object]) -> None:
        lines.append({"rows": rows, "what": what, "changed": changed, **_timed(work)})
        print("  " + " ".join(f"{name}={value}" for name, value in lines[-1].items()))

    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "c.mms")
        _fill(root, rows)

        def choose() -> None:
            assert rows_where(_snapshot(root).rows(_SPACE.key, "image"), "price > 50").any()

        line("filter", 0, choose)
        one = checked_addition(_SPACE, np.ones((1, DIM)), ["/new"], "image", None, None)
        line("paths", None, lambda: find_rows_of_same_paths(_snapshot(root), one))
        with open_writer(root) as writer:
            line("rewrite", None, lambda: writer.merge(writer.manifest.shards, np.empty(0, np.int64)))
        with Collection.open(root) as opened:
            for changed in (1, 1_000, rows // 10, rows):
                ids = np.arange(1, changed + 1)
                prices = np.arange(changed) % 100
                line("update", changed, lambda ids=ids, prices=prices: opened.update_facts(ids, {"price": prices}))
        line("filter", rows, choose)
    return lines


def _fill(root: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with Collection.create(root, None, index="exact") as made:
        for start in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - start)
            numbers = range(start, start + count)
            colours = [("red", "green", "blue")[number % 3] for number in numbers]
            facts = {"colour": colours, "price": [number % 100 for number in numbers]}
            paths = [f"/shop/{number % 997:03d}/{number:08d}.jpg" for number in numbers]
            vectors = rng.standard_normal((count, DIM), np.float32)
            made.add(vectors, paths=paths, modality="image", facts=facts, space=_SPACE)
        made.compact()


def _snapshot(root: Path) -> Snapshot:
    with Collection.open(root) as opened:
        return Snapshot(root, opened.manifest)


def _timed(work: Callable[[], object]) -> dict[str, float]:
    load = round(os.getloadavg()[0], 1)
    took: list[tuple[float, float]] = []
    for _ in range(RUNS):
        start, before = time.perf_counter(), time.process_time()
        work()
        took.append((time.perf_counter() - start, time.process_time() - before))
    seconds, cpu_s = (round(statistics.median(one), 3) for one in zip(*took, strict=True))
    return {"seconds": seconds, "cpu_s": cpu_s, "load": load}


if __name__ == "__main__":
    sys.exit(main())
