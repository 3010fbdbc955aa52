"""What a file is, told from its rows."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from mmsearch.serve.facets import _KINDS, file_columns

ROWS = {
    "a.txt": [("text", "char", None)],
    "a.jpg": [("image", None, None), ("text", None, "ocr")],
    "a.pdf": [("image", "page", None), ("text", "page", None)],
    "scan.pdf": [("image", "page", None), ("text", "page", "ocr")],
    "a.wav": [("audio", "s", None), ("text", "s", "speech")],
    "talk.mp3": [("text", "s", "speech")],
    "a.mp4": [("video", "s", None), ("audio", "s", None), ("text", "s", None), ("text", "s", "ocr")],
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text"),
        ("a.jpg", "image"),
        ("a.pdf", "text"),
        ("scan.pdf", "image"),
        ("a.wav", "audio"),
        ("talk.mp3", "audio"),
        ("a.mp4", "video"),
    ],
)
def test_the_kind_of_a_file_is_told_from_its_rows(name, kind):
    rows = ROWS[name]
    words = [pa.array([row[i] for row in rows], pa.string()) for i in range(3)]
    columns = dict(zip(("modality", "span_unit", "mms_evidence"), words, strict=True))
    moments = pa.array([dt.datetime(2020, 1, 1)] * len(rows), pa.timestamp("us"))
    table = pa.table({**columns, "path": [name] * len(rows), "taken_at": moments, "mtime_ns": [0] * len(rows)})
    ranks = file_columns(table)["rank"].to_pylist()
    assert list(_KINDS.values())[max(ranks)] == kind
