"""Other programs give the answers that we give: the ten nearest rows of an exact search, in the same order."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.exchange import export_vectors
from mmsearch.indexes.faiss import plain

QUERIES = 20


@pytest.fixture
def many(tmp_path, vectors):
    """Two hundred pictures whose cosines with a query are all different."""
    with Collection.create(tmp_path / "many.mms", model=None) as made:
        made.add(vectors(200), paths=[f"/many/{i}.jpg" for i in range(200)], modality="image", space="ours")
        yield made


@pytest.fixture
def asked(many, vectors):
    """Queries as unit vectors, and for each the ids of our ten best hits."""
    units = vectors(QUERIES, seed=5)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return [(query, [hit.id for hit in many.search(query, k=10, exact=True)]) for query in units]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_lance(many, asked, tmp_path, dtype):
    lancedb = pytest.importorskip("lancedb", reason="needs lancedb (extra `lance`)")
    export_vectors(many, "lance", tmp_path / "out", dtype=dtype)
    table = lancedb.connect(str(tmp_path / "out")).open_table("many")
    for query, ours in asked:
        found = table.search(query).distance_type("dot").limit(10).select(["id", "_distance"]).to_arrow()
        assert found["id"].to_pylist() == ours


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_qdrant_edge(many, asked, tmp_path, dtype):
    edge = pytest.importorskip("qdrant_edge", reason="needs qdrant_edge (extra `qdrant`)")
    export_vectors(many, "qdrant", tmp_path / "out", dtype=dtype)
    shard = edge.EdgeShard.load(str(tmp_path / "out"))
    for query, ours in asked:
        request = edge.QueryRequest(
            limit=10, query=edge.Query.Nearest(query.tolist()), params=edge.SearchParams(exact=True)
        )
        assert [point.id for point in shard.query(request)] == ours
    shard.close()


def test_the_client_of_qdrant(many, asked, tmp_path):
    client = pytest.importorskip("qdrant_client", reason="needs qdrant_client (extra `qdrant`)")
    client.QdrantClient(path=str(tmp_path / "out")).close()
    export_vectors(many, "qdrant", tmp_path / "out")
    opened = client.QdrantClient(path=str(tmp_path / "out"))
    for query, ours in asked:
        assert [point.id for point in opened.query_points("many", query.tolist(), limit=10).points] == ours
    opened.close()


def test_milvus(many, asked, tmp_path):
    pymilvus = pytest.importorskip("pymilvus", reason="needs pymilvus (extra `milvus`)")
    pytest.importorskip("milvus_lite", reason="needs milvus_lite (extra `milvus`)")
    export_vectors(many, "milvus", tmp_path / "out.db")
    client = pymilvus.MilvusClient(str(tmp_path / "out.db"))
    found = client.search("many", [query for query, _ in asked], limit=10, search_params={"metric_type": "IP"})
    assert [[hit["id"] for hit in hits] for hits in found] == [ours for _, ours in asked]
    client.close()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_faiss_alone(many, asked, tmp_path, dtype):
    import faiss

    export_vectors(many, "faiss", tmp_path / "out", dtype=dtype)
    index = faiss.read_index(str(tmp_path / "out" / "index.faiss"))
    ids = np.load(tmp_path / "out" / "ids.npy")
    _, found = index.search(np.stack([query for query, _ in asked]), 10)
    assert ids[found].tolist() == [ours for _, ours in asked]
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_faiss_with_lists_answers_the_same_where_it_looks_into_all(many, asked, tmp_path, dtype, monkeypatch):
    import faiss

    monkeypatch.setattr(plain, "PLAIN_EXACT_ROWS", 100)
    done = export_vectors(many, "faiss", tmp_path / "out", dtype=dtype)
    assert done.compared == 64, "rows can be read back out of lists"
    index = faiss.read_index(str(tmp_path / "out" / "index.faiss"))
    lists = faiss.extract_index_ivf(index)
    assert (lists.nlist, lists.nprobe) == (56, 3)
    lists.nprobe = lists.nlist
    _, found = index.search(np.stack([query for query, _ in asked]), 10)
    ids = np.load(tmp_path / "out" / "ids.npy")
    assert ids[found].tolist() == [ours for _, ours in asked]
