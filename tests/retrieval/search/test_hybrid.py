"""Words to the letter and vectors in one list: names, phrases, modes, and what a hit tells of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from mmsearch import Collection, Query, UsageError

NOTES = {
    "office/letter.txt": "Dear Mr Maurvys, the invoice 4711-AB of ACME is not paid. Kind regards, accounting.",
    "office/other.txt": "The minutes of the meeting: budget, holidays, coffee machine.",
    "recipes/bread.md": "A loaf of rye bread cools on the kitchen table.",
    "travel/tokyo.txt": "東京タワーの写真を撮りました。",
}
COLOURS = {"Lisbon2019/beach_0001.png": "gold", "Lisbon2019/harbour_0002.png": "navy", "misc/IMG_4711.png": "red"}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Texts and pictures whose names and words are known."""
    folder = tmp_path_factory.mktemp("hybrid") / "files"
    for name, text in NOTES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    for name, colour in COLOURS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), colour).save(folder / name)
    made = Collection.create(folder.parent / "notes.mms", model="mini")
    made.index([folder])
    return made


def names(hits) -> list[str]:
    return [Path(hit.path).name for hit in hits]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("Maurvys", "letter.txt"),
        ("maurvys", "letter.txt"),
        ("4711-AB", "letter.txt"),
        ("invoice of ACME", "letter.txt"),
        ("harbour_0002", "harbour_0002.png"),
        ("IMG 4711", "IMG_4711.png"),
        ("東京", "tokyo.txt"),
    ],
)
def test_names_and_numbers_are_found_to_the_letter(notes, query, first):
    best = notes.search(query, k=3)[0]
    assert Path(best.path).name == first
    assert best.level in ("strong", "likely")
    assert best.matched


def test_a_folder_is_found_by_its_name(notes):
    assert set(names(notes.search("Lisbon 2019", k=2))) == {"beach_0001.png", "harbour_0002.png"}


def test_a_hit_says_by_what_it_was_found_and_where_the_words_stand(notes):
    (best,) = notes.search("Maurvys", k=1)
    assert best.evidence == ("text",)
    assert [best.text[m.start : m.end] for m in best.matched] == ["Maurvys"]
    (best,) = notes.search("harbour_0002", k=1)
    assert best.evidence[0] == "name"
    assert [best.path[m.start : m.end] for m in best.matched if m.where == "name"] == ["harbour_0002"]


def test_a_score_is_the_cosine_of_the_stored_vector_also_where_words_found_the_row(notes):
    (best,) = notes.search("Maurvys", k=1)
    cosine = float(notes.encode(["Maurvys"])[0] @ notes.vectors([best.id]).vectors[0])
    assert best.score == pytest.approx(cosine, abs=2e-3)


def test_semantic_search_knows_no_letters_and_lexical_search_nothing_else(notes):
    semantic = notes.search("Maurvys", k=20, mode="semantic")
    assert len(semantic) == len(NOTES) + len(COLOURS)
    assert not any(hit.matched for hit in semantic)
    assert names(notes.search("Maurvys", k=20, mode="lexical")) == ["letter.txt"]
    assert notes.search("zebra", k=20, mode="lexical") == []


def test_lexical_hits_are_ordered_by_how_much_they_hold_of_the_query(notes):
    assert names(notes.search("minutes of the bread meeting", mode="lexical")) == ["other.txt", "bread.md"]


def test_an_unknown_mode_is_wrong_use(notes):
    with pytest.raises(UsageError, match="no mode 'fuzzy'; there are: hybrid, semantic, lexical"):
        notes.search("x", mode="fuzzy")


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_a_phrase_must_stand_in_a_hit(notes, mode):
    assert names(notes.search(Query("a text", phrases=["rye bread"]), k=20, mode=mode)) == ["bread.md"]
    assert names(notes.search(Query(phrases=["Rye Bread"]), k=20, mode=mode)) == ["bread.md"]
    assert notes.search(Query("a loaf of bread", phrases=["bread rye"]), k=20, mode=mode) == []


def test_a_phrase_may_stand_in_the_name_of_a_picture(notes):
    assert set(names(notes.search(Query("the sea", phrases=["Lisbon 2019"]), k=20))) == {
        "beach_0001.png",
        "harbour_0002.png",
    }


def test_several_phrases_must_all_stand(notes):
    assert names(notes.search(Query(phrases=["kind regards", "4711 AB"]))) == ["letter.txt"]
    assert notes.search(Query(phrases=["kind regards", "rye bread"])) == []


def test_a_name_that_is_not_wanted_leaves_out_what_holds_it(notes):
    """Of common words only the meaning is pushed away."""
    assert "letter.txt" in names(notes.search("a letter about an invoice", k=20))
    assert "letter.txt" not in names(notes.search(Query("a letter about an invoice", minus=["Maurvys"]), k=20))
    assert "IMG_4711.png" not in names(notes.search(Query("red", minus=["4711"]), k=20))
    assert "bread.md" in names(notes.search(Query("a table", minus=["bread"]), k=20))


@pytest.mark.parametrize("phrases", ["words", ["?!"], [""], [7]])
def test_what_is_no_phrase_is_wrong_use(phrases):
    with pytest.raises(UsageError, match="phrase"):
        Query("x", phrases=phrases)


def test_filters_hold_for_what_words_find(notes):
    assert notes.search("Maurvys", to=["image"], mode="lexical") == []
    assert notes.search("Maurvys", under="recipes", mode="lexical") == []
    assert names(notes.search("4711", to=["image"], mode="lexical")) == ["IMG_4711.png"]


def test_what_a_person_removed_is_not_found_by_its_words(notes, tmp_path):
    text = tmp_path / "gone.txt"
    text.write_text("Quovintor")
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([tmp_path / "gone.txt"])
    assert names(made.search("Quovintor", mode="lexical")) == ["gone.txt"]
    made.remove([text])
    assert made.search("Quovintor", mode="lexical") == []


def test_words_that_no_model_can_read_are_found_to_the_letter(notes):
    answer = notes.ask("東京タワー", k=2)
    assert names(answer.hits)[0] == "tokyo.txt"
    assert answer.level in ("strong", "likely")


def test_many_queries_are_answered_as_each_alone(notes):
    queries = ["Maurvys", Query("bread", phrases=["rye"]), "a red picture", Query(phrases=["budget"])]
    together = notes.search_many(queries, k=3)
    for query, hits in zip(queries, together, strict=True):
        assert [hit.id for hit in hits] == [hit.id for hit in notes.search(query, k=3)]


def test_a_query_by_a_file_asks_for_no_words(notes, tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "letter.png")
    assert not any(hit.matched for hit in notes.search(tmp_path / "letter.png"))
    assert os.path.exists(notes.search(tmp_path / "letter.png", k=1)[0].path)
