"""Engines for the case ``ann`` behind a few verbs each. Imports an engine only when it is used: each has its own venv.

An engine builds an index over rows (their positions are their ids, ``bucket`` is id mod 100), opens it in a fresh
process, and answers one query at a time with a setting of its own (`points`: from quick to thorough). Where it can, it
searches among the rows of one bucket, adds rows, deletes rows. Every engine gets the settings that its documents name
as usual for a million rows, and no tuning beyond the sweep over `points`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

BUCKETS = 100
K = 10


class Engine:
    """What an engine must do; verbs that it lacks stay as they are here."""

    modules: Sequence[str] = ()  # imported before memory is measured
    points: Sequence[Any] = (None,)
    can_filter = can_change = False

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        """Index float32 or float16 ``rows`` (maybe mapped) into an empty folder; ``queries`` are texts to tune with."""
        raise NotImplementedError

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        """Be ready to search what was built."""
        raise NotImplementedError

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        """Ids of the ten nearest to a query ``[dim]``, of one bucket where that is asked for."""
        raise NotImplementedError

    def add(self, ids: Any, rows: Any) -> None:
        """Add rows so that the next search can find them."""
        raise NotImplementedError

    def delete(self, ids: Any) -> None:
        """Delete rows so that the next search does not find them."""
        raise NotImplementedError


class Mmsearch(Engine):
    """This project's engine: its own choice (`None`), and around it to draw the curve."""

    modules = ("faiss", "mmsearch.indexes.approximate", "mmsearch.indexes.index")
    kind = "ivfpq"
    points = (None, 0.25, 0.5, 2.0)
    can_filter = can_change = True

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        import json

        from mmsearch.indexes import build_index
        from mmsearch.indexes.blocks import Vectors

        vectors = Vectors([np.asarray(rows, np.float16)], rows.shape[1])
        index = build_index(vectors, requested=self.kind, text_queries=queries, threads=threads)
        index.load().save(folder / "first.faiss")
        index.load().save_trained(folder / "learned")
        assert index.calibration is not None
        (folder / "calibration.json").write_text(json.dumps(index.calibration.to_json()))

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        import json

        from mmsearch.indexes.approximate import Approximate
        from mmsearch.indexes.calibrate import Calibration

        self.folder, self.threads = folder, threads
        self.calibration = Calibration.from_json(json.loads((folder / "calibration.json").read_text()))
        self.approximate = Approximate.load(folder / "first.faiss")
        self.blocks, self.dead = [np.asarray(rows)], np.empty(0, np.int64)
        self._rebuilt()

    def _rebuilt(self) -> None:
        from mmsearch.indexes import VectorIndex
        from mmsearch.indexes.blocks import Vectors

        vectors = Vectors(self.blocks, self.blocks[0].shape[1])
        self.index = VectorIndex(vectors, None, self.approximate, self.calibration, threads=self.threads)
        self.bucket = np.arange(len(vectors)) % BUCKETS
        self.live: Any = None
        if len(self.dead):
            self.live = np.ones(len(vectors), np.bool_)
            self.live[self.dead] = False
            self.live.flags.writeable = False

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        from dataclasses import replace

        scale = point or 1.0
        calibration = self.calibration
        if scale != 1 and calibration.reach is not None:
            reaches = [
                p["reach"] for p in calibration.curve if p["reach"] and p["nprobe"] >= scale * calibration.nprobe
            ]
            nearer = min(reaches, default=calibration.reach + 0.02)
            calibration = replace(calibration, reach=nearer, candidates=round(calibration.candidates * scale**0.5))
        self.index.calibration = calibration
        allowed = self.live if bucket is None else self.bucket == bucket
        return self.index.search(query[None], K, allowed=allowed)[1][0]

    def add(self, ids: Any, rows: Any) -> None:
        from mmsearch.indexes import files
        from mmsearch.indexes.blocks import as_vectors
        from mmsearch.indexes.segments import encode

        segment = encode(files.read(self.folder / "learned", mapped=False), as_vectors(rows), ids)
        files.write_segment(segment, self.folder / f"{ids[0]}.faiss")
        self.approximate.attach(segment)
        self.blocks.append(np.asarray(rows, np.float16))
        self._rebuilt()

    def delete(self, ids: Any) -> None:
        self.dead = ids
        self._rebuilt()


class MmsearchRabitq(Mmsearch):
    """One bit for each dimension, left in the file."""

    kind = "rabitq"


class Faiss(Engine):
    """A FAISS factory string, searched with a growing effort."""

    modules = ("faiss",)
    factory = "IVF{lists},PQ64"
    points = (8, 16, 32, 64, 128, 256)

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        lists = 2 ** round(np.log2(4 * len(rows) ** 0.5))
        index = faiss.index_factory(rows.shape[1], self.factory.format(lists=lists), faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).choice(len(rows), min(len(rows), 64 * lists), replace=False)
        index.train(np.asarray(rows[np.sort(sample)], np.float32))
        for start in range(0, len(rows), 65_536):
            index.add(np.asarray(rows[start : start + 65_536], np.float32))
        faiss.write_index(index, str(folder / "index"))

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.index = faiss.read_index(str(folder / "index"), faiss.IO_FLAG_MMAP_IFC)
        self.knob = faiss.ParameterSpace()

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        self.knob.set_index_parameter(self.index, "efSearch" if "HNSW" in self.factory else "nprobe", point)
        return self.index.search(query[None], K)[1][0]


class FaissRefined(Faiss):
    """Fast-scan codes and stored half-precision vectors, as FAISS's own guide combines them."""

    factory = "IVF{lists},PQ256x4fsr,Refine(SQfp16)"

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        super().open(folder, threads, rows)
        self.index.k_factor = 16.0


class FaissHnsw(Faiss):
    """A graph over half-precision vectors."""

    factory = "HNSW32,SQfp16"
    points = (16, 32, 64, 128, 256, 512)


class Autofaiss(Faiss):
    """autofaiss's own choice of index within 300 bytes a vector."""

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        from autofaiss import build_index

        build_index(
            embeddings=np.asarray(rows, np.float32),
            index_path=str(folder / "index"),
            index_infos_path=str(folder / "infos.json"),
            metric_type="ip",
            max_index_memory_usage=f"{300 * len(rows) // 1_000_000}MB",
            current_memory_available="12GB",
            nb_cores=threads,
            verbose=30,
        )

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        for name in ("nprobe", "efSearch", "quantizer_efSearch"):
            try:
                self.knob.set_index_parameter(self.index, name, point)
            except RuntimeError:
                continue
        return self.index.search(query[None], K)[1][0]


class Scann(Engine):
    """ScaNN as its documents set it up for a million vectors."""

    modules = ("scann",)
    points = (16, 32, 64, 128, 256, 512)

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        import scann

        leaves = int(2 * len(rows) ** 0.5)
        builder = scann.scann_ops_pybind.builder(np.asarray(rows, np.float32), K, "dot_product")
        builder = builder.set_n_training_threads(threads).tree(leaves, 64, training_sample_size=min(len(rows), 250_000))
        searcher = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(200).build()
        searcher.serialize(str(folder))

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        import scann

        self.searcher = scann.scann_ops_pybind.load_searcher(str(folder))

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        return self.searcher.search(query, K, pre_reorder_num_neighbors=200, leaves_to_search=point)[0]


class Usearch(Engine):
    """USearch's graph over half-precision vectors, searched in the file."""

    modules = ("usearch.index",)
    points = (16, 32, 64, 128, 256, 512)

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        from usearch.index import Index

        index = Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
        for start in range(0, len(rows), 65_536):
            block = np.asarray(rows[start : start + 65_536], np.float16)
            index.add(np.arange(start, start + len(block)), block, threads=threads)
        index.save(str(folder / "index"))

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        from usearch.index import Index

        self.index = Index.restore(str(folder / "index"), view=True)

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        self.index.expansion_search = point
        return self.index.search(query.astype(np.float16), K, threads=1).keys


class Hnswlib(Engine):
    """The reference HNSW, in single precision."""

    modules = ("hnswlib",)
    points = (16, 32, 64, 128, 256, 512)

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        import hnswlib

        index = hnswlib.Index("ip", rows.shape[1])
        index.init_index(len(rows) + 1000, M=16, ef_construction=200)
        for start in range(0, len(rows), 65_536):
            block = np.asarray(rows[start : start + 65_536], np.float32)
            index.add_items(block, np.arange(start, start + len(block)), num_threads=threads)
        index.save_index(str(folder / "index"))

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        import hnswlib

        self.index = hnswlib.Index("ip", rows.shape[1])
        self.index.load_index(str(folder / "index"), max_elements=len(rows) + 1000)

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        self.index.set_ef(point)
        return self.index.knn_query(query[None], K, num_threads=1)[0][0]


class Lancedb(Engine):
    """LanceDB's IVF_PQ with refinement from its stored vectors."""

    modules = ("lancedb", "pyarrow")
    points = (16, 32, 64, 128, 256)
    can_filter = can_change = True

    def _batches(self, rows: Any, start: int = 0) -> Any:
        import pyarrow as pa

        for begin in range(0, len(rows), 65_536):
            block = np.asarray(rows[begin : begin + 65_536], np.float16)
            ids = np.arange(start + begin, start + begin + len(block))
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), rows.shape[1])
            yield pa.record_batch([pa.array(ids), pa.array(ids % BUCKETS), vectors], names=["id", "bucket", "vector"])

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        import lancedb
        import pyarrow as pa

        table = lancedb.connect(str(folder)).create_table("rows", pa.Table.from_batches(self._batches(rows)))
        table.create_index(metric="dot", num_partitions=int(len(rows) ** 0.5), num_sub_vectors=64)
        table.create_scalar_index("bucket")

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        import lancedb

        self.table = lancedb.connect(str(folder)).open_table("rows")

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        asked = self.table.search(query).distance_type("dot").nprobes(point).refine_factor(10).select(["id"]).limit(K)
        asked = asked if bucket is None else asked.where(f"bucket = {bucket}", prefilter=True)
        return asked.to_arrow()["id"].to_numpy()

    def add(self, ids: Any, rows: Any) -> None:
        import pyarrow as pa

        self.table.add(pa.Table.from_batches(self._batches(rows, int(ids[0]))))
        self.table.optimize()

    def delete(self, ids: Any) -> None:
        self.table.delete(f"id in ({', '.join(map(str, ids))})")


class Milvus(Engine):
    """Milvus's embedded form with its IVF index."""

    modules = ("pymilvus",)
    points = (16, 32, 64, 128, 256)
    can_filter = True

    def build(self, rows: Any, queries: Any, folder: Path, threads: int) -> None:
        from pymilvus import DataType, MilvusClient

        client = MilvusClient(str(folder / "milvus.db"))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        client.create_collection("rows", schema=schema)
        for start in range(0, len(rows), 2000):
            block = np.asarray(rows[start : start + 2000], np.float32)
            client.insert(
                "rows",
                [{"id": start + i, "bucket": (start + i) % BUCKETS, "vector": row} for i, row in enumerate(block)],
            )
        parameters = client.prepare_index_params()
        lists = {"nlist": int(4 * len(rows) ** 0.5)}
        parameters.add_index("vector", index_type="IVF_FLAT", metric_type="IP", params=lists)
        client.create_index("rows", parameters)
        client.close()

    def open(self, folder: Path, threads: int, rows: Any) -> None:
        from pymilvus import MilvusClient

        self.client = MilvusClient(str(folder / "milvus.db"))
        self.client.load_collection("rows")

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        condition = "" if bucket is None else f"bucket == {bucket}"
        effort = {"metric_type": "IP", "params": {"nprobe": point}}
        hits = self.client.search("rows", data=[query], limit=K, filter=condition, search_params=effort)[0]
        return np.array([hit["id"] for hit in hits])


ENGINES: dict[str, tuple[type[Engine], tuple[str, ...]]] = {
    # name: (class, what its venv needs; none: this project's own)
    "mmsearch": (Mmsearch, ()),
    "mmsearch rabitq": (MmsearchRabitq, ()),
    "faiss IVF,PQ64": (Faiss, ()),
    "faiss IVF,PQ256x4fsr,Refine": (FaissRefined, ()),
    "faiss HNSW32": (FaissHnsw, ()),
    "autofaiss": (Autofaiss, ("autofaiss",)),
    "scann": (Scann, ("scann",)),
    "usearch": (Usearch, ("usearch",)),
    "hnswlib": (Hnswlib, ("hnswlib",)),
    "lancedb": (Lancedb, ("lancedb",)),
    "milvus-lite": (Milvus, ("pymilvus", "milvus-lite")),
}


def emptied(folder: Path) -> Path:
    """The folder, there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
