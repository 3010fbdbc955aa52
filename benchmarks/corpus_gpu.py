"""Pictures a second from tars to rows by networks of full size, beside what bounds them and beside a plain loop.

    python benchmarks/corpus_gpu.py [--models ViT-B-32 ViT-L-14] [--pictures 20000] [--device auto] [--out FOLDER]

Weights are random: they cost the same as trained ones. For each network four rates, from the same tars:

- ``mmsearch``: ``mmsearch.scale.work`` from its first item to its last row.
- ``encoder``: ``encode_images`` alone, on arrays in memory, in the batches of a run.
- ``decoders``: the decoding processes alone.
- ``loop``: what clip-retrieval does, written anew: webdataset reads, a DataLoader of torch decodes and prepares in as
  many processes, open_clip embeds batch by batch in the same precision, and nothing is written. Needs ``webdataset``.

``of_bound`` is the rate of mmsearch as a part of the lower of the two after it. For a machine with a GPU; with
``--pictures 64`` it also runs on a processor.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from corpus import Corpus, sources
from run import write_results

from mmsearch.machine import usable_cpus
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.ingest.decoding import open_decoder
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.parts.index_sources import open_source
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job
from mmsearch.retrieval.sources.protocol import SourceItem
from mmsearch.scale import make_plan, work

TURNS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/corpus_gpu.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["ViT-B-32", "ViT-L-14"], help="architectures of open_clip")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        corpus = Corpus(Path(folder), options.pictures)
        tars = sources(corpus.tars(), "tar")
        for architecture in options.models:
            line = measure(architecture, tars, corpus, options.device, options.turns)
            measured.append(line)
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()), flush=True)
    write_results(options.out, "corpus-gpu", measured)
    return 0


def measure(architecture: str, tars: Sequence[Path], corpus: Corpus, device: str, turns: int) -> dict[str, Any]:
    """All rates of a network, in turns; medians."""
    checkpoint = random_checkpoint(architecture, corpus.folder)
    model = f"open_clip:{architecture}@{checkpoint}"
    encoder: Any = load_encoder(model, Runtime(device), throughput=True)
    pixels = decoded(tars[0], encoder)
    ways: dict[str, Callable[[], float]] = {
        "mmsearch": lambda: by_mmsearch(model, tars, corpus, device),
        "encoder": lambda: by_encoder(encoder, pixels, corpus.count),
        "decoders": lambda: by_decoders(encoder, tars, corpus.count),
        "loop": lambda: by_loop(architecture, checkpoint, tars, encoder, corpus.count),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            rates[name].append(way())
    middle = {name: median(found) for name, found in rates.items()}
    return {
        "model": architecture,
        "pictures": corpus.count,
        "device": encoder.device,
        "precision": getattr(encoder, "precision", None) or encoder.local.precision,
        "decoders": usable_cpus(),
        **{f"{name}_pictures_s": round(rate, 1) for name, rate in middle.items()},
        "of_bound": round(middle["mmsearch"] / min(middle["encoder"], middle["decoders"]), 3),
        "of_loop": round(middle["mmsearch"] / middle["loop"], 2),
    }


def random_checkpoint(architecture: str, folder: Path) -> Path:
    """A folder as open_clip writes it, with random weights."""
    import json

    import open_clip
    import torch
    from safetensors.torch import save_file

    made = folder / architecture
    made.mkdir()
    torch.manual_seed(0)
    config = open_clip.get_model_config(architecture)
    save_file(
        dict(open_clip.create_model(architecture, pretrained=None).state_dict()), made / "open_clip_model.safetensors"
    )
    (made / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return made


def by_mmsearch(model: str, tars: Sequence[Path], corpus: Corpus, device: str) -> float:
    """The rate of a run after its model is on the device: the first tar warms up, and does not count."""
    with tempfile.TemporaryDirectory(dir=corpus.folder) as root:
        make_plan(tars, Path(root, "plan.parquet"), model=model, ocr="off")
        moments: list[float] = []
        report = work(
            Path(root, "plan.parquet"),
            Path(root, "c.mms"),
            device=device,
            watch=lambda _: moments.append(time.perf_counter()),
        )
        assert report.indexed == corpus.count
    skipped = len(moments) // 4
    return (len(moments) - 1 - skipped) / (moments[-1] - moments[skipped])


def decoded(tar: Path, encoder: Any) -> np.ndarray:
    """The pixels of the pictures of a tar, as a run gives them to the encoder."""
    with open_decoder(DecodeSpec(encoder.image_transform), IngestOptions()) as decoder:
        found = [np.array(item.pixels) for item in decoding(decoder, [tar])]
    return np.stack(found)


def decoding(decoder: Decoder, tars: Sequence[Path]) -> Iterator[Decoded]:
    """The decoded pictures of tars, each until the next one is asked for."""
    opened: dict[bytes, SourceItem] = {}

    def jobs() -> Iterator[Job]:
        for tar in tars:
            source = open_source(str(tar))
            for part in source.parts():
                for item in source.items(part):
                    assert isinstance(item, SourceItem)
                    assert item.content is not None
                    path = os.fsencode(item.path)
                    opened[path] = item
                    yield Job(path, content=item.content.path)

    for item in decoder.map(jobs()):
        if isinstance(item, Decoded):
            assert item.pixels is not None, item.reason
            yield item
            decoder.release(item)
            opened.pop(item.path).close()


def by_encoder(encoder: Any, pixels: np.ndarray, count: int) -> float:
    """The rate of the encoder alone, three batches begun at once where it can."""
    size = 32 if encoder.device == "cpu" else (32 << 20) // pixels[0].nbytes
    buffer = encoder.image_buffer(min(size, count))
    buffer[:] = np.resize(pixels, buffer.shape)
    for wait in [encoder.begin_images(buffer) for _ in range(2)]:
        wait()
    turns = max(count // len(buffer), 2)
    start = time.perf_counter()
    begun: list[Any] = []
    for _ in range(turns):
        begun.append(encoder.begin_images(buffer))
        if len(begun) == getattr(encoder, "batches_at_once", 3):
            begun.pop(0)()
    for wait in begun:
        wait()
    return turns * len(buffer) / (time.perf_counter() - start)


def by_decoders(encoder: Any, tars: Sequence[Path], count: int) -> float:
    """The rate of the decoding processes alone, from the first picture to the last."""
    with open_decoder(DecodeSpec(encoder.image_transform), IngestOptions()) as decoder:
        moments = [time.perf_counter() for _ in decoding(decoder, tars)]
    assert len(moments) == count
    return (len(moments) - 1) / (moments[-1] - moments[0])


def by_loop(architecture: str, checkpoint: Path, tars: Sequence[Path], encoder: Any, count: int) -> float:
    """The rate of reading with webdataset and a DataLoader, and embedding batch by batch."""
    import open_clip
    import torch
    import webdataset

    device = "cuda" if encoder.device.startswith("cuda") else "cpu"
    precision = getattr(torch, getattr(encoder, "precision", None) or encoder.local.precision)
    model, _, prepare = open_clip.create_model_and_transforms(architecture, pretrained=None)
    model = model.eval().to(device, precision)
    readers = min(usable_cpus(), len(tars))
    reading = webdataset.WebDataset([str(tar) for tar in tars], shardshuffle=False, empty_check=False)
    reading = (
        reading.decode("pil").to_tuple("jpg", "__key__").map_tuple(prepare, str).batched(max(1, min(256, count // 8)))
    )
    loader = torch.utils.data.DataLoader(
        reading,
        batch_size=None,
        num_workers=readers,
        multiprocessing_context="spawn",
        prefetch_factor=2,
        pin_memory=device == "cuda",
    )
    embedded = first = 0
    start = 0.0
    with torch.inference_mode():
        for pixels, _ in loader:
            found = model.encode_image(pixels.to(device, precision))
            found = (found / found.norm(dim=-1, keepdim=True)).float().cpu().numpy()
            embedded += len(found)
            if not start or (start and first * 4 < count and embedded * 4 <= count):
                start, first = time.perf_counter(), embedded  # the first quarter warms up
    assert embedded == count
    return (embedded - first) / (time.perf_counter() - start) if embedded > first else 0.0


if __name__ == "__main__":
    sys.exit(main())
