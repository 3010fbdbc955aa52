"""Names of groups."""

from __future__ import annotations

import numpy as np

from mmsearch.library.groups.describe import own_labels_first
from mmsearch.library.groups.names import Name, names_by_texts, names_by_vectors
from mmsearch.unit import normalize_rows

WORDS = ["dog", "dog running", "cat", "beach", "snow", *(f"word {i}" for i in range(60))]


def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.standard_normal((len(WORDS), 32)).astype(np.float32)
    made[:5] = np.eye(32)[[0, 0, 1, 2, 3]]
    made[1, 4] = 0.4
    return normalize_rows(made)


def test_the_nearest_word_is_the_name_and_no_two_groups_have_the_same():
    middles = normalize_rows(np.eye(32, dtype=np.float32)[[0, 0, 3]] + 0.02)
    names = names_by_vectors(middles, WORDS, vectors())
    assert {names[0].text.split(",")[0], names[1].text.split(",")[0]} == {"dog", "dog running"}
    assert names[2].text == "snow"
    assert names[2].is_sure
    assert names[0].words[:2] == ("dog", "dog running")


def test_a_second_word_says_something_else():
    both = np.zeros((1, 32), np.float32)
    both[0, [0, 2]] = 0.75, 0.66
    assert names_by_vectors(both, WORDS, vectors())[0].text == "dog, beach", "not: dog, dog running"


def test_a_name_stays_while_it_fits_about_as_well():
    middle = np.zeros((1, 32), np.float32)
    middle[0, [1, 2]] = 0.72, 0.69
    both = normalize_rows(middle)
    assert names_by_vectors(both, WORDS, vectors())[0].text == "cat, beach"
    assert names_by_vectors(both, WORDS, vectors(), ["beach"])[0].text.split(", ")[0] == "beach"
    middle[0, 2] = 0.3
    assert names_by_vectors(normalize_rows(middle), WORDS, vectors(), ["beach"])[0].text == "cat"
    assert names_by_vectors(both, WORDS, vectors(), ["a word of another vocabulary, garden"])[0].text == "cat, beach"


def test_a_name_that_fits_badly_is_a_guess():
    middle = normalize_rows(np.random.default_rng(5).standard_normal((1, 32)).astype(np.float32))
    assert not names_by_vectors(middle, WORDS, vectors())[0].is_sure


def test_texts_are_named_by_words_that_others_lack():
    fishing = [f"the boats bring herring to the harbour at {i}" for i in range(6)]
    baking = [f"the bread needs flour and the oven at {i}" for i in range(6)]
    one, other = names_by_texts([fishing, baking])
    assert set(one.text.split(", ")) <= {"boats", "bring", "herring", "harbour"}
    assert set(other.text.split(", ")) <= {"bread", "needs", "flour", "oven"}
    assert one.is_sure


def test_texts_without_words_have_no_name_and_still_differ():
    assert [name.text for name in names_by_texts([["1 2"], ["3"]])] == ["unnamed", "unnamed (2)"]
    assert names_by_texts([]) == []


def test_two_groups_of_one_label_are_told_apart():
    names = [Name("rose", False, ("rose",)), Name("tulip", True, ("tulip",)), Name("sea", False, ("sea",))]
    found = own_labels_first(names, ["garden", "garden", None])
    assert [(name.text, name.is_sure) for name in found] == [
        ("garden, rose", True),
        ("garden, tulip", True),
        ("sea", False),
    ]
    assert own_labels_first(names[:1], ["garden"])[0].words == ("garden", "rose")


def test_a_label_is_not_said_twice():
    names = [Name("snow, dog", True, ("snow", "dog")), Name("dog", True, ("dog", "puppy")), Name("dog", True, ("dog",))]
    found = own_labels_first(names, ["dog", "dog", "dog"])
    assert [name.text for name in found] == ["dog, snow", "dog, puppy", "dog"]
    assert found[1].words == ("dog", "puppy")
    assert [name.text for name in own_labels_first(names[2:] * 2, ["dog", "dog"])] == ["dog", "dog (2)"]
