"""A shard is at once a table for any Parquet reader and a matrix for ours."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store import shards
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.shards import Shard, write_shard


def write(path, addition, first_id=1, parts=1):
    """Write an addition's rows in some parts; returns their ids."""
    ids = np.arange(first_id, first_id + len(addition.vectors), dtype=np.int64)
    bounds = np.linspace(0, len(ids), parts + 1).astype(int)
    pieces = [
        (ids[a:b], addition.facts.slice(a, b - a), addition.vectors[a:b])
        for a, b in zip(bounds, bounds[1:], strict=False)
        if b > a
    ]
    write_shard(path, addition.space, pieces)
    return ids


def test_any_parquet_reader_reads_a_shard(tmp_path, rows, space):
    addition = rows(50)
    write(tmp_path / "a.parquet", addition)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["id", *FACT_NAMES, "vector"]
    assert table["id"].to_pylist() == list(range(1, 51))
    assert table["path"][7].as_py() == b"/files/7.txt"
    assert table["passage"][7].as_py() == "text 7"
    assert table.schema.field("vector").type.list_size == space.dim
    decoded = np.array(table["vector"].to_pylist(), np.float16)
    np.testing.assert_array_equal(decoded, addition.vectors)
    assert json.loads(table.schema.metadata[b"mmsearch.space"]) == space.to_json()
    assert table.schema.metadata[b"mmsearch.format"] == b"1"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 300), parts=st.integers(1, 4), group=st.sampled_from([7, 64, 16_384]))
def test_mapped_vectors_and_ids_equal_what_a_parquet_reader_decodes(tmp_path, rows, monkeypatch, count, parts, group):
    monkeypatch.setattr(shards, "ROW_GROUP", group)
    path = tmp_path / "a.parquet"
    addition = rows(count)
    ids = write(path, addition, first_id=5, parts=parts)
    shard = Shard(path)
    np.testing.assert_array_equal(shard.ids, ids)
    np.testing.assert_array_equal(np.concatenate(shard.vector_blocks), addition.vectors)
    assert not any(block.flags.writeable for block in shard.vector_blocks)
    shard.check_mapping()
    positions = np.unique(np.random.default_rng(count).integers(0, count, 5))
    assert [row["passage"] for row in shard.facts_at(positions, ["passage"])] == [f"text {p}" for p in positions]


def test_threads_read_the_facts_of_one_shard_at_once(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP", 16)
    path = tmp_path / "a.parquet"
    write(path, rows(256))
    shard = Shard(path)

    def read(number: int) -> bool:
        at = np.array([number % 256])
        names = [row["passage"] for row in shard.facts_at(at, FACT_NAMES)]
        return names == [f"text {number % 256}"] and len(shard.facts(["path"])) == 256

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(600)))


def test_a_shard_stays_readable_when_its_name_has_gone(tmp_path, rows):
    path = tmp_path / "a.parquet"
    addition = rows(20)
    write(path, addition)
    shard = Shard(path)
    path.unlink()
    np.testing.assert_array_equal(np.concatenate(shard.vector_blocks), addition.vectors)
    assert shard.facts(["path"])["path"][19].as_py() == b"/files/19.txt"


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_shard_that_was_cut_is_damaged(tmp_path, rows, keep, raises_explained):
    path = tmp_path / "a.parquet"
    write(path, rows(100))
    path.write_bytes(path.read_bytes()[:keep])
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Shard(path)


def test_facts_whose_bytes_were_altered_are_one_clear_line(tmp_path, rows, raises_explained):
    path = tmp_path / "a.parquet"
    write(path, rows(300))
    data = bytearray(path.read_bytes())
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(FACT_NAMES.index("passage") + 1)
    start = chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(data)
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Shard(path).facts_at(np.arange(3), ["passage"])
    with raises_explained(CollectionDamagedError, match="doctor --repair"):
        Shard(path).facts(["passage"])


def test_a_table_of_somebody_else_is_no_shard(tmp_path):
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(CollectionDamagedError, match="is no shard of mmsearch"):
        _ = Shard(tmp_path / "a.parquet").space


def test_a_shard_of_a_newer_format_is_not_guessed_at(tmp_path, rows, monkeypatch):
    path = tmp_path / "a.parquet"
    monkeypatch.setattr("mmsearch.retrieval.store.schema.SHARD_FORMAT", 3)
    with pytest.raises(CollectionDamagedError, match="has format 3, made by a newer mmsearch; this one reads up to 2"):
        write(path, rows(5))


def test_a_shard_whose_vectors_were_packed_by_another_writer_is_not_mapped(tmp_path, rows, space):
    path = tmp_path / "a.parquet"
    write(path, rows(50))
    table = pq.read_table(path)
    pq.write_table(table, path, compression="zstd")
    with pytest.raises(CollectionDamagedError):
        _ = Shard(path).vector_blocks


def test_row_groups_that_were_read_last_are_kept_and_no_more_than_a_bound_allows(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP", 10)
    write(tmp_path / "a.parquet", rows(50))
    shard = Shard(tmp_path / "a.parquet")
    read = []
    read_group = Shard.facts_of_group
    monkeypatch.setattr(
        Shard, "facts_of_group", lambda self, group, columns: read.append(group) or read_group(self, group, columns)
    )
    first = shard.facts_at(np.array([3, 4, 31]), FACT_NAMES)
    assert shard.facts_at(np.array([3, 4, 31]), FACT_NAMES) == first
    assert read == [0, 3]

    monkeypatch.setattr(shards, "CACHE_BYTES", 2 * shard._cache[0, tuple(FACT_NAMES)].nbytes + 100)
    for group in (0, 4, 0, 1, 0):
        shard.facts_at(np.array([10 * group]), FACT_NAMES)
    assert read == [0, 3, 4, 1], "what was asked for last is thrown out last"
    assert len(shard._cache) <= 2
