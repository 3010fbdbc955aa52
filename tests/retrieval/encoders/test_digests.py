"""Digests of weight files, and the cache that saves reading gigabytes again."""

from __future__ import annotations

import hashlib
import os

import platformdirs
import pytest

from mmsearch.retrieval.encoders import digests


def test_the_digest_is_sha256_of_the_bytes(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"weights")
    for _ in range(2):
        assert digests.file_sha256(tmp_path / "w.pt") == hashlib.sha256(b"weights").hexdigest()


def test_a_file_is_read_once(tmp_path, monkeypatch):
    (tmp_path / "w.pt").write_bytes(b"weights")
    first = digests.file_sha256(tmp_path / "w.pt")
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert digests.file_sha256(tmp_path / "w.pt") == first


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(b"one")
    first = digests.file_sha256(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert digests.file_sha256(path) != first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 3}', "\x00"])
def test_a_damaged_cache_only_costs_time(tmp_path, content):
    cache = platformdirs.user_cache_path("mmsearch") / "digests.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    (tmp_path / "w.pt").write_bytes(b"weights")
    assert digests.file_sha256(tmp_path / "w.pt") == hashlib.sha256(b"weights").hexdigest()


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path):
    platformdirs.user_cache_path("mmsearch").write_text("a file where the folder belongs")
    (tmp_path / "w.pt").write_bytes(b"weights")
    assert digests.file_sha256(tmp_path / "w.pt") == hashlib.sha256(b"weights").hexdigest()
