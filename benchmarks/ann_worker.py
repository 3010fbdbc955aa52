"""One engine of the case ``ann``, in a process of its own: ``build``, or ``search``. Prints a JSON object a line.

Time is told twice: of the clock, and of the processor for this process. The second hardly minds what else is running.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ann_engines import BUCKETS, ENGINES, Engine, K, emptied

QUERIES = 300
WARM_UPS = 30
ADDED = 1000


def main(name: str, phase: str, data: Path, folder: Path, threads: int) -> None:
    """Run one phase."""
    engine = ENGINES[name][0]()
    rows = np.load(data / "rows.npy", mmap_mode="r")
    if phase == "build":
        build(engine, rows, data, emptied(folder), threads)
    else:
        search(engine, rows, data, folder, threads)


def build(engine: Engine, rows: Any, data: Path, folder: Path, threads: int) -> None:
    """Build, and say what it took."""
    with took() as cost:
        engine.build(rows, np.load(data / "tuning.npy"), folder, threads)
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    tell(phase="build", **cost, file_bytes=files / len(rows), peak_mb=peak_mb())


def search(engine: Engine, rows: Any, data: Path, folder: Path, threads: int) -> None:
    """Open, then search with every setting, in a filter, and while rows come and go."""
    queries = {kind: np.load(data / f"{kind}.npy") for kind in ("text", "picture")}
    truth = {kind: np.load(data / f"{kind}-truth.npy") for kind in queries}
    for module in engine.modules:
        import_module(module)
    before = resident()
    with took() as cost:
        engine.open(folder, threads, rows)
        engine.search(queries["text"][-1], engine.points[0])
    tell(phase="open", **cost, held_bytes=(resident() - before) / len(rows))
    for point in engine.points:
        for kind, asked in queries.items():
            tell(
                phase="search",
                point=point,
                kind=kind,
                **measure(partial(engine.search, point=point), asked, truth[kind]),
            )
    tell(phase="held", held_bytes=(resident() - before) / len(rows))
    if engine.can_filter:
        inside = np.load(data / "text-filtered-truth.npy")
        for point in engine.points:
            found = measure(partial(engine.search, point=point, bucket=7), queries["text"], inside)
            tell(phase="filter", point=point, share=1 / BUCKETS, **found)
    if engine.can_change:
        change(engine, rows, queries["text"], np.load(data / "added.npy"))


def change(engine: Engine, rows: Any, queries: Any, added: Any) -> None:
    """Add a thousand rows, then delete a hundredth of all; each with the searches that follow."""
    point = engine.points[len(engine.points) // 2]
    ids = np.arange(len(rows), len(rows) + len(added), dtype=np.int64)
    again = partial(engine.search, point=point)
    with took() as cost:
        engine.add(ids, added)
    own = np.mean([ids[i] in again(added[i].astype(np.float32)) for i in range(50)])
    tell(phase="add", rows=len(added), **cost, found=float(own), after=timing(again, queries))
    gone = np.arange(0, len(rows), 100)
    with took() as cost:
        engine.delete(gone)
    met = sum(np.isin(again(query), gone).sum() for query in queries[:50])
    tell(phase="delete", rows=len(gone), **cost, met=int(met), after=timing(again, queries))


def measure(ask: Callable[[Any], Any], queries: Any, truth: Any) -> dict[str, float]:
    """Recall and times, a query at a time."""
    found = [np.asarray(ask(query)) for query in queries[:QUERIES]]
    hits = [len(set(f.tolist()) & set(t.tolist())) for f, t in zip(found, truth, strict=False)]
    return {"recall": float(np.mean(hits)) / K, **timing(ask, queries)}


def timing(ask: Callable[[Any], Any], queries: Any) -> dict[str, float]:
    """Milliseconds by the clock (median, 99th of a hundred) and of the processor (mean)."""
    for query in queries[:WARM_UPS]:
        ask(query)
    wall = []
    cpu = time.process_time()
    for query in queries[:QUERIES]:
        start = time.perf_counter()
        ask(query)
        wall.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / len(wall)
    p50, p99 = np.quantile(wall, [0.5, 0.99]) * 1e3
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3), "cpu_ms": round(cpu * 1e3, 3)}


@contextmanager
def took() -> Iterator[dict[str, float]]:
    """Seconds by the clock and of the processor, once it is left."""
    cost: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost |= {"wall_s": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def resident() -> int:
    """Bytes of this process that lie in memory and in no file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def peak_mb() -> float:
    """The most that this process had in memory, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(**facts: Any) -> None:
    """Print a line."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    name, phase, data, folder, threads = sys.argv[1:]
    main(name, phase, Path(data), Path(folder), int(threads))
