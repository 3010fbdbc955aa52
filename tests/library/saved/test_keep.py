"""Searches that are kept: what is kept of a query, names, files that are damaged, two who change one."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import pytest

from mmsearch import (
    Collection,
    CollectionDamagedError,
    LineTerms,
    Moment,
    NewerFormatError,
    NoSuchSearchError,
    Query,
    SpaceMismatchError,
    Term,
    UsageError,
    library,
    read_line_terms,
)
from mmsearch.library.saved.keep import change_search


def found(collection: Collection, name: str, **how) -> list[str]:
    return [
        Path(hit.path).name
        for hit in library.look(collection, library.saved_search(collection, name), **how).answer.hits
    ]


def test_a_saved_search_finds_what_the_query_finds(photos, collection, monkeypatch):
    monkeypatch.chdir(photos)
    terms = read_line_terms(["a red disc", "square.jpg^2"], ["stripes.png"], unlike=["grid.png"])
    library.save_search(collection, "Mixed", terms, k=4, to=["image"], under=photos)
    monkeypatch.chdir(photos.parent)
    again = library.saved_search(collection.root, "mixed")
    assert again.name == "Mixed"
    query = Query(
        "a red disc", (photos / "square.jpg", 2), minus=[photos / "stripes.png"], unlike=[photos / "grid.png"]
    )
    expected = [Path(hit.path).name for hit in collection.search(query, k=4, to="image")]
    assert found(collection, "mixed") == expected
    assert len(expected) == 4


def test_options_given_later_go_first_and_terms_are_added(collection):
    library.save_search(collection, "all", "a red disc", k=3, to="text")
    assert len(found(collection, "all", k=2)) == 2
    assert "disc.png" in found(collection, "all", options={"to": ["image"]})
    search = library.saved_search(collection, "all")
    looked = library.look(collection, search, more_terms=read_line_terms(["bread^3"]))
    assert looked.answer.query == ["a red disc", "bread^3"]


def test_last_week_is_read_anew_each_day(collection):
    library.save_search(collection, "new", "photos from yesterday")
    search = library.saved_search(collection, "new")
    for day in (dt.date(2024, 3, 2), dt.date(2025, 1, 1)):
        looked = library.look(collection, search, today=day)
        assert looked.line.options["after"] == (day - dt.timedelta(1)).isoformat()


def test_words_stay_words_though_a_file_of_that_name_appears(collection, tmp_path, monkeypatch):
    library.save_search(collection, "lake", read_line_terms(["lake"]))
    (tmp_path / "lake").write_text("a file")
    monkeypatch.chdir(tmp_path)
    assert [term.value for term in library.saved_search(collection, "lake").terms.terms] == ["lake"]


def test_marks_are_kept_and_their_files_stand_for_rows_that_are_gone(photos, collection):
    disc = next(hit for hit in collection.search("a red disc", to="image") if hit.path.endswith("disc.png"))
    library.save_search(collection, "like", read_line_terms([], like=[str(disc.id)]), k=3)
    before = found(collection, "like")
    assert "disc.png" not in before
    collection.remove(ids=[disc.id])
    assert found(collection, "like") == before, "the row is gone, its file is asked by"
    (photos / "disc.png").unlink()
    with pytest.raises(UsageError, match=r"@like.*goes by row \d+, which is gone, and so is .*disc\.png; save it anew"):
        found(collection, "like")


def test_a_search_in_a_space_that_is_gone_says_so(collection):
    library.save_search(collection, "m", "a red disc", space="mini")
    path = collection.root / "saved" / "m.json"
    path.write_text(path.read_text().replace('"space": "mini"', '"space": "another"'))
    with pytest.raises(SpaceMismatchError, match="^@m: the collection has no space another; there are: "):
        found(collection, "m")


def test_a_bad_search_is_not_saved(collection):
    for how in ({"where": "nothing = 1"}, {"under": "/no/such/folder"}, {"k": -1}, {"min_level": "best"}):
        with pytest.raises(UsageError):
            library.save_search(collection, "bad", "x", **how)
    with pytest.raises(UsageError, match="no pictures and vectors"):
        library.save_search(collection, "bad", LineTerms((Term(b"bytes"),), (False,)))
    for name in ("", "a b", "../up", "a/b", "-a", "_", "x" * 51, "nul\0"):
        with pytest.raises(UsageError, match="cannot be the name"):
            library.save_search(collection, name, "x")
    assert library.saved_searches(collection) == []


def test_names_are_taken_once_in_any_case_and_spelling(collection):
    library.save_search(collection, "Über", "x")
    for same in ("über", "ÜBER", "u\u0308ber"):
        with pytest.raises(UsageError, match="already"):
            library.save_search(collection, same, "y")
        assert library.saved_search(collection, same).terms.describe() == '"x"'
    library.save_search(collection, "über", "y", replace_old=True)
    assert [search.name for search in library.saved_searches(collection)] == ["über"]


def test_renaming_and_deleting(collection):
    library.save_search(collection, "a", "x")
    library.save_search(collection, "b", "y")
    with pytest.raises(UsageError, match="already"):
        library.rename_search(collection, "a", "b")
    library.rename_search(collection, "@a", "A")
    assert library.rename_search(collection, "a", "c").name == "c"
    assert [search.name for search in library.saved_searches(collection)] == ["b", "c"]
    library.delete_search(collection, "@c")
    with pytest.raises(NoSuchSearchError, match="no search is saved as @c; there are: @b"):
        library.delete_search(collection, "c")
    library.delete_search(collection, "b")
    with pytest.raises(NoSuchSearchError, match="none at all"):
        library.saved_search(collection, "b")


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "name": "a", "query": {}}'])
def test_a_damaged_file_is_named_and_repaired(collection, contents):
    library.save_search(collection, "a", "x")
    library.save_search(collection, "b", "y")
    path = collection.root / "saved" / "a.json"
    path.write_bytes(contents)
    with pytest.raises(CollectionDamagedError, match="the saved search .*a.json is damaged"):
        library.saved_search(collection, "a")
    listed = library.saved_searches(collection)
    assert isinstance(listed[0], CollectionDamagedError)
    assert listed[1].name == "b"
    (problem,) = Collection.doctor(collection.root)
    assert problem.path == str(path)
    (repaired,) = Collection.doctor(collection.root, repair=True)
    assert "set aside" in repaired.repaired
    assert Collection.doctor(collection.root) == []
    assert [search.name for search in library.saved_searches(collection)] == ["b"]
    assert path.with_name("a.json.damaged").read_bytes() == contents


def test_a_file_of_a_newer_version_is_left_alone(collection):
    library.save_search(collection, "a", "x")
    path = collection.root / "saved" / "a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(NewerFormatError):
        library.saved_search(collection, "a")
    assert Collection.doctor(collection.root, repair=True) == []


def test_saved_searches_stay_when_the_collection_is_swept_and_rebuilt(collection):
    library.save_search(collection, "a", "a red disc")
    (collection.root / "MANIFEST.json").unlink()
    assert Collection.doctor(collection.root, repair=True)
    collection.compact()
    assert found(Collection.open(collection.root), "a")


def test_of_two_who_change_a_search_none_undoes_the_other(collection):
    search = library.save_search(collection, "a", "x")
    looked = library.look(collection, search, new=True)

    def note(who: str) -> None:
        library.note_look(search, looked, who=who)

    threads = [threading.Thread(target=note, args=(f"reader {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(library.saved_search(collection, "a").looks) == 8


def test_a_search_that_was_deleted_meanwhile_does_not_come_back(collection):
    search = library.save_search(collection, "a", "x")
    library.delete_search(collection, "a")
    change_search(search, lambda kept: kept)
    assert library.saved_searches(collection) == []


def test_terms_come_back_as_they_were(tmp_path):
    picture = tmp_path / "pic.png"
    picture.touch()
    terms = read_line_terms(
        ["red^2", "disc dog", f"{picture}@1:02-1:03.5", "+", "text:+"],
        [str(picture)],
        like=["12"],
        unlike=[str(picture)],
    )
    again = LineTerms.from_json(json.loads(json.dumps(terms.to_json())))
    assert again.describe() == terms.describe()
    assert again.is_read == terms.is_read
    assert again.like == (12,)
    assert any(isinstance(term.value, Moment) for term in again.terms)
