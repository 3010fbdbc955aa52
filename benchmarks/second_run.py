"""Case ``second-run``: `mmsearch index` over files that have not changed, beside `find -printf` over the same tree.

    python benchmarks/second_run.py [--files 100000] [--runs 7] [--place FOLDER] [--out FOLDER]

The files are tiny, and their rows are written through the store's writer with the facts that the disk has: a run finds
every file unchanged. Each command is a process from start to end, in turns, with a warm cache. ``bare`` is the least
that a program in Python can do: list every folder and `stat` every file. The memory is the peak that a process held.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fresh_process import environment, launch
from run import write_results

from mmsearch import Collection
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.writer import Addition, open_writer

FOLDER_FILES = 1_000
SHARD_FILES = 50_000
WARM_UPS = 1
BARE = """
import os, sys
stack = [os.fsencode(sys.argv[1])]
while stack:
    with os.scandir(stack.pop()) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                stack.append(entry.path)
            else:
                entry.stat()
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/second_run.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--place", type=Path, help="a folder on a local disk for the files; default that of the system")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = measure(options.files, options.runs, options.place)
    for line in measured:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'second-run', measured)}")
    return 0


def measure(files: int, runs: int, place: Path | None) -> list[dict[str, Any]]:
    """A line for each command: medians, and the ratio to `find` as the median of the turns."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        tree, root = Path(folder, "tree"), Path(folder, "c.mms")
        make_files(tree, files)
        make_collection(root, tree)
        index = [sys.executable, "-m", "mmsearch", "index", str(tree), "--collection", str(root)]
        first = subprocess.run([*index, "--json"], check=True, capture_output=True, env=environment())
        unchanged = json.loads(first.stdout)["unchanged"]
        assert unchanged == files, f"{unchanged} of {files} are unchanged"
        commands = {
            "find": ["find", str(tree), "-printf", r"%p %s %T@ %C@\n"],
            "bare": [sys.executable, "-I", "-S", "-c", BARE, str(tree)],
            "index": index,
        }
        for _ in range(WARM_UPS):
            for command in commands.values():
                launch(command)
        turns = [{name: launch(command) for name, command in commands.items()} for _ in range(runs)]
    return [
        {
            "command": name,
            "files": files,
            "runs": runs,
            "wall_s": round(statistics.median(turn[name].wall_s for turn in turns), 3),
            "cpu_s": round(statistics.median(turn[name].cpu_s for turn in turns), 3),
            "peak_mb": round(statistics.median(turn[name].peak_mb for turn in turns), 1),
            "ratio": round(statistics.median(turn[name].wall_s / turn["find"].wall_s for turn in turns), 2),
            "ratio_of_cpu": round(statistics.median(turn[name].cpu_s / turn["find"].cpu_s for turn in turns), 2),
        }
        for name in commands
    ]


def make_files(tree: Path, files: int) -> None:
    """Make so many tiny files of different contents, in folders of a thousand."""
    for first in range(0, files, FOLDER_FILES):
        folder = tree / f"{first // 100_000:03d}" / f"{first // FOLDER_FILES:04d}"
        folder.mkdir(parents=True)
        for number in range(first, min(first + FOLDER_FILES, files)):
            (folder / f"IMG_{number:07d}.jpg").write_bytes(b"%d" % number)


def make_collection(root: Path, tree: Path) -> None:
    """A collection whose rows are those of the files, and its words and samples, as runs of `index` leave them."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as name, Collection.create(Path(name, "one.mms"), "mini") as one:
        Path(name, "one").mkdir()
        Image.new("RGB", (64, 48), (90, 120, 40)).save(Path(name, "one", "one.png"))
        one.index([Path(name, "one")])
        space, row = one.space, one.searcher().rows("image").facts(FACT_NAMES)  # what a run notes of a picture
    Collection.create(root, "mini", index="exact").close()
    random = np.random.default_rng(0)
    with open_writer(root) as writer:
        for facts in _stored_facts(tree):
            count = len(facts["path"])
            table = row.take(pa.array(np.zeros(count, np.int64)))
            for column, values in facts.items():
                place = table.column_names.index(column)
                table = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
            vectors = random.standard_normal((count, space.dim), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            writer.commit([Addition(space, "image", table, vectors.astype(np.float16))])
    with Collection.open(root) as collection:
        collection.index([tree])


def _stored_facts(tree: Path) -> Iterator[dict[str, list[Any]]]:
    """Columns of the rows of up to `SHARD_FILES` files, with what the disk says of them."""
    paths = sorted(path for path in tree.rglob("*.jpg"))
    for first in range(0, len(paths), SHARD_FILES):
        part = paths[first : first + SHARD_FILES]
        facts = [os.stat(path) for path in part]
        yield {
            "path": [os.fsencode(path) for path in part],
            "content_hash": [number.to_bytes(16, "big") for number in range(first, first + len(part))],
            "size": [one.st_size for one in facts],
            "mtime_ns": [one.st_mtime_ns for one in facts],
            "ctime_ns": [one.st_ctime_ns for one in facts],
        }


if __name__ == "__main__":
    sys.exit(main())
