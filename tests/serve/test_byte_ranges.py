"""Which bytes are asked for, and what the client has already."""

from __future__ import annotations

import time

import pytest

from mmsearch.serve.byte_ranges import ByteRange, Version, range_asked

NOON = Version('"abc"', 1_700_000_000)
HTTP_DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=90-", 90, 100),
        ("bytes=-5", 95, 100),
        ("bytes=-1000", 0, 100),
        ("bytes=50-99999999999999999999999999", 50, 100),
        ("BYTES = 3 - 3", 3, 4),
    ],
)
def test_a_single_range_is_read(header, start, stop):
    assert range_asked(header, 100) == ByteRange(start, stop)


def test_a_range_says_which_bytes_it_has():
    assert ByteRange(90, 100).content_range(100) == "bytes 90-99/100"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=1-2,4-5",
        "lines=1-2",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=٣-٤",
        "bytes=" + ",".join(f"{i}-{i}" for i in range(10_000)),
        "bytes=0-" + "9" * 1_000_000,
    ],
)
def test_several_ranges_and_nonsense_are_the_whole_file(header):
    started = time.perf_counter()
    assert range_asked(header, 100) is None
    assert time.perf_counter() - started < 0.01


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=99999999999999999999-", "bytes=-0", "bytes=200-300"])
def test_what_is_not_in_the_file_cannot_be_served(header):
    with pytest.raises(ValueError, match="the file has 100 bytes"):
        range_asked(header, 100)


def test_an_empty_file_has_no_range():
    with pytest.raises(ValueError):
        range_asked("bytes=0-", 0)


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"x", W/"abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"', "if-modified-since": HTTP_DATE}, False),  # the tag decides
        ({"if-modified-since": HTTP_DATE}, True),
        ({"if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT"}, False),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": "Tue, 14 Nov 99999 22:13:19 GMT"}, False),
    ],
)
def test_a_client_that_has_the_file_is_told_so(headers, known):
    assert NOON.is_known(headers) == known


@pytest.mark.parametrize(
    ("condition", "goes_on"),
    [
        (None, True),
        ('"abc"', True),
        ('W/"abc"', False),  # a weak tag does not tell bytes apart
        ('"x"', False),
        (HTTP_DATE, True),
        ("Tue, 14 Nov 2023 22:13:21 GMT", False),
        ("nonsense", False),
    ],
)
def test_a_range_is_served_only_of_the_version_that_the_client_has(condition, goes_on):
    assert NOON.goes_on({} if condition is None else {"if-range": condition}) == goes_on


def test_a_version_says_its_tag_and_date():
    assert NOON.headers == {"ETag": '"abc"', "Last-Modified": HTTP_DATE}
    assert Version('"abc"').headers == {"ETag": '"abc"'}
