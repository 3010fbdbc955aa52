"""Case ``big-index``: an index of 20,000,000 rows, built as a collection builds it, within 6 GB of memory.

    python benchmarks/big_index.py --rows 1000000 --work .bench-big
    python benchmarks/big_index.py --rows 20000000 --work .bench-big
    python benchmarks/big_index.py --costs

Rows are drawn in blocks by a seeded generator and written to shards at once, so that they are stored once. The index
is built by the code that ``mmsearch index`` calls, then asked texts and pictures that are no rows. Every part runs in a
process of its own, of which the peak of memory is taken. A run that was stopped goes on where it was: shards that are
there are not made again. Each part's figures are added to the results as soon as they are known, in the place of those
of an earlier run with as many rows.

``--costs`` computes from these rates what 100,000,000 and a billion rows take. It measures nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from big_index_costs import cost_table
from numpy.typing import NDArray
from synthetic import NEIGHBOURS, SHRINK, SPREAD, Generator, unit

from mmsearch import Collection, indexes
from mmsearch.indexes.faiss import encoding, segments
from mmsearch.indexes.faiss.list_files import ListFiles
from mmsearch.retrieval.ingest.external_vectors import checked_addition
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import open_writer
from mmsearch.retrieval.upkeep import index_builder
from mmsearch.retrieval.upkeep.index_files import open_index
from mmsearch.retrieval.upkeep.index_job import IndexJob
from mmsearch.retrieval.upkeep.index_parts import PartMaker, unfinished_files
from mmsearch.types import Space

CASE = "big-index"
BLOCK = 1 << 19
PARTS = ("rows", "truth", "index", "query", "merge")
QUERIES = 200
HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts, or one in this process, or print the costs."""
    options = parse(arguments)
    if options.costs:
        print(cost_table(read_results(options.out)))
        return 0
    if options.part:
        line = {"part": options.part, "rows": options.rows, "dim": options.dim, **run_part(options)}
        print(json.dumps(line), flush=True)
        return 0
    for part in PARTS:
        command = [sys.executable, __file__, "--part", part]
        for name in ("rows", "dim", "work", "memory", "parallel"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        line = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps(line), flush=True)
        add_result(options.out, line)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """How many rows, and where they go."""
    parser = argparse.ArgumentParser(prog="benchmarks/big_index.py")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--dim", type=int, default=512, help="at most 512: the first principal directions of the rows")
    parser.add_argument("--work", type=Path, help="a folder for the collection: 2.2 · dim bytes for each row")
    parser.add_argument("--memory", type=float, default=3, help="GB for the sample and the codes")
    parser.add_argument("--parallel", type=int, default=1, help="processes that encode and merge")
    parser.add_argument("--part", choices=PARTS, help="only this one, in this process")
    parser.add_argument("--costs", action="store_true", help="what more rows cost, from the results of earlier runs")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args(arguments)
    if not options.costs and options.work is None:
        parser.error("--work is needed")
    return options


def read_results(out: Path) -> list[dict[str, Any]]:
    """The lines of the case that are there."""
    path = out / f"{CASE}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def add_result(out: Path, line: dict[str, Any]) -> None:
    """Add a line to the results, in the place of the one of the same part and size."""
    from run import write_results

    def is_other(old: dict[str, Any]) -> bool:
        return any(old.get(key) != line.get(key) for key in ("part", "rows", "dim"))

    kept = [old for old in read_results(out) if is_other(old)]
    write_results(out, CASE, [line])
    new = read_results(out)
    path = out / f"{CASE}.jsonl"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in [*kept, *new]), "utf-8")


def run_part(options: argparse.Namespace) -> dict[str, Any]:
    """Measure one part in this process; with its peak of memory, the mapped files included that it held."""
    part: Callable[[argparse.Namespace], dict[str, Any]] = globals()[f"part_{options.part}"]
    start, spent = time.perf_counter(), processor_seconds()
    figures = part(options)
    figures |= {"s": round(time.perf_counter() - start, 1), "processor_s": round(processor_seconds() - spent, 1)}
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return figures | {"peak_gb": round(peaks[0] * 1024 / 1e9, 2), "peak_of_a_child_gb": round(peaks[1] * 1024 / 1e9, 2)}


# --- rows ------------------------------------------------------------------------------------------------------


class Rows:
    """Pictures as `synthetic.Generator` draws them, several times as fast.

    Every real picture is enlarged equally often in a block, all of its new ones by one product of matrices; the block
    is then put in random order. Fewer than 512 dimensions are the first principal directions of the real pictures.
    """

    def __init__(self, dim: int) -> None:
        self._generator = Generator()
        self._axes = np.ascontiguousarray(self._generator._axes[:, -dim:]) if dim < self._generator.dim else None
        # New pictures are sums of real ones, so that these can be reduced before. Their length is set at the end.
        self._real = self._generator.real if self._axes is None else self._generator.real @ self._axes

    def block(self, number: int, count: int) -> NDArray[np.float16]:
        """Block ``number``, float16 ``[count, dim]`` unit vectors."""
        real, near = self._real, self._generator.neighbours
        rng = np.random.default_rng([self._generator.seed, 2, number])
        each = -(-count // len(real))
        made = np.empty((each * len(real), real.shape[1]), np.float16)
        place = rng.permutation(len(made))
        for start in range(0, len(real), 256):
            some = np.arange(start, min(start + 256, len(real)))
            weights = rng.standard_normal((len(some), each, NEIGHBOURS), np.float32) * SPREAD / NEIGHBOURS**0.5
            weights += SHRINK / NEIGHBOURS
            moved = weights @ real[near[some]]
            moved += real[some][:, None] * (1 - weights.sum(axis=2, keepdims=True))
            rows = unit(moved.reshape(-1, real.shape[1]))
            made[place[start * each : start * each + len(rows)]] = rows
        return made[:count]

    def reduced(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Vectors of 512 dimensions in those of the case."""
        return rows if self._axes is None else unit(rows.astype(np.float32) @ self._axes)

    def queries(self) -> dict[str, NDArray[np.float32]]:
        """Texts and pictures that are no rows, float32 ``[QUERIES, dim]`` each."""
        pictures = np.concatenate(list(self._generator.pictures(QUERIES, stream=7)))
        texts = self._generator.texts(QUERIES, stream=8)
        return {"texts": self.reduced(texts), "pictures": self.reduced(pictures).astype(np.float32)}

    def texts_to_build_with(self) -> NDArray[np.float32]:
        """Other texts, as many as an index is trained and calibrated with."""
        texts: NDArray[np.float32] = self.reduced(self._generator.texts(indexes.TEXT_QUERY_COUNT))
        return texts


def root_of(options: argparse.Namespace) -> Path:
    """The folder of the collection."""
    root: Path = options.work / f"{options.rows}x{options.dim}.mms"
    return root


def space_of(options: argparse.Namespace) -> Space:
    """The space of the rows."""
    return Space.of_vectors("generated", options.dim)


def part_rows(options: argparse.Namespace) -> dict[str, Any]:
    """Write the shards that are not there yet, a block at a time; no shard is written twice."""
    root, space = root_of(options), space_of(options)
    if not root.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        Collection.create(root, model=None).close()
    rows = Rows(options.dim)
    drawn = written = 0.0  # processor seconds
    made = 0
    with open_writer(root) as writer:
        first = sum(entry.rows for entry in writer.manifest.shards)
        for start in range(first, options.rows, BLOCK):
            began = processor_seconds()
            block = rows.block(start // BLOCK, min(BLOCK, options.rows - start))
            between = processor_seconds()
            names = [f"/photos/{number:09d}.jpg" for number in range(start, start + len(block))]
            addition = checked_addition(space, block, names, "image", None, None)
            writer.commit([addition], primary_space=space.key)
            made += len(block)
            drawn, written = drawn + between - began, written + processor_seconds() - between
            print(f"{start + len(block):,} rows, {drawn:.0f} s drawn, {written:.0f} s written", file=sys.stderr)
    size = sum(entry.bytes for entry in load_manifest(root).shards)
    rates = {"drawn_a_s": rate(made, drawn), "written_a_s": rate(made, written)} if made else {}
    return {**rates, "shards_gb": round(size / 1e9, 2)}


# --- the index -------------------------------------------------------------------------------------------------


def processor_seconds() -> float:
    """Of this process and of those that it has waited for. On a shared machine they say more than the clock."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + child.ru_utime + child.ru_stime


class Stopwatch:
    """Seconds, and processor seconds, spent in functions, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.processor: dict[str, float] = {}

    def watch(self, owner: Any, name: str, label: str) -> None:
        """Replace a function by one that is timed."""
        inner = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            start, processor = time.perf_counter(), processor_seconds()
            try:
                return inner(*arguments, **options)
            finally:
                self.spent[label] = self.spent.get(label, 0) + time.perf_counter() - start
                self.processor[label] = self.processor.get(label, 0) + processor_seconds() - processor
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
                both = f"{self.spent[label]:.1f} s, {self.processor[label]:.1f} s of processors"
                print(f"{label}: {both}, peak {peak:.2f} GB", file=sys.stderr, flush=True)

        setattr(owner, name, timed)


def part_index(options: argparse.Namespace) -> dict[str, Any]:
    """Train, encode, merge and calibrate, by the function that ``mmsearch index`` calls."""
    root, space = root_of(options), space_of(options)
    watch = Stopwatch()
    watch.watch(index_builder, "train_index", "train")
    watch.watch(PartMaker, "encode", "encode")
    watch.watch(PartMaker, "merge", "merge")
    watch.watch(ListFiles, "join", "join")
    watch.watch(index_builder, "calibrate", "calibrate")
    texts = Rows(options.dim).texts_to_build_with()
    with open_writer(root) as writer:
        index_builder.drop_index(writer, space.key, "image")
        job = IndexJob(writer, space, "image", int(options.memory * 1e9), parallel=options.parallel)
        notices = index_builder.update_index(job, lambda: texts)
    manifest = load_manifest(root)
    (entry,) = manifest.indexes
    index = open_index(Snapshot(root, manifest), space, "image")
    assert index.calibration is not None
    facts = json.loads((root / f"{entry.path}.json").read_text())
    trained = segments.TrainedIndex.load((root / entry.path).with_suffix(".trained"))
    sizes = {name: round((root / f"{entry.path}{name}").stat().st_size / 1e9, 3) for name in entry.checksums}
    plan = facts["plan"]
    return {
        "factory": plan["factory"],
        "lists": trained.list_files.lists,
        "groups": int(str(plan["factory"]).partition("(IVF")[2].partition(",")[0] or 1),
        "code_bytes": int(encoding.ivf_of(trained.faiss_index).code_size),
        "train_rows": min(plan["train_rows"], options.rows),
        **{f"{name}_s": round(spent, 1) for name, spent in watch.spent.items()},
        **{f"{name}_processor_s": round(spent, 1) for name, spent in watch.processor.items()},
        "parallel": options.parallel,
        "index_gb": sizes[".faiss"],
        "trained_gb": sizes[".trained"],
        "calibrated_recall": {kind: round(value, 4) for kind, value in index.calibration.recall.items()},
        "nprobe": index.calibration.nprobe,
        "candidates": index.calibration.candidates,
        "notices": [notice.kind.name for notice in notices],
        **assigning(root, space, trained),
    }


def assigning(root: Path, space: Space, trained: segments.TrainedIndex) -> dict[str, Any]:
    """Rows assigned to lists in a second by one thread, without encoding: as it is done, and compared with all."""
    import faiss

    rows = Snapshot(root, load_manifest(root)).rows(space.key, "image")
    sample = indexes.to_float32(np.concatenate(rows.vector_blocks[:16]))
    faiss.omp_set_num_threads(1)
    index = trained.faiss_index
    lists = encoding._assignment_index(index, len(sample))
    ivf, weighting = encoding.ivf_of(index), encoding.weighting_of(index)
    flat = faiss.IndexFlatIP(space.dim)
    flat.add(encoding.centroids_of(ivf.quantizer) @ encoding.matrix_of(weighting))
    found, spent = timed_thread(lambda: lists.search(sample, 1)[1])
    few = sample[: 1 << 13]
    nearest, all_spent = timed_thread(lambda: flat.search(few, 1)[1])
    return {
        "assigned_a_s": rate(len(sample), spent),
        "assigned_by_all_a_s": rate(len(few), all_spent),
        "in_nearest_list": round(float(np.mean(found[: len(few)] == nearest)), 4),
    }


def timed_thread(work: Callable[[], Any]) -> tuple[Any, float]:
    """What ``work`` returns, and the processor seconds of this thread."""
    start = time.thread_time()
    return work(), time.thread_time() - start


def rate(count: float, seconds: float) -> int:
    """How many a second."""
    return round(count / seconds) if seconds else 0


# --- queries, and merging --------------------------------------------------------------------------------------


def part_truth(options: argparse.Namespace) -> dict[str, Any]:
    """The ten nearest rows of every query, by comparing all: kept beside the collection, and not made again."""
    from mmsearch.indexes.exact import search_exact

    root, space = root_of(options), space_of(options)
    kept = root.with_suffix(".truth.npy")
    if kept.exists():
        return {}
    queries = np.concatenate(list(Rows(options.dim).queries().values()))
    rows = Snapshot(root, load_manifest(root)).rows(space.key, "image")
    vectors = indexes.StoredVectors(rows.vector_blocks, space.dim)
    start = processor_seconds()
    positions = search_exact(vectors, queries, 10, release_pages=True)[1]
    spent = processor_seconds() - start
    np.save(kept, rows.ids[positions])
    return {"queries": len(queries), "products_a_processor_s": rate(queries.size * float(options.rows), spent)}


def part_query(options: argparse.Namespace) -> dict[str, Any]:
    """Recall@10 of queries that are no rows, and how long one takes: the first time, and once more."""
    root, space = root_of(options), space_of(options)
    truth = np.load(root.with_suffix(".truth.npy")).reshape(-1, QUERIES, 10)
    start = time.perf_counter()
    index = open_index(Snapshot(root, load_manifest(root)), space, "image")
    index.load()
    figures: dict[str, Any] = {"open_s": round(time.perf_counter() - start, 2), "opened_gb": resident_gb()}
    for nearest, (kind, queries) in zip(truth, Rows(options.dim).queries().items(), strict=True):
        for when in ("cold", "warm"):
            processor = processor_seconds()
            found, took = zip(*(one_query(index, query) for query in queries), strict=True)
            figures[f"{kind}_{when}_p50_ms"] = round(float(np.quantile(took, 0.5)) * 1e3, 2)
            figures[f"{kind}_{when}_p99_ms"] = round(float(np.quantile(took, 0.99)) * 1e3, 2)
            figures[f"{kind}_{when}_processor_ms"] = round((processor_seconds() - processor) / len(queries) * 1e3, 2)
        same = [len(set(a) & set(b)) / 10 for a, b in zip(nearest.tolist(), found, strict=True)]
        figures[f"{kind}_recall"] = round(float(np.mean(same)), 4)
    return figures | {"asked_gb": resident_gb()}


def one_query(index: indexes.VectorIndex, query: NDArray[np.float32]) -> tuple[list[int], float]:
    """The ids found for one query, and the seconds that it took."""
    start = time.perf_counter()
    ids = index.search(query[None], 10)[1][0].tolist()
    return ids, time.perf_counter() - start


def resident_gb() -> float:
    """Memory of this process now, mapped files included."""
    import psutil

    return round(psutil.Process().memory_info().rss / 1e9, 2)


def part_merge(options: argparse.Namespace) -> dict[str, Any]:
    """The index merged with itself, by one process and by two: rows a second."""
    root = root_of(options)
    (entry,) = load_manifest(root).indexes
    path = root / entry.path
    figures: dict[str, Any] = {}
    for parallel in (1, 2):
        with unfinished_files(options.work) as unfinished:
            maker = PartMaker(path.with_suffix(".trained"), parallel, unfinished)
            start, processor = time.perf_counter(), processor_seconds()
            ranges = maker.merge([indexes.RowsOfFile(path.with_suffix(".faiss"))] * 2, np.empty(0, np.int64))
            rows = maker.list_files.count(ranges)
            figures[f"by_{parallel}_rows_a_s"] = rate(rows, time.perf_counter() - start)
            figures[f"by_{parallel}_rows_a_processor_s"] = rate(rows, processor_seconds() - processor)
    return figures


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
