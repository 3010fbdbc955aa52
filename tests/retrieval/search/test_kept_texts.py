"""Vectors of texts that are asked again are kept, as many as were asked for, and are the same to the bit."""

from __future__ import annotations

import numpy as np

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.search.kept_texts import KeptTexts


class Counting(MiniEncoder):
    """`mini`, and the texts that it was asked to embed."""

    asked: list[list[str]]

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.asked = [*getattr(self, "asked", []), list(texts)]
        return super().encode_texts(texts)


def test_only_texts_that_are_not_kept_are_embedded_the_shortest_first():
    encoder, kept = Counting(), KeptTexts(3)
    first = kept.encode(["two words", "one", "a much longer text"], encoder)
    again = kept.encode(["one", "new", "two words"], encoder)
    assert encoder.asked == [["one", "two words", "a much longer text"], ["new"]]
    np.testing.assert_array_equal(again[[2, 0]], first[[0, 1]])
    np.testing.assert_array_equal(first, MiniEncoder().encode_texts(["two words", "one", "a much longer text"]))


def test_the_vectors_that_were_not_asked_for_longest_go_first():
    encoder, kept = Counting(), KeptTexts(2)
    for text in ("one", "two", "one", "three", "one", "two"):
        kept.encode([text], encoder)
    assert encoder.asked == [["one"], ["two"], ["three"], ["two"]]


def test_nothing_is_kept_unless_it_is_asked_for():
    encoder, kept = Counting(), KeptTexts()
    kept.encode(["one"], encoder)
    kept.encode(["one"], encoder)
    assert len(encoder.asked) == 2


def test_a_collection_that_keeps_texts_gives_the_same_hits(collection: Collection):
    keeping = Collection.open(collection.root, texts_kept=10)
    for query in ("a red disc", "disc", "a red disc"):
        assert keeping.search(query) == collection.search(query)
