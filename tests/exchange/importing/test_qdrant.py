"""Collections of Qdrant: folders of its client and of Qdrant Edge, snapshots of shards, addresses that refuse."""

from __future__ import annotations

import socket
import tarfile
import uuid

import numpy as np
import pytest

from mmsearch import Collection, MMSearchError, UsageError
from mmsearch.exchange import import_vectors, qdrant_points


@pytest.fixture
def new(tmp_path):
    """A collection with nothing in it, and no model."""
    with Collection.create(tmp_path / "new.mms", model=None) as made:
        yield made


@pytest.fixture
def shard(tmp_path, vectors):
    """A folder of Qdrant Edge with twenty points."""
    edge = pytest.importorskip("qdrant_edge", reason="needs qdrant_edge (extra `qdrant`)")
    folder = tmp_path / "edge"
    folder.mkdir()
    params = edge.EdgeVectorParams(size=16, distance=edge.Distance.Cosine)
    made = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=params))
    payload = {"image_path": "/p/{}.jpg", "tags": ["a", "b"], "made": {"by": "me"}, "mixed": None}
    points = [
        edge.Point(i, vectors(20)[i].tolist(), {**payload, "image_path": f"/p/{i}.jpg", "mixed": i if i % 2 else "x"})
        for i in range(20)
    ]
    made.update(edge.UpdateOperation.upsert_points(points))
    made.flush()
    made.close()
    return folder


def test_points_are_named_by_their_payload_and_keep_it(new, shard, vectors, small_blocks):
    done = import_vectors(new, shard)
    assert (done.added, done.dim) == (20, 16)
    record = next(record for record in new if record.path == "/p/3.jpg")
    assert dict(record.facts) == {"tags": ["a", "b"], "source_made": '{"by": "me"}', "mixed": "3", "source_id": 3}
    expected = vectors(20)[3] / np.linalg.norm(vectors(20)[3])
    assert np.allclose(new.vectors([record.id]).vectors[0], expected, atol=1e-3)
    assert import_vectors(new, shard).unchanged == 20


def test_a_snapshot_of_a_shard_is_unpacked_and_taken(new, shard, tmp_path):
    with tarfile.open(tmp_path / "shop.snapshot", "w") as archive:
        for path in shard.iterdir():
            archive.add(path, path.name)
    assert import_vectors(new, tmp_path / "shop.snapshot").added == 20


def test_a_snapshot_of_a_collection_and_a_damaged_one_are_one_line(new, shard, tmp_path):
    with tarfile.open(tmp_path / "whole.snapshot", "w") as archive:
        archive.add(shard, "0")
    with pytest.raises(UsageError, match="which only a server can restore|cannot be read as a snapshot"):
        import_vectors(new, tmp_path / "whole.snapshot")
    (tmp_path / "bad.snapshot").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be read as a snapshot of a shard|which only a server"):
        import_vectors(new, tmp_path / "bad.snapshot")


def test_a_shard_that_another_program_has_open_is_one_line(new, shard):
    import qdrant_edge

    held = qdrant_edge.EdgeShard.load(str(shard))
    try:
        with pytest.raises(MMSearchError, match="another program has it open"):
            import_vectors(new, shard)
    finally:
        held.close()


def test_points_of_the_client_are_named_by_their_ids_where_nothing_names_them(new, tmp_path, vectors):
    client = pytest.importorskip("qdrant_client", reason="needs qdrant_client (extra `qdrant`)")
    models = client.models
    folder = str(tmp_path / "local")
    made = client.QdrantClient(path=folder)
    both = {name: models.VectorParams(size=16, distance=models.Distance.COSINE) for name in ("clip", "dino")}
    made.create_collection("shop", vectors_config=both)
    ids = [str(uuid.UUID(int=i)) for i in range(5)]
    lines = {name: vectors(5, seed=seed).tolist() for seed, name in enumerate(both)}
    made.upsert("shop", models.Batch(ids=ids, vectors=lines, payloads=[{"price": i} for i in range(5)]))
    made.close()
    with pytest.raises(UsageError, match="which vector\\? its points have clip, dino"):
        import_vectors(new, folder)
    with pytest.raises(UsageError, match="has no collection 'coats'"):
        import_vectors(new, folder, table="coats")
    assert import_vectors(new, folder, vector_column="dino").added == 5
    assert sorted(record.path for record in new) == ids


def test_an_address_that_refuses_is_one_line(new):
    pytest.importorskip("qdrant_client", reason="needs qdrant_client (extra `qdrant`)")
    with pytest.raises(MMSearchError, match=r"Qdrant at http://127.0.0.1:1: .*refused") as error:
        import_vectors(new, "http://127.0.0.1:1")
    assert "\n" not in str(error.value)


def test_an_address_that_does_not_answer_is_one_line_in_time(new, monkeypatch):
    pytest.importorskip("qdrant_client", reason="needs qdrant_client (extra `qdrant`)")
    monkeypatch.setattr(qdrant_points, "TIMEOUT_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(MMSearchError, match="timed out"):
            import_vectors(new, f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_folder_of_something_else_is_one_line(new, tmp_path):
    pytest.importorskip("qdrant_edge", reason="needs qdrant_edge (extra `qdrant`)")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "letter.txt").write_text("Dear")
    with pytest.raises(UsageError, match="is no folder of Qdrant"):
        import_vectors(new, tmp_path / "x", format="qdrant")
