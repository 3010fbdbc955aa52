"""The manifest is the truth: it comes back as it was written, whole or not at all (rule 2)."""

from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch import Collection, durable
from mmsearch.cli.exit_codes import exit_code
from mmsearch.errors import CollectionDamagedError, MMSearchError, NewerFormatError, ReadOnlyError
from mmsearch.retrieval.store.manifest import (
    MANIFEST_NAME,
    IndexEntry,
    IndexSettings,
    Manifest,
    MatchSampleEntry,
    ShardEntry,
    TombstoneEntry,
    load_manifest,
    save_manifest,
)
from mmsearch.types import Space

SPACE = Space("m", "w", "p", 8)
FULL = Manifest(
    generation=7,
    next_id=100,
    next_seq=9,
    primary_space=SPACE.key,
    spaces={SPACE.key: SPACE},
    roots=("/pictures", "/odd/caf\udce9", "/new\nline/😀"),
    settings=IndexSettings("ivfpq", 0.9),
    shards=(ShardEntry("shards/a.parquet", SPACE.key, "image", 5, 1, 5, 999, "ab"),),
    indexes=(IndexEntry("indexes/b", SPACE.key, "image", 5, 5, "ivfpq", {".faiss": "cd", ".json": "ef"}),),
    match_samples=(MatchSampleEntry("indexes/c.npy", SPACE.key, "image", 5, 5, "01"),),
    tombstones=(TombstoneEntry("dead/d.parquet", 1, "23"),),
)


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    save_manifest(tmp_path, FULL)
    assert load_manifest(tmp_path) == FULL
    assert FULL.files() == {
        "shards/a.parquet",
        "indexes/b.faiss",
        "indexes/b.json",
        "indexes/c.npy",
        "dead/d.parquet",
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 0.999))
def test_a_manifest_that_was_cut_anywhere_is_damaged(tmp_path, cut, raises_explained):
    save_manifest(tmp_path, FULL)
    path = tmp_path / MANIFEST_NAME
    whole = path.read_bytes().rstrip()
    path.write_bytes(whole[: int(cut * len(whole))])
    with raises_explained(CollectionDamagedError, match="doctor --repair") as error:
        load_manifest(tmp_path)
    assert exit_code(error.value) == 4


def test_a_manifest_that_was_altered_does_not_fit_its_checksum(tmp_path):
    save_manifest(tmp_path, FULL)
    path = tmp_path / MANIFEST_NAME
    path.write_text(path.read_text().replace('"next_id": 100', '"next_id": 1'))
    with pytest.raises(CollectionDamagedError, match="its checksum does not fit"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"format": 1}', "\x00\x01"])
def test_a_manifest_that_is_none_is_damaged(tmp_path, text):
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(CollectionDamagedError):
        load_manifest(tmp_path)


def test_a_manifest_that_is_not_text_is_damaged(tmp_path):
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CollectionDamagedError, match="not text"):
        load_manifest(tmp_path)


def test_a_collection_of_a_newer_format_says_to_upgrade(tmp_path, raises_explained):
    save_manifest(tmp_path, FULL)
    path = tmp_path / MANIFEST_NAME
    data = json.loads(path.read_text()) | {"format": 99, "a field of the future": []}
    path.write_text(json.dumps(data))
    for attempt in (Collection.open, lambda root: Collection.doctor(root, repair=True)):
        with raises_explained(NewerFormatError, match="made by a newer mmsearch.*pip install -U mmsearch"):
            attempt(tmp_path)
    assert json.loads(path.read_text()) == data


def test_where_no_collection_is_the_way_to_one_is_named(tmp_path, raises_explained):
    with raises_explained(MMSearchError, match="no collection at .*; `mmsearch index FOLDER` makes one"):
        load_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_the_manifest_is_replaced_leaves_the_last_one(tmp_path, monkeypatch, step):
    save_manifest(tmp_path, FULL)

    def crash(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(durable.os, step, crash)
    with pytest.raises(RuntimeError):
        save_manifest(tmp_path, Manifest(generation=8))
    assert load_manifest(tmp_path) == FULL
    assert os.listdir(tmp_path) == [MANIFEST_NAME]


def test_a_manifest_is_synced_before_it_is_renamed_and_its_folder_after(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(
            durable.os, name, lambda *a, name=name, call=getattr(os, name): (calls.append(name), call(*a))
        )
    save_manifest(tmp_path, FULL)
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EROFS, ReadOnlyError, "cannot write in .*Read-only file system.*-c DIR"),
        (errno.EACCES, ReadOnlyError, "cannot write in .*Permission denied"),
        (
            errno.ENOSPC,
            MMSearchError,
            r"is full: \S+ [kMGT]?B are free, and more is needed; everything up to the last commit is safe",
        ),
    ],
)
def test_a_disk_that_takes_no_writes_is_one_clear_line_and_still_searched(
    photos, collection, monkeypatch, number, kind, words, raises_explained
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    (photos / "new.txt").write_text("Too late.")
    monkeypatch.setattr(durable.os, "replace", refuse)
    for write in (lambda: collection.index([photos], workers=1), lambda: collection.remove([photos])):
        with raises_explained(kind, match=words) as error:
            write()
        assert "\n" not in str(error.value)
    assert len(Collection.open(collection.root).search("x", k=20)) == 10


def test_a_lock_that_cannot_be_made_on_a_read_only_disk_is_one_clear_line(
    photos, collection, monkeypatch, raises_explained
):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with raises_explained(ReadOnlyError, match="-c DIR") as error:
        collection.index([photos])
    assert exit_code(error.value) == 4


def test_a_space_is_found_by_its_key_its_model_or_itself():
    for wanted in (SPACE.key, "m", SPACE):
        assert FULL.find_space(wanted) == SPACE
    for unknown in ("n", Space("m", "other weights", "p", 8)):
        assert FULL.find_space(unknown) is None
