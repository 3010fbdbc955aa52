"""One phase of one engine of the case ``ann`` in a process of its own. A JSON object a line.

The phases are ``build``, ``search``, ``batch`` and ``change``.

Time is told twice: of the clock, and of the processor for this process. The second hardly minds what else is running.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from ann_engine import BUCKETS, Engine, K
from ann_engines import ENGINES

QUERIES = 300
WARM_UPS = 30
CHUNKS = 10
BATCHES = 5
ENOUGH = 0.985  # recall of texts from which an engine need not try harder
EXTRA_POINTS = 6
PACKAGES = ("numpy", "faiss-cpu", "pyarrow")  # besides the engine's own: what does the work in some of them


def main(name: str, phase: str, data: Path, folder: Path, threads: int) -> None:
    """Run one phase."""
    kind, packages = ENGINES[name]
    engine = kind()
    engine.threads = threads
    tell(packages=installed((*packages, *PACKAGES)))
    rows = np.load(data / "rows.npy", mmap_mode="r")
    if phase == "build":
        build(engine, rows, data, emptied(folder))
    elif phase == "search":
        search(engine, rows, data, folder)
    elif phase == "batch":
        batch(engine, rows, data, folder)
    else:
        change(engine, rows, data, folder)


def build(engine: Engine, rows: Any, data: Path, folder: Path) -> None:
    """Build, and say what it took."""
    with took() as cost:
        engine.build(rows, np.load(data / "tuning.npy"), folder)
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    beside = engine.beside_bytes * rows.shape[1]
    tell(phase="build", **cost, file_bytes=files / len(rows), beside_bytes=beside, peak_mb=peak_mb())


def search(engine: Engine, rows: Any, data: Path, folder: Path) -> None:
    """Open, then search with every setting, and in a filter."""
    queries = {kind: np.load(data / f"{kind}.npy") for kind in ("text", "picture")}
    truth = {kind: np.load(data / f"{kind}-truth.npy") for kind in queries}
    for module in engine.modules:
        import_module(module)
    before, mapped_before = resident("RssAnon"), resident("RssFile")
    with took() as cost:
        engine.open(folder, rows, changing=False)
        engine.search(queries["text"][-1], engine.points[0])
    tell(phase="open", **cost, held_bytes=(resident("RssAnon") - before) / len(rows))
    for point, found in swept(engine, queries["text"], truth["text"]):
        tell(phase="search", point=point, kind="text", **found)
        ask = partial(engine.search, point=point)
        tell(phase="search", point=point, kind="picture", **measure(ask, queries["picture"], truth["picture"]))
    held = (resident("RssAnon") - before) / len(rows)
    mapped = (resident("RssFile") - mapped_before) / len(rows)
    if engine.can_filter:
        inside = np.load(data / "text-filtered-truth.npy")
        for point, found in swept(engine, queries["text"], inside, bucket=7):
            tell(phase="filter", point=point, share=1 / BUCKETS, **found)
    tell(phase="held", held_bytes=held, mapped_bytes=mapped)  # the last line: it says that nothing is missing


def batch(engine: Engine, rows: Any, data: Path, folder: Path) -> None:
    """All texts at once with every setting: recall, and queries a second (median of five times)."""
    queries, truth = np.load(data / "texts.npy"), np.load(data / "texts-truth.npy")
    for module in engine.modules:
        import_module(module)
    engine.open(folder, rows, changing=False)
    for point in engine.points:
        hits = [len(set(f) & set(t)) for f, t in zip(engine.search_many(queries, point), truth.tolist(), strict=True)]
        costs = []
        for _ in range(BATCHES):
            with took() as cost:
                engine.search_many(queries, point)
            costs.append(cost)
        wall, cpu = (float(np.median([cost[clock] for cost in costs])) for clock in ("wall_s", "cpu_s"))
        recall = float(np.mean(hits)) / K
        tell(phase="batch", point=point, queries=len(queries), recall=recall, qps=len(queries) / wall, cpu_s=cpu)
        if recall >= ENOUGH:
            return


def swept(engine: Engine, queries: Any, truth: Any, **only: int) -> Iterator[tuple[Any, dict[str, float]]]:
    """The engine's points with what is measured there, then harder ones while recall is too low and still grows."""
    last = 0.0
    points = list(engine.points)
    for point in points:
        found = measure(partial(engine.search, point=point, **only), queries, truth)
        yield point, found
        grows = found["recall"] > last + 0.001
        last = found["recall"]
        if point == points[-1] and grows and last < ENOUGH and len(points) < len(engine.points) + EXTRA_POINTS:
            points.append(engine.harder(point))


def change(engine: Engine, rows: Any, data: Path, folder: Path) -> None:
    """On a copy: add a thousand rows; a thousand more while it is asked; delete a hundredth of all."""
    copy = folder.with_name(folder.name + ".changed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    try:
        engine.open(copy, rows, changing=True)
        change_opened(engine, len(rows), np.load(data / "text.npy"), np.load(data / "added.npy"))
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def change_opened(engine: Engine, count: int, queries: Any, added: Any) -> None:
    """The changes themselves, each with the times of the searches around it."""
    point = engine.points[len(engine.points) // 2]
    ask = partial(engine.search, point=point)
    before = timing(ask, queries)
    ids = np.arange(count, count + len(added), dtype=np.int64)
    with took() as cost:
        engine.add(ids, added)
    found = np.mean([ids[i] in ask(added[i].astype(np.float32)) for i in range(50)])
    with took() as settling:
        engine.settle()
    told = {"count": len(added), **cost, "settle_s": settling["wall_s"], "settle_cpu_s": settling["cpu_s"]}
    tell(phase="add", point=point, **told, found=float(found), before=before, after=timing(ask, queries))

    more = mixed(added, 1)
    meanwhile = asked_meanwhile(engine, ask, queries, ids + len(ids), more)
    tell(phase="during", point=point, count=len(more), **meanwhile)

    gone = np.arange(0, count, 100)
    with took() as cost:
        engine.delete(gone)
    met = sum(np.isin(ask(query), gone).sum() for query in queries[:50])
    tell(phase="delete", point=point, count=len(gone), **cost, met=int(met), after=timing(ask, queries))


def mixed(rows: Any, step: int) -> Any:
    """As many rows like them: float16 unit vectors halfway to the row ``step`` places off."""
    halfway = rows.astype(np.float32) + np.roll(rows, step, axis=0)
    return (halfway / np.linalg.norm(halfway, axis=1, keepdims=True)).astype(np.float16)


def asked_meanwhile(
    engine: Engine, ask: Callable[[Any], Any], queries: Any, ids: Any, rows: Any
) -> dict[str, float | int]:
    """Milliseconds of the searches while a thread adds rows in chunks, and seconds that the adding took."""
    failures: list[BaseException] = []

    def add_in_chunks() -> None:
        try:
            for chunk, block in zip(np.array_split(ids, CHUNKS), np.array_split(rows, CHUNKS), strict=True):
                engine.add(chunk, block)
            engine.settle()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=add_in_chunks)
    wall: list[float] = []
    start = time.perf_counter()
    thread.start()
    while thread.is_alive() or not wall:  # a quick engine is done before the first answer
        asked = time.perf_counter()
        ask(queries[len(wall) % len(queries)])
        wall.append(time.perf_counter() - asked)
    thread.join()
    if failures:
        raise failures[0]
    seconds = time.perf_counter() - start
    p50, p99 = np.quantile(wall, [0.5, 0.99]) * 1e3
    return {"wall_s": round(seconds, 3), "asked": len(wall), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3)}


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


def resident(kind: str) -> int:
    """Bytes of this process in memory that lie in no file (``RssAnon``), or in mapped ones (``RssFile``)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    return 0


def peak_mb() -> float:
    """The most that this process had in memory, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those that are in this environment."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def emptied(folder: Path) -> Path:
    """The folder, there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def tell(**facts: Any) -> None:
    """Print a line."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    name, phase, data, folder, threads = sys.argv[1:]
    main(name, phase, Path(data), Path(folder), int(threads))
