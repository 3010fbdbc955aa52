"""Which rows hold a word, a phrase or the beginning of a word, over several segments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import LexicalIndex, LexicalSegment, Sought, words_of

ROWS = [
    (3, ["holiday", "img", "1234"], "A café by the sea in Zürich"),
    (5, [], "The sea is calm"),
    (6, ["notes"], ""),
    (9, [], "東京タワー and Tokyo"),
    (12, [], "!"),
]


def sought(text: str, *, prefix: bool = False) -> Sought:
    return Sought(tuple(words_of(text)), prefix)


@pytest.fixture(params=["in memory", "in a file", "two segments"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> LexicalIndex:
    if request.param == "two segments":
        return LexicalIndex([LexicalSegment.build(ROWS[:2]), LexicalSegment.build(ROWS[2:])])
    segment = LexicalSegment.build(ROWS)
    if request.param == "in a file":
        path = tmp_path / "50% #1?.words"
        path.write_bytes(segment.to_bytes())
        segment = LexicalSegment.open(path, segment.rows)
    return LexicalIndex([segment])


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("sea", [3, 5]),
        ("CAFE", [3]),
        ("zürich", [3]),
        ("the sea", [3, 5]),
        ("sea the", []),
        ("img 1234", [3]),
        ("holiday a", []),  # a name ends where the text begins
        ("東京", [9]),
        ("京東", []),
        ("se", []),
    ],
)
def test_rows_that_hold_words_one_after_another_are_found(index, words, ids):
    assert index.ids(sought(words)).tolist() == ids
    assert index.count(sought(words)) == len(ids)


def test_the_beginning_of_a_word_is_found(index):
    assert index.ids(sought("zur", prefix=True)).tolist() == [3]
    assert index.ids(sought("the s", prefix=True)).tolist() == [3, 5]


def test_a_name_and_a_text_can_be_looked_into_alone(index):
    assert index.ids(sought("notes"), column="name").tolist() == [6]
    assert index.ids(sought("notes"), column="text").tolist() == []


def test_rows_with_all_of_several_words_are_found(index):
    assert index.ids_with_all([sought("sea"), sought("calm")], 10).tolist() == [5]
    assert index.ids(sought("sea"), most=1).tolist() == [3]


def test_rows_without_words_are_not_counted(index):
    assert len(index) == 4


@settings(max_examples=30)
@given(st.lists(st.text(st.sampled_from("ab é東ก_-9"), max_size=12), min_size=1, max_size=8), st.data())
def test_exactly_the_rows_with_a_word_are_found(texts, data):
    index = LexicalIndex([LexicalSegment.build((i, [], text) for i, text in enumerate(texts))])
    words = sorted({word for text in texts for word in words_of(text)})
    if words:
        word = data.draw(st.sampled_from(words))
        assert index.ids(Sought((word,))).tolist() == [i for i, text in enumerate(texts) if word in words_of(text)]


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:4096], lambda data: b"x" * len(data)])
def test_a_file_that_is_no_segment_is_told(tmp_path, harm):
    path = tmp_path / "a.words"
    path.write_bytes(harm(LexicalSegment.build(ROWS).to_bytes()))
    with pytest.raises(CollectionDamagedError, match=r"a\.words is damaged"):
        LexicalIndex([LexicalSegment.open(path, 4)]).ids(sought("sea"))
