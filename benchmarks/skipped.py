"""Case ``skipped``: a folder of sidecar files that nothing is made of, in the first run and in those after.

    python benchmarks/skipped.py [--files 20000] [--out FOLDER]

Every file has a content of its own. The first run opens them all, the second knows them from the first by size, times
and reader. Medians of 3, each on a folder and a collection made anew. ``stat_s`` is what listing the folder and asking
for each file's size and times takes alone, in this process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from run import write_results

from mmsearch import Collection

RUNS = 3
_SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="{number}"/></rdf:RDF></x:xmpmeta>'
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/skipped.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = measure(options.files)
    for line in measured:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'skipped', measured)}")
    return 0


def measure(files: int) -> list[dict[str, Any]]:
    """A line for the first and for the second run: the median of their seconds, and the machine's load before."""
    load = round(os.getloadavg()[0], 1)
    took: dict[str, list[float]] = {"first": [], "second": [], "stat": []}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as place, Collection.create(Path(place, "c.mms"), "mini") as collection:
            folder = Path(place, "sidecars")
            folder.mkdir()
            for number in range(files):
                (folder / f"{number}.xmp").write_text(_SIDECAR.format(number=number))
            took["stat"].append(_stat_s(folder))
            for run in ("first", "second"):
                report = collection.index([folder])
                assert len(report.skipped) == files
                assert sum(note.known for note in report.skipped) == (files if run == "second" else 0)
                took[run].append(report.seconds)
    stat_s = round(statistics.median(took["stat"]), 3)
    return [
        {"run": run, "files": files, "seconds": round(statistics.median(took[run]), 2), "stat_s": stat_s, "load": load}
        for run in ("first", "second")
    ]


def _stat_s(folder: Path) -> float:
    start = time.perf_counter()
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
