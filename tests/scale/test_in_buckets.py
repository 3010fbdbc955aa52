"""Corpora in buckets, and workers whose results lie in one: against moto's S3."""

from __future__ import annotations

import pytest

from mmsearch import Collection, MMSearchError, StorageDeniedError
from mmsearch.retrieval.storage import storage_of
from mmsearch.scale import gather, make_plan, work


@pytest.fixture
def put(s3):
    """Puts a file into the bucket; returns its address."""

    def run(path, name=None) -> str:
        address = f"{s3.address}/corpus/{name or path.name}"
        storage_of(address).put(address, path)
        return address

    return run


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The cache of buckets lies in the folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def paths(collection):
    searcher = collection.searcher()
    rows = searcher.rows("image")
    return sorted(path.decode() for path in rows.facts(["path"])["path"].to_pylist())


def test_tars_tables_and_files_of_a_bucket_are_indexed(empty, corpora, put, s3):
    put(corpora.tar("a.tar"))
    put(corpora.hugging_face("b.parquet"))
    for path in sorted(corpora.files().iterdir()):
        put(path, f"photos/{path.name}")
    report = empty.index(f"{s3.address}/corpus", workers=1, ocr="off")
    assert (report.indexed, report.skipped) == (24, ())
    found = paths(empty)
    assert f"{s3.address}/corpus/a.tar#000000.jpg" in found
    assert f"{s3.address}/corpus/b.parquet#7.jpg" in found
    assert f"{s3.address}/corpus/photos/000-disc.jpg" in found
    assert empty.index(workers=1, ocr="off").unchanged == 24


def test_a_range_of_addresses_is_read_and_only_what_changed_again(empty, corpora, put, s3):
    for number in range(2):
        put(corpora.tar(f"x-{number}.tar", corpora.samples(["disc", "cross"])))
    named = f"{s3.address}/corpus/x-{{0..1}}.tar"
    assert empty.index(named, workers=1, ocr="off").indexed == 4
    put(corpora.tar("x-1.tar", corpora.samples(["grid"])))
    report = empty.index(named, workers=1, ocr="off")
    assert (report.indexed, report.unchanged) == (1, 2)


def test_plan_work_and_gather_in_a_bucket_equal_a_run_on_disk(corpora, put, s3, tmp_path, home):
    sources = [put(corpora.tar(f"x-{number}.tar")) for number in range(2)]
    plan, out = f"{s3.address}/plan.parquet", f"{s3.address}/photos.mms"
    assert len(make_plan(sources, plan, model="mini", ocr="off").parts) == 2
    for number in (1, 2):
        assert work(plan, out, task=(number, 2), workers=1).done == 1
    assert work(plan, out, workers=1).done_before == 2
    report = gather(out)
    assert (report.parts, report.rows) == (2, 32)
    assert gather(out).parts == 0
    local = Collection.create(tmp_path / "local.mms", model="mini")
    local.index(sources, workers=1, ocr="off")
    there = Collection.open(out)
    assert paths(there) == paths(local)
    assert {(hit.path, hit.score) for hit in there.search("a red disc", k=32, copies=True)} == {
        (hit.path, hit.score) for hit in local.search("a red disc", k=32, copies=True)
    }


def test_archives_are_indexed_into_a_collection_in_a_bucket(corpora, s3, home):
    made = Collection.create(f"{s3.address}/photos.mms", model="mini")
    assert made.index(str(corpora.tar("a.tar")), workers=1, ocr="off").indexed == 8
    assert (
        Collection.open(f"{s3.address}/photos.mms").search("a red disc on white", k=1)[0].path.endswith("#000000.jpg")
    )


def test_results_that_were_not_gathered_are_not_swept(corpora, put, s3, home, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.store.remote.SWEEP_OBJECTS_AFTER_S", -1.0)
    out = f"{s3.address}/photos.mms"
    plan = make_plan([put(corpora.tar("a.tar")), put(corpora.tar("b.tar"))], f"{s3.address}/p", model="mini", ocr="off")
    work(plan, out, task=(1, 2), workers=1)
    gather(out)
    work(plan, out, task=(2, 2), workers=1)
    Collection.open(out).compact()
    assert gather(out).rows == 16
    assert len(paths(Collection.open(out))) == 16


def test_a_bucket_that_denies_and_one_that_is_not_there_are_said(empty, corpora, put, s3):
    address = put(corpora.tar("a.tar"))
    with pytest.raises(MMSearchError, match="s3://no-such-bucket"):
        empty.index("s3://no-such-bucket/a.tar")
    s3.server.denies = lambda method, path: True
    with pytest.raises((StorageDeniedError, MMSearchError), match="a.tar"):
        empty.index(address)
    assert not empty.manifest.shards
