"""`Collection.index` over archives, Parquet files and ranges of them: what is new, changed, unchanged and missing."""

from __future__ import annotations

import os
import shutil

import pytest

from mmsearch import Collection, UsageError
from mmsearch.retrieval.store.manifest import load_manifest


def counts(report):
    return report.found, report.indexed, report.unchanged, len(report.skipped)


@pytest.fixture
def index(empty):
    def run(*paths, **options):
        return empty.index([str(path) for path in paths], workers=1, **options)

    return run


def test_an_archive_is_indexed_once_and_its_items_are_found(index, empty, corpora, paths_in):
    path = corpora.tar("a.tar")
    report = index(path)
    assert counts(report) == (8, 8, 0, 0)
    assert report.rows == 16
    assert paths_in(empty) == {f"{path}#{number:06d}.jpg" for number in range(8)}
    assert empty.search("a red disc on white", k=1)[0].path == f"{path}#000000.jpg"
    assert counts(index(path)) == (8, 0, 8, 0)
    assert counts(index()) == (8, 0, 8, 0)  # without a path: all that was indexed before


def test_facts_of_the_source_are_columns(index, empty, corpora):
    index(corpora.tar("a.tar"))
    found = empty.search("a picture", k=20, where="stars >= 6")
    assert {hit.facts["stars"] for hit in found} == {6, 7}
    assert {hit.facts["name"] for hit in found} == {"grid", "noise"}


def test_a_range_is_indexed_and_only_what_changed_is_read_again(index, corpora, embedded):
    for number in range(3):
        corpora.tar(f"x-{number}.tar", corpora.samples(["disc", "cross"]))
    named = corpora.folder / "x-{0..2}.tar"
    assert counts(index(named)) == (6, 6, 0, 0)
    embedded.clear()
    corpora.tar("x-1.tar", corpora.samples(["grid", "ramp", "noise"]))
    assert counts(index(named)) == (7, 3, 4, 0)
    assert embedded.pictures == 3


def test_a_changed_archive_replaces_its_rows(index, empty, corpora, paths_in):
    path = corpora.tar("a.tar")
    index(path)
    corpora.tar("a.tar", {"new.jpg": corpora.jpeg("disc")})
    index(path)
    assert paths_in(empty) == {f"{path}#new.jpg"}


def test_a_scan_of_its_folder_leaves_the_items_of_an_archive_alone(index, empty, corpora, paths_in):
    folder = corpora.files("all")
    corpora.folder = folder
    path = corpora.tar("a.tar")
    index(path)
    before = paths_in(empty)
    report = index(folder)
    assert report.removed == 0
    assert before <= paths_in(empty)
    assert len(paths_in(empty)) == 16


def test_the_archive_that_is_gone_keeps_its_rows_unless_they_are_to_be_pruned(index, empty, corpora, paths_in):
    path = corpora.tar("a.tar")
    index(path)
    os.unlink(path)
    report = index()
    assert [note.path for note in report.kept] == [str(path)]
    assert len(paths_in(empty)) == 8
    assert index(prune_missing=True).removed == 8
    assert paths_in(empty) == set()


def test_one_that_is_named_and_not_there_is_an_error(index, corpora):
    corpora.tar("x-0.tar")
    with pytest.raises(UsageError, match=r"there is no .*x-1\.tar"):
        index(corpora.folder / "x-{0..1}.tar")


def test_a_table_of_texts_is_still_a_table(index, empty, corpora):
    path = corpora.parquet("texts.parquet", {"text": ["boats in a harbour", "a loaf of bread"]})
    assert index(path).indexed == 1
    assert empty.search("bread", k=1)[0].path == str(path)


def test_parquet_files_of_both_kinds_are_indexed(index, corpora):
    assert counts(index(corpora.hugging_face(), corpora.img2dataset())) == (16, 16, 0, 0)


def test_columns_whose_values_differ_in_kind_are_texts(index, empty, corpora):
    files = {}
    for number, value in enumerate(["7", '"seven"', "[1, 2]", "true"]):
        files[f"{number}.jpg"] = corpora.jpeg("disc")
        files[f"{number}.json"] = b'{"odd": ' + value.encode() + b"}"
    assert index(corpora.tar("a.tar", files)).indexed == 4
    assert {hit.facts["odd"] for hit in empty.search("a disc", k=9, copies=True)} == {"7", "seven", "[1, 2]", "True"}


def test_a_part_whose_column_does_not_fit_is_refused_and_the_rest_stays(index, empty, corpora, paths_in):
    index(corpora.tar("a.tar", {"a.jpg": corpora.jpeg("disc"), "a.json": b'{"odd": 7}'}))
    report = index(corpora.tar("b.tar", {"b.jpg": corpora.jpeg("cross"), "b.json": b'{"odd": "seven"}'}))
    assert "column 'odd' has the types" in report.skipped[-1].reason
    assert len(paths_in(empty)) == 1


def test_a_dry_run_names_the_parts_that_would_be_read(index, empty, corpora):
    path = corpora.tar("a.tar")
    report = index(path, dry_run=True)
    assert (report.indexed, report.rows) == (1, 0)
    assert [note.path for note in report.marked] == [str(path)]
    assert not empty.manifest.shards


def test_an_interrupted_run_keeps_the_parts_that_are_complete(empty, corpora, paths_in):
    for number in range(3):
        corpora.tar(f"x-{number}.tar")
    seen = []

    def watch(progress):
        seen.append(progress)
        if progress.done == 20:
            raise KeyboardInterrupt

    report = empty.index(str(corpora.folder / "x-{0..2}.tar"), workers=1, watch=watch)
    assert report.interrupted
    done = len(paths_in(empty))
    assert done % 8 == 0
    assert empty.index(workers=1).indexed == 24 - done
    assert len(paths_in(empty)) == 24


def test_a_new_model_reads_sources_as_well_and_once(index, empty, corpora, make_checkpoint):
    """It does not embed sound, so that `mini` stays beside it."""
    index(corpora.tar("a.tar"))
    assert index(model=f"open_clip:tiny@{make_checkpoint()}").indexed == 8
    assert empty.manifest.primary_space != empty.manifest.secondary_spaces[0]
    assert counts(index()) == (8, 0, 8, 0)
    assert len({hit.path for hit in empty.search("a red disc", k=50)}) == 8


def test_compacting_and_the_doctor_know_shards_of_parts(index, empty, corpora, paths_in):
    index(corpora.tar("a.tar"), corpora.tar("b.tar"))
    before = {hit.path: hit.score for hit in empty.search("a red disc", k=20)}
    assert empty.manifest.format == 2
    assert Collection.doctor(empty.root) == []
    empty.compact()
    assert load_manifest(empty.root).format == 1  # no shard has shifted ids any more
    assert {hit.path: hit.score for hit in empty.search("a red disc", k=20)} == before
    assert Collection.doctor(empty.root) == []
    assert counts(index()) == (16, 0, 16, 0)


def test_shards_of_parts_are_swept_after_a_merge_and_not_before(index, empty, corpora):
    def shards():
        return list((empty.root / "parts").rglob("*.parquet"))

    def grow_old():
        for path in shards():
            os.utime(path, (0, 0))

    index(corpora.tar("a.tar"))
    grow_old()
    index()
    assert len(shards()) == 2
    empty.compact()
    index(corpora.tar("b.tar"))
    empty.compact()
    grow_old()
    index()
    assert shards() == []
    assert counts(index()) == (16, 0, 16, 0)


@pytest.mark.parametrize("what", ["shard", "table", "manifest"])
def test_what_damage_takes_the_next_run_brings_back(index, empty, corpora, paths_in, what):
    path = corpora.tar("a.tar")
    index(path, corpora.tar("b.tar"))
    before = paths_in(empty)
    if what == "shard":
        next((empty.root / "parts").rglob("*-image.parquet")).write_bytes(b"damaged")
    elif what == "table":
        next((empty.root / "tables" / "parts").glob("*.parquet")).write_bytes(b"damaged")
    else:
        (empty.root / "MANIFEST.json").write_bytes(b"{")
    assert Collection.doctor(empty.root, repair=True)
    mended = Collection.open(empty.root)
    mended.index([path, str(corpora.folder / "b.tar")], workers=1)
    assert paths_in(mended) == before
    searcher = mended.searcher()
    assert {m: searcher.rows(m).live_count for m in ("image", "text")} == {"image": 16, "text": 16}


def test_files_and_archives_are_indexed_in_one_run(index, corpora, photos):
    report = index(photos, corpora.tar("a.tar"))
    assert report.indexed == 18
    shutil.rmtree(photos)
    assert index().unchanged == 8
