"""Words are cut and folded alike when they are indexed, asked for and highlighted."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.indexes import folded, name_words, placed_name_words, placed_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The invoice No. 4711-AB", ["the", "invoice", "no", "4711", "ab"]),
        ("Café in ZÜRICH, Straße", ["cafe", "in", "zurich", "strasse"]),
        ("東京に行く", ["東", "京", "に", "行", "く"]),
        ("ภาษาไทย 2019", [*"ภาษาไทย", "2019"]),
        ("हिन्दी और English", ["हिन्दी", "और", "english"]),
        ("مُحَمَّد", ["محمد"]),
        ("snake_case, ﬁne ２", ["snake", "case", "fine", "2"]),
        ("— … !", []),
    ],
)
def test_a_text_is_cut_into_words_without_case_and_accents(text, words):
    assert words_of(text) == words
    assert [word.folded for word in placed_words(text)] == words


@given(st.text())
def test_words_are_found_where_they_stand(text):
    """Composed and decomposed, with marks of all kinds."""
    for word in placed_words(text):
        assert 0 <= word.start < word.end <= len(text)
        assert word.folded in "".join(map(folded, text[word.start : word.end]))
    assert [word.folded for word in placed_words(text)] == words_of(text) or not text.isascii()


@given(st.text(st.characters(categories=["L", "N", "Zs", "P"]), max_size=40))
def test_composed_and_decomposed_texts_have_the_same_words(text):
    decomposed = unicodedata.normalize("NFD", text)
    assert words_of(unicodedata.normalize("NFC", text)) == words_of(decomposed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IMG_1234.jpg", ["img", "1234", "jpg"]),
        ("IMG1234", ["img", "1234", "img1234"]),
        ("myHoliday", ["my", "holiday", "myholiday"]),
        ("HTMLParser", ["html", "parser", "htmlparser"]),
        ("Ferien2019", ["ferien", "2019", "ferien2019"]),
        (unicodedata.normalize("NFD", "Café Zürich"), ["cafe", "zurich"]),
        ("東京2019", ["東", "京", "2019"]),
    ],
)
def test_names_are_also_cut_where_words_are_joined(name, words):
    assert name_words(name) == words


def test_words_of_names_are_found_where_they_stand():
    name = "a/myHolidayÉté.jpg"
    places = {word.folded: name[word.start : word.end] for word in placed_name_words(name)}
    assert places["holiday"] == "Holiday"
    assert places["ete"] == "Été"
    assert places["myholidayete"] == "myHolidayÉté"
