"""Queries with answers that are made of a collection as it lies."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.evaluation import contents
from mmsearch.retrieval.evaluation.contents import guess_pairs, mutual_nearest

NONE = np.empty(0, np.int64)


def test_a_text_and_a_row_make_a_pair_if_each_is_the_nearest_of_the_other(world):
    rows = np.eye(3, dtype=np.float32)
    texts = world.unit(np.array([[1, 0.1, 0], [1, 0.5, 0], [0, 0.2, 1]]))
    chosen, right, cosines = mutual_nearest(texts, rows, [NONE] * len(texts))
    assert chosen.tolist() == [0, 2], "text 1 is nearest to row 0, to which text 0 is nearer"
    assert right.tolist() == [0, 2]
    assert cosines == pytest.approx(np.sum(texts[chosen] * rows[right], axis=1))


@pytest.mark.parametrize("at_once", [1, 70, 4_000_000])
def test_blocks_make_no_difference(world, monkeypatch, at_once):
    texts, rows = world.pictures(40, seed=3), world.pictures(30, seed=4)
    cosines = texts @ rows.T
    expected = [t for t in range(40) if cosines[:, cosines[t].argmax()].argmax() == t]
    monkeypatch.setattr(contents, "_AT_ONCE", at_once)
    assert mutual_nearest(texts, rows, [NONE] * len(texts))[0].tolist() == expected


def test_texts_of_the_collection_find_the_pictures_they_are_about(world, tmp_path):
    made = world.collection(tmp_path / "c.mms")
    unasked = lambda: pytest.fail("no model is needed")  # noqa: E731
    guessed = guess_pairs(made.searcher(), unasked, "image", np.arange(200))
    assert (guessed.texts, guessed.are_probes) == (260, False)
    assert len(guessed.queries) > 150
    about = [int(np.argmax(world.ASKED[:200] @ query)) for query in guessed.queries]
    assert np.mean(np.array(about) == guessed.right) > 0.95


def test_without_texts_and_without_a_model_nothing_is_guessed(world, tmp_path):
    made = world.collection(tmp_path / "c.mms", photos=20, stray=0)
    guessed = guess_pairs(made.searcher(), lambda: None, "image", np.arange(20))
    assert (len(guessed.queries), guessed.are_probes) == (0, True)


def test_with_few_texts_probe_texts_ask(gallery):
    rows = gallery.searcher().rows("image")
    guessed = guess_pairs(gallery.searcher(), gallery.encoder, "image", np.arange(len(rows)))
    assert (guessed.texts, guessed.are_probes) == (2_000, True)
    assert 0 < len(guessed.queries) == len(guessed.right) <= len(rows) // 2, "the better half"


def test_among_texts_pairs_are_of_different_files_and_no_copies(world, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=world.WorldEncoder())
    texts = np.concatenate(
        [world.ABSENT[:60], world.unit(world.ABSENT[:60] + 0.3 * world.SHOWN[:60]), world.ABSENT[:1]]
    )
    names = [f"first {i}" for i in range(60)] + [f"second {i}" for i in range(60)] + ["copy of 0"]
    files = [f"{i}.txt" for i in range(60)] + ["0.txt", *(f"{i} again.txt" for i in range(1, 60)), "copy.txt"]
    made.add(texts, paths=files, modality="text", texts=names)
    guessed = guess_pairs(made.searcher(), lambda: None, "text", np.arange(121))
    couples = {
        (int(np.argmax(texts @ query)), int(right)) for query, right in zip(guessed.queries, guessed.right, strict=True)
    }
    assert {(i, 60 + i) for i in range(1, 60)} <= couples, "the file of text 60 is that of text 0"
    assert not {(0, 60), (60, 0), (0, 120), (120, 0)} & couples
    assert all(right not in own for right, own in zip(guessed.right, guessed.own, strict=True))
