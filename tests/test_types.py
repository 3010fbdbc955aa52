"""The small dataclasses that every room uses, and their JSON."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.types import FileNote, Report, Space, Span, clock, counted, path_json, printable, sized

SPACE = Space("mini", "weights", "processing", 256)


def test_a_space_comes_back_from_json():
    assert Space.from_json(json.loads(json.dumps(SPACE.to_json()))) == SPACE


@pytest.mark.parametrize(
    "other",
    [
        replace(SPACE, model="clip"),
        replace(SPACE, weights="x"),
        replace(SPACE, processing="x"),
        replace(SPACE, dim=512),
    ],
)
def test_spaces_that_differ_in_anything_have_other_keys(other):
    assert other.key != SPACE.key


@given(st.text(max_size=80), st.integers(1, 4096))
def test_the_key_of_a_space_is_safe_as_a_folder_name(model, dim):
    key = Space(model, "w", "p", dim).key
    assert key
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not key.startswith("-")
    assert len(key) < 80


def test_a_space_of_vectors_made_elsewhere_has_no_model():
    assert not Space.of_vectors("clip of a friend", 512).has_model
    assert SPACE.has_model


@pytest.mark.parametrize(
    ("span", "shown", "told"),
    [
        (Span(83.4, 91.0, "s"), "00:01:23–00:01:31", {"start_s": 83.4, "end_s": 91.0}),
        (Span(0.1 + 0.2, 6.000000000000004, "s"), "00:00:00–00:00:06", {"start_s": 0.3, "end_s": 6.0}),
        (Span(0, 310, "char"), "0–310", {"start_char": 0, "end_char": 310}),
        (Span(4, 5, "row"), "row 5", {"start_row": 4, "end_row": 5}),
    ],
)
def test_a_span_is_shown_and_told_in_its_unit(span, shown, told):
    assert str(span) == shown
    assert span.to_json() == told


def test_a_clock_counts_hours():
    assert clock(3600 * 26 + 61.9) == "26:01:01"


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_the_exact_bytes_of_any_name_can_be_had_from_its_json(name):
    told = path_json(os.fsdecode(name))
    json.dumps(told).encode("utf-8")
    told["path"].encode("utf-8")
    assert (base64.b64decode(told["path_b64"]) if "path_b64" in told else os.fsencode(told["path"])) == name


def test_a_name_that_is_not_utf8_is_shown_with_its_bytes():
    assert printable(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"


def test_a_report_tells_all_its_counts():
    report = Report(found=3, indexed=2, skipped=(FileNote("/a", "empty"),), seconds=1.23456, stages={"scan": 0.1})
    told = report.to_json()
    assert {"found", "indexed", "unchanged", "moved", "removed", "skipped", "seconds", "stages"} <= set(told)
    assert told["skipped"] == [{"path": "/a", "reason": "empty"}]
    assert told["seconds"] == 1.235


def test_one_is_counted_in_the_singular():
    assert [counted(count, "file") for count in (0, 1, 2, 1234)] == ["0 files", "1 file", "2 files", "1,234 files"]
    assert [counted(count, "hit is", "hits are") for count in (1, 2)] == ["1 hit is", "2 hits are"]


def test_bytes_are_named_in_the_unit_that_fits():
    sizes = {0: "0 B", 999: "999 B", 1234: "1.2 kB", 37_456: "37 kB", 4_580_000_000: "4.6 GB", 10**16: "10,000 TB"}
    assert {size: sized(size) for size in sizes} == sizes


def test_a_note_tells_its_kind_where_it_has_one():
    assert FileNote("/a", "truncated", kind="part").to_json() == {"path": "/a", "reason": "truncated", "kind": "part"}
    assert FileNote("/a", "empty file").to_json() == {"path": "/a", "reason": "empty file"}
