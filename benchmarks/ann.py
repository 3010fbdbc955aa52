"""Case ``ann``: this engine and its rivals on the same vectors, machine and threads. `make bench-ann`.

    python benchmarks/ann.py --rows 200000 --work /tmp/ann [--engines mmsearch scann …]

Makes the vectors (`synthetic`), the truth, a virtual environment for each rival, and runs each engine in processes of
its own. Every result is appended to ``results/ann.jsonl`` at once, and what stands there is not run again. A rival that
does not install or does not run is skipped with a line that says so.
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
from ann_engines import BUCKETS, ENGINES
from machine import machine_facts, versions

HERE = Path(__file__).parent
QUERIES = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing in the results."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "ann.jsonl"
    data = prepare(options.work / f"data-{options.rows}", options.rows)
    for name in options.engines:
        if (name, options.rows) in done(results):
            print(f"{name}: {options.rows:,} rows are measured already", flush=True)
            continue
        print(f"{name}, {options.rows:,} rows …", flush=True)
        lines, failure = run(name, data, options)
        about = {"engine": name, "rows": options.rows, "threads": options.threads, **about_here()}
        with results.open("a", encoding="utf-8") as file:
            for line in [*lines, *([{"phase": "failed", "why": failure}] if failure else [])]:
                file.write(json.dumps({"case": "ann", **about, **line}, ensure_ascii=False) + "\n")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Which engines, how many rows, where."""
    parser = argparse.ArgumentParser(prog="benchmarks/ann.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--work", type=Path, required=True, help="folder for vectors, environments and indexes")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for each phase of an engine")
    return parser.parse_args(arguments)


def done(results: Path) -> set[tuple[str, int]]:
    """Engines and numbers of rows that were run to the end."""
    if not results.exists():
        return set()
    lines = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    return {(line["engine"], line["rows"]) for line in lines if line["phase"] == "held"}


def run(name: str, data: Path, options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Both phases of an engine; what they told, and why it failed if it did."""
    python = interpreter(name, options.work / "venvs")
    if python is None:
        return [], f"{' '.join(ENGINES[name][1])} does not install here"
    folder = options.work / "indexes" / name.replace(" ", "-").replace(",", "-")
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": path_for(name)}
    lines: list[dict[str, Any]] = []
    for phase in ("build", "search"):
        command = [str(python), str(HERE / "ann_worker.py"), name, phase, str(data), str(folder), str(options.threads)]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=options.timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return lines, f"{phase} took more than {options.timeout:g} s"
        lines += [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
        if ran.returncode:
            return lines, f"{phase}: {(ran.stderr.strip().splitlines() or ['it ended'])[-1][:200]}"
    return lines, ""


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

    folder.mkdir(parents=True, exist_ok=True)
    made = Generator()
    stored = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float16, (rows, made.dim))
    start = 0
    for block in made.pictures(rows):
        stored[start : start + len(block)] = block
        start += len(block)
    stored.flush()
    np.save(folder / "added.npy", next(made.pictures(1000, stream=3)))
    np.save(folder / "tuning.npy", made.texts(1024, stream=4))
    queries = {"text": made.texts(QUERIES), "picture": next(made.pictures(QUERIES, stream=2)).astype(np.float32)}
    for kind, asked in queries.items():
        np.save(folder / f"{kind}.npy", asked)
        np.save(folder / f"{kind}-truth.npy", nearest(stored, asked))
    np.save(folder / "text-filtered-truth.npy", nearest(stored, queries["text"], np.arange(rows) % BUCKETS == 7))
    return folder


def nearest(rows: Any, queries: Any, allowed: Any = None) -> Any:
    """The ten nearest rows of each query, by brute force."""
    from mmsearch.indexes.blocks import Vectors
    from mmsearch.indexes.exact import search_exact

    return search_exact(Vectors([np.asarray(rows)], rows.shape[1]), queries, 10, allowed=allowed)[1]


def about_here() -> dict[str, Any]:
    """Date, machine and versions."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"date": now, "machine": machine_facts(), "versions": versions()}


if __name__ == "__main__":
    sys.exit(main())
