"""Case ``skipped``: a folder of sidecar files that nothing is made of, in the first run and in those after.

    python benchmarks/skipped.py [--files 20000] [--out FOLDER]

Every file has a content of its own. The first run opens them all, the second knows them from the first by size, times
and reader. Medians of 3, each on a folder and a collection made anew: ``seconds`` by the clock, ``cpu_s`` of the
processor, workers included, which hardly minds other work on the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
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
    """A line for the first and for the second run: the medians, and the load of the machine in the minute before."""
    load = round(os.getloadavg()[0], 1)
    took: dict[str, list[tuple[float, float]]] = {"first": [], "second": []}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as place, Collection.create(Path(place, "c.mms"), "mini") as collection:
            folder = Path(place, "sidecars")
            folder.mkdir()
            for number in range(files):
                (folder / f"{number}.xmp").write_text(_SIDECAR.format(number=number))
            for run in ("first", "second"):
                before = _cpu_s()
                report = collection.index([folder])
                took[run].append((report.seconds, _cpu_s() - before))
                assert len(report.skipped) == files
                assert sum(note.known for note in report.skipped) == (files if run == "second" else 0)
    return [
        {
            "run": run,
            "files": files,
            "seconds": round(statistics.median(seconds for seconds, _ in took[run]), 2),
            "cpu_s": round(statistics.median(cpu_s for _, cpu_s in took[run]), 2),
            "load": load,
        }
        for run in took
    ]


def _cpu_s() -> float:
    """Seconds of the processor that this process and the workers that have ended took."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
