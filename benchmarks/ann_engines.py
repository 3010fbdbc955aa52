"""The engines of the case ``ann`` that are libraries, and the list of all. Each is imported when it is used alone.

Every engine gets the settings that its own documents name as usual for a million rows, each with its reason beside it,
and no tuning beyond the sweep over its effort. Who knows one of them better is asked to say so.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from ann_databases import Lancedb, LancedbGraph, Milvus, Qdrant
from ann_engine import BLOCK, BUCKETS, Engine, K
from ann_graphs import Hnswlib, RabitqHnsw, RabitqIvf, Turbovec, Usearch, Zvec


class Mmsearch(Engine):
    """This project's engine: what it chooses (1), twice the lists (2), and what it would choose for a lower recall."""

    modules = ("faiss", "mmsearch.indexes.faiss.approximate", "mmsearch.indexes.index")
    kind = "ivfpq"
    points: Any = (0.8, 0.9, 0.93, 0.95, 0.97, 1, 2)
    can_filter = can_change = True
    beside_bytes = 2  # it scores again from the stored float16 vectors, which it maps

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import json

        from mmsearch.indexes import StoredVectors, build_index

        vectors = StoredVectors([np.asarray(rows, np.float16)], rows.shape[1])
        index = build_index(vectors, requested=self.kind, text_queries=queries, threads=self.threads)
        index.load().save(folder / "first.faiss")
        index.load().save_trained(folder / "learned")
        assert index.calibration is not None
        (folder / "calibration.json").write_text(json.dumps(index.calibration.to_json()))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import json

        from mmsearch.indexes import ApproximateIndex, Calibration

        self.folder = folder
        chosen = Calibration.from_json(json.loads((folder / "calibration.json").read_text()))
        self.approximate = ApproximateIndex.load(folder / "first.faiss")
        self.calibrations = {point: _lower(chosen, point, self.approximate) for point in self.points if point < 1}
        self.calibrations |= {point: _scaled(chosen, point) for point in (1, *(2 * 2**i for i in range(8)))}
        self.blocks, self.dead = [np.asarray(rows)], np.empty(0, np.int64)
        self.lock = threading.Lock()  # a new segment is hooked in while nobody searches; it is encoded before
        self._rebuilt()

    def _rebuilt(self) -> None:
        from mmsearch.indexes import StoredVectors, VectorIndex

        vectors = StoredVectors(self.blocks, self.blocks[0].shape[1])
        self.index = VectorIndex(vectors, None, self.approximate, self.calibrations[1], threads=self.threads)
        self.buckets: dict[int, Any] = {}
        self.live: Any = None
        if len(self.dead):
            self.live = np.ones(len(vectors), np.bool_)
            self.live[self.dead] = False
            self.live.flags.writeable = False

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        with self.lock:
            self.index.calibration = self.calibrations[point]
            allowed = self.live
            if bucket is not None:
                if bucket not in self.buckets:
                    self.buckets[bucket] = np.arange(len(self.index)) % BUCKETS == bucket
                allowed = self.buckets[bucket]
            return self.index.search(query[None], K, allowed=allowed)[1][0]

    def search_many(self, queries: Any, point: Any) -> Any:
        self.index.calibration = self.calibrations[point]
        return self.index.search(queries, K)[1].tolist()

    def add(self, ids: Any, rows: Any) -> None:
        from mmsearch.indexes import TrainedIndex
        from mmsearch.indexes.vectors import as_stored_vectors

        trained = TrainedIndex.load(self.folder / "learned")
        segment = trained.encode(as_stored_vectors(rows), ids, threads=self.threads)
        segment.save(self.folder / f"{ids[0]}.faiss")
        with self.lock:
            self.approximate.attach(segment)
            self.blocks.append(np.asarray(rows, np.float16))
            self._rebuilt()

    def delete(self, ids: Any) -> None:
        self.dead = ids
        self._rebuilt()


def _lower(calibration: Any, target: float, index: Any) -> Any:
    """The calibration for a lower recall: the cheapest of the points that were tried and reached it."""
    from dataclasses import replace

    from mmsearch.indexes.operating_point import query_cost

    good = [point for point in calibration.curve if min(point.recall.values()) >= target]
    chosen = min(good, key=lambda point: query_cost(index, point.nprobe, point.candidates), default=calibration)
    return replace(calibration, candidates=chosen.candidates, nprobe=chosen.nprobe, probe_margin=chosen.probe_margin)


def _scaled(calibration: Any, scale: float) -> Any:
    """The calibration that probes ``scale`` times as many lists as the chosen one, and re-scores rows in proportion."""
    from dataclasses import replace

    if scale == 1 or calibration.probe_margin is None:
        return calibration
    margins = [p.probe_margin for p in calibration.curve if p.probe_margin and p.nprobe >= scale * calibration.nprobe]
    margin = min(margins, default=calibration.probe_margin + 0.02 * np.log2(max(scale, 2)))
    return replace(calibration, probe_margin=margin, candidates=round(calibration.candidates * scale**0.5))


class MmsearchRabitq(Mmsearch):
    """One bit for each dimension, left in the file."""

    kind = "rabitq"


class MmsearchCoarse(Mmsearch):
    """Half as many bits to a code: what it chooses where memory is short."""

    codes = "PQ{parts}x4fsr"
    dimensions = 8  # of a part

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        from mmsearch.indexes.plan import round_to_power_of_two

        lists = round_to_power_of_two(2 * len(rows) ** 0.5)
        self.kind = f"QW,IVF{lists},{self.codes.format(parts=rows.shape[1] // self.dimensions)}"
        super().build(rows, queries, folder)


class MmsearchInFile(MmsearchCoarse):
    """Codes of 8 bits for 16 dimensions, left in the file: what it chooses where memory is shorter still."""

    codes = "PQ{parts}"
    dimensions = 16


class Faiss(Engine):
    """A FAISS factory string, searched with a growing effort.

    Lists: 4 to 16 times the root of the rows, as FAISS's guide to choosing an index has it, a power of two; trained on
    64 rows for each (39 to 256 are asked for). PQ64: a byte for 8 dimensions.
    """

    modules = ("faiss",)
    factory = "IVF{lists},PQ64"
    lists_per_root = 4
    points: Any = (8, 16, 32, 64, 128, 256)
    can_filter = True

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        lists = 2 ** round(np.log2(self.lists_per_root * len(rows) ** 0.5))
        index = faiss.index_factory(rows.shape[1], self.factory.format(lists=lists), faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).choice(len(rows), min(len(rows), 64 * lists), replace=False)
        index.train(np.asarray(rows[np.sort(sample)], np.float32))
        for start in range(0, len(rows), BLOCK):
            index.add(np.asarray(rows[start : start + BLOCK], np.float32))
        faiss.write_index(index, str(folder / "index"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        self.index = faiss.read_index(str(folder / "index"), faiss.IO_FLAG_MMAP_IFC)
        self.asked: dict[Any, Any] = {}
        self.kept: list[Any] = []  # FAISS's parameters do not keep alive what they point at

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        if (point, bucket) not in self.asked:
            selector = None
            if bucket is not None:
                import faiss

                inside = np.packbits(np.arange(self.index.ntotal) % BUCKETS == bucket, bitorder="little")
                selector = faiss.IDSelectorBitmap(inside)
                self.kept.append((inside, selector))
            self.asked[point, bucket] = self.parameters(point, selector)
        return self.index.search(query[None], K, params=self.asked[point, bucket])[1][0]

    def search_many(self, queries: Any, point: Any) -> Any:
        return self.index.search(queries, K, params=self.parameters(point, None))[1].tolist()

    def parameters(self, point: Any, selector: Any) -> Any:
        import faiss

        return faiss.SearchParametersIVF(nprobe=point, sel=selector)


class FaissRefined(Faiss):
    """Fast-scan codes and stored half-precision vectors, as FAISS's own guide combines them.

    A point is the lists that are probed, and the candidates for each result that are scored again.
    """

    factory = "IVF{lists},PQ256x4fsr,Refine(SQfp16)"
    points = ((8, 4), (16, 8), (32, 16), (64, 16), (64, 32), (128, 16), (128, 32), (128, 64), (256, 32), (256, 64))

    def parameters(self, point: Any, selector: Any) -> Any:
        import faiss

        inner = faiss.SearchParametersIVF(nprobe=point[0], sel=selector)
        self.kept.append(inner)
        return faiss.IndexRefineSearchParameters(k_factor=float(point[1]), base_index_params=inner)


class FaissRefinedFewer(FaissRefined):
    """The same with as many lists as ours, half of what its guide begins with: built in half the time."""

    lists_per_root = 2


class FaissHnsw(Faiss):
    """A graph over half-precision vectors, with FAISS's own 40 candidates while it is built."""

    factory = "HNSW32,SQfp16"
    points = (16, 32, 64, 128, 256, 512)

    def parameters(self, point: Any, selector: Any) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(efSearch=point, sel=selector)


class Autofaiss(Faiss):
    """autofaiss's own choice of an index that holds 300 bytes a vector; where its lists lie in a graph, that too."""

    can_filter = False  # its documents know no filter

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        from autofaiss import build_index

        build_index(
            embeddings=np.asarray(rows, np.float32),
            index_path=str(folder / "index"),
            index_infos_path=str(folder / "infos.json"),
            metric_type="ip",
            max_index_memory_usage=f"{300 * len(rows) / 1e6:g}MB",
            current_memory_available="12GB",
            nb_cores=self.threads,
            verbose=30,
        )

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        self.index = faiss.read_index(str(folder / "index"))  # as its documents read it
        self.knobs, self.point = faiss.ParameterSpace(), None

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        if point != self.point:
            for name, effort in {"nprobe": point, "quantizer_efSearch": 2 * point, "efSearch": point}.items():
                try:
                    self.knobs.set_index_parameter(self.index, name, effort)
                except RuntimeError:  # the index that it chose has no such knob
                    continue
            self.point = point
        return self.index.search(query[None], K)[1][0]


class Scann(Engine):
    """ScaNN as its documents set it up for a million vectors: two leaves for each root of the rows, then re-scoring.

    A point is the leaves that are probed, and the candidates that are scored again (its documents' 200, and more).
    It can also change and filter; that is not measured here.
    """

    modules = ("scann",)
    points = (
        *((16, 200), (32, 200), (64, 200), (128, 200), (256, 200), (512, 200)),
        *((64, 400), (128, 400), (256, 400), (256, 800), (512, 800)),
    )

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import scann

        leaves = int(2 * len(rows) ** 0.5)
        builder = scann.scann_ops_pybind.builder(np.asarray(rows, np.float32), K, "dot_product")
        builder = builder.set_n_training_threads(self.threads)
        builder = builder.tree(leaves, 64, training_sample_size=min(len(rows), 250_000))
        searcher = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(200).build()
        searcher.serialize(str(folder))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import scann

        self.searcher = scann.scann_ops_pybind.load_searcher(str(folder))

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        return self.searcher.search(query, K, pre_reorder_num_neighbors=point[1], leaves_to_search=point[0])[0]

    def search_many(self, queries: Any, point: Any) -> Any:
        self.searcher.set_num_threads(self.threads)
        efforts = {"pre_reorder_num_neighbors": point[1], "leaves_to_search": point[0]}
        return self.searcher.search_batched_parallel(queries, K, **efforts)[0].tolist()


ENGINES: dict[str, tuple[type[Engine], tuple[str, ...]]] = {
    # name: (class, what its venv needs; none: this project's own)
    "mmsearch": (Mmsearch, ()),
    "mmsearch QW,IVF,PQ64x4fsr": (MmsearchCoarse, ()),
    "mmsearch QW,IVF,PQ32": (MmsearchInFile, ()),
    "mmsearch rabitq": (MmsearchRabitq, ()),
    "faiss IVF,PQ64": (Faiss, ()),
    "faiss IVF,PQ256x4fsr,Refine": (FaissRefined, ()),
    "faiss IVF(2√n),PQ256x4fsr,Refine": (FaissRefinedFewer, ()),
    "faiss HNSW32": (FaissHnsw, ()),
    # autofaiss asks for numpy 1, which later pyarrows refuse, and names arguments that later FAISS does not know
    "autofaiss": (Autofaiss, ("autofaiss", "faiss-cpu<1.9", "pyarrow<22")),
    "scann": (Scann, ("scann",)),
    "usearch": (Usearch, ("usearch",)),
    "hnswlib": (Hnswlib, ("hnswlib",)),
    "rabitqlib IVF": (RabitqIvf, ("rabitqlib",)),
    "rabitqlib HNSW": (RabitqHnsw, ("rabitqlib",)),
    "turbovec": (Turbovec, ("turbovec",)),
    "zvec": (Zvec, ("zvec",)),
    "lancedb IVF_PQ": (Lancedb, ("lancedb",)),
    "lancedb IVF_HNSW_SQ": (LancedbGraph, ("lancedb",)),
    "qdrant": (Qdrant, ("qdrant-edge-py",)),
    "milvus-lite": (Milvus, ("pymilvus", "milvus-lite")),
}
