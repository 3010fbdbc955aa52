"""A collection in a bucket: requests, bytes and time of a query, with an empty cache, a filled one, and in a folder.

A server of files by ranges stands for the bucket, in a process of its own; every answer is held back by the time that a
store takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from machine import machine_facts

_QUERY = """
import json, os, sys, time
import numpy as np
from mmsearch import Collection
address, kind, count = sys.argv[1:]
query = np.load(os.environ["QUERY"])
times = []
with Collection.open(address) as collection:
    for vector in query[: int(count)]:
        start = time.perf_counter()
        collection.search(vector, k=10, exact=kind == "exact")
        times.append(time.perf_counter() - start)
print(json.dumps(times))
"""


class _Files(BaseHTTPRequestHandler):
    """Objects of the folder ``root``, as S3 sends them. Counts requests and bytes."""

    protocol_version = "HTTP/1.1"
    root = Path()
    delay_s = 0.0
    requests = 0
    sent = 0

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Facts of an object."""
        self._answer(b"", head=True)

    def do_GET(self) -> None:
        """A range of an object, or all of it."""
        self._answer(self.headers.get("Range", "").encode(), head=False)

    def _answer(self, wanted: bytes, head: bool) -> None:
        time.sleep(self.delay_s)
        path = self.root / unquote(self.path).partition("?")[0].lstrip("/")
        _Files.requests += 1
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = path.stat().st_size
        start, end = 0, size
        if wanted:
            first, _, last = wanted.decode().removeprefix("bytes=").partition("-")
            start, end = int(first), min(size, int(last) + 1)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", f'"{size}-{path.stat().st_mtime_ns}"')
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.end_headers()
        if not head:
            with open(path, "rb") as file:
                file.seek(start)
                self.wfile.write(file.read(end - start))
            _Files.sent += end - start


def serve(root: Path, delay_s: float) -> None:
    """Serve until standard input ends; each line asks what was requested since the last."""
    _Files.root, _Files.delay_s = root, delay_s
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    for _ in sys.stdin:
        print(json.dumps([_Files.requests, _Files.sent]), flush=True)
        _Files.requests = _Files.sent = 0


def clustered(rows: int, dim: int, seed: int) -> np.ndarray:
    """Rows about 500 centres, as vectors of models lie; float32 ``[rows, dim]``."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((500, dim))
    return (centres[chance.integers(500, size=rows)] + 0.7 * chance.standard_normal((rows, dim))).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--delay-ms", type=float, default=30)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.delay_ms / 1000)
        return
    print(machine_facts())
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), given)


def measure(scratch: Path, given: argparse.Namespace) -> None:
    """Print what queries of a collection cost."""
    from mmsearch import Collection

    folder = scratch / "bucket" / "c.mms"
    call = [sys.executable, __file__, "--serve", str(scratch), "--delay-ms", str(given.delay_ms)]
    store = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert store.stdin is not None
    assert store.stdout is not None
    os.environ["AWS_ENDPOINT_URL"] = store.stdout.readline().strip()
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    os.environ["QUERY"] = str(scratch / "query.npy")

    def asked() -> list[int]:
        store.stdin.write("\n")
        store.stdin.flush()
        return json.loads(store.stdout.readline())

    np.save(os.environ["QUERY"], clustered(20, given.dim, seed=9))
    made = Collection.create(folder, model=None, index="ivfpq")
    paths = [f"/{row}" for row in range(given.rows)]
    made.add(clustered(given.rows, given.dim, seed=1), paths=paths, modality="image", space="s")
    made.close()
    held = sum(path.stat().st_size for path in folder.rglob("*"))
    print(f"{given.rows:,} rows of {given.dim}: {held / 1e6:,.0f} MB", flush=True)
    address = "s3://bucket/c.mms"
    for kind in ("approximate", "exact"):
        os.environ["XDG_CACHE_HOME"] = str(scratch / kind)
        runs = (("empty cache", address, 1), ("19 more queries", address, 20), ("filled cache", address, 20))
        for where, place, queries in (*runs, ("folder", str(folder), 20)):
            asked()
            call = [sys.executable, "-c", _QUERY, place, kind, str(queries)]
            done = subprocess.run(call, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            first, *others = json.loads(done.stdout)
            count, sent = asked()
            rest = f", the others {1000 * sum(others) / len(others):.1f} ms each" if others else ""
            print(
                f"{kind}, {where}: first query {first:.3f} s{rest}; {count} requests, {sent / 1e6:.1f} MB", flush=True
            )
    store.stdin.close()
    store.wait()


if __name__ == "__main__":
    main()
