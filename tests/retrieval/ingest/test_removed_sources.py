"""Archives and their items are removed, stay away, and come back when they are named."""

from __future__ import annotations

import pytest

from mmsearch import Collection, UsageError
from mmsearch.retrieval.ingest.parts.removed_sources import lies_in, without_sources
from mmsearch.retrieval.store.manifest import Manifest


@pytest.fixture
def shards(tmp_path, archives, drawn):
    """Two shards of two pictures with captions each."""
    return [
        archives.write_shard(tmp_path / f"shard-{number:03d}.tar", drawn, names)
        for number, names in enumerate((archives.NAMES[:2], archives.NAMES[2:]))
    ]


@pytest.fixture
def corpus(shards, tmp_path) -> Collection:
    """A collection over the two shards, which were named as a range."""
    made = Collection.create(tmp_path / "corpus.mms", model="mini")
    made.index([tmp_path / "shard-{000..001}.tar"], workers=1)
    return made


def test_a_removed_archive_stays_away_until_it_is_named(corpus, shards, paths_in):
    assert corpus.remove(shards[0]) == 2
    assert {path.partition("#")[0] for path in paths_in(corpus)} == {str(shards[1])}
    assert corpus.manifest.sources == (str(shards[1]),)
    assert corpus.index(workers=1).indexed == 0
    assert corpus.index([shards[0]], workers=1).indexed == 2
    assert set(corpus.manifest.sources) == set(map(str, shards))
    assert len(corpus) == 8


def test_a_range_is_removed_as_it_was_named(corpus, tmp_path):
    assert corpus.remove(tmp_path / "shard-{000..001}.tar") == 4
    assert (len(corpus), corpus.manifest.sources) == (0, ())


def test_a_folder_is_removed_with_the_archives_in_it(corpus, tmp_path):
    assert corpus.remove(tmp_path) == 4
    assert (len(corpus), corpus.manifest.sources) == (0, ())


def test_a_removed_item_stays_away_when_its_archive_changes(corpus, shards, archives, drawn, paths_in):
    item = f"{shards[0]}#000001.png"
    assert corpus.remove(item) == 1
    assert (item in paths_in(corpus), corpus.manifest.removed) == (False, (item,))
    assert len(corpus) == 6
    archives.write_shard(shards[0], drawn, archives.NAMES[:3])
    corpus.index(workers=1)
    assert item not in paths_in(corpus)
    assert f"{shards[0]}#000002.png" in paths_in(corpus)


def test_what_is_not_there_is_not_removed(corpus, tmp_path):
    for wrong in (tmp_path / "other.tar", f"{tmp_path}/shard-000.tar#9.png", "s3://bucket/shard.tar"):
        with pytest.raises(UsageError, match="nothing was removed"):
            corpus.remove(wrong)
    assert len(corpus) == 8


def test_an_archive_in_a_source_that_stays_is_noted_as_removed():
    manifest = Manifest(sources=("s3://b/photos/",))
    after = without_sources(manifest, {"s3://b/photos/1.tar"}, ["s3://b/photos/2.tar#1.jpg"])
    assert after.sources == ("s3://b/photos/",)
    assert after.removed == ("s3://b/photos/1.tar", "s3://b/photos/2.tar#1.jpg")
    assert not lies_in("s3://b/photos2", "s3://b/photos/")


def test_the_status_counts_parts_items_and_what_was_skipped(corpus, shards, tmp_path, archives, drawn):
    archives.write_zip(tmp_path / "a.zip", {"a.png": archives.picture_bytes(drawn("grid.png")), "b.jpg": b"no picture"})
    corpus.index([tmp_path / "a.zip"], workers=1)
    both, album = corpus.status().sources
    assert (both.path, both.parts, both.items, both.skipped, both.rows) == (
        str(tmp_path / "shard-{000..001}.tar"),
        2,
        4,
        0,
        8,
    )
    assert (album.parts, album.items, album.skipped, album.rows) == (1, 2, 1, 1)
    assert corpus.status().skipped == 1
    assert corpus.status().to_json()["sources"][1] == album.to_json()
    assert [note.path for note in corpus.skipped()] == [f"{tmp_path}/a.zip#b.jpg"]
