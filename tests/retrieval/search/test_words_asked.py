"""What the words of a query say for a row that holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch import MatchedWords, Query
from mmsearch.indexes import Sought, placed_words
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.letter_matches import LetterMatches
from mmsearch.retrieval.search.levels import level_of
from mmsearch.retrieval.search.words_asked import WordsAsked, _find, _find_plain
from mmsearch.retrieval.store.schema import FACT_NAMES

ROWS = 10_000


def asked(query: object, counts: dict[str, int] | None = None, pieces: dict[str, int] | None = None) -> WordsAsked:
    words = WordsAsked.of(query if isinstance(query, Query) else Query(query))
    held = [(counts or {}).get(" ".join(one.words), 10) for one in words.wanted]
    return words.weighted(held, ROWS, lambda texts: [(pieces or {}).get(text, 1) for text in texts])


def says(query: object, *held: str, **more) -> float:
    words = asked(query, **more)
    names = [" ".join(one.words) for one in words.wanted]
    return words.speaks_for({names.index(one) for one in held})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The invoice, please!", ["invoice", "please"]),
        ("invoice 4711-AB", ["invoice", "4711 ab"]),
        ("beach,dog", ["beach", "dog"]),
        ("東京 tower", ["東 京", "tower"]),
        ("the who", ["the", "who"]),  # there are no others
        ("dog dog Dog", ["dog"]),
        ("?!", []),
    ],
)
def test_a_query_is_read_as_words_and_phrases(text, words):
    asked_words = WordsAsked.of(Query(text))
    assert [" ".join(one.words) for one in asked_words.wanted[: asked_words.word_count]] == words


def test_a_short_text_is_also_sought_as_a_whole():
    assert WordsAsked.of(Query("fresh bread of today")).wanted[-1] == Sought(("fresh", "bread", "of", "today"))
    assert says("fresh bread", "fresh", "bread", "fresh bread") > says("fresh bread", "fresh", "bread")


def test_a_star_asks_for_the_beginning_of_a_word():
    assert WordsAsked.of(Query("invoi*")).wanted == (Sought(("invoi",), prefix=True),)


def test_what_is_pushed_away_is_not_asked_for():
    assert [one.words for one in WordsAsked.of(Query("beach", minus=["people"])).wanted] == [("beach",)]


def test_rare_words_say_more_than_frequent_ones():
    assert says("invoice", "invoice", counts={"invoice": 1}) > says("invoice", "invoice", counts={"invoice": 5000})


def test_names_and_numbers_are_meant_to_the_letter():
    pieces = {"maurvys": 4}
    common, name, number = says("dog", "dog"), says("maurvys", "maurvys", pieces=pieces), says("4711", "4711")
    assert name > common
    assert number > common


def test_a_row_that_lacks_a_name_is_spoken_for_less():
    pieces = {"maurvys": 4}
    assert says("dog maurvys", "dog", pieces=pieces) < says("dog couch", "dog")
    assert says("dog maurvys", "dog", "maurvys", pieces=pieces) > says("dog maurvys", "maurvys", pieces=pieces)


def test_one_common_word_of_a_long_description_says_little():
    long = "a brown dog runs after a yellow ball on the wet grass of a garden"
    assert says(long, "dog", counts={"dog": 200}) < 1 < says("dog", "dog", counts={"dog": 1})


def test_a_row_with_every_word_answers_however_many_such_rows_there_are():
    everywhere = {"invoice": 5000}
    words = asked("invoice", counts=everywhere, pieces={"invoice": 3})
    assert words.speaks_for({0}) < 1
    assert level_of(words.answers({0})) == "strong"
    assert level_of(asked("invoice dog", counts=everywhere, pieces={"invoice": 3}).answers({0})) == "nothing"
    assert level_of(asked("dog", counts={"dog": 5000}).answers({0})) == "weak", "dogs are mostly looked for by look"


def test_a_row_without_a_name_that_others_hold_is_spoken_against_and_more_so_without_a_number():
    pieces = {"maurvys": 4}
    assert says("dog", counts={"dog": 0}) == 0, "what no row holds says nothing"
    assert -0.5 < says("dog") < 0
    assert says("4711") < says("maurvys", pieces=pieces) < -1
    assert says(Query("maurvys", phrases=["maurvys"]), pieces=pieces) == 0, "the file holds it, or it would not be here"


ROW = Row(
    1,
    {
        **dict.fromkeys(FACT_NAMES),
        "path": b"/home/ann/Pictures/Holiday2019/IMG_1234.jpg",
        "modality": "text",
        "passage": "Une CAFÉ au lait; café noir",
        "mms_title": "Menu of Milmold",
        "mms_tags": ["food", "drinks"],
    },
    [b"/home/ann/Pictures"],
)


def told(query: str) -> list[str]:
    words = WordsAsked.of(Query(query))
    _, places = words.matches(ROW)
    fields = {"text": ROW.text, "name": ROW.path, "title": ROW.title, "tags": ", ".join(ROW.tags)}
    return [f"{place.where}: {fields[place.where][place.start : place.end]}" for place in places]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("cafe", ["text: CAFÉ", "text: café"]),
        ("caf*", ["text: CAFÉ", "text: café"]),
        ("cafe-noir", ["text: café noir"]),
        ("holiday 1234", ["name: Holiday", "name: 1234"]),
        ("pictures", ["name: Pictures"]),
        ("ann", []),  # above the folder that was indexed
        ("milmold drinks", ["title: Milmold", "tags: drinks"]),
        ("tea", []),
    ],
)
def test_a_hit_tells_which_words_stand_where(query, places):
    assert told(query) == places


def test_places_of_words_are_json():
    assert MatchedWords("name", 3, 7).to_json() == {"where": "name", "start": 3, "end": 7}


@pytest.mark.parametrize(
    "query", ["cafe", "caf*", "cafe-noir", "holiday 1234", "lait café", "tea", "menu milmold drinks", "ann"]
)
def test_the_words_of_a_row_tell_which_of_them_it_holds(query):
    words = WordsAsked.of(Query(query))
    held, places = words.matches(ROW)
    assert LetterMatches(words).held_by(ROW) == held
    assert words.matches(ROW, held) == (held, places)
    assert words.matches(ROW, held - {max(held, default=0)})[0] == held - {max(held, default=0)}


plain = st.text(alphabet="ab1 .-_", max_size=30)


@given(plain, plain.filter(lambda text: any(map(str.isalnum, text))), st.booleans())
def test_plain_texts_are_searched_without_being_cut_into_words(text, query, begins):
    wanted = list(enumerate(WordsAsked.of(Query(query.strip() + "*" * begins)).wanted))
    assert _find_plain(text, wanted) == _find(placed_words(text), wanted)
