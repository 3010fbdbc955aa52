"""Folders as sources: slices that stay where nothing changed, and the archives in them."""

from __future__ import annotations

import pytest

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.ingest.parts.index_sources import open_source, scanned_files
from mmsearch.retrieval.sources.folders import FolderSource, ListedFile


def slices(names):
    source = FolderSource("/f", lambda address: None, lambda folder: iter([ListedFile(n, 10, "e") for n in names]))
    return list(source.parts())


def test_slices_hold_all_files_once_in_order():
    names = [f"{number:05d}.jpg" for number in range(5_000)]
    parts = slices(names)
    assert [name for part in parts for name in part.names] == names
    assert all(250 <= len(part.names) <= 2_000 for part in parts[:-1])


@pytest.mark.parametrize("place", [0, 2_500, 4_999])
def test_a_new_file_changes_few_slices(place):
    names = [f"{number:05d}.jpg" for number in range(5_000)]
    before = set(slices(names))
    after = set(slices(sorted([*names, f"{place:05d}-new.jpg"])))
    assert len(after - before) <= 2


def test_a_folder_has_the_parts_of_its_files_and_then_of_its_archives(corpora):
    folder = corpora.files("all")
    corpora.folder = folder
    corpora.tar("b.tar")
    corpora.parquet("c.parquet", {"url": ["x"]})  # a table of a tar's facts: nothing to embed
    parts = list(open_source(str(folder)).parts())
    assert [part.address.rpartition("/")[2] for part in parts] == ["all", "b.tar"]
    assert len(parts[0].names) == 8
    source = open_source(str(folder))
    paths = [item.path for part in parts for item in source.items(part)]
    assert len(paths) == 16
    assert paths[8] == f"{folder}/b.tar#000000.jpg"


def test_what_a_scan_passes_over_is_in_no_slice(corpora):
    folder = corpora.files("all")
    (folder / ".hidden.jpg").write_bytes(b"x")
    assert not any(file.name.startswith(".") for file in scanned_files(str(folder)))


def test_a_file_that_vanishes_is_said(corpora):
    folder = corpora.files("all")
    source = open_source(str(folder))
    (part,) = source.parts()
    (folder / "000-disc.jpg").unlink()
    items = {item.path.rpartition("/")[2]: item for item in source.items(part)}
    assert items["000-disc.jpg"].problem == "cannot be read: no such file or directory"
    assert len(items) == 8


@pytest.mark.parametrize("name", ["nothing", "nothing.tar"])
def test_an_address_without_anything_is_said(tmp_path, name):
    with pytest.raises(MMSearchError, match="there is no"):
        list(open_source(str(tmp_path / name)).parts())


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(MMSearchError, match="there is nothing at"):
        list(open_source(str(tmp_path)).parts())
