"""Characters that the vocabulary of `mini` lacks are written in those it has."""

from __future__ import annotations

import string

import numpy as np
import pytest

from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.mini.folding import fold_to_ascii

SAME = [
    ("I don’t know", "I don't know"),
    ("a “red” wall", 'a "red" wall'),
    ("a dog – on the beach…", "a dog - on the beach..."),
    ("straße", "strasse"),
    ("smørrebrød", "smorrebrod"),
    ("Łódź", "Lodz"),
    ("１２ ｄｏｇｓ", "12 dogs"),
    ("٣ dogs", "3 dogs"),
    ("ﬁsh", "fish"),
    ("½ pizza", "1/2 pizza"),
    ("a\u00a0dog", "a dog"),
    ("a dog\u200b", "a dog"),
    ("20 °C", "20 degrees c"),
    ("🐶", "dog"),
    ("🐕🐈", "dog cat"),
    ("🔥", "fire"),
    ("I ❤️ pizza", "I heart pizza"),
    ("👍🏽", "thumbs up sign"),
    ("café", "cafe"),
]


@pytest.mark.parametrize(("written", "plain"), SAME)
def test_both_ways_of_writing_are_one_vector(written, plain):
    one, other = load_encoder("mini").encode_texts([written, plain])
    assert np.array_equal(one, other)


def test_plain_texts_and_other_scripts_stay_what_they_are():
    for text in (string.printable, "собака", "雪の中の犬", "한국어", "été"):
        assert fold_to_ascii(text) == text


def test_nothing_that_was_known_changes():
    """Every character whose word had pieces without folding has the same pieces with it."""
    tower = load_encoder("mini")._texts()
    words = [f"ab{chr(i)}cd" for i in range(0x80, 0x10000) if not 0xD800 <= i < 0xE000]
    before = [encoding.ids for encoding in tower.tokenizer.encode_batch(words)]
    after = tower.tokens(words)
    changed = [word for word, old, new in zip(words, before, after, strict=True) if 0 not in old and old != new]
    assert changed == []
