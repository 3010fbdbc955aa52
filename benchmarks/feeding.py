"""How well an indexing run keeps an encoder busy. Needs no evaluation data but for ``--parts photographs``.

    python benchmarks/feeding.py [--parts device torch photographs] [--out FOLDER]

- ``device``: pictures from arrays through the run's own embedding, into a stand-in for a GPU that takes a known time:
  it computes by itself, some milliseconds after it was asked, and costs no processor time. Printed is the share of the
  time from its first to its last picture in which it was at work.
- ``torch``: the same with a network of torch on the processor, against a bare loop of ``encode_images`` on the same
  arrays.
- ``texts``: the text network of CLIP at the length of each text, against its whole context.
- ``photographs``: 500 photographs with `mini` on two cores, against a model of what they allow (see `photographs`).
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from run import write_results

from mmsearch.retrieval.encoders.protocol import ImageEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.embedder import Embedder
from mmsearch.retrieval.ingest.unfinished import UnfinishedFiles
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.jobs import Decoded
from mmsearch.retrieval.progress import Stopwatch
from mmsearch.types import Modality, Space

RATES = (2_500, 10_000, 20_000)
SECONDS = 2.0  # of work for the device
LAUNCH_S = 0.004
SIDE, DIM = 224, 512
TURNS = 5
SIZE_IN_TORCH: dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 6, "width": 384, "patch_size": 32, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
PICTURES_IN_TORCH = 256

Measured = Iterator[dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/feeding.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=["device", "torch", "texts"], choices=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured: list[dict[str, Any]] = []
    for part in options.parts:
        for line in PARTS[part]():
            measured.append({"part": part, **line})
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
    write_results(options.out, "feeding", measured)
    return 0


class StandInDevice:
    """An encoder of pictures that is asynchronous as a GPU is, and takes a known time.

    Args:
        rate: pictures a second.
        launch_s: from the call to the beginning of the work, while which the device does what it was asked before.

    Attributes:
        busy_s: seconds in which it was at work.
        began: when it first was, by ``time.perf_counter()``; None: not yet.
        free_at: when it last was.
    """

    modalities: frozenset[Modality] = frozenset({"image"})
    device = "stand-in"
    image_transform = ImageTransform(SIDE, SIDE, resize="squash")

    def __init__(self, rate: float, launch_s: float) -> None:
        self.space = Space("stand-in", "0", "0", DIM)
        self._rate, self._launch_s = rate, launch_s
        self._guard = threading.Lock()
        self._vectors = np.zeros((65_536, DIM), np.float32)
        self._vectors[:, 0] = 1
        self.busy_s, self.free_at = 0.0, 0.0
        self.began: float | None = None

    def image_buffer(self, count: int) -> NDArray[np.uint8]:
        """Memory for pictures."""
        return np.empty((count, SIDE, SIDE, 3), np.uint8)

    def begin_images(self, pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
        """Begin; the device is at work from when it is free, or from ``launch_s`` later on."""
        took = len(pixels) / self._rate
        with self._guard:
            start = max(time.perf_counter() + self._launch_s, self.free_at)
            self.began = start if self.began is None else self.began
            self.busy_s, self.free_at = self.busy_s + took, start + took
            end = self.free_at

        def wait() -> NDArray[np.float32]:
            time.sleep(max(end - time.perf_counter(), 0.0))
            return self._vectors[: len(pixels)].copy()

        return wait

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, all the same."""
        return self.begin_images(pixels)()


def pictures(pixels: NDArray[np.uint8], count: int) -> list[Decoded]:
    """So many decoded files with the pixels in turn."""
    arrays = [pixels[i % len(pixels)] for i in range(count)]
    return [
        Decoded(b"/pictures/%d.jpg" % number, "decoded", "image", number.to_bytes(16, "big"), 1, 1, 1, pixels=array)
        for number, array in enumerate(arrays)
    ]


def embed(encoder: ImageEncoder, files: Sequence[Decoded], batch: int | None = None) -> None:
    """Embed pictures as an indexing run does."""
    routing = ModelRouting.single(encoder)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = UnfinishedFiles(Path(folder), "", DecodeSpec(image=encoder.image_transform), routing.spaces())
        embedder = Embedder(routing, lambda _: None, Stopwatch(), unfinished, batch=batch)
        rows = sum(len(done.rows) for file in files for done in embedder.add(file))
        rows += sum(len(done.rows) for done in embedder.finish())
        assert not list(embedder.stop())
        assert rows == len(files)


def device() -> Measured:
    """The share of its time in which a device of known rate is at work."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE, 3), np.uint8)
    for rate in RATES:
        files = pictures(pixels, round(SECONDS * rate))
        shares, costs = [], []
        for _ in range(TURNS):
            stand_in = StandInDevice(rate, LAUNCH_S)
            start = time.process_time()
            embed(stand_in, files)
            costs.append(1e6 * (time.process_time() - start) / len(files))
            assert stand_in.began is not None
            shares.append(stand_in.busy_s / (stand_in.free_at - stand_in.began))
        yield {
            "pictures_s": rate,
            "launch_ms": 1000 * LAUNCH_S,
            "pictures": len(files),
            "busy_share": round(median(shares), 4),
            "least": round(min(shares), 4),
            "processor_us_a_picture": round(median(costs), 1),
        }


def torch() -> Measured:
    """A network of torch on the processor: a bare loop over the arrays, and the same arrays as an indexing run."""
    import open_clip
    import torch as library
    from gpu import write_checkpoint

    from mmsearch.retrieval.encoders.load import load_encoder
    from mmsearch.retrieval.encoders.runtime import Runtime

    library.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(open_clip.CLIP(**SIZE_IN_TORCH), SIZE_IN_TORCH, Path(folder))
        encoder = load_encoder(f"open_clip:tiny@{folder}", Runtime("cpu", "float32"))
        assert isinstance(encoder, ImageEncoder)
        encoder.encode_images(np.zeros((1, SIDE, SIDE, 3), np.uint8))  # loads the weights
    pixels = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE, 3), np.uint8)
    files = pictures(pixels, PICTURES_IN_TORCH)
    batch = len(pixels)

    def bare() -> None:
        for _ in range(0, PICTURES_IN_TORCH, batch):
            encoder.encode_images(pixels)

    bare_s, run_s = [], []
    for turn in range(TURNS + 1):
        for seconds, work in ((bare_s, bare), (run_s, lambda: embed(encoder, files))):
            start = time.perf_counter()
            work()
            if turn:  # the first warms up
                seconds.append(time.perf_counter() - start)
    yield {
        "pictures": PICTURES_IN_TORCH,
        "bare_pictures_s": round(PICTURES_IN_TORCH / median(bare_s), 1),
        "run_pictures_s": round(PICTURES_IN_TORCH / median(run_s), 1),
        "share": round(median(one / other for one, other in zip(bare_s, run_s, strict=True)), 4),
    }


def texts() -> Measured:
    """CLIP's text network at the length of each text, against its whole context; nine words each, one thread."""
    import open_clip
    import torch as library

    from mmsearch.retrieval.encoders.openclip.short_texts import ShortTexts

    library.set_num_threads(1)
    library.manual_seed(0)
    text = {**SIZE_IN_TORCH["text_cfg"], "width": 512, "heads": 8, "layers": 4}
    model = open_clip.CLIP(**{**SIZE_IN_TORCH, "text_cfg": text}).eval()
    words = np.random.default_rng(0).choice(["a", "dog", "red", "boat", "at", "night"], (32, 9))
    ids = open_clip.get_tokenizer("ViT-B-32")([" ".join(row) for row in words])
    network = ShortTexts(model, text["context_length"])
    groups = list(network.groups(ids.numpy(), len(ids)))
    ratios = []
    with library.inference_mode():
        for _ in range(TURNS):
            start = time.process_time()
            whole = model.encode_text(ids)
            middle = time.process_time()
            parts = [network(ids[rows, :length]) for rows, length in groups]
            ratios.append((middle - start) / (time.process_time() - middle))
    unit = library.nn.functional.normalize
    moved = max(
        float((unit(part, dim=-1) - unit(whole[rows], dim=-1)).abs().max())
        for part, (rows, _) in zip(parts, groups, strict=True)
    )
    yield {"texts": len(ids), "times_as_fast": round(median(ratios), 2), "largest_difference": moved}


def photographs() -> Measured:
    """500 photographs with `mini`, against what two cores can do.

    A picture takes ``d`` of processor time in the decoding workers, ``e`` in the encoder, and ``r`` for all else in the
    main process (taking in, rows, commits). With both cores at work all the time a run takes ``n (d + e + r) / 2``.
    The encoder's share of the cores is then ``e / (d + e + r)``, and the run's rate that share of the rate at which the
    encoder alone embeds the same arrays with both cores. ``d`` and ``r`` are measured in runs, ``e`` alone.
    """
    from data import data_set

    from mmsearch import Collection
    from mmsearch.retrieval.encoders.load import load_encoder
    from mmsearch.retrieval.ingest.run import ingest  # noqa: F401  (loaded before the clock runs)

    folder = data_set("flickr8k_dev500") / "images"
    count = len(list(folder.iterdir()))
    cores = min(os.cpu_count() or 1, 2)
    encoder = load_encoder("mini")
    assert isinstance(encoder, ImageEncoder)
    transform = encoder.image_transform
    pixels = np.random.default_rng(0).integers(0, 256, (64, transform.height, transform.width, 3), np.uint8)
    alone_s, e, walls, d, rest = [], [], [], [], []
    for turn in range(TURNS + 1):
        began, used = time.perf_counter(), time.process_time()
        for _ in range(0, 512, len(pixels)):
            encoder.encode_images(pixels)
        alone = (time.perf_counter() - began) / 512, (time.process_time() - used) / 512
        with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as collection:
            used, workers = time.process_time(), processor_s_of_children()
            report = collection.index([folder], ocr="off")
            used, workers = time.process_time() - used, processor_s_of_children() - workers
        assert report.indexed == count
        if turn:  # the first warms up
            alone_s.append(alone[0])
            e.append(alone[1])
            walls.append(report.seconds / count)
            d.append(workers / count)
            rest.append(used / count - alone[1])
    allowed = cores / (median(d) + median(e) + median(rest))
    yield {
        "pictures": count,
        "decode_ms": round(1000 * median(d), 2),
        "encode_ms": round(1000 * median(e), 2),
        "rest_ms": round(1000 * median(rest), 2),
        "encoder_alone_pictures_s": round(1 / median(alone_s), 1),
        "encoders_share_of_cores": round(median(e) * allowed / cores, 3),
        "allowed_pictures_s": round(allowed, 1),
        "pictures_s": round(1 / median(walls), 1),
        "share": round(1 / median(walls) / allowed, 3),
    }


def processor_s_of_children() -> float:
    """Processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PARTS: dict[str, Callable[[], Measured]] = {
    "device": device,
    "torch": torch,
    "texts": texts,
    "photographs": photographs,
}


if __name__ == "__main__":
    sys.exit(main())
