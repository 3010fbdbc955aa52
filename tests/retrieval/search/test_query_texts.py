"""A query of one word looks among pictures, sounds and films in prompts, and among texts as it is."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Query
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.search.query_texts import prompted
from mmsearch.retrieval.search.query_vectors import embed_all
from mmsearch.unit import normalize

PROMPTS = resolve("mini").prompts


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return MiniEncoder()


def vector_of(query, encoder):
    vectors, failures = embed_all([query if isinstance(query, Query) else Query(query)], encoder.space, encoder)
    assert not failures
    return vectors[0]


@pytest.mark.parametrize("text", ["dog", "Dog", " dog ", "a dog", "the dogs", "running", "red", "ice-cream", "Søren"])
def test_one_word_is_put_into_prompts(mini, text):
    assert len(prompted(text, mini)) == len(PROMPTS)


@pytest.mark.parametrize("text", ["", "?", "hot dog", "a dog runs", "dog.", "dog, cat", "https://example.org", "a b c"])
def test_other_texts_are_not(mini, text):
    assert prompted(text, mini) == []


def test_the_article_fits_the_word(mini):
    assert any("an owl" in prompt for prompt in prompted("owl", mini))
    assert any("a dog" in prompt for prompt in prompted("dog", mini))


def test_one_word_is_the_mean_of_its_prompts_among_pictures_and_itself_among_texts(mini):
    vector = vector_of("dog", mini)
    expected = normalize(mini.encode_texts(prompted("dog", mini)).mean(axis=0))
    np.testing.assert_allclose(vector.among("image"), expected, atol=1e-6)
    np.testing.assert_allclose(vector.among("audio"), expected, atol=1e-6)
    np.testing.assert_array_equal(vector.among("text"), mini.encode_texts(["dog"])[0])


def test_a_sentence_has_one_vector(mini):
    vector = vector_of("a dog on the beach", mini)
    assert vector.media is vector.texts


def test_a_word_among_other_terms_is_put_into_prompts_too(mini):
    vector = vector_of(Query("dog", minus=["a crowd of people"]), mini)
    dog, people = (
        normalize(mini.encode_texts(prompted("dog", mini)).mean(axis=0)),
        mini.encode_texts(["a crowd of people"])[0],
    )
    np.testing.assert_allclose(vector.media, normalize(dog - people), atol=1e-6)


def test_a_model_without_prompts_takes_every_text_as_it_is(mini):
    class Other(MiniEncoder):
        def __init__(self):
            super().__init__()
            self.space = type(self.space)("other", "w", "p", self.space.dim)

    assert prompted("dog", Other()) == []


def test_texts_are_found_by_the_word_itself(tmp_path):
    from mmsearch import Collection

    (tmp_path / "notes").mkdir()
    for i, text in enumerate(["dog", "a walk along the river", "cats and kittens"]):
        (tmp_path / "notes" / f"{i}.txt").write_text(text)
    with Collection.create(tmp_path / "c", "mini") as collection:
        collection.index([tmp_path / "notes"])
        (first, *_) = collection.search("dog", to="text")
    assert first.text == "dog"
    assert first.score == pytest.approx(1, abs=2e-3)
