"""Case ``sharded-serving``: eight readers and a front on this machine, beside one server over the whole collection.

    python benchmarks/sharded_serving.py [--rows 1000000] [--readers 8] [--work FOLDER] [--out FOLDER]

Vectors of `mini`: those of made-up phrases, each moved about. Two collections of the same rows: one whose rows are all
compared, and one with an approximate index. `--work` keeps them, and `--phase make` only makes them. The questions are
texts, asked over HTTP as an app does, by one client and by sixteen at once. Every answer of the front is compared with
that of the single server.

On one machine the readers share its processors, so this shows what the parts cost, not what they gain: the comparison
itself takes as long in all, and each reader and request adds its own.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from run import write_results
from serve_load import Load, ask_together, cpu_s, posted

from mmsearch import Collection
from mmsearch.retrieval.encoders.load import load_encoder

HERE = Path(__file__).parent
BLOCK, PHRASES, SPREAD, K = 65_536, 4_000, 1.1, 10
ALONE, MANY = 1, 16
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "grey", "orange", "pink", "golden", "silver")
THINGS = ("dog", "boat", "house", "tree", "car", "horse", "bird", "bicycle", "train", "bridge", "lamp", "chair")
PLACES = ("beach", "street", "forest", "kitchen", "field", "harbour", "station", "garden", "roof", "lake", "market")
KINDS = ("exact", "ivfpq")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the collections, measure both, and write the results."""
    options = parse(arguments)
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        roots = {kind: made(work / f"{kind}-{options.rows}.mms", kind, options.rows) for kind in options.kinds}
        if options.phase == "make":
            return 0
        lines: list[dict[str, Any]] = []
        for kind, root in roots.items():
            lines += measured(root, kind, options)
    for line in lines:
        print(line)
    print(f"→ {write_results(options.out, 'sharded-serving', lines)}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """How many rows, readers and questions."""
    parser = argparse.ArgumentParser(prog="benchmarks/sharded_serving.py")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--questions", type=int, default=150, help="for each number of clients")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of index")
    parser.add_argument("--phase", choices=("all", "make"), default="all")
    parser.add_argument("--work", type=Path, help="keeps the collections")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args(arguments)


def phrases(count: int, seed: int) -> list[str]:
    """Made-up phrases, such as ``a red boat and a dog in a forest``."""
    pick = random.Random(seed).choice
    return [f"a {pick(COLOURS)} {pick(THINGS)} and a {pick(THINGS)} in a {pick(PLACES)}" for _ in range(count)]


def made(root: Path, kind: str, rows: int) -> Path:
    """The collection, made if it is not there."""
    if Collection.exists(root):
        return root
    from mmsearch.retrieval.ingest.external_vectors import checked_addition
    from mmsearch.retrieval.store.writer import open_writer
    from mmsearch.retrieval.upkeep.maintain import compact, maintain

    encoder = load_encoder("mini")
    space, centres, random_numbers = encoder.space, encoder.encode_texts(phrases(PHRASES, 1)), np.random.default_rng(2)
    unfinished = root.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    Collection.create(unfinished, model="mini", index=kind).close()
    with open_writer(unfinished) as writer:
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            own = centres[random_numbers.integers(0, len(centres), count)]
            noise = random_numbers.standard_normal(own.shape).astype(np.float32)
            own = own + SPREAD / np.sqrt(space.dim) * noise
            names = [f"/rows/{number:08d}.jpg" for number in range(start, start + count)]
            writer.commit([checked_addition(space, own, names, "image", None, None)], primary_space=space.key)
        compact(writer)
        maintain(writer, space, threads=2, embed=encoder.encode_texts)
    unfinished.rename(root)
    return root


@contextlib.contextmanager
def serving(root: Path, *more: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server as a process; its address, once it is ready."""
    command = [sys.executable, "-m", "mmsearch", "serve", "-c", str(root), "--port", "0", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+?:\d+", process.stdout.readline())
        assert found
        yield found[0], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def wait_until_ready(address: str) -> None:
    """Wait until all parts are there."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/readyz", timeout=10) as answer:
            if json.load(answer)["status"] == "ok":
                return
        time.sleep(0.1)
    raise SystemExit(f"{address} is not ready")


def measured(root: Path, kind: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One collection, served by one process and by readers."""
    questions = phrases(options.questions, 3)
    about = {"rows": options.rows, "index": kind, "readers": options.readers}
    with contextlib.ExitStack() as stack:
        alone, one = stack.enter_context(serving(root))
        parts = [
            stack.enter_context(serving(root, "--part", f"{number}/{options.readers}"))
            for number in range(1, options.readers + 1)
        ]
        for address, _ in parts:
            wait_until_ready(address)
        addresses = ",".join(address for address, _ in parts)
        front, before = stack.enter_context(serving(root, "--of", addresses, "--late-after", "60"))
        wait_until_ready(front)
        lines = [{**about, **compared(alone, front, questions)}]
        servers = {"one": (alone, [one]), "front": (front, [before, *(process for _, process in parts)])}
        for clients, (server, (address, processes)) in itertools.product((ALONE, MANY), servers.items()):
            start = [cpu_s(process.pid) for process in processes]
            load = asked(address, questions, clients)
            spent = [cpu_s(process.pid) - used for process, used in zip(processes, start, strict=True)]
            cost = {"cpu_ms": per_question(sum(spent), questions), "of_it_front_ms": per_question(spent[0], questions)}
            lines.append({**about, "part": "load", "server": server, "clients": clients, **summary(load), **cost})
        readers_mb = [memory_mb(process) for _, process in parts]
        lines.append(
            {
                **about,
                "part": "memory",
                "one_mb": memory_mb(one),
                "front_mb": memory_mb(before),
                "reader_mb": round(statistics.median(readers_mb), 1),
            }
        )
    return lines


def per_question(seconds: float, questions: Sequence[str]) -> float:
    """Milliseconds for each question."""
    return round(1000 * seconds / len(questions), 2)


def memory_mb(process: psutil.Process) -> float:
    """Memory of a process that is not of mapped files."""
    info = process.memory_info()
    return round((info.rss - info.shared) / 1e6, 1)


def asked(address: str, questions: Sequence[str], clients: int) -> Load:
    """All questions once by so many clients."""
    make = posted("/api/search", lambda question: {"terms": [question], "k": K})
    here = psutil.Process().pid
    return ask_together(address, make, iter(questions), clients=clients, process=here, count=len(questions))


def summary(load: Load) -> dict[str, Any]:
    """Percentiles and queries a second."""
    found = load.summary()
    return {name: found[name] for name in ("answers", "failed", "queries_s", "p50_ms", "p99_ms")}


def compared(alone: str, front: str, questions: Sequence[str]) -> dict[str, Any]:
    """How many answers are equal, and how many are nearer at any rank, or farther."""
    equal = nearer = farther = 0
    overlap = 0.0
    for question in questions:
        mine, theirs = (answer(address, question) for address in (front, alone))
        equal += mine == theirs
        pairs = list(zip((hit["score"] for hit in mine), (hit["score"] for hit in theirs), strict=True))
        nearer += any(one > other for one, other in pairs)
        farther += any(one < other for one, other in pairs)
        overlap += len({hit["id"] for hit in mine} & {hit["id"] for hit in theirs}) / K
    count = len(questions)
    shares = {"equal": equal / count, "nearer": nearer / count, "farther": farther / count, "common": overlap / count}
    return {"part": "answers", "questions": count, **{name: round(value, 4) for name, value in shares.items()}}


def answer(address: str, question: str) -> list[dict[str, Any]]:
    """The hits of a question."""
    body = json.dumps({"terms": [question], "k": K}).encode()
    request = urllib.request.Request(f"{address}/api/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        found = json.load(reply)
    assert "partial" not in found, found["missing_parts"]
    return list(found["hits"])


if __name__ == "__main__":
    sys.exit(main())
