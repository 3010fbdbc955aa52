"""Case ``serve``: the server under load, and the command line that asks it.

    python benchmarks/serve.py [--seconds 10] [--requests 100000] [--rival txtai=PYTHON] [--rival clip-retrieval=PYTHON]

A collection of 100,000 rows of `mini`, asked for the ten best by words that were not asked before. Parts:

- ``load``: 1, 8 and 64 clients at once, mmsearch and the rivals in turns, on the same rows and with the same model.
  ``PYTHON`` is an interpreter with the rival's packages (see ``serve_rivals.py``).
- ``again``: mmsearch asked by words that it was asked before.
- ``command``: `mmsearch query` with a server, without one, and a Python that does nothing, in turns.
- ``commit``: another process adds rows while 8 clients ask.
- ``memory``: of the server, over many requests.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cold_query
import numpy as np
from cold_query import ROWS, fill
from data import MissingDataError, data_set
from fresh_process import Took, launch
from run import write_results
from serve_load import Load, Request, ask_together, gotten, posted, resident_mb
from serve_rivals import RIVALS

from mmsearch import Collection

CLIENTS = (1, 8, 64)
K = 10
TURNS = 3
COMMANDS = 15
ADDED, COMMITS = 100, 3
NOTHING = (sys.executable, "-c", "pass")
_START_S = 300.0

ADD = """
import sys, time
import numpy as np
from mmsearch import Collection
with Collection.open(sys.argv[1]) as collection:
    for turn in range(int(sys.argv[2])):
        time.sleep(1)
        vectors = np.random.default_rng(turn).standard_normal((int(sys.argv[3]), collection.space.dim))
        collection.add(vectors, paths=[f"/added/{turn}/{i}.jpg" for i in range(len(vectors))], modality="image")
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        name: of the program.
        address: such as ``http://127.0.0.1:8765``.
        process: its id.
        make: makes a request of words.
        version: of the program, where it is a rival.
    """

    name: str
    address: str
    process: int
    make: Callable[[str], Request]
    version: str | None = None

    def ask(self, questions: Iterator[str], clients: int, **until: float | int) -> Load:
        """Ask by some clients at once; see `ask_together`."""
        return ask_together(self.address, self.make, questions, clients=clients, process=self.process, **until)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit status, 1 where the data is missing."""
    parser = argparse.ArgumentParser(prog="benchmarks/serve.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--requests", type=int, default=100_000, help="over which the memory is watched")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=PYTHON", help=" or ".join(RIVALS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    rivals = dict(one.split("=", 1) for one in options.rival)
    try:
        measured = measure(options.rows, options.seconds, options.requests, rivals)
    except MissingDataError as missing:
        print(f"serve was not run: it {missing}", file=sys.stderr)
        return 1
    print(f"  → {write_results(options.out, 'serve', measured)}")
    return 0


def measure(rows: int, seconds: float, requests: int, rivals: dict[str, str]) -> list[dict[str, Any]]:
    """All lines; each is printed as soon as it is known.

    Raises:
        MissingDataError: the photographs and captions are not here.
    """
    photos = data_set("flickr8k_dev500")
    lines: list[dict[str, Any]] = []

    def note(found: list[dict[str, Any]]) -> None:
        for line in found:
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
        lines.extend(found)

    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as running:
        root = Path(place, "photos.mms")
        index = fill(root, photos / "images", rows)
        about = {"rows": rows, "index": index}
        words = new_questions(photos)
        servers = [running.enter_context(mmsearch_server(root))]
        for name, python in rivals.items():
            servers.append(running.enter_context(rival_server(name, python, exported(root, Path(place, name)))))
        note([{**line, **about} for line in measure_loads(servers, words, seconds)])
        ours = servers[0]
        again = itertools.cycle([next(words) for _ in range(1000)])
        ours.ask(again, 8, count=1000)
        note([{"part": "again", "clients": 8, **ours.ask(again, 8, seconds=seconds).summary(), **about}])
        note([{**line, **about} for line in measure_command(root)])
        note([{"part": "commit", "clients": 8, **measure_commit(ours, root, words), **about}])
        note([{**line, **about} for line in measure_memory(ours, words, requests)])
    return lines


def new_questions(photos: Path) -> Iterator[str]:
    """Sentences without end, none of them twice: the first half of one caption and the second of another."""
    captions = [json.loads(line)["query"].split() for line in (photos / "pairs.jsonl").open(encoding="utf-8")]
    pairs = itertools.product(captions, captions)
    shuffled, asked = random.Random(0), set[str]()
    while chunk := list(itertools.islice(pairs, 200_000)):
        shuffled.shuffle(chunk)
        for first, second in chunk:
            words = " ".join(first[: len(first) // 2] + second[len(second) // 2 :])
            if words not in asked:
                asked.add(words)
                yield words


def exported(root: Path, folder: Path) -> Path:
    """The rows of the collection as files that rivals read."""
    folder.mkdir()
    with Collection.open(root) as collection:
        found = collection.searcher().rows("image")
        np.save(folder / "vectors.npy", np.asarray(found.vectors_at(np.arange(len(found))), np.float32))
        paths = found.facts(["path"])["path"].to_pylist()
    (folder / "paths.txt").write_text("\n".join(path.decode() for path in paths), "utf-8")
    return folder


@contextlib.contextmanager
def mmsearch_server(root: Path) -> Iterator[Server]:
    """mmsearch over a collection."""
    port = free_port()
    command = [sys.executable, "-m", "mmsearch", "serve", "-c", str(root), "--port", str(port), "--quiet"]
    make = posted("/api/search", lambda words: {"terms": [words], "k": K})
    with started(command, f"http://127.0.0.1:{port}", "/readyz") as process:
        yield Server("mmsearch", f"http://127.0.0.1:{port}", process, make)


@contextlib.contextmanager
def rival_server(name: str, python: str, folder: Path) -> Iterator[Server]:
    """A rival over the same rows."""
    port = free_port()
    command = [python, str(Path(__file__).with_name("serve_rivals.py")), name, str(folder), str(port)]
    asked = {"modality": "image", "num_images": K, "indice_name": "photos"}
    make, ready = {
        "txtai": (gotten(f"/search?query={{}}&limit={K}"), "/count"),
        "clip-retrieval": (posted("/knn-service", lambda words: {"text": words, **asked}), "/indices-list"),
    }[name]
    with started(command, f"http://127.0.0.1:{port}", ready) as process:
        yield Server(name, f"http://127.0.0.1:{port}", process, make, version_of(name, python))


def version_of(package: str, python: str) -> str:
    """The version of a package that an interpreter has."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.run([python, "-c", code, package], capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def started(command: Sequence[str], address: str, ready: str) -> Iterator[int]:
    """A process that serves at an address, ended afterwards; gives its id once it answers.

    Raises:
        RuntimeError: it ended or did not answer.
    """
    repository = str(Path(__file__).resolve().parent.parent)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": repository})
        try:
            until = time.monotonic() + _START_S
            while not _answers(address + ready):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(f"{command} does not serve: {log.read()[-2000:].decode(errors='replace')}")
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def measure_loads(servers: Sequence[Server], words: Iterator[str], seconds: float) -> list[dict[str, Any]]:
    """A line for each server and number of clients: the turn of the median of queries a second.

    Of rivals also ``ratio``: of the queries a second of mmsearch to theirs, the median over the turns.
    """
    lines = []
    for server in servers:
        server.ask(words, 8, count=200)  # warms up
    for clients in CLIENTS:
        turns = [
            [server.ask(words, clients, seconds=seconds / TURNS).summary() for server in servers] for _ in range(TURNS)
        ]
        for number, server in enumerate(servers):
            own = sorted((turn[number] for turn in turns), key=lambda one: one["queries_s"])
            line = {"part": "load", "server": server.name, "clients": clients, **own[TURNS // 2]}
            if number:
                ratios = [turn[0]["queries_s"] / max(turn[number]["queries_s"], 1e-9) for turn in turns]
                cpu = [turn[number]["cpu_ms"] / max(turn[0]["cpu_ms"], 1e-9) for turn in turns]
                line |= {"ratio": round(statistics.median(ratios), 2), "ratio_of_cpu": round(statistics.median(cpu), 2)}
                line |= {"version": server.version}
            lines.append(line)
    return lines


def measure_command(root: Path) -> list[dict[str, Any]]:
    """Lines for the command line with a server and without one, and for a Python that does nothing, run in turns."""
    query = [sys.executable, "-m", "mmsearch", "query", cold_query.WORDS, "-c", str(root)]
    ways = {"warm": query, "cold": [*query, "--no-server"], "nothing": list(NOTHING)}
    took: dict[str, list[Took]] = {way: [] for way in ways}
    for turn in range(COMMANDS + 2):
        for way, command in ways.items():
            one = launch(command)
            if turn >= 2:  # the first two warm up
                took[way].append(one)
    medians = {way: statistics.median(one.wall_s for one in runs) for way, runs in took.items()}
    return [
        {
            "part": "command",
            "way": way,
            "wall_s": round(median, 4),
            "cpu_s": round(statistics.median(one.cpu_s for one in took[way]), 4),
            "ratio_to_nothing": round(median / medians["nothing"], 2),
            "runs": COMMANDS,
        }
        for way, median in medians.items()
    ]


def measure_commit(server: Server, root: Path, words: Iterator[str]) -> dict[str, Any]:
    """Adds rows by another process while clients ask; which generations answered before and after."""
    before = _generation(server, words)
    writer = subprocess.Popen([sys.executable, "-c", ADD, str(root), str(COMMITS), str(ADDED)])
    load = Load()
    while writer.poll() is None:
        one = server.ask(words, 8, seconds=1.0)
        load.latencies_s += one.latencies_s
        load.failed += one.failed
        load.seconds += one.seconds
        load.cpu_s += one.cpu_s
    if writer.returncode:
        raise RuntimeError("rows could not be added")
    return {"commits": COMMITS, "generations": _generation(server, words) - before, **load.summary()}


def _generation(server: Server, words: Iterator[str]) -> int:
    return int(json.loads(server.ask(words, 1, count=1).last)["generation"])


def measure_memory(server: Server, words: Iterator[str], requests: int) -> list[dict[str, Any]]:
    """Lines for the server's own memory as requests go on, the last of them after all."""
    lines = []
    done = failed = 0
    for until in (requests // 100, requests // 10, requests // 2, requests):
        load = server.ask(words, 64, count=until - done)
        done, failed = until, failed + load.failed
        lines.append({"part": "memory", "requests": done, "failed": failed, "own_mb": resident_mb(server.process)})
    return lines


if __name__ == "__main__":
    sys.exit(main())
