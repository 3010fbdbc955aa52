"""A corpus of small JPEGs: which form is read fastest, what four workers give, what is lost when they die.

    python benchmarks/corpus.py [--parts formats workers kills] [--pictures 20000] [--model mini] [--out FOLDER]

- ``formats``: the pictures as tars of WebDataset, as Parquet and as files, by ``plan``, ``work`` and ``gather``; the
  files also through ``mmsearch index``. Items a second, and the share of the time in which the encoder was at work.
- ``workers``: the tars by one process against four.
- ``kills``: four workers, each killed and started again at random moments. Counts, and a digest of all paths and
  vectors, against those of one process.

Needs no evaluation data: pictures of 256 pixels are made here, with the detail of photographs. ``--model reading`` puts
an encoder in the place of the model that costs nothing, so that only reading, decoding and writing are measured.
``corpus_gpu.py`` measures networks on a GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from run import write_results

from mmsearch import Collection, CollectionNotFoundError, Space
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.scale import gather, make_plan, work

SIDE = 256
IN_A_TAR = 500
IN_A_ROW_GROUP = 500
KILLS = 12
WORKERS = 4
READING = "corpus:Reading"

Measured = Iterator[dict[str, Any]]


class Reading:
    """An encoder that costs nearly nothing: the mean colours of 16 fields, so that each picture has its own vector."""

    space = Space(READING, "0", "0", 48)
    modalities = frozenset({"image"})
    device = "cpu"
    image_transform = ImageTransform(224, 224, resize="squash")

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        corners = pixels[:, 28::56, 28::56].reshape(len(pixels), 48).astype(np.float32) + 1
        units: NDArray[np.float32] = corners / np.linalg.norm(corners, axis=1, keepdims=True)
        return units


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/corpus.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--model", default="mini", help="mini, reading, or another model on this machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    model = READING if options.model == "reading" else options.model
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        corpus = Corpus(Path(folder), options.pictures)
        for part in options.parts:
            for line in PARTS[part](corpus, model):
                measured.append({"part": part, "pictures": options.pictures, "model": options.model, **line})
                print("  " + " ".join(f"{name}={value}" for name, value in measured[-1].items()), flush=True)
    write_results(options.out, "corpus", measured)
    return 0


class Corpus:
    """The same pictures in several forms, each made when it is first asked for.

    Args:
        folder: takes the files.
        count: of the pictures.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count

    def files(self) -> Path:
        """A folder with a thousand files in each of its folders."""
        return self._made("files", self._write_files)

    def tars(self) -> Path:
        """A folder of tars."""
        return self._made("tars", self._write_tars)

    def parquet(self) -> Path:
        """A folder of Parquet files, each with several row groups."""
        return self._made("parquet", self._write_parquet)

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            write(folder)
        return folder

    def _pictures(self) -> Iterator[tuple[str, bytes]]:
        for number in range(self.count):
            yield f"{number:09d}.jpg", jpeg(number)

    def _write_files(self, folder: Path) -> None:
        for number, (name, data) in enumerate(self._pictures()):
            within = folder / f"{number // 1000:05d}"
            within.mkdir(exist_ok=True)
            (within / name).write_bytes(data)

    def _from_files(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.files().rglob("*.jpg")):
            yield path.name, path.read_bytes()

    def _write_tars(self, folder: Path) -> None:
        pictures = self._from_files()
        for first in range(0, self.count, IN_A_TAR):
            with tarfile.open(folder / f"shard-{first // IN_A_TAR:05d}.tar", "w") as tar:
                for _, (name, data) in zip(range(min(IN_A_TAR, self.count - first)), pictures, strict=False):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))

    def _write_parquet(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kind = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])
        rows = [{"image": {"bytes": data, "path": name}} for name, data in self._from_files()]
        each = -(-len(rows) // 4)
        for first in range(0, len(rows), each):
            table = pa.Table.from_pylist(rows[first : first + each], schema=kind)
            pq.write_table(table, folder / f"{first // each}.parquet", row_group_size=IN_A_ROW_GROUP)


def jpeg(number: int) -> bytes:
    """A picture with large shapes and the fine noise of a camera: some 20 kB, as photographs of this size have."""
    random_values = np.random.default_rng(number)
    coarse = Image.fromarray(random_values.integers(0, 256, (6, 6, 3), np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
    noise = random_values.integers(-12, 13, (SIDE, SIDE, 1), np.int16)
    picture = Image.fromarray((np.asarray(coarse, np.int16) + noise).clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def sources(folder: Path, ending: str) -> list[Path]:
    """The archives in a folder; of plain files the folder itself."""
    return sorted(folder.glob(f"*.{ending}")) if ending != "jpg" else [folder]


def formats(corpus: Corpus, model: str) -> Measured:
    """Each form by one process."""
    for form, ending in (("tars", "tar"), ("parquet", "parquet"), ("files", "jpg")):
        folder = getattr(corpus, form)()
        with tempfile.TemporaryDirectory(dir=corpus.folder) as root:
            start = time.perf_counter()
            make_plan(sources(folder, ending), Path(root, "plan.parquet"), model=model, ocr="off")
            planned = time.perf_counter()
            report = work(Path(root, "plan.parquet"), Path(root, "c.mms"))
            worked = time.perf_counter()
            gather(Path(root, "c.mms"), build=False)
            end = time.perf_counter()
        assert report.indexed == corpus.count
        yield {
            "form": form,
            "items_s": round(corpus.count / (end - start), 1),
            "encoder_share": round(report.stages["encode"] / report.seconds, 3),
            "plan_s": round(planned - start, 2),
            "work_s": round(worked - planned, 2),
            "gather_s": round(end - worked, 2),
        }
    given = Reading() if model == READING else model
    with tempfile.TemporaryDirectory(dir=corpus.folder) as root, Collection.create(root, given) as collection:
        start = time.perf_counter()
        indexed = collection.index([corpus.files()], ocr="off")
        seconds = time.perf_counter() - start
    assert indexed.indexed == corpus.count
    share = round(indexed.stages["encode"] / indexed.seconds, 3)
    yield {"form": "index", "items_s": round(corpus.count / seconds, 1), "encoder_share": share}


def workers(corpus: Corpus, model: str) -> Measured:
    """The tars by one process, and by four, each with a share of the processors."""
    rates = {}
    for count in (1, WORKERS):
        with tempfile.TemporaryDirectory(dir=corpus.folder) as root:
            plan = Path(root, "plan.parquet")
            make_plan(sources(corpus.tars(), "tar"), plan, model=model, ocr="off")
            each = max(1, (os.cpu_count() or 1) // count)
            start = time.perf_counter()
            running = [started(plan, Path(root, "c.mms"), number + 1, count, each) for number in range(count)]
            assert [one.wait() for one in running] == [0] * count
            rates[count] = corpus.count / (time.perf_counter() - start)
        yield {"processes": count, "items_s": round(rates[count], 1), "ratio": round(rates[count] / rates[1], 2)}


def kills(corpus: Corpus, model: str) -> Measured:
    """Four workers that are killed at random moments, against one process."""
    moments = random.Random(0)
    with tempfile.TemporaryDirectory(dir=corpus.folder) as root:
        plan = Path(root, "plan.parquet")
        make_plan(sources(corpus.tars(), "tar"), plan, model=model, ocr="off")
        start = time.perf_counter()
        work(plan, Path(root, "one.mms"))
        gather(Path(root, "one.mms"), build=False)
        whole_s = time.perf_counter() - start
        running = {task: started(plan, Path(root, "four.mms"), task, WORKERS, 1) for task in range(1, WORKERS + 1)}
        killed = done = 0
        while done < WORKERS:
            time.sleep(moments.uniform(0.02, 0.25) * min(whole_s, 60.0))
            at_work = [task for task, process in running.items() if process.poll() is None]
            done = WORKERS - len(at_work)
            if at_work and killed < KILLS:
                task = moments.choice(at_work)
                running[task].send_signal(signal.SIGKILL)
                running[task].wait()
                running[task] = started(plan, Path(root, "four.mms"), task, WORKERS, 1)
                killed += 1
                if killed == KILLS // 2:
                    with contextlib.suppress(CollectionNotFoundError):  # while workers are at work
                        gather(Path(root, "four.mms"), build=False)
        assert all(process.returncode == 0 for process in running.values())
        gather(Path(root, "four.mms"), build=False)
        (rows, expected), (found, digest) = contents(Path(root, "one.mms")), contents(Path(root, "four.mms"))
        assert rows == corpus.count
        yield {"kills": killed, "rows_of_one": rows, "rows": found, "same_digest": digest == expected, "digest": digest}


def started(plan: Path, out: Path, task: int, count: int, decoders: int) -> subprocess.Popen[bytes]:
    """A worker as people start it."""
    command = [sys.executable, "-m", "mmsearch", "work", str(plan), "--out", str(out), "--task", f"{task}/{count}"]
    return subprocess.Popen(
        [*command, "--workers", str(decoders), "--quiet", "--progress", "none"], stdout=subprocess.DEVNULL
    )


def contents(root: Path) -> tuple[int, str]:
    """How many rows there are, and a digest of all paths and vectors, in the order of the paths."""
    rows = []
    with Collection.open(root, encoders=[Reading()]) as collection:
        searcher = collection.searcher()
        for modality in searcher.modalities:
            found = searcher.rows(modality)
            paths = found.facts(["path"])["path"].to_pylist()
            vectors = found.vectors_at(found.live_positions)
            rows += [
                (os.path.basename(os.fsdecode(paths[place])), vector.tobytes().hex())
                for place, vector in zip(found.live_positions, vectors, strict=True)
            ]
    return len(rows), hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


PARTS: dict[str, Callable[[Corpus, str], Measured]] = {"formats": formats, "workers": workers, "kills": kills}


if __name__ == "__main__":
    sys.exit(main())
