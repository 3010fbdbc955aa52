"""Case ``add``: a thousand vectors more, in a whole collection. What they cost, and which of the old files it touches.

    python benchmarks/ann_collection.py --rows 200000 1000000 --work /tmp/ann

Goes the way that users go (`Collection.add`: shard, manifest, sample, index segment, all of it durable on disk), ten
times over, with the vectors of the case ``ann``. Beside it stand a rebuild of the index from nothing, and LanceDB's
``add`` and ``optimize`` where `ann.py` has built its index in the same ``--work``. Needs minutes and the disk of the
vectors again; that is why `run.py` does not run it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ann
import numpy as np
from ann_worker import mixed, took
from run import write_results

from mmsearch import Collection
from mmsearch.retrieval.store.manifest import MANIFEST_NAME
from mmsearch.types import Space

LANCEDB = "lancedb IVF_PQ"
TIMES = 10
BLOCK = 65_536


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each number of rows, and write the results of all."""
    options = parse(arguments)
    lines: list[dict[str, Any]] = []
    for rows in options.rows:
        data = ann.prepare(options.work / f"data-{rows}", rows)
        root = options.work / f"collection-{rows}"
        try:
            lines += ours(root, data, options.threads)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        lines += lancedbs(data, rows, options)
    for line in lines:
        print(line)
    print(f"→ {write_results(options.out, 'add', lines)}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """How many rows, and where the vectors of `ann.py` lie."""
    parser = argparse.ArgumentParser(prog="benchmarks/ann_collection.py")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=2, help="for building")
    parser.add_argument("--work", type=Path, required=True, help="the folder that ann.py works in")
    parser.add_argument("--out", type=Path, default=ann.HERE / "results")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for LanceDB")
    return parser.parse_args(arguments)


def ours(root: Path, data: Path, threads: int) -> list[dict[str, Any]]:
    """The additions to a fresh collection, then the same rows indexed from nothing."""
    stored, added = np.load(data / "rows.npy", mmap_mode="r"), np.load(data / "added.npy")
    tuning = np.load(data / "tuning.npy")
    about = {"engine": "mmsearch", "rows": len(stored)}
    with took() as cost:
        fill(root, stored, tuning, threads)
    lines = [{**about, "phase": "collection made", **cost}]
    with Collection.open(root) as collection:
        before = files_of(root)
        for number in range(TIMES):
            block = added if number == 0 else mixed(added, number)
            names = [f"/added/{number:02d}/{row:04d}.jpg" for row in range(len(block))]
            with took() as cost:
                collection.add(block, paths=names, modality="image")
            start = time.perf_counter()
            found = np.mean([own_name(collection, block[row]) == names[row] for row in range(50)])
            asked = (time.perf_counter() - start) / 50
            segments = len(collection.manifest.indexes)
            told = {"number": number + 1, "count": len(block), **cost, "found": float(found), "ask_s": round(asked, 4)}
            lines.append({**about, "phase": "add", **told, "segments": segments, "changed": changed(before, root)})
            before = files_of(root)
    with took() as cost:
        rebuild(np.concatenate([stored, added]), tuning, root / "rebuilt", threads)
    return [*lines, {**about, "phase": "index rebuilt", "threads": threads, **cost}]


def fill(root: Path, stored: Any, tuning: Any, threads: int) -> None:
    """A collection with all rows and its index; made in one commit, for `Collection.add` indexes what it is given."""
    from mmsearch.retrieval.ingest.external_vectors import checked_addition
    from mmsearch.retrieval.store.writer import open_writer
    from mmsearch.retrieval.upkeep.maintain import maintain

    shutil.rmtree(root, ignore_errors=True)
    Collection.create(root, None).close()
    space = Space.of_vectors("generated", stored.shape[1])
    with open_writer(root) as writer:
        for start in range(0, len(stored), BLOCK):
            block = stored[start : start + BLOCK]
            names = [f"/photos/{start + row:08d}.jpg" for row in range(len(block))]
            writer.commit([checked_addition(space, block, names, "image", None, None)], primary_space=space.key)
        maintain(writer, space, threads=threads, embed=lambda texts: np.resize(tuning, (len(texts), space.dim)))


def rebuild(stored: Any, tuning: Any, folder: Path, threads: int) -> None:
    """The index alone, trained, encoded, calibrated and written."""
    from mmsearch.indexes import build_index

    folder.mkdir()
    build_index(stored, requested="ivfpq", text_queries=tuning, threads=threads).load().save(folder / "index.faiss")


def own_name(collection: Collection, vector: Any) -> str:
    """The name of the best hit for a stored vector."""
    return str(collection.search(vector.astype(np.float32), 1)[0].path)


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Names, sizes and times of all files but the manifest, which each commit replaces, and the lock."""
    kept = (MANIFEST_NAME, "lock")
    return {
        path.relative_to(root).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and path.name not in kept
    }


def changed(before: dict[str, tuple[int, int]], root: Path) -> list[str]:
    """Files that are gone or are no longer what they were; new ones do not count."""
    now = files_of(root)
    return sorted(name for name, facts in before.items() if now.get(name) != facts)


def lancedbs(data: Path, rows: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The same thousand rows added to LanceDB's table, and its index brought up to date."""
    if not ann.told_beside(options.work, LANCEDB, rows).exists():
        return [{"engine": LANCEDB, "rows": rows, "phase": "not run", "why": "ann.py has not built its index"}]
    of_one = argparse.Namespace(**{**vars(options), "rows": rows})
    told, failure = ann.run(LANCEDB, "change", data, of_one, options.threads)
    if failure:
        return [{"engine": LANCEDB, "rows": rows, "phase": "failed", "why": failure}]
    facts = ("engine", "rows", "threads", "phase", "count", "wall_s", "cpu_s", "settle_s", "settle_cpu_s", "found")
    return [
        {**{fact: line[fact] for fact in facts}, "version": line["versions"]["lancedb"]}
        for line in told
        if line["phase"] == "add"
    ]


if __name__ == "__main__":
    sys.exit(main())
