"""Case ``ann``: this engine and its rivals on the same vectors, machine and threads. `make bench-ann`.

    python benchmarks/ann.py --rows 200000 --work /tmp/ann [--engines mmsearch scann …] [--phase build]
    python benchmarks/ann.py --rows 1000000 --work /tmp/ann --phase batch  # 1,024 texts at once
    python benchmarks/ann.py --table

Makes the vectors (`synthetic`), the truth, a virtual environment for each rival, and runs each engine in processes of
its own. Building and searching can be run apart: a build is slow and is told by its processor time too, a search needs
a machine that does nothing else. Every result is appended to ``results/ann.jsonl`` at once, and what stands there is
not run again; nor is what was built in the ``--work`` folder. A rival that does not install or does not run is passed
over with a line that says so, and is tried again by the next run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ann_engine import BUCKETS
from ann_engines import ENGINES
from ann_table import read, table
from machine import machine_facts, versions

HERE = Path(__file__).parent
QUERIES = 300
TOGETHER = 1024  # texts that are asked at once

Line = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing in the results, or print them."""
    options = parse(arguments)
    results = options.out / "ann.jsonl"
    if options.table:
        print(table(read(results)))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    data = prepare(options.work / f"data-{options.rows}", options.rows)
    for name in options.engines:
        if "build" in options.phase and not build(name, data, results, options):
            continue
        if "search" in options.phase:
            search(name, data, results, options)
        if "batch" in options.phase:
            batch(name, data, results, options)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Which engines, how many rows, where."""
    parser = argparse.ArgumentParser(prog="benchmarks/ann.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument(
        "--threads", type=int, default=2, help="for building and for many queries at once; one query has one"
    )
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--phase", nargs="*", default=["build", "search"], choices=["build", "search", "batch"])
    parser.add_argument("--work", type=Path, help="folder for vectors, environments and indexes")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for each phase of an engine")
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    options = parser.parse_args(arguments)
    if options.work is None and not options.table:
        parser.error("--work names the folder for vectors, environments and indexes")
    return options


def build(name: str, data: Path, results: Path, options: argparse.Namespace) -> bool:
    """Build an index unless it is there, and put what that took into the results; whether there is one."""
    told = told_beside(options.work, name, options.rows)
    if not told.exists():
        print(f"{name}: building {options.rows:,} rows …", flush=True)
        lines, failure = run(name, "build", data, options, options.threads)
        if failure:
            append(results, [failed(name, "build", failure, options)])
            return False
        told.write_text(json.dumps(lines[-1], ensure_ascii=False) + "\n", "utf-8")
    record(told, results)
    return True


def record(told: Path, results: Path) -> None:
    """Put what a build told into the results, unless it stands there."""
    line = json.loads(told.read_text("utf-8"))
    if line not in read(results):
        append(results, [line])


def search(name: str, data: Path, results: Path, options: argparse.Namespace) -> None:
    """Search an index that was built, then change a copy of it, unless that stands in the results."""
    told = told_beside(options.work, name, options.rows)
    if not told.exists():
        print(f"{name}: no index of {options.rows:,} rows was built; --phase build builds it", flush=True)
        return
    record(told, results)
    phases = {"search": "held", "change": "delete"}  # and the last line that each tells
    if not ENGINES[name][0].can_change:
        del phases["change"]
    for phase, last in phases.items():
        if (name, options.rows, last) in measured(results):
            print(f"{name}: {options.rows:,} rows, {phase} is measured already", flush=True)
            continue
        print(f"{name}: {options.rows:,} rows, {phase} …", flush=True)
        # One thread, so that a search is not split among cores by some engines and not by others.
        lines, failure = run(name, phase, data, options, 1 if phase == "search" else options.threads)
        append(results, lines)
        if failure:
            append(results, [failed(name, phase, failure, options)])


def batch(name: str, data: Path, results: Path, options: argparse.Namespace) -> None:
    """Ask an index that was built many queries at once, unless that stands in the results."""
    if (name, options.rows, "batch") in measured(results):
        print(f"{name}: {options.rows:,} rows, batch is measured already", flush=True)
    elif told_beside(options.work, name, options.rows).exists():
        many_queries(data)
        print(f"{name}: {options.rows:,} rows, batch …", flush=True)
        lines, failure = run(name, "batch", data, options, options.threads)
        append(results, [*lines, *([failed(name, "batch", failure, options)] if failure else [])])


def run(name: str, phase: str, data: Path, options: argparse.Namespace, threads: int) -> tuple[list[Line], str]:
    """One phase of an engine; the lines that it told, and why it failed if it did."""
    python = interpreter(name, options.work / "venvs")
    if python is None:
        return [], f"{' '.join(ENGINES[name][1])} does not install here"
    # Each names the threads of an engine that has no other way to bound them: FAISS and BLAS, Rust's, LanceDB's.
    bounds = dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS"), str(threads))
    environment = {**os.environ, **bounds, "PYTHONPATH": path_for(name)}
    folder = index_folder(options.work, name, options.rows)
    command = [str(python), str(HERE / "ann_worker.py"), name, phase, str(data), str(folder), str(threads)]
    about = {"case": "ann", "engine": name, "rows": options.rows, "threads": threads, **about_here()}
    output, why = finished(command, environment, options.timeout)
    told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    packages = {package: version for line in told[:1] for package, version in line.get("packages", {}).items()}
    about["versions"] = {**about["versions"], **packages}
    return [{**about, **line} for line in told[1:]], f"{phase}: {why}" if why else ""


def finished(command: Sequence[str], environment: dict[str, str], timeout: float) -> tuple[str, str]:
    """What a process printed until it ended or its time was up, and why it failed if it did."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0], f"it took more than {timeout:g} s"
    if not process.returncode:
        return output, ""
    return output, (errors.strip().splitlines() or [f"it ended with status {process.returncode}"])[-1][:200]


def failed(name: str, phase: str, why: str, options: argparse.Namespace) -> Line:
    """The line that says so."""
    print(f"{name}: {why}", flush=True)
    about = {"case": "ann", "engine": name, "rows": options.rows, **about_here()}
    return {**about, "phase": "failed", "of": phase, "why": why}


def append(results: Path, lines: Sequence[Line]) -> None:
    """Put lines after those that are there."""
    with results.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def measured(results: Path) -> set[tuple[str, int, str]]:
    """Engines, numbers of rows and phases that stand in the results."""
    return {(line["engine"], line["rows"], line["phase"]) for line in read(results)}


def index_folder(work: Path, name: str, rows: int) -> Path:
    """Where the index of an engine lies."""
    return work / f"indexes-{rows}" / name.replace(" ", "-").replace(",", "-")


def told_beside(work: Path, name: str, rows: int) -> Path:
    """What its build told: beside the index, for the results of the search may be written elsewhere, and later."""
    folder = index_folder(work, name, rows)
    return folder.with_name(folder.name + ".built.json")


def path_for(name: str) -> str:
    """Where a worker finds packages: this project's own only for those engines that need no other."""
    return os.environ.get("PYTHONPATH", "") if not ENGINES[name][1] else ""


def interpreter(name: str, folder: Path) -> Path | None:
    """The Python of an engine's virtual environment, made on first use; None where its packages do not install."""
    packages = ENGINES[name][1]
    if not packages:
        return Path(sys.executable)
    home = folder / packages[0]
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / ".done").exists():
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "numpy", *packages]
        if subprocess.run(install, capture_output=True, check=False).returncode:
            return None
        (home / ".done").touch()
    return python


def prepare(folder: Path, rows: int) -> Path:
    """Vectors, queries and truth in a folder, made once."""
    if (folder / "text-filtered-truth.npy").exists():
        return folder
    from synthetic import Generator

    from mmsearch.indexes import TEXT_QUERY_COUNT

    folder.mkdir(parents=True, exist_ok=True)
    made = Generator()
    stored = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float16, (rows, made.dim))
    start = 0
    for block in made.pictures(rows):
        stored[start : start + len(block)] = block
        start += len(block)
    stored.flush()
    np.save(folder / "added.npy", next(made.pictures(1000, stream=3)))
    np.save(folder / "tuning.npy", made.texts(TEXT_QUERY_COUNT, stream=4))
    queries = {"text": made.texts(QUERIES), "picture": next(made.pictures(QUERIES, stream=2)).astype(np.float32)}
    for kind, asked in queries.items():
        np.save(folder / f"{kind}.npy", asked)
        np.save(folder / f"{kind}-truth.npy", nearest(stored, asked))
    np.save(folder / "text-filtered-truth.npy", nearest(stored, queries["text"], np.arange(rows) % BUCKETS == 7))
    return folder


def many_queries(folder: Path) -> None:
    """Texts to ask at once and their truth, beside the vectors, made once."""
    if not (folder / "texts-truth.npy").exists():
        from synthetic import Generator

        asked = Generator().texts(TOGETHER, stream=5)
        np.save(folder / "texts.npy", asked)
        np.save(folder / "texts-truth.npy", nearest(np.load(folder / "rows.npy", mmap_mode="r"), asked))


def nearest(rows: Any, queries: Any, allowed: Any = None) -> Any:
    """The ten nearest rows of each query, by brute force."""
    from mmsearch.indexes.exact import search_exact
    from mmsearch.indexes.vectors import StoredVectors

    return search_exact(StoredVectors([np.asarray(rows)], rows.shape[1]), queries, 10, allowed=allowed)[1]


def about_here() -> Line:
    """Date, machine, how busy it is (the load of the last minute), and versions."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"date": now, "machine": machine_facts(), "load": round(os.getloadavg()[0], 2), "versions": versions()}


if __name__ == "__main__":
    sys.exit(main())
