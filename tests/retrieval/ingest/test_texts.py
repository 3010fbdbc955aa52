"""Texts and tables from a folder to hits: what is left out is said, and spans point into the file."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from mmsearch import Collection

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
    report = index(empty, tmp_path)
    assert [(Path(note.path).name, note.reason) for note in report.skipped] == [
        ("key.txt", "nothing but encoded data in it (1.3 MB)")
    ]
