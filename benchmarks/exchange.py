"""How fast do rows go out to other programs, and come in from them? And is nothing lost where a run is killed?

    python benchmarks/exchange.py [--rows 100000] [--dim 512] [--out FOLDER]
    python benchmarks/exchange.py --kills 20

A collection of random vectors with paths, texts and facts is exported to each kind of destination, and what can be read
is imported again, each in a process of its own. ``--kills`` kills processes (SIGKILL) at random times, runs them again
until one ends, and compares what is there with the collection.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch import Collection
from mmsearch.exchange import collection_to_fill, export_vectors, import_vectors

OUT = {name: name for name in ("npy", "parquet", "faiss", "lance", "qdrant")} | {
    "milvus": "milvus.db",
    "pgvector": "pg.sql",
}
IN = ("npy", "parquet", "lance", "qdrant")
BATCH = 50_000


def make(folder: Path, rows: int, dim: int) -> Path:
    """A collection of random vectors, compared one by one: building an index is measured elsewhere."""
    path = folder / "bench.mms"
    rng = np.random.default_rng(0)
    with Collection.create(path, model=None, index="exact") as made:
        for start in range(0, rows, BATCH):
            numbers = range(start, min(start + BATCH, rows))
            made.add(
                rng.standard_normal((len(numbers), dim), np.float32),
                paths=[f"/pictures/{n // 1000:05d}/{n:09d}.jpg" for n in numbers],
                modality="image",
                space="bench",
                facts={
                    "width": [640 + n % 999 for n in numbers],
                    "caption": [f"picture {n} of a street in a town" for n in numbers],
                    "price": [n / 7 for n in numbers],
                },
            )
    return path


def work(what: str, collection: str, place: str) -> None:
    """Export or import in this process; prints what was done."""
    if what == "in":
        with collection_to_fill(collection) as opened:
            done: dict[str, Any] = import_vectors(opened, place, space="bench").to_json()
    else:
        with Collection.open(collection) as opened:
            done = export_vectors(opened, what, place).to_json()
    done["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(done))


def started(what: str, collection: Path, place: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--work", what, os.fspath(collection), os.fspath(place)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err)
    done: dict[str, Any] = json.loads(out.splitlines()[-1])
    return done


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return round(sum(one.stat().st_size for one in files) / 1e6, 1)


def measure(folder: Path, rows: int, dim: int) -> list[dict[str, Any]]:
    """A line for each kind of destination and source."""
    collection = make(folder, rows, dim)
    lines = []
    for to, name in OUT.items():
        done = finished(started(to, collection, folder / name))
        lines.append(
            {
                "export": to,
                "rows": done["verified"],
                "dim": dim,
                "rows_per_s": round(done["rows"] / done["seconds"]),
                "seconds": round(done["seconds"], 1),
                "peak_mb": done["peak_mb"],
                "size_mb": size_mb(folder / name),
            }
        )
        print(json.dumps(lines[-1]), flush=True)
    for kind in IN:
        target = folder / f"from-{kind}.mms"
        done = finished(started("in", target, folder / OUT[kind]))
        again = finished(started("in", target, folder / OUT[kind]))
        assert (done["added"], again["unchanged"]) == (rows, rows)
        lines.append(
            {
                "import": kind,
                "rows": done["added"],
                "dim": dim,
                "rows_per_s": round(rows / done["seconds"]),
                "seconds": round(done["seconds"], 1),
                "again_s": round(again["seconds"], 1),
                "peak_mb": done["peak_mb"],
            }
        )
        print(json.dumps(lines[-1]), flush=True)
        shutil.rmtree(target)
    return lines


def check(done: dict[str, Any], rows: int) -> int:
    """See that all rows are there, once; returns how many were there before the run."""
    there = done.get("there", done.get("unchanged"))
    new = done.get("written", done.get("added"))
    assert there + new == rows, done
    return int(there)


def kill(folder: Path, rows: int, dim: int, kills: int) -> list[dict[str, Any]]:
    """Each kind, killed so many times, ends with the rows of the collection, no more and no fewer."""
    collection = make(folder, rows, dim)
    chance = random.Random(0)
    lines = []
    for what in (*OUT, "in"):
        place = folder / OUT.get(what, "npy")
        source = folder / "again.mms" if what == "in" else collection
        killed = most = 0
        longest = 3.0
        while killed < kills:
            process = started(what, source, place)
            try:
                process.wait(chance.uniform(1.0, longest))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
                longest *= 1.15
                continue
            most = max(most, check(finished(process), rows))
            made = source if what == "in" else place
            shutil.rmtree(made) if made.is_dir() else made.unlink()
            longest = 3.0
        most = max(most, check(finished(started(what, source, place)), rows))
        lines.append({"killed": what, "times": kills, "rows": rows, "most_that_was_there": most})
        print(json.dumps(lines[-1]), flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*given.work)
        return
    started_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if given.kills:
            kill(Path(folder), given.rows, given.dim, given.kills)
            return
        lines = measure(Path(folder), given.rows, given.dim)
    if given.out:
        from run import write_results

        write_results(given.out, "exchange", lines)
    print(f"{time.perf_counter() - started_at:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
