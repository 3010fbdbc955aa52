"""What a search gives back: hits and their JSON, lists of hits as tables."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import sys
from dataclasses import FrozenInstanceError, fields, replace

import pyarrow as pa
import pytest

from mmsearch import Hit, Hits, MMSearchError, Record, Span

HIT = Hit(
    rank=1,
    score=0.31234567,
    match=2.345678,
    path="/a/b.jpg",
    modality="image",
    id=7,
    evidence=("look",),
    state="current",
    width=640,
    height=480,
)
PASSAGE = replace(
    HIT, rank=2, id=8, path="/a/c.txt", modality="text", text="words", span=Span(0, 5, "char"), width=None
)


def test_a_hit_has_the_fields_of_the_contract():
    told = HIT.to_json()
    assert list(told)[:10] == ["rank", "score", "match", "level", "path", "modality", "id", "span", "text", "evidence"]
    assert (told["score"], told["match"]) == (0.312346, 2.3457)
    assert told["evidence"] == ["look"]
    dated = replace(HIT, taken_at=dt.datetime(2023, 5, 17, 14, 30), span=Span(0, 3, "char"))
    assert dated.to_json()["taken_at"] == "2023-05-17T14:30:00"
    json.dumps(dated.to_json())


def test_a_hit_that_a_search_makes_has_all_fields_and_is_like_any_other(gallery):
    found = gallery.search("a red disc")[0]
    assert set(vars(found)) == {field.name for field in fields(Hit)}
    assert Hit(**vars(found)) == found
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(FrozenInstanceError):
        found.rank = 2


def test_the_json_of_a_hit_has_its_keys_in_the_order_that_it_always_had():
    assert list(replace(HIT, path=os.fsdecode(b"caf\xe9.jpg")).to_json()) == [
        *("rank", "score", "match", "level", "path", "path_b64", "modality", "id", "span", "text", "evidence"),
        *("matched", "state", "width", "height", "duration_s", "taken_at", "taken_from", "note", "camera"),
        *("lat", "lon", "place", "country", "title", "tags", "lang", "copies"),
    ]


def test_a_hit_tells_its_duration_to_the_microsecond():
    assert replace(HIT, duration_s=6.000000000000004).to_json()["duration_s"] == 6.0
    assert replace(HIT, duration_s=12.3456789).to_json()["duration_s"] == 12.345679


def test_the_repr_of_a_hit_is_one_short_line():
    assert repr(HIT) == "Hit(path='/a/b.jpg', score=0.3123, modality='image')"
    assert repr(PASSAGE) == "Hit(path='/a/c.txt', score=0.3123, modality='text', span=0–5)"
    film = replace(HIT, modality="video", span=Span(83, 91, "s"))
    assert repr(film).endswith("modality='video', span=00:01:23–00:01:31)")


def test_the_repr_of_a_record_names_its_row():
    record = Record(id=7, path="/a/b.jpg", modality="image", state="current")
    assert repr(record) == "Record(id=7, path='/a/b.jpg', modality='image')"


def test_hits_are_a_list_and_so_is_a_slice_of_them():
    hits = Hits([HIT, PASSAGE])
    assert hits == [HIT, PASSAGE]
    assert hits[0] is HIT
    assert isinstance(hits[1:], Hits)
    assert hits[1:] == [PASSAGE]
    assert pickle.loads(pickle.dumps(hits)) == hits


def test_hits_become_a_table_of_one_schema_however_many_there_are():
    dated = replace(PASSAGE, taken_at=dt.datetime(2023, 5, 17, 14, 30), copies=("/a/d.txt",))
    table = Hits([HIT, dated]).to_arrow()
    assert table.schema == Hits().to_arrow().schema
    assert table["path"].to_pylist() == ["/a/b.jpg", "/a/c.txt"]
    assert table["score"].to_pylist() == [HIT.score, HIT.score]
    assert table["span_start"].to_pylist() == [None, 0.0], "a span may begin at nought"
    assert table["span_unit"].to_pylist() == [None, "char"]
    assert table["evidence"].to_pylist() == [["look"], ["look"]]
    assert table["copies"].to_pylist() == [[], ["/a/d.txt"]]
    assert table["taken_at"].to_pylist() == [None, dt.datetime(2023, 5, 17, 14, 30)]
    assert table.schema.field("taken_at").type == pa.timestamp("us")


def test_a_path_that_is_not_utf8_fits_into_a_table():
    hits = Hits([replace(HIT, path=os.fsdecode(b"caf\xe9.jpg"))])
    assert hits.to_arrow()["path"].to_pylist() == ["caf\\xe9.jpg"]


def test_hits_become_a_data_frame_where_pandas_is_installed():
    pytest.importorskip("pandas", reason="needs pandas")
    frame = Hits([HIT, PASSAGE]).to_pandas()
    assert frame["id"].tolist() == [7, 8]


def test_without_pandas_it_is_said_what_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with pytest.raises(MMSearchError, match="to_pandas needs pandas, which is not installed; to_arrow needs nothing"):
        Hits([HIT]).to_pandas()
