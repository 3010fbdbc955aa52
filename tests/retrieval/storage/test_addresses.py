"""Which addresses are remote, how names are joined to them, and which storage holds them."""

from __future__ import annotations

import sys

import pytest

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.storage import is_remote, join, storage_of
from mmsearch.retrieval.storage.addresses import local_path


@pytest.mark.parametrize("address", ["s3://b/k", "gs://b", "hf://datasets/x/y", "memory://a", "S3://b/k"])
def test_a_scheme_is_remote(address):
    assert is_remote(address)


@pytest.mark.parametrize(
    "address", ["/a/b", "a", "C:\\a", "C://a", "c:/a", "file:///a/b", "", "a:b", "s3:/b", "/x://y"]
)
def test_paths_drives_and_file_addresses_are_local(address):
    assert not is_remote(address)


def test_names_are_joined_with_slashes_or_as_the_system_does(tmp_path):
    assert join("s3://b", "a/c") == join("s3://b/", "a/c") == "s3://b/a/c"
    assert join(str(tmp_path), "a/c") == str(tmp_path / "a" / "c")
    assert join(tmp_path.as_uri(), "ü") == str(tmp_path / "ü")


def test_a_file_address_is_its_path(tmp_path):
    path = tmp_path / "sp ace ü%"
    path.write_bytes(b"x")
    assert local_path(path.as_uri()) == str(path)
    assert storage_of(path.as_uri()).read(path.as_uri()) == b"x"


def test_an_unknown_scheme_is_one_clear_line():
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError) as error:
        storage_of("nosuch://a/b")
    assert str(error.value) == "nosuch:// is no kind of address that can be read here"


@pytest.mark.parametrize(
    ("address", "module", "told"),
    [
        ("s3://b/k", "obstore.store", 'addresses of s3:// need an extra: pip install "mmsearch[remote]"'),
        ("memory://a", "fsspec", "addresses of memory:// need fsspec: pip install fsspec"),
    ],
)
def test_a_package_that_is_missing_is_named(monkeypatch, address, module, told):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("AWS_REGION", "nowhere-of-this-test")  # no connection is at hand
    with pytest.raises(MMSearchError) as error:
        storage_of(address)
    assert str(error.value) == told


def test_a_scheme_whose_package_is_missing_names_it():
    pytest.importorskip("fsspec")
    with pytest.raises(MMSearchError, match=r"addresses of dask:// need a package: .*dask"):
        storage_of("dask://a")


def test_a_bucket_is_named():
    pytest.importorskip("obstore")
    with pytest.raises(UsageError, match="names no bucket"):
        storage_of("s3:///key")
