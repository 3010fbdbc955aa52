"""The phrases that recall is measured with are many, varied, and the same everywhere."""

from __future__ import annotations

from mmsearch.retrieval.upkeep.probe_texts import make_probe_texts


def test_thousands_of_different_phrases_can_be_had() -> None:
    made = make_probe_texts(5000)
    assert len(set(made)) == 5000
    assert len({word for phrase in made for word in phrase.split()}) > 500
    assert len({len(phrase.split()) for phrase in made}) > 8


def test_the_same_seed_gives_the_same_phrases_and_another_others() -> None:
    assert make_probe_texts(200) == make_probe_texts(400)[:200]
    assert len(set(make_probe_texts(200)) & set(make_probe_texts(200, seed=1))) < 100


def test_they_are_plain_english() -> None:
    for phrase in make_probe_texts(5000):
        assert not set(phrase) & set("{}|+_")
        assert " a a" not in phrase.replace(" a air", "").replace(" an ", " ")
        assert "a elephant" not in phrase
