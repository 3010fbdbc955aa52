"""What an app gives as a query: terms with weights, vectors, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Query, UsageError
from mmsearch.retrieval.search.query import as_query
from mmsearch.types import Moment


def told(query: Query) -> list[tuple[object, float]]:
    return [(term.value, term.weight) for term in query.terms]


def test_terms_have_weights_and_minus_terms_weigh_against():
    assert told(Query("beach", (Path("sea.jpg"), 3), minus=["people", ("dogs", 0.5)])) == [
        ("beach", 1.0),
        (Path("sea.jpg"), 3.0),
        ("people", -1.0),
        ("dogs", -0.5),
    ]


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e30, "heavy", None])
def test_a_weight_given_by_an_app_is_a_finite_number(weight):
    with pytest.raises(UsageError, match=r"a weight is a number|a pair of the term and a number"):
        Query("beach", ("dog", weight))


@pytest.mark.parametrize("words", ["16:9 television", "dog^2", "2:dog", "sea.jpg", "a + b", "+", "text:dog"])
def test_the_library_takes_every_string_literally(words):
    assert told(as_query(words)) == [(words, 1.0)]


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


@pytest.mark.parametrize("numbers", [[0.5, 1, -2.0], (0.5, 1, -2.0), [np.float32(0.5), np.int64(1), -2.0]])
def test_a_list_of_numbers_is_a_vector(numbers):
    (term,) = as_query(numbers).terms
    assert term.value.dtype == np.float32
    assert term.value.tolist() == [0.5, 1.0, -2.0]
    assert as_query(numbers).has_vector


def test_inside_a_query_a_list_is_a_vector_and_a_pair_has_a_weight():
    _, vector = Query("beach", ([0.5, 1.0], 2)).terms
    assert (vector.value.tolist(), vector.weight) == ([0.5, 1.0], 2.0)


@pytest.mark.parametrize("vectors", [np.ones((2, 256)), [[0.1, 0.2], [0.3, 0.4]], np.ones((1, 256), np.float16)])
def test_several_vectors_are_no_query_and_the_call_for_them_is_named(vectors):
    with pytest.raises(UsageError, match=r"a query is one vector \[dim\], .* this is \[\d, \d+\]: search_many takes"):
        as_query(vectors)


@pytest.mark.parametrize("array", [np.ones(()), np.ones((2, 2, 2, 2))])
def test_an_array_of_another_shape_is_no_query(array):
    with pytest.raises(
        UsageError, match=r"one vector \[dim\], a picture is uint8 \[height, width, 3\]; this is \[[^:]*$"
    ):
        as_query(array)


def test_rows_of_several_lengths_are_one_clear_line():
    with pytest.raises(UsageError, match="of several lengths"):
        as_query([[0.1, 0.2], [0.3]])


@pytest.mark.parametrize("nothing", [[], ()])
def test_an_empty_list_is_no_query(nothing):
    with pytest.raises(UsageError, match=r"cannot search by a|a pair of the term and a number"):
        as_query(nothing)


def test_the_repr_of_a_query_is_what_it_asks():
    assert repr(Query("dog", (Path("sea.jpg"), 2), minus=["cat"])) == "Query('dog', 'file:sea.jpg^2', '-cat')"


def test_marks_are_ids_of_rows_or_anything_but_words():
    query = Query("beach", like=[12, Path("sea.jpg"), np.int64(3)], unlike=[Moment(Path("clip.mp4"), 7)])
    assert query.like == [12, Path("sea.jpg"), 3]
    assert query.unlike == [Moment(Path("clip.mp4"), 7)]
    assert query.describe() == ["beach", "like:12", "like:file:sea.jpg", "like:3", "unlike:file:clip.mp4@00:00:07"]
    for mark in ("people", True, None):
        with pytest.raises(UsageError):
            Query("beach", like=[mark])


def test_one_mark_is_still_a_list():
    for mark in (12, "12", Path("sea.jpg")):
        with pytest.raises(UsageError, match="take a list"):
            Query("beach", like=mark)


def test_what_is_liked_is_a_query_and_what_is_not_is_none():
    assert Query(like=[12]).like == [12]
    assert Query(like=[12], minus=["people"]).terms[0].weight == -1
    with pytest.raises(UsageError, match="does not say what to look for"):
        Query(unlike=[12])


def test_nothing_is_both_liked_and_not():
    with pytest.raises(UsageError, match="row 12 is both liked and not"):
        Query("beach", like=[12], unlike=[7, 12])
    with pytest.raises(UsageError, match=r"sea\.jpg is both"):
        Query("beach", like=[Path("sea.jpg")], unlike=[Path("sea.jpg")])
