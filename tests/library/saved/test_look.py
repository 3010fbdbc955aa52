"""What is new since the last look, and what comes while one looks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mmsearch import Collection, library, read_line_terms


def names(looked: library.Looked) -> list[str]:
    return [Path(hit.path).name for hit in looked.answer.hits]


def look_new(collection: Collection, name: str = "s", **how) -> list[str]:
    search = library.saved_search(collection, name)
    looked = library.look(collection, search, new=True, **how)
    library.note_look(search, looked)
    return names(looked)


@pytest.fixture
def searched(collection) -> Collection:
    """A collection with a saved search that any picture is a hit of."""
    library.save_search(collection, "s", "a red disc", to="image", min_level="nothing", k=20)
    return collection


def test_the_first_look_shows_all_and_the_second_nothing(searched):
    assert len(look_new(searched)) == 8
    assert look_new(searched) == []


def test_a_look_that_was_not_noted_is_repeated(searched):
    search = library.saved_search(searched, "s")
    assert names(library.look(searched, search, new=True)) == names(library.look(searched, search, new=True))


def test_new_and_changed_files_are_new_moved_and_copied_ones_are_not(photos, searched, drawn):
    look_new(searched)
    drawn("noise.png", (50, 50)).save(photos / "fresh.png")
    drawn("grid.png", (99, 33)).save(photos / "disc.png")
    (photos / "cross.png").rename(photos / "moved.png")
    (photos / "copy.png").write_bytes((photos / "ramp.jpg").read_bytes())
    os.utime(photos / "rings.jpg", (1, 1))
    searched.index([photos], workers=1)
    assert sorted(look_new(searched)) == ["disc.png", "fresh.png"]
    assert look_new(searched) == []


def test_each_who_looks_has_a_mark_of_its_own(searched):
    assert look_new(searched, who="query")
    assert look_new(searched, who="query") == []
    assert names(library.look(searched, library.saved_search(searched, "s"), new=True, who="watch"))


def test_more_than_k_are_shown_next_time(photos, searched, drawn):
    look_new(searched)
    for i in range(5):
        drawn("noise.png", (40 + i, 50)).save(photos / f"fresh {i}.png")
    searched.index([photos], workers=1)
    search = library.saved_search(searched, "s")
    first = library.look(searched, search, new=True, k=3)
    assert first.more == 2
    library.note_look(search, first)
    rest = look_new(searched, k=3)
    assert sorted(names(first) + rest) == [f"fresh {i}.png" for i in range(5)]
    assert look_new(searched, k=3) == []


def test_only_good_hits_are_new_unless_the_search_says_otherwise(photos, collection, drawn):
    library.save_search(collection, "s", "an aeroplane over a stadium", to="image")
    assert names(library.look(collection, library.saved_search(collection, "s")))
    look_new(collection)
    drawn("noise.png", (50, 50)).save(photos / "fresh.png")
    collection.index([photos], workers=1)
    assert look_new(collection) == []


def test_where_of_the_search_holds_for_what_is_new(photos, collection, drawn):
    library.save_search(collection, "s", "x", where="width > 60 or width < 20", min_level="nothing", to="image")
    look_new(collection)
    for width in (10, 50, 70):
        drawn("noise.png", (width, 30)).save(photos / f"{width}.png")
    collection.index([photos], workers=1)
    assert sorted(look_new(collection)) == ["10.png", "70.png"]


def test_what_has_no_levels_is_new_all_the_same(photos, collection, drawn):
    """For queries by two pictures at once nothing was measured."""
    terms = read_line_terms([str(photos / "disc.png"), str(photos / "grid.png")])
    library.save_search(collection, "s", terms, to="image")
    assert len(look_new(collection)) == 6
    drawn("noise.png", (50, 50)).save(photos / "fresh.png")
    collection.index([photos], workers=1)
    assert look_new(collection) == ["fresh.png"]


def test_follow_gives_all_then_what_comes(photos, searched, drawn):
    following = library.follow(searched, library.saved_search(searched, "s"), every_s=0.01)
    assert len(names(next(following))) == 8
    other = Collection.open(searched.root)

    def come() -> None:
        drawn("noise.png", (50, 50)).save(photos / "fresh.png")
        (photos / "text.txt").write_text("no picture")
        other.index([photos], workers=1)

    thread = threading.Thread(target=come)
    thread.start()
    assert names(next(following)) == ["fresh.png"]
    thread.join()
    following.close()
    assert library.saved_search(searched, "s").looks == {}


def test_a_search_need_not_be_saved_to_be_followed(searched):
    search = library.SavedSearch(root=searched.root, terms=read_line_terms(["a red disc"]), k=3)
    assert len(names(next(library.follow(searched, search)))) == 3
