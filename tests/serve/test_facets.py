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
    for column in ("width", "duration_s"):
        table = table.append_column(column, pa.nulls(len(rows), pa.float64()))
    ranks = file_columns(table)["rank"].to_pylist()
    assert list(_KINDS.values())[max(ranks)] == kind


@pytest.mark.parametrize(
    ("width", "duration_s", "kind"),
    [(96, None, "image"), (96, 2.0, "video"), (None, 2.0, "audio"), (None, None, "text")],
)
def test_a_caption_alone_tells_what_its_file_is(width, duration_s, kind):
    columns = {"modality": "text", "span_unit": None, "mms_evidence": "caption", "path": "a.tar#1", "mtime_ns": 0}
    own = {**columns, "taken_at": None, "width": width, "duration_s": duration_s}
    types = {"taken_at": pa.timestamp("us"), "width": pa.int32(), "duration_s": pa.float64(), "span_unit": pa.string()}
    table = pa.table({name: pa.array([value], types.get(name)) for name, value in own.items()})
    assert list(_KINDS.values())[file_columns(table)["rank"].to_pylist()[0]] == kind
