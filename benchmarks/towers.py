"""What the networks of `mini` take, by kind of arithmetic, on this processor and as if it lacked some instructions.

Processor time is of all threads together; what is compared runs in turns in one process; medians. It needs no data. For
float32 it needs the package onnx, and it measures OpenVINO only where that is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_facts, versions
from numpy.typing import NDArray
from without import can_hide, environment

from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.encoders.mini.encoder import FOLDER, open_pictures, open_sounds
from mmsearch.retrieval.encoders.mini.integer_graph import in_integers
from mmsearch.retrieval.encoders.mini.mel import log_mel_patches
from mmsearch.retrieval.onnx_session import open_session
from mmsearch.unit import normalize_rows

PROCESSORS = {  # what is hidden, and what is left
    "": "as it is",
    "amx": "AVX-512 with VNNI",
    "amx,vnni": "AVX-512 without VNNI",
    "amx,vnni,avx512": "AVX2",
}
PICTURES = 32
NOW = "int8"
Floats = NDArray[np.float32]
Run = Callable[[NDArray[np.uint8]], Floats]


def pictures() -> NDArray[np.uint8]:
    """Smooth shapes in colours, with some noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (PICTURES, 16, 16, 3)).repeat(16, 1).repeat(16, 2)
    return np.clip(coarse + random.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def run_of(session: Any) -> Run:
    return lambda pixels: session.run(None, {"image": pixels})[0]


def in_floats() -> bytes:
    """The picture network without rounding: its weights as floats, and the ranges of its activations as clips."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(FOLDER / "image.onnx"))
    graph = model.graph
    value = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    nodes = []
    for node in graph.node:
        rounded = maker.get(node.input[0])
        if node.op_type == "DequantizeLinear" and rounded is not None:
            scale, zero = (float(value[name]) for name in rounded.input[1:])
            for end, code in (("least", 0), ("most", 255)):
                limit = np.float32((code - zero) * scale)
                graph.initializer.append(numpy_helper.from_array(limit, f"{node.output[0]}_{end}"))
            inputs = [rounded.input[0], f"{node.output[0]}_least", f"{node.output[0]}_most"]
            nodes.append(helper.make_node("Clip", inputs, list(node.output)))
        elif node.op_type != "QuantizeLinear":
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def picture_networks() -> dict[str, Run]:
    """Each kind of arithmetic, in one thread."""
    networks = {NOW: run_of(open_pictures()), "int8, as stored": run_of(open_session(FOLDER / "image.onnx", 1))}
    try:
        networks["float32"] = run_of(open_session(in_floats(), 1, floats=True))
    except ImportError:
        print("float32 needs the package onnx", file=sys.stderr)
    with contextlib.suppress(ImportError):
        networks["int8, OpenVINO"] = openvino_network()
    return networks


def openvino_network() -> Run:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(in_integers((FOLDER / "image.onnx").read_bytes())), "CPU", settings)
    return lambda pixels: compiled(pixels)[0].copy()


def in_chunks(run: Run, size: int, pool: ThreadPoolExecutor | None = None) -> Run:
    """The pictures in runs of so many, one after the other or in the threads of a pool."""

    def runs(pixels: NDArray[np.uint8]) -> Floats:
        parts = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        return np.concatenate(list(pool.map(run, parts) if pool else map(run, parts)))

    return runs


def measure(seconds: float) -> list[dict[str, Any]]:
    """Lines for each network of `mini` in this process."""
    pixels = pictures()
    networks = picture_networks()
    vectors = {name: normalize_rows(run(pixels)) for name, run in networks.items()}
    ways: dict[tuple[str, str], tuple[Callable[[], Any], int]] = {}
    for name, run in networks.items():
        for size in (1, 8, 32) if name == NOW else (8,):
            runs = in_chunks(run, size)
            ways["picture", f"{name}, batch of {size}"] = (lambda r=runs: r(pixels), PICTURES)
    within = run_of(open_session(in_integers((FOLDER / "image.onnx").read_bytes()), 2))
    ways["picture", "int8, two threads in a run of 8"] = (lambda: in_chunks(within, 8)(pixels), PICTURES)
    pool = ThreadPoolExecutor(2)
    beside = in_chunks(networks[NOW], 4, pool)
    ways["picture", "int8, two threads, a run of 4 each"] = (lambda: beside(pixels), PICTURES)

    sound = np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)
    patches = {"patches": log_mel_patches(sound)}
    for name, session in (("float32", open_sounds()), ("int8 weights", open_session(FOLDER / "audio.onnx", 1))):
        ways["10 s of sound", f"{name}, one thread"] = (lambda s=session: s.run(None, patches), 1)
    encoder = MiniEncoder(1)
    ways["text", "float32 by numpy"] = (lambda: encoder.encode_texts(["a brown dog runs along the beach"]), 1)

    lines = timed(ways, seconds)
    for line in lines:
        name = line["way"].partition(", batch")[0]
        if line["network"] == "picture" and name in vectors:
            line["least cosine"] = round(float((vectors[name] * vectors["int8, as stored"]).sum(1).min()), 6)
    return lines


def timed(ways: Mapping[tuple[str, str], tuple[Callable[[], Any], int]], seconds: float) -> list[dict[str, Any]]:
    """Medians of what is run in turns for so many seconds, each at least three times."""
    took: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
    for work, _ in ways.values():
        work()
    end = time.monotonic() + seconds
    while time.monotonic() < end or min(map(len, took.values())) < 3:
        for way, (work, items) in ways.items():
            wall, busy = time.perf_counter(), time.process_time()
            work()
            took[way].append(((time.process_time() - busy) / items, (time.perf_counter() - wall) / items))
    return [
        {
            "network": network,
            "way": way,
            "cpu ms": round(1e3 * statistics.median(busy for busy, _ in turns), 2),
            "per s": round(1 / statistics.median(wall for _, wall in turns), 1),
            "runs": len(turns),
        }
        for (network, way), turns in took.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12, help="for each kind of processor")
    parser.add_argument("--only", choices=PROCESSORS.values(), help="one kind of processor")
    parser.add_argument("--alone", action="store_true", help="only the processor as it is, as JSON")
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(measure(given.seconds)))
        return
    print(machine_facts(), versions())
    for hidden, name in PROCESSORS.items():
        if (hidden and not can_hide()) or given.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--alone", "--seconds", str(given.seconds)]
            around = environment(hidden, Path(folder)) if hidden else None
            done = subprocess.run(command, env=around, check=True, stdout=subprocess.PIPE, text=True)
        print(f"\n{name}", flush=True)
        for line in json.loads(done.stdout):
            cosine = f", cosine ≥ {line['least cosine']}" if "least cosine" in line else ""
            print(f"  {line['network']:14}{line['way']:36}{line['cpu ms']:8.2f} ms{line['per s']:8.1f}/s{cosine}")


if __name__ == "__main__":
    main()
