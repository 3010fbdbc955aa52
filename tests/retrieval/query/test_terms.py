"""What a person writes on a command line, and what an app gives, read as terms with weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Query
from mmsearch.errors import UsageError
from mmsearch.retrieval.query.terms import as_query, looks_like_path, parse_term, parse_terms


def told(query: Query) -> list[tuple[object, float]]:
    return [(term.value, term.weight) for term in query.terms]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working folder with one file, ``sea.jpg``, and one folder, ``trip``."""
    (tmp_path / "sea.jpg").touch()
    (tmp_path / "trip").mkdir()
    (tmp_path / "2:30.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("written", "value", "weight"),
    [
        ("a dog on a beach", "a dog on a beach", 1),
        ("dog^2", "dog", 2),
        ("a dog^0.5", "a dog", 0.5),
        ("2:dog", "dog", 2),
        ("0.25:a dog", "a dog", 0.25),
        ("2:dog^3", "dog", 6),
        ("text:sea.jpg", "sea.jpg", 1),
        ("text:sea.jpg^2", "sea.jpg", 2),
        ("2:text:sea.jpg", "sea.jpg", 2),
        ("sea.jpg", Path("sea.jpg"), 1),
        ("sea.jpg^3", Path("sea.jpg"), 3),
        ("file:sea.jpg", Path("sea.jpg"), 1),
        ("2:file:~/sea.jpg", None, 2),
        ("2:30.txt", Path("2:30.txt"), 1),
        ("C++", "C++", 1),
        ("e=mc^2x", "e=mc^2x", 1),
        ("black/white", "black/white", 1),
        ("at 10:30", "at 10:30", 1),
    ],
)
def test_a_term_is_read_by_what_it_looks_like(written, value, weight):
    term = parse_term(written)
    assert term.weight == weight
    assert term.value == (value if value is not None else Path.home() / "sea.jpg")


@pytest.mark.parametrize(
    "written", ["lake.jpg", "./lake", "/tmp/no/such", "~/lake", "a/b/c", "LAKE.PNG^2", "3:lake.mp4"]
)
def test_what_looks_like_a_path_but_is_none_says_how_to_ask_for_text(written):
    assert looks_like_path(written.removesuffix("^2").removeprefix("3:"))
    with pytest.raises(UsageError, match="mmsearch query --text") as error:
        parse_term(written)
    assert error.value.exit_code == 2
    assert isinstance(parse_term(written, as_text=True).value, str)


def test_asked_as_text_a_file_is_words():
    assert told(parse_terms(["sea.jpg"], as_text=True)) == [("sea.jpg", 1.0)]


def test_a_forced_file_must_be_there():
    with pytest.raises(UsageError, match=r"no file at lake\.jpg"):
        parse_term("file:lake.jpg")


def test_a_folder_is_not_searched_by():
    with pytest.raises(UsageError, match="trip is a folder; .*mmsearch index"):
        parse_term("trip")


def test_minus_terms_weigh_against():
    assert told(parse_terms(["beach"], ["people^2"])) == [("beach", 1.0), ("people", -2.0)]
    assert told(Query("beach", (Path("sea.jpg"), 3), minus=["people", ("dogs", 0.5)])) == [
        ("beach", 1.0),
        (Path("sea.jpg"), 3.0),
        ("people", -1.0),
        ("dogs", -0.5),
    ]


@pytest.mark.parametrize("nothing", [[], [""], ["   "], ["text:"], ["a", ""], ["dog^0"]])
def test_an_empty_query_is_wrong_use(nothing):
    with pytest.raises(UsageError, match="the query is empty"):
        parse_terms(nothing)


def test_a_query_of_minus_terms_alone_is_empty():
    with pytest.raises(UsageError, match="the query is empty"):
        Query(minus=["people"])


@pytest.mark.parametrize("thing", [7, None, ["a", "list"], {"a": 1}])
def test_what_cannot_be_embedded_is_wrong_use(thing):
    with pytest.raises(UsageError, match=f"cannot search by a {type(thing).__name__}"):
        as_query(thing)


def test_a_query_tells_what_it_asks():
    query = Query(
        "dog",
        (Path("sea.jpg"), 2),
        b"1234",
        np.zeros(256),
        np.zeros((4, 6, 3), np.uint8),
        Image.new("RGB", (1, 1)),
        minus=["cat"],
    )
    assert query.describe() == [
        "dog",
        "file:sea.jpg^2",
        "bytes[4]",
        "vector[256]",
        "picture[4, 6, 3]",
        "picture",
        "-cat",
    ]
