"""Tables with a column of vectors: Parquet and LanceDB."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch import Collection, UsageError
from mmsearch.exchange import import_vectors


@pytest.fixture
def new(tmp_path):
    """A collection with nothing in it, and no model."""
    with Collection.create(tmp_path / "new.mms", model=None) as made:
        yield made


@pytest.fixture
def table(vectors):
    """Twenty rows with two columns of vectors."""
    both = [vectors(20, seed=seed).tolist() for seed in (0, 1)]
    return pa.table({"url": [f"http://x/{i}" for i in range(20)], "rank": range(20), "clip": both[0], "dino": both[1]})


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float16(), 16)])
def test_lists_of_floats_are_found_as_vectors(new, table, tmp_path, kind, small_blocks):
    one = table.drop_columns(["dino"]).set_column(
        2, "clip", table["clip"].combine_chunks().cast(pa.list_(pa.float32(), 16)).cast(kind)
    )
    pq.write_table(one, tmp_path / "t.parquet")
    done = import_vectors(new, tmp_path / "t.parquet")
    assert (done.added, done.dim) == (20, 16)
    assert {record.path: record.facts["rank"] for record in new} == {f"http://x/{i}": i for i in range(20)}


def test_of_several_columns_of_vectors_one_is_named(new, table, tmp_path):
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="has several columns of vectors, name one of: clip, dino"):
        import_vectors(new, tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="has no column 'rank' of vectors"):
        import_vectors(new, tmp_path / "t.parquet", vector_column="rank")
    done = import_vectors(new, tmp_path / "t.parquet", vector_column="dino")
    assert done.added == 20
    assert len(new) == 20


def test_a_folder_of_files_is_one_table(new, table, tmp_path):
    (tmp_path / "t").mkdir()
    for place in range(4):
        pq.write_table(table.drop_columns(["dino"]).slice(5 * place, 5), tmp_path / "t" / f"{place}.parquet")
    assert import_vectors(new, tmp_path / "t").added == 20
    pq.write_table(table, tmp_path / "t" / "4.parquet")
    with pytest.raises(UsageError, match=r"4.parquet has other columns than .*0.parquet"):
        import_vectors(new, tmp_path / "t")


def test_vectors_of_several_lengths_and_missing_ones_are_one_line(new, tmp_path):
    pq.write_table(pa.table({"vector": [[1.0, 2.0], [1.0]]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="the vector of row 1 has 1 numbers, and others 2"):
        import_vectors(new, tmp_path / "t.parquet")
    pq.write_table(pa.table({"vector": [[1.0, 2.0], None]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="row 1 has no vector"):
        import_vectors(new, tmp_path / "t.parquet")


def test_a_table_without_vectors_or_damaged_is_one_line(new, tmp_path):
    pq.write_table(pa.table({"path": ["/a"], "tags": [["x"]]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"has no column of vectors \(lists of floats\); its columns: path, tags"):
        import_vectors(new, tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        import_vectors(new, tmp_path / "t.parquet")


def test_a_table_of_lance_is_named_by_its_folder_or_in_its_database(new, table, tmp_path, small_blocks):
    lancedb = pytest.importorskip("lancedb", reason="needs lancedb (extra `lance`)")
    database = lancedb.connect(str(tmp_path / "db"))
    vectors = table["clip"].combine_chunks().cast(pa.list_(pa.float32(), 16))
    database.create_table("shoes", table.drop_columns(["dino"]).set_column(2, "clip", vectors))
    assert import_vectors(new, tmp_path / "db").added == 20
    assert import_vectors(new, tmp_path / "db" / "shoes.lance", space="db").unchanged == 20
    database.create_table("hats", pa.table({"vector": vectors}))
    with pytest.raises(UsageError, match="which table\\? its tables: hats, shoes"):
        import_vectors(new, tmp_path / "db")
    with pytest.raises(UsageError, match="there is no table 'coats'"):
        import_vectors(new, tmp_path / "db", table="coats")
    assert import_vectors(new, tmp_path / "db", table="hats", space="hats").added == 20
