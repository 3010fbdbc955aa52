"""Case ``gpu``: what a GPU is worth: comparing every row, building an index, embedding. Needs one that PyTorch sees.

    python benchmarks/gpu.py [--parts scan assign build encode ingest] [--rows 1000000 10000000] [--out FOLDER]
    python benchmarks/gpu.py --parts ingest --device cpu --architectures ViT-S-32-alt --pictures 48

Every measurement runs on the GPU and on this machine's processor, with all its cores. Rows that are scanned are
random: what a scan takes does not depend on them. Indexes are built over generated vectors (`synthetic`), on the GPU
where FAISS sees it too. Models have random weights: their vectors say nothing, the time they take is that of real ones.
The part ``ingest`` runs without a GPU too, to see that it works.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from run import write_results

from mmsearch.indexes import build_index, gpu
from mmsearch.indexes.exact import rescore, search_exact
from mmsearch.indexes.vectors import StoredVectors, as_stored_vectors

DIM = 512
K = 10
BLOCK = 1 << 18
ARCHITECTURES = ("ViT-B-32", "ViT-L-14")
PICTURES, TEXTS = 2048, 4096

Measured = Iterator[dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/gpu.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000], help="of the scans")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--device", default="cuda", help="of the part ingest")
    parser.add_argument("--architectures", nargs="*", default=list(ARCHITECTURES), help="of the part ingest")
    parser.add_argument("--pictures", type=int, default=20_000, help="of the part ingest")
    options = parser.parse_args(arguments)
    import torch

    if options.device == "cpu" and options.parts == ["ingest"]:
        for line in ingest(options):
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
        return 0
    if not torch.cuda.is_available():
        print("gpu was not run: it needs a GPU that PyTorch sees", file=sys.stderr)
        return 1
    about = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda}
    measured: list[dict[str, Any]] = []
    for part in options.parts:
        for line in PARTS[part](options):
            measured.append({"part": part, **line, **about})
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
            write_results(options.out, "gpu", measured)  # at once: what was measured stays, whenever the run ends
    return 0


def scan(options: argparse.Namespace) -> Measured:
    """All rows compared with one query and with a thousand, from queries to the ten nearest."""
    import faiss  # noqa: F401  (so that the processor compares halves in place)

    for count in options.rows:
        vectors = random_rows(count)
        start = time.perf_counter()
        rows = gpu.GpuRows(vectors)
        upload_s = time.perf_counter() - start
        queries = random_rows(1024, seed=1).take_float32(np.arange(1024))
        for batch, runs, on_processor in ((1, 30, 3), (1024, 5, 1)):
            asked = queries[:batch]
            expected: list[Any] = []
            # A thousand queries over many rows would take the processor minutes.
            compared = asked if batch * count <= 2_000_000_000 else asked[:8]
            ms = timed(lambda rows=rows, vectors=vectors, asked=asked: on_gpu(rows, vectors, asked), runs)
            cpu_ms = timed(
                lambda vectors=vectors, compared=compared, expected=expected: expected.append(
                    search_exact(vectors, compared, K)[1]
                ),
                on_processor,
            )
            found = on_gpu(rows, vectors, compared)
            yield {
                "rows": count,
                "dim": DIM,
                "queries": batch,
                "ms": ms,
                "gb_s": round(2 * DIM * count / ms / 1e6, 1),
                "processor_ms_a_query": round(cpu_ms / len(compared), 2),
                "ratio": round(cpu_ms / len(compared) / (ms / batch), 1),
                "equal": float(np.mean(found == expected[-1])),
                "compared": len(compared),
                "upload_s": round(upload_s, 2),
            }
        del rows


def on_gpu(rows: gpu.GpuRows, vectors: StoredVectors, queries: Any) -> Any:
    """Positions of the ten nearest, as `VectorIndex` finds them."""
    found = rows.nearest(queries, K)
    assert found is not None
    return rescore(vectors, queries, found, K)[1]


def random_rows(count: int, seed: int = 0) -> StoredVectors:
    """Unit vectors in all directions, made on the GPU."""
    import torch

    torch.manual_seed(seed)
    stored = np.empty((count, DIM), np.float16)
    for start in range(0, count, BLOCK):
        block = torch.randn((min(BLOCK, count - start), DIM), device="cuda")
        stored[start : start + len(block)] = torch.nn.functional.normalize(block, dim=1).half().cpu().numpy()
    return as_stored_vectors(stored)


def assign(_: argparse.Namespace) -> Measured:
    """Rows put into lists by FAISS, the way to the GPU included: from how many on it pays."""
    import faiss

    worth, gpu._MIN_PRODUCTS = gpu._MIN_PRODUCTS, 0
    for rows, lists in ((1000, 2000), (20_000, 2000), (65_536, 2000), (524_288, 2000), (524_288, 8192)):
        made, centroids = (random_rows(count, seed=count).take_float32(np.arange(count)) for count in (rows, lists))
        flat = faiss.IndexFlatIP(DIM)
        flat.add(centroids)
        yield {
            "rows": rows,
            "lists": lists,
            "products": rows * lists * DIM,
            "ms": timed(lambda flat=flat, made=made: gpu.flat_on_gpu(flat, 1).search(made, 1), 3),
            "processor_ms": timed(lambda flat=flat, made=made: flat.search(made, 1), 3),
        }
    gpu._MIN_PRODUCTS = worth


def build(_: argparse.Namespace) -> Measured:
    """An index of a million generated vectors, trained and filled on the GPU or without."""
    from synthetic import Generator

    from mmsearch.indexes.operating_point import TEXT_QUERY_COUNT as MEASURED_TEXTS

    made = Generator()
    vectors, texts = StoredVectors(list(made.pictures(1_000_000)), made.dim), made.texts(MEASURED_TEXTS, stream=4)
    worth = gpu._MIN_PRODUCTS
    for where, least in {"gpu": worth, "processor": 1 << 62}.items():
        gpu._MIN_PRODUCTS = least
        start = time.perf_counter()
        index = build_index(vectors, text_queries=texts)
        took = time.perf_counter() - start
        assert index.calibration is not None
        recall = {kind: round(found, 3) for kind, found in index.calibration.recall.items()}
        yield {"where": where, "rows": len(vectors), "dim": made.dim, "wall_s": round(took, 1), "recall": recall}
    gpu._MIN_PRODUCTS = worth


def encode(_: argparse.Namespace) -> Measured:
    """Pictures and texts a second through open_clip's towers."""
    from mmsearch.retrieval.encoders.load import load_encoder
    from mmsearch.retrieval.encoders.runtime import Runtime

    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "dog", "red", "boat", "at", "night"], 9)) for _ in range(TEXTS)]
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            size = random_checkpoint(architecture, Path(folder))
            pixels = rng.integers(0, 256, (PICTURES, size, size, 3), np.uint8)
            for device, precision, share in (("cuda", "auto", 1), ("cuda", "float32", 1), ("cpu", "auto", 32)):
                encoder = load_encoder(f"open_clip:{architecture}@{folder}", Runtime(device, precision))
                some_pixels, some_texts = pixels[: PICTURES // share], texts[: TEXTS // share]
                runs = 3 if device == "cuda" else 1
                picture_ms = timed(lambda e=encoder, p=some_pixels: e.encode_images(p), runs)
                text_ms = timed(lambda e=encoder, t=some_texts: e.encode_texts(t), runs)
                yield {
                    "model": architecture,
                    "device": device,
                    "precision": encoder.precision,
                    "pictures_s": round(1000 * len(some_pixels) / picture_ms),
                    "texts_s": round(1000 * len(some_texts) / text_ms),
                }


def ingest(options: argparse.Namespace) -> Measured:
    """Pictures a second from JPEGs of 256 pixels, and from arrays, as a share of the encoder's own rate."""
    from feeding import embed, pictures

    from mmsearch import Collection
    from mmsearch.retrieval.encoders.load import load_encoder
    from mmsearch.retrieval.encoders.runtime import Runtime

    with tempfile.TemporaryDirectory() as files:
        write_pictures(Path(files), options.pictures)
        for architecture in options.architectures:
            with tempfile.TemporaryDirectory() as folder:
                size = random_checkpoint(architecture, Path(folder))
                model = f"open_clip:{architecture}@{folder}"
                encoder: Any = load_encoder(model, Runtime(options.device))
                array = np.random.default_rng(0).integers(0, 256, (min(512, options.pictures), size, size, 3), np.uint8)
                own = 1000 * len(array) / timed(lambda e=encoder, a=array: e.encode_images(a), 3)
                decoded = pictures(array, options.pictures)
                from_arrays = 1000 * len(decoded) / timed(lambda e=encoder, d=decoded: embed(e, d), 1)
                with tempfile.TemporaryDirectory() as root, Collection.create(root, encoder) as collection:
                    report = collection.index([files], ocr="off")
                assert report.indexed == options.pictures
                yield {
                    "model": architecture,
                    "device": options.device,
                    "precision": encoder.precision,
                    "pictures": options.pictures,
                    "own_pictures_s": round(own),
                    "arrays_pictures_s": round(from_arrays),
                    "arrays_share": round(from_arrays / own, 3),
                    "jpegs_pictures_s": round(report.indexed / report.seconds),
                    "jpegs_share": round(report.indexed / report.seconds / own, 3),
                }


def write_pictures(folder: Path, count: int) -> None:
    """So many different JPEGs of 256 × 256 pixels."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=88)


def random_checkpoint(architecture: str, folder: Path) -> int:
    """A folder as open_clip writes it, with random weights; the pixels of a side that it takes."""
    import open_clip

    config = open_clip.get_model_config(architecture)
    write_checkpoint(open_clip.CLIP(**config), config, folder)
    return int(config["vision_cfg"]["image_size"])


def write_checkpoint(model: Any, config: Mapping[str, Any], folder: Path) -> None:
    """A folder as open_clip writes it."""
    from safetensors.torch import save_file

    save_file(dict(model.state_dict()), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))


def timed(run: Callable[[], Any], runs: int) -> float:
    """Milliseconds by the clock: median, after one run to warm up."""
    took = []
    for turn in range(runs + 1):
        start = time.perf_counter()
        run()
        if turn:
            took.append(1000 * (time.perf_counter() - start))
    return round(median(took), 3)


PARTS: dict[str, Callable[[argparse.Namespace], Measured]] = {
    "scan": scan,
    "assign": assign,
    "build": build,
    "encode": encode,
    "ingest": ingest,
}


if __name__ == "__main__":
    sys.exit(main())
