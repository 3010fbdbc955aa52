"""Texts and tables from a folder to hits: what is left out is said, and spans point into the file."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.ingest import embedder
from mmsearch.retrieval.media.texts import table

PICTURE = base64.b64encode(random.Random(0).randbytes(1_000_000)).decode()


def index(collection: Collection, *paths: Path, **options):
    return collection.index(list(paths), workers=1, **options)


def test_an_embedded_picture_is_left_out_and_said(tmp_path, empty):
    text = (
        "# Holiday notes\n\nWe climbed the lighthouse.\n\n![view][1]\n\nThen we ate fish.\n\n"
        f"[1]: data:image/png;base64,{PICTURE}\n\nThe ferry took us home.\n"
    )
    (tmp_path / "notes.md").write_text(text)
    report = index(empty, tmp_path)
    assert report.rows == 2
    assert [note.reason for note in report.marked] == ["1.3 MB of encoded data left out"]
    for words in ("We climbed the lighthouse.", "The ferry took us home."):
        hit = next(hit for hit in empty.search(words, k=5) if words in hit.text)
        assert text[int(hit.span.start) : int(hit.span.end)] == hit.text
        assert len(hit.text) < 200


def test_a_file_of_nothing_but_data_is_skipped(tmp_path, empty):
    (tmp_path / "key.txt").write_text(PICTURE)
    (tmp_path / "good.txt").write_text("A dog.")
    (tmp_path / "x.txt").write_text("x" * 300_000)
    report = index(empty, tmp_path)
    assert {Path(note.path).name: note.reason for note in report.skipped} == {
        "key.txt": "nothing but encoded data in it (1.3 MB)",
        "x.txt": "nothing but one repeated character in it (300 kB)",
    }


def test_a_text_that_many_rows_have_is_embedded_once(tmp_path, empty, monkeypatch):
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"caption": ["a dog runs"] * 9000 + ["a cat sleeps"]}), path)
    embedded: list[str] = []
    encode = MiniEncoder.encode_texts

    def counted(self: MiniEncoder, texts: Sequence[str]) -> np.ndarray:
        embedded.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(MiniEncoder, "encode_texts", counted)
    report = index(empty, path)
    assert report.rows == 9001
    assert sorted(set(embedded)) == ["a cat sleeps", "a dog runs"]
    assert embedded.count("a dog runs") == 1
    (hit,) = empty.search("a cat", k=1)
    assert (hit.text, hit.span.start, hit.span.unit) == ("a cat sleeps", 9000.0, "row")


def test_a_file_gives_a_bounded_number_of_rows_and_it_is_said(tmp_path, empty, monkeypatch):
    pq.write_table(pa.table({"caption": ["dog"] * 150_000}), tmp_path / "million.parquet")
    report = index(empty, tmp_path / "million.parquet")
    assert report.rows == table.MAX_ROWS
    assert "only its first rows are indexed" in report.marked[0].reason
    monkeypatch.setattr(embedder, "MAX_PASSAGES", 5)
    (tmp_path / "long.txt").write_text("".join(f"Chapter {i}. The keeper lights lamp {i}.\n\n" for i in range(200)))
    report = index(empty, tmp_path / "long.txt")
    assert report.rows == 5
    assert report.marked[0].reason == "only its first 5 passages are indexed"
