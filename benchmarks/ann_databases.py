"""The engines of the case ``ann`` that keep rows with columns on disk: LanceDB, Qdrant's core, Milvus Lite.

Settings are those that their documents name as usual, as in `ann_engines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ann_engine import BUCKETS, Engine, K

BLOCK = 65_536
HOUR = 3600.0  # Milvus's client asks again when an answer takes long, and the second request then fails


class Lancedb(Engine):
    """LanceDB's IVF_PQ with refinement from its stored half-precision vectors.

    Its guide's starting points: 4,096 rows to a list, a byte for 8 dimensions. A point is the lists that are probed,
    and the candidates for each result that are scored again.
    """

    modules = ("lancedb", "pyarrow")
    points = ((10, 10), (20, 10), (40, 10), (80, 20), (160, 20), (320, 40))
    can_filter = can_change = True

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import lancedb
        from lancedb.index import Bitmap

        batches = self._batches(rows)
        table = lancedb.connect(str(folder)).create_table("rows", next(batches))
        for batch in batches:
            table.add(batch)
        table.optimize()
        table.create_index("vector", config=self.index(*rows.shape))
        table.create_index("bucket", config=Bitmap())  # its choice for columns of few values

    def index(self, rows: int, dim: int) -> Any:
        from lancedb.index import IvfPq

        return IvfPq(distance_type="dot", num_partitions=max(rows // 4096, 1), num_sub_vectors=dim // 8)

    def tried(self, asked: Any, point: Any) -> Any:
        """The query with the effort of a point."""
        return asked.nprobes(point[0]).refine_factor(point[1])

    def _batches(self, rows: Any, start: int = 0) -> Iterator[Any]:
        import pyarrow as pa

        for begin in range(0, len(rows), BLOCK):
            block = np.asarray(rows[begin : begin + BLOCK], np.float16)
            ids = np.arange(start + begin, start + begin + len(block))
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), rows.shape[1])
            yield pa.table([pa.array(ids), pa.array(ids % BUCKETS), vectors], names=["id", "bucket", "vector"])

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import lancedb

        self.table = lancedb.connect(str(folder)).open_table("rows")

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        asked = self.tried(self.table.search(query).distance_type("dot"), point).select(["id"]).limit(K)
        asked = asked if bucket is None else asked.where(f"bucket = {bucket}", prefilter=True)
        return asked.to_arrow()["id"].to_numpy()

    def add(self, ids: Any, rows: Any) -> None:
        for batch in self._batches(rows, int(ids[0])):
            self.table.add(batch)

    def settle(self) -> None:
        self.table.optimize()  # puts new rows into the index; until then it scans them

    def delete(self, ids: Any) -> None:
        self.table.delete(f"id in ({', '.join(map(str, ids))})")


class LancedbGraph(Lancedb):
    """LanceDB's IVF_HNSW_SQ, which its guide calls the best in recall and time: one graph up to a million rows.

    A point is the candidates of the graph (at least as many as are scored again), and for each result those that are.
    """

    points = ((20, 2), (40, 2), (80, 2), (160, 2), (320, 2), (640, 2))

    def index(self, rows: int, dim: int) -> Any:
        from lancedb.index import HnswSq

        return HnswSq(distance_type="dot", num_partitions=max(rows // 1_048_576, 1))

    def tried(self, asked: Any, point: Any) -> Any:
        return asked.ef(point[0]).refine_factor(point[1])

    def harder(self, point: Any) -> Any:
        return (2 * point[0], min(2 * point[1], 8))


class Qdrant(Engine):
    """Qdrant's core in this process: HNSW over bytes in memory, re-scored from half-precision vectors on disk.

    That is its documents' recipe for fast search in little memory. Its defaults for the graph (16 links, 100
    candidates). One segment, since one thread answers: its documents advise as many segments as threads. A point is the
    candidates of the graph, and for each result those that are scored again.
    """

    modules = ("qdrant_edge",)
    points = ((16, 2), (32, 2), (64, 2), (128, 2), (256, 2), (512, 2))
    can_filter = can_change = True

    def config(self, dim: int) -> Any:
        import qdrant_edge as q

        return q.EdgeConfig(
            vectors=q.EdgeVectorParams(
                size=dim,
                distance=q.Distance.Dot,
                datatype=q.VectorStorageDatatype.Float16,
                memory=q.Memory.Cold,
                quantization_config=q.ScalarQuantizationConfig(
                    type=q.ScalarType.Int8, quantile=0.99, memory=q.Memory.Pinned
                ),
            ),
            hnsw_config=q.HnswIndexConfig(
                m=16, ef_construct=100, full_scan_threshold=10_000, max_indexing_threads=self.threads
            ),
            optimizers=q.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=100_000_000),
            max_search_threads=1,
        )

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        import qdrant_edge as q

        self.shard = q.EdgeShard.create(str(folder), self.config(rows.shape[1]))
        # Before the rows, as its documents ask for: the graph then gets links for filters.
        self.shard.update(q.UpdateOperation.create_field_index("bucket", q.PayloadSchemaType.Integer))
        for start in range(0, len(rows), 1000):
            self.add(np.arange(start, min(start + 1000, len(rows))), rows[start : start + 1000])
        self.settle()
        self.shard.close()

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        import qdrant_edge as q

        self.shard = q.EdgeShard.load(str(folder), self.config(rows.shape[1]))
        self.efforts: dict[Any, Any] = {}

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        import qdrant_edge as q

        if point not in self.efforts:
            again = q.QuantizationSearchParams(rescore=True, oversampling=float(point[1]))
            self.efforts[point] = q.SearchParams(hnsw_ef=point[0], quantization=again)
        only = None
        if bucket is not None:
            only = q.Filter(must=[q.FieldCondition(key="bucket", match=q.MatchValue(bucket))])
        request = q.QueryRequest(
            query=q.Query.Nearest(query.tolist()),
            limit=K,
            filter=only,
            params=self.efforts[point],
            with_payload=False,
            with_vector=False,
        )
        return np.array([hit.id for hit in self.shard.query(request)])

    def harder(self, point: Any) -> Any:
        return (2 * point[0], min(2 * point[1], 8))

    def add(self, ids: Any, rows: Any) -> None:
        import qdrant_edge as q

        vectors = np.asarray(rows, np.float32).tolist()
        points = [
            q.Point(int(row), vector, {"bucket": int(row) % BUCKETS}) for row, vector in zip(ids, vectors, strict=True)
        ]
        self.shard.update(q.UpdateOperation.upsert_points(points))

    def settle(self) -> None:
        self.shard.optimize()
        self.shard.flush()

    def delete(self, ids: Any) -> None:
        import qdrant_edge as q

        self.shard.update(q.UpdateOperation.delete_points([int(row) for row in ids]))


class Milvus(Engine):
    """Milvus's embedded form: a graph for each of its segments, with the settings of its documents' example."""

    modules = ("pymilvus", "milvus_lite")
    points = (16, 32, 64, 128, 256, 512)
    can_filter = can_change = True

    def build(self, rows: Any, queries: Any, folder: Path) -> None:
        from milvus_lite.server_manager import server_manager_instance
        from pymilvus import DataType, MilvusClient

        self.client = MilvusClient(str(folder / "milvus.db"))
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        indexes = self.client.prepare_index_params()
        indexes.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 200})
        indexes.add_index("bucket", index_type="INVERTED")
        self.client.create_collection("rows", schema=schema, index_params=indexes, timeout=HOUR)
        for start in range(0, len(rows), 2000):
            self.add(np.arange(start, min(start + 2000, len(rows))), rows[start : start + 2000])
        self.client.flush("rows", timeout=HOUR)
        self.client.load_collection("rows", timeout=HOUR)
        self.client.close()
        server_manager_instance.release_all()  # it writes its indexes while it shuts down

    def open(self, folder: Path, rows: Any, *, changing: bool) -> None:
        from pymilvus import MilvusClient

        self.client = MilvusClient(str(folder / "milvus.db"))
        self.client.load_collection("rows", timeout=HOUR)

    def search(self, query: Any, point: Any, bucket: int | None = None) -> Any:
        condition = "" if bucket is None else f"bucket == {bucket}"
        effort = {"metric_type": "IP", "params": {"ef": point}}
        hits = self.client.search("rows", data=[query], limit=K, filter=condition, search_params=effort)[0]
        return np.array([hit["id"] for hit in hits])

    def add(self, ids: Any, rows: Any) -> None:
        vectors = np.asarray(rows, np.float32)
        told = [
            {"id": int(row), "bucket": int(row) % BUCKETS, "vector": vector}
            for row, vector in zip(ids, vectors, strict=True)
        ]
        self.client.insert("rows", told, timeout=HOUR)

    def settle(self) -> None:
        self.client.flush("rows", timeout=HOUR)  # puts new rows into a segment; until then it scans them

    def delete(self, ids: Any) -> None:
        self.client.delete("rows", ids=[int(row) for row in ids])
