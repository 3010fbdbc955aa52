"""A query in words that the model cannot read is answered, and it is said that the answer means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmsearch import Query
from mmsearch.retrieval.search.levels import best_level
from mmsearch.retrieval.search.word_coverage import scripts_of, unknown_words

OTHER_LANGUAGES = [
    "собака на снегу",
    "雪の中の犬",
    "눈 속의 개",
    "كلب في الثلج",
    "כלב בשלג",
    "σκύλος στο χιόνι",
    "कुत्ता",
    "🇫🇷",
]


@pytest.mark.parametrize("words", OTHER_LANGUAGES)
def test_words_that_the_model_cannot_read_are_at_the_level_of_nothing(gallery, words):
    answer = gallery.ask(words, k=3)
    assert answer.level == "nothing"
    assert answer.to_json()["level"] == "nothing"
    assert {hit.level for hit in answer.hits} == {"nothing"}
    assert gallery.search(words, k=3, min_level="weak") == []
    (notice,) = map(str, answer.notices)
    assert notice.startswith(f"mini reads English and does not know {words.split()[0][:1]}")
    assert "these hits mean nothing" in notice
    assert "siglip2, xlm-clip" in notice
    assert answer.to_json()["notices"] == [notice]
    assert len(answer.hits) == 3


@pytest.mark.parametrize(
    "words", ["a dog", "un chien", "ein Fluß", "a café", "“don’t”…", "🐶", "x² + y²", "１２ dogs", "?", "20 °C"]
)
def test_words_that_it_can_read_get_no_notice(gallery, words):
    answer = gallery.ask(words, k=3)
    assert (answer.level, answer.notices) == (best_level(answer.hits), ())


def test_one_unknown_word_among_others_is_named(gallery):
    answer = gallery.ask("a dog in Москва", k=3)
    assert tuple(map(str, answer.notices)) == ("mini reads English and does not know Москва",)
    assert answer.level == best_level(answer.hits)


def test_an_endless_word_is_no_word(gallery):
    assert gallery.ask("a" * 120, k=3).level == "nothing"


def test_another_term_that_can_be_read_gives_the_query_a_meaning(gallery):
    picture = Path(gallery.manifest.roots[0]) / "disc.png"
    for query in (Query("собака", picture), Query("собака", "a dog")):
        answer = gallery.ask(query, k=3)
        assert answer.level == best_level(answer.hits)
        assert tuple(map(str, answer.notices)) == (
            "mini reads English and does not know собака; models of many languages: siglip2-large, siglip2, xlm-clip",
        )
    assert gallery.ask(Query("собака", minus=["a dog"]), k=3).level == "nothing"


def test_of_many_queries_each_has_its_own_notices(gallery):
    right, wrong = gallery.ask_many(["a dog", "собака"], k=3)
    assert (right.level, right.notices) == (best_level(right.hits), ())
    assert (wrong.level, len(wrong.notices)) == ("nothing", 1)


def test_a_query_that_is_longer_than_the_model_reads_is_told_so(gallery):
    answer = gallery.ask("Boats lie in the harbour at low tide and nobody is there. " * 9, k=3)
    assert tuple(map(str, answer.notices)) == (
        "longer than the 64 tokens that mini reads at once: asked as the mean of 3 passages",
    )


# --- models whose tokenizer has pieces for everything ----------------------------------------------------------


class ByteLevel:
    """What `unknown_words` asks of an encoder of which only the name tells what it reads."""

    def __init__(self, space):
        self.space = space


def named(model: str):
    from mmsearch.types import Space

    return ByteLevel(Space(model, "w", "p", 4))


@pytest.mark.parametrize("model", ["clip", "mobileclip2-s0", "pe-core-l", "open_clip:ViT-B-32/openai", "clap", "mini"])
def test_a_model_of_english_reads_latin_letters(model):
    assert scripts_of(model) == {"LATIN"}


@pytest.mark.parametrize("model", ["siglip2", "xlm-clip", "open_clip:ViT-B-16-SigLIP-i18n-256/webli", "elsewhere"])
def test_a_model_of_many_languages_or_of_unknown_ones_may_read_all(model):
    assert scripts_of(model) is None
    assert unknown_words("собака на снегу", named(model)) == ([], False)


def test_by_script_a_query_is_judged_by_its_letters():
    clip = named("clip")
    assert unknown_words("собака на снегу", clip) == (["собака", "на", "снегу"], True)
    assert unknown_words("雪の中の犬", clip) == (["雪の中の犬"], True)
    assert unknown_words("a dog in Москва", clip) == (["Москва"], False)
    for read in ("a dog", "café", "naïve Ærø", "🐶", "20 °C", "！"):
        assert unknown_words(read, clip) == ([], False)


def test_a_text_file_that_the_model_cannot_read_is_told_as_its_words_would_be(gallery, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("собака на снегу\n\nещё одна собака", "utf-8")
    (notice,) = map(str, gallery.ask(Query(path), k=3).notices)
    assert notice.startswith(f"{path}: mini reads English and does not know собака")
    assert "these hits mean nothing" in notice
    path.write_text("a dog in Москва", "utf-8")
    assert gallery.ask(Query(path), k=3).notices == ()
