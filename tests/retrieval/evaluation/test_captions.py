"""A collection with captions is its own test: each caption asks for the picture that it came with."""

from __future__ import annotations

import pytest

from mmsearch import Collection, UsageError
from mmsearch.retrieval.evaluation import captions


@pytest.fixture
def corpus(tmp_path, archives, drawn) -> Collection:
    made = Collection.create(tmp_path / "corpus.mms", model="mini")
    shard = archives.write_shard(tmp_path / "shard.tar", drawn)
    # The same caption beside another picture: both answer it.
    other = {
        "a.png": archives.picture_bytes(drawn("grid.png")),
        "a.txt": archives.CAPTIONS[0].encode(),
        "b.txt": b"A text of its own.",
    }
    made.index([shard, archives.write_tar(tmp_path / "other.tar", other)], workers=1)
    return made


def pairs_of(corpus):
    session = corpus._session
    return captions.pairs_of_captions([session.searcher(space) for space in session.spaces])


def test_captions_are_pairs(corpus, archives, tmp_path):
    pairs = {pair.query: pair.relevant for pair in pairs_of(corpus)}
    assert set(pairs) == set(archives.CAPTIONS)  # a text of its own is no caption
    both = (f"{tmp_path}/shard.tar#000000.png".encode(), f"{tmp_path}/other.tar#a.png".encode())
    assert set(pairs[archives.CAPTIONS[0]]) == set(both)


def test_captions_ask_for_pictures_and_do_not_answer(corpus):
    scores = corpus.evaluate()
    by_name = {row.direction: row for row in scores.directions if row.via == "brute force"}
    assert set(by_name) == {"text → image", "image → text"}
    assert (by_name["text → image"].queries, by_name["text → image"].pool) == (4, 5)
    assert (by_name["image → text"].queries, by_name["image → text"].pool) == (5, 4)
    assert by_name["text → image"].recall[5] == 1.0


def test_of_many_captions_as_many_are_drawn_every_time(corpus, monkeypatch):
    monkeypatch.setattr(captions, "MOST_CAPTIONS", 2)
    drawn = [pair.query for pair in pairs_of(corpus)]
    assert len(drawn) == 2
    assert drawn == [pair.query for pair in pairs_of(corpus)]


def test_a_collection_without_captions_says_so(collection):
    with pytest.raises(UsageError, match="no captions"):
        collection.evaluate()
