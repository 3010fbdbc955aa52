"""A front of readers answers as one process does that has all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch import Answer, Collection, Moment, Query, StoredRow, UsageError

WORDS = [
    "a red disc",
    "boats in the harbour",
    "copper",
    "zwolle",
    "bread",
    "stripes",
    "?!",
    "owl called",
    "the",
    "disc",
]


def same(one: Answer, other: Answer) -> None:
    """Everything but the timings is equal, to the last bit."""
    assert [hit.id for hit in one.hits] == [hit.id for hit in other.hits]
    for mine, theirs in zip(one.hits, other.hits, strict=True):
        assert mine == theirs
    assert (one.query, one.space, one.level, one.notices) == (other.query, other.space, other.level, other.notices)


@pytest.fixture(scope="module")
def files(corpus) -> Path:
    return Path(corpus.manifest.roots[0])


OPTIONS = [
    {},
    {"k": 1, "to": ["image"]},
    {"k": 3},
    {"k": 200},
    {"k": 5, "offset": 5},
    {"to": ["image"]},
    {"to": ["text"]},
    {"to": ["audio"]},
    {"to": ["video"]},
    {"to": ["video"], "all_spans": True, "k": 50},
    {"to": ["image", "video"], "k": 40},
    {"exact": True},
    {"copies": True, "k": 80},
    {"mode": "semantic"},
    {"mode": "lexical"},
    {"min_level": "weak"},
    {"sort": "newest", "k": 20},
    {"sort": "oldest", "min_level": "nothing"},
    {"where": "width > 20 and colour == 'red'"},
    {"where": "colour is None"},
    {"after": "2020", "before": "2100"},
    {"space": "mine"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("words", WORDS)
def test_words_find_the_same(corpus, front, words, options):
    if options.get("space") == "mine":
        for one in (corpus, front):
            with pytest.raises(UsageError):
                one.ask(words, **options)
        return
    same(front.ask(words, **options), corpus.ask(words, **options))


def queries(folder: Path, corpus: Collection) -> dict[str, object]:
    """Queries of other kinds, by what they are."""
    pictures = folder / "pictures"
    film = folder / "films" / "three.mkv"
    ids = {hit.path: hit.id for hit in corpus.search("a red disc", k=200, copies=True)}
    disc, square = ids[str(pictures / "disc.png")], ids[str(pictures / "square.png")]
    ring = Query("a ring", like=[disc], unlike=[square])
    return {
        "a picture": pictures / "disc copy 1.png",
        "a mirrored picture": pictures / "old" / "square mirrored.png",
        "a text": folder / "notes" / "copy of 01.txt",
        "a sound": folder / "films" / "tone 31.flac",
        "a film": film,
        "a moment": Moment(film, 3.5),
        "a row": StoredRow(disc),
        "words and a picture": Query("stripes", pictures / "disc.png"),
        "words without others": Query("a picture", minus=["a disc"]),
        "words without a name": Query("what happened", minus=["zwolle"]),
        "words without a row": Query("a shape", minus=[StoredRow(disc)]),
        "a phrase": Query("news", phrases=["price of copper"]),
        "a phrase of a file's name": Query("a shape", phrases=["disc copy"]),
        "a phrase that a film says": Query("a shape", phrases=["rye bread"]),
        "marks": ring,
        "marks alone": Query(like=[disc], unlike=[square]),
        "a marked film": Query("a shape", like=[film]),
        "many words": "the red boat has a white sail and an owl called twice over the harbour",
        "a vector": np.linspace(-1, 1, corpus.space.dim).astype(np.float32),
    }


KINDS = [
    *("a picture", "a mirrored picture", "a text", "a sound", "a film", "a moment", "a row", "words and a picture"),
    *("words without others", "words without a name", "words without a row", "a phrase", "a phrase of a file's name"),
    *("a phrase that a film says", "marks", "marks alone", "a marked film", "many words", "a vector"),
]


@pytest.mark.parametrize(
    "options",
    [
        {"k": 1},
        {"include_self": True},
        {"k": 60},
        {"to": ["image"], "copies": True},
        {"to": ["video"], "all_spans": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_files_rows_marks_phrases_and_minus_terms_find_the_same(corpus, front, files, kind, options):
    query = queries(files, corpus)[kind]
    same(front.ask(query, **options), corpus.ask(query, **options))


def test_copies_that_are_not_among_the_first_rows_are_named(corpus, front, files):
    query = {"query": files / "pictures" / "disc.png", "k": 1, "to": ["image"], "include_self": True}
    (hit,) = front.ask(**query).hits
    assert len(hit.copies) == 40
    same(front.ask(**query), corpus.ask(**query))


def test_words_that_very_many_rows_hold_propose_the_same(corpus, front, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.search.word_search._MOST_ROWS", 3)
    for words in ("copper wire", "copper", "disc", "the copper disc", "copper clocks"):
        for mode in ("lexical", "hybrid"):
            same(front.ask(words, k=4, mode=mode), corpus.ask(words, k=4, mode=mode))


def test_vectors_of_another_space_find_the_same(corpus, front):
    for query in np.eye(3):
        same(front.ask(query, k=30, space="mine"), corpus.ask(query, k=30, space="mine"))


def test_folders_dates_and_labels_filter_the_same(corpus, front, files):
    for options in ({"under": files / "pictures"}, {"under": files / "pictures" / "old"}, {"under": "notes"}):
        same(front.ask("a red disc", k=30, **options), corpus.ask("a red disc", k=30, **options))


def test_a_batch_finds_the_same_as_queries_alone(corpus, front):
    mine, theirs = front.ask_many(WORDS * 3, k=7), corpus.ask_many(WORDS * 3, k=7)
    for one, other in zip(mine, theirs, strict=True):
        same(one, other)


def test_errors_are_the_same(corpus, front):
    for query, options in (
        ("x", {"where": "nothing == 1"}),
        ("x", {"where": "width > 'a'"}),
        ("x", {"under": "nowhere"}),
        (StoredRow(10**9), {}),
        (np.full(corpus.space.dim, np.nan), {}),
        (np.ones(7), {}),
        ("x", {"space": "unknown"}),
    ):
        said = []
        for one in (corpus, front):
            with pytest.raises(UsageError) as error:
                one.ask(query, **options)
            said.append((type(error.value), str(error.value)))
        assert said[0] == said[1]


@settings(max_examples=40, deadline=None)
@given(
    terms=st.lists(st.sampled_from([*WORDS, "umbrella", "clock", "frost"]), min_size=1, max_size=3),
    minus=st.lists(st.sampled_from(["a boat", "wool", "a price"]), max_size=1),
    k=st.integers(1, 90),
    offset=st.integers(0, 20),
    to=st.sampled_from([None, ["image"], ["text", "audio"], ["video", "image"]]),
    all_spans=st.booleans(),
    copies=st.booleans(),
    mode=st.sampled_from(["hybrid", "semantic", "lexical"]),
)
def test_any_query_finds_the_same(corpus, front, terms, minus, k, offset, to, all_spans, copies, mode):
    options = {"k": k, "offset": offset, "to": to, "all_spans": all_spans, "copies": copies, "mode": mode}
    query = Query(*terms, minus=minus)
    same(front.ask(query, **options), corpus.ask(query, **options))


def test_rows_really_come_from_the_readers(corpus, front):
    """The front itself has opened no index, and no mask."""
    front.ask("a red disc", where="width > 3")
    searcher = front.searcher()
    assert searcher._indexes == {}
    assert searcher._masks == {}


def test_a_reader_that_is_lost_in_the_middle_of_a_look_up_is_left_out_of_all_of_it(
    corpus, files, run_readers, open_with, monkeypatch
):
    query = {"query": files / "pictures" / "disc.png", "k": 1, "to": ["image"], "include_self": True}
    with run_readers(corpus.root, 3) as addresses, open_with(corpus.root, addresses) as opened:
        readers = opened._session.readers
        readers._stopped.set()  # it is not asked whether it is well again
        look_up, calls = readers.look_up, []

        def lose_one(asked, body):
            calls.append(len(asked))
            if len(calls) == 2:  # the one for copies
                raise readers._lose(asked[0], "gone")
            return look_up(asked, body)

        monkeypatch.setattr(readers, "look_up", lose_one)
        answer = opened.ask(**query)
        assert calls[:3] == [3, 3, 2]
        assert answer.missing_parts == {"1/3": "gone"}
        assert answer.to_json()["partial"] is True
        part = {int(row) for row in opened.searcher().rows("image").ids[: len(opened.searcher().rows("image")) // 3]}
        assert answer.hits[0].id not in part
        whole = corpus.ask(**query)
        assert set(answer.hits[0].copies) < {whole.hits[0].path, *whole.hits[0].copies}
