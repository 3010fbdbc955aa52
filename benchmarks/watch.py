"""Case ``watch``: how soon a new file is a hit, and what a watcher costs while nothing happens.

    python benchmarks/watch.py [--files 100000] [--runs 7] [--idle 30] [--work FOLDER] [--out FOLDER]

`mmsearch watch` runs as a process over a tree of tiny files whose rows are written through the store's writer (as in
``second-run``). A picture is moved into the tree; the time is that until the event with the new hit. While nothing
happens, the processor time and the memory of the process are read. Then, in one process: a run that looks at
everything, beside one that looks at one changed file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fresh_process import environment
from PIL import Image
from run import write_results
from second_run import make_collection, make_files

from mmsearch import Collection, library

SIZE = (640, 480)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/watch.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=30.0)
    parser.add_argument("--work", type=Path, help="where the files and the collection stay for the next run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not Collection.exists(work / "c.mms"):
            make_files(work / "tree", options.files)
            make_collection(work / "c.mms", work / "tree")
        measured = [measure_watcher(work, options.files, options.runs, options.idle)]
        measured += measure_runs(work, options.files, options.runs)
    for line in measured:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'watch', measured)}")
    return 0


def measure_watcher(work: Path, files: int, runs: int, idle_s: float) -> dict[str, Any]:
    """What a watcher takes while nothing happens, and how soon a file that comes is a hit."""
    with Collection.open(work / "c.mms") as opened:
        library.save_search(opened, "all", "a picture", to="image", min_level="nothing", replace_old=True)
    random = np.random.default_rng(time.time_ns())
    command = [sys.executable, "-m", "mmsearch", "watch", str(work / "tree"), "--tell", "@all", "--json"]
    begun = time.perf_counter()
    with subprocess.Popen(
        [*command, "-c", str(work / "c.mms")], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        start_s = time.perf_counter() - begun
        assert first["report"]["unchanged"] >= files
        watched = psutil.Process(process.pid)
        time.sleep(2)
        before = watched.cpu_times()
        time.sleep(idle_s)
        after = watched.cpu_times()
        idle_mb = watched.memory_full_info().uss / 1e6
        seconds: list[float] = []
        indexing: list[float] = []
        for run in range(runs):
            name = f"new {time.time_ns()} {run}.jpg"
            Image.fromarray(random.integers(0, 256, (*SIZE[::-1], 3), np.uint8)).save(work / name)
            come = time.perf_counter()
            (work / name).rename(work / "tree" / name)
            while True:
                event = json.loads(process.stdout.readline())
                if any(Path(hit["path"]).name == name for hit in event.get("hits", {}).get("all", [])):
                    break
            seconds.append(time.perf_counter() - come)
            indexing.append(event["report"]["seconds"])
            time.sleep(1)
        busy_mb = watched.memory_full_info().uss / 1e6
        process.terminate()
        process.wait()
    return {
        "part": "watcher",
        "files": files,
        "runs": runs,
        "start_s": round(start_s, 2),
        "idle_s": idle_s,
        "idle_cpu_share": round((after.user + after.system - before.user - before.system) / idle_s, 4),
        "idle_mb": round(idle_mb, 1),
        "mb_after_batches": round(busy_mb, 1),
        "to_hit_s": round(statistics.median(seconds), 2),
        "most_to_hit_s": round(max(seconds), 2),
        "of_it_indexing_s": round(statistics.median(indexing), 2),
    }


def measure_runs(work: Path, files: int, runs: int) -> list[dict[str, Any]]:
    """Processor time of a run over everything and of one over a file that is said to have changed, in turns."""
    one = next((work / "tree").rglob("IMG_*.jpg"))
    with Collection.open(work / "c.mms") as opened:
        turns: list[dict[str, float]] = []
        for _ in range(runs + 1):
            turn: dict[str, float] = {}
            for name, changed in (("everything", None), ("one file", [one])):
                begun = time.process_time()
                opened.index([work / "tree"], changed=changed)
                turn[name] = time.process_time() - begun
            turns.append(turn)
    return [
        {
            "part": f"look at {name}",
            "files": files,
            "runs": runs,
            "cpu_s": round(statistics.median(turn[name] for turn in turns[1:]), 4),
            "ratio": round(statistics.median(turn[name] / turn["everything"] for turn in turns[1:]), 3),
        }
        for name in ("everything", "one file")
    ]


if __name__ == "__main__":
    sys.exit(main())
