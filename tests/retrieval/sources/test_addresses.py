"""Addresses of sources: ranges in braces, kinds of archives, and the names of items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import UsageError
from mmsearch.retrieval.sources.addresses import (
    absolute_address,
    archive_kind,
    expanded,
    may_be_source,
    member_of,
    member_path,
)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/a/b.tar", "tar"),
        ("/a/b.TAR.GZ", "tar"),
        ("b.tgz", "tar"),
        ("s3://x/b.tar.xz", "tar"),
        ("b.zip", "zip"),
        ("b.parquet", "parquet"),
        ("b.jpg", None),
        ("/a/tar", None),
    ],
)
def test_archives_are_told_by_their_endings(address, kind):
    assert archive_kind(address) == kind


@pytest.mark.parametrize(
    ("address", "first", "last", "count"),
    [
        ("x-{000..012}.tar", "x-000.tar", "x-012.tar", 13),
        ("x-{8..11}.tar", "x-8.tar", "x-11.tar", 4),
        ("x-{3..1}.tar", "x-3.tar", "x-1.tar", 3),
        ("{train,val}-{0..1}.tar", "train-0.tar", "val-1.tar", 4),
        ("s3://b/{a,b}/x.tar", "s3://b/a/x.tar", "s3://b/b/x.tar", 2),
        ("plain.tar", "plain.tar", "plain.tar", 1),
    ],
)
def test_ranges_in_braces_are_expanded_as_shells_do(address, first, last, count):
    found = expanded(address)
    assert (found[0], found[-1], len(found)) == (first, last, count)


def test_a_file_that_has_braces_in_its_name_stands_for_itself(tmp_path):
    path = tmp_path / "{a,b}.tar"
    path.touch()
    assert expanded(str(path)) == [str(path)]


@pytest.mark.parametrize(
    ("address", "what"), [("x-{12}.tar", "no range"), ("{0..99999999}.tar", "more than 1,000,000 files")]
)
def test_a_range_that_is_none_is_said(address, what):
    with pytest.raises(UsageError, match=what):
        expanded(address)


@given(st.integers(0, 500), st.integers(0, 60))
def test_a_padded_range_keeps_its_width(first, more):
    names = expanded(f"{{{first:04d}..{first + more:04d}}}")
    assert names == [f"{number:04d}" for number in range(first, first + more + 1)]


@given(st.text(min_size=1), st.text())
def test_a_member_is_found_again_in_its_path(archive, member):
    assert member_of(member_path(archive, member), archive) == member


def test_a_file_of_its_own_is_no_member():
    assert member_of("/a/b.jpg", "/a/table.parquet") is None


def test_only_addresses_archives_and_ranges_may_be_sources():
    assert all(may_be_source(path) for path in ("s3://b/x", "a.tar", "b.{0..1}", "c.parquet"))
    assert not any(may_be_source(path) for path in ("photos", "a.jpg", "C:\\a"))


def test_paths_are_made_absolute_and_addresses_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_address("a.tar") == str(tmp_path / "a.tar")
    assert absolute_address("s3://b/a.tar") == "s3://b/a.tar"
