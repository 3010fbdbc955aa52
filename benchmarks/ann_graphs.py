"""More engines of the case ``ann`` that are libraries: graphs, and what is newer than the others. See `ann_engines`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from ann_engine import BLOCK, BUCKETS, TO_COME, Engine, K


class Usearch(Engine):
    """USearch's graph over half-precision vectors with its own defaults, searched in the file by `view`.

    Its Python package has no filter. What is viewed cannot change, so for changes it is loaded.
    """

    modules = ("usearch.index",)
    points = (16, 32, 64, 128, 256, 512)
    can_change = True

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        from usearch.index import Index

        index = Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
        for start in range(0, len(rows), BLOCK):
            block = np.asarray(rows[start : start + BLOCK], np.float16)
            index.add(np.arange(start, start + len(block)), block, threads=self.threads)
        index.save(str(folder / "index"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        from usearch.index import Index

        self.index = Index.restore(str(folder / "index"), view=not changing)
        self.lock = threading.Lock()  # adding may move what a search reads: its Python calls are kept apart

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        with self.lock:
            self.index.expansion_search = point
            return self.index.search(query.astype(np.float16), K, threads=1).keys

    def search_many(self, queries: Any, point: Any) -> Any:
        self.index.expansion_search = point
        return self.index.search(queries.astype(np.float16), K, threads=self.threads).keys.tolist()

    def add(self, ids: Any, rows: Any) -> None:
        with self.lock:
            self.index.add(ids, rows, threads=self.threads)

    def delete(self, ids: Any) -> None:
        self.index.remove(ids)


class Hnswlib(Engine):
    """The reference HNSW, in single precision, with the example settings of its documents."""

    modules = ("hnswlib",)
    points = (16, 32, 64, 128, 256, 512)
    can_filter = can_change = True

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import hnswlib

        index = hnswlib.Index("ip", rows.shape[1])
        index.init_index(len(rows) + TO_COME, M=16, ef_construction=200)
        for start in range(0, len(rows), BLOCK):
            block = np.asarray(rows[start : start + BLOCK], np.float32)
            index.add_items(block, np.arange(start, start + len(block)), num_threads=self.threads)
        index.save_index(str(folder / "index"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import hnswlib

        self.index = hnswlib.Index("ip", rows.shape[1])
        self.index.load_index(str(folder / "index"), max_elements=len(rows) + TO_COME)
        self.lock = threading.Lock()  # its documents: searching beside adding is not safe

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        inside = None if bucket is None else (lambda row: row % BUCKETS == bucket)
        with self.lock:
            self.index.set_ef(point)
            return self.index.knn_query(query[None], K, num_threads=1, filter=inside)[0][0]

    def search_many(self, queries: Any, point: Any) -> Any:
        self.index.set_ef(point)
        return self.index.knn_query(queries, K, num_threads=self.threads)[0].tolist()

    def add(self, ids: Any, rows: Any) -> None:
        with self.lock:
            self.index.add_items(np.asarray(rows, np.float32), ids, num_threads=self.threads)

    def delete(self, ids: Any) -> None:
        for row in ids:
            self.index.mark_deleted(row)


class RabitqIvf(Engine):
    """RaBitQ by its authors, inverted lists: 7 bits, with which their documents need no vectors to score again.

    Lists: 4 times the root of the rows, a power of two, by their own clustering.
    """

    modules = ("rabitqlib",)
    points: Any = (8, 16, 32, 64, 128, 256)
    bits = 7

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import rabitqlib

        vectors = np.asarray(rows, np.float32)
        lists = 2 ** round(np.log2(4 * len(rows) ** 0.5))
        exact = rabitqlib.FinalAssignmentMode.Exact
        clusters = rabitqlib.RaBitQKMeans(rows.shape[1], lists, num_threads=self.threads, final_assignment=exact)
        clusters.train(vectors)
        index = rabitqlib.IvfIndex(rows.shape[1], len(rows), lists, self.bits, metric="ip")
        index.build(vectors, clusters.centroids, clusters.assignments, num_threads=self.threads)
        index.save(str(folder / "index"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import rabitqlib

        self.index = rabitqlib.IvfIndex.load(str(folder / "index"))

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        return self.index.search(query[None], K, point, num_threads=1)[0][0]

    def search_many(self, queries: Any, point: Any) -> Any:
        return self.index.search(queries, K, point, num_threads=self.threads)[0].tolist()


class RabitqHnsw(RabitqIvf):
    """The same codes in a graph: 16 clusters, M 16 and 200 candidates while it is built, its own defaults."""

    points: Any = (16, 32, 64, 128, 256, 512)

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import rabitqlib

        vectors = np.asarray(rows, np.float32)
        exact = rabitqlib.FinalAssignmentMode.Exact
        clusters = rabitqlib.RaBitQKMeans(rows.shape[1], 16, num_threads=self.threads, final_assignment=exact)
        clusters.train(vectors)
        index = rabitqlib.HnswIndex(rows.shape[1], len(rows), nbits=self.bits, metric="ip")
        index.build(vectors, clusters.centroids, clusters.assignments, num_threads=self.threads)
        index.save(str(folder / "index"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import rabitqlib

        self.index = rabitqlib.HnswIndex.load(str(folder / "index"))


class Turbovec(Engine):
    """TurboQuant with 4 bits a dimension. It compares every row: there is no effort to sweep over."""

    modules = ("turbovec",)

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        from turbovec import TurboQuantIndex

        index = TurboQuantIndex(dim=rows.shape[1], bit_width=4)
        for start in range(0, len(rows), BLOCK):
            index.add(np.asarray(rows[start : start + BLOCK], np.float32))
        index.write(str(folder / "index.tv"))

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        from turbovec import TurboQuantIndex

        self.index = TurboQuantIndex.load(str(folder / "index.tv"))

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        return self.index.search(query[None], k=K)[1][0]

    def harder(self, point: Any) -> Any:
        return point

    def search_many(self, queries: Any, point: Any) -> Any:
        return self.index.search(queries, k=K)[1].tolist()


class Zvec(Engine):
    """zvec's graph with its own defaults (M 50, 500 candidates while it is built), made by `optimize` after inserts."""

    modules = ("zvec",)
    points: Any = (32, 64, 128, 256, 512)

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import zvec

        graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.IP)
        field = zvec.VectorSchema("row", zvec.DataType.VECTOR_FP32, rows.shape[1], graph)
        schema = zvec.CollectionSchema(name="rows", vectors=field)
        collection = zvec.create_and_open(path=str(folder / "collection"), schema=schema)
        for start in range(0, len(rows), 1000):
            block = np.asarray(rows[start : start + 1000], np.float32)
            collection.insert([zvec.Doc(id=str(start + i), vectors={"row": row}) for i, row in enumerate(block)])
        collection.optimize()
        collection.flush()

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import zvec

        self.index = zvec.open(path=str(folder / "collection"))

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        import zvec

        asked = zvec.Query(field_name="row", vector=query, param=zvec.HnswQueryParam(ef=point))
        return [int(found.id) for found in self.index.query(asked, topk=K)]
