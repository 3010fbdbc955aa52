"""What a person writes on a command line, read as terms with weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmsearch.cli.exit_codes import exit_code
from mmsearch.cli.hints import explained_error
from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.search.query import Query, Term, as_query
from mmsearch.retrieval.search.query_line import looks_like_path, read_moment, read_query_line, seconds_of
from mmsearch.types import Moment


def told(query: Query) -> list[tuple[object, float]]:
    return [(term.value, term.weight) for term in query.terms]


def parse_terms(terms: list[str], minus: list[str] | tuple[str, ...] = (), as_text: bool = False) -> Query:
    return read_query_line(terms, minus, as_text=as_text).query


def parse_term(term: str, as_text: bool = False) -> Term:
    (read,) = parse_terms([term], as_text=as_text).terms
    return read


def notices(terms: list[str], minus: list[str] | tuple[str, ...] = (), as_text: bool = False) -> tuple[str, ...]:
    return tuple(map(str, read_query_line(terms, minus, as_text=as_text).notices))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working folder with a picture, films and a text, and one folder, ``trip``."""
    for name in ("sea.jpg", "clip.mp4", "me@home.mp4", "match@3.mp4", "old@1:23", "user@home"):
        (tmp_path / name).touch()
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
        ("text:sea.jpg^2", "sea.jpg^2", 1),
        ("text:2:dog", "2:dog", 1),
        ("text:clip.mp4@1:23", "clip.mp4@1:23", 1),
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
    with pytest.raises(UsageError, match="no file at ") as error:
        parse_term(written)
    assert exit_code(error.value) == 2
    assert error.value.hint.kind is HintKind.TAKE_AS_WORDS
    assert "mmsearch query --text" in explained_error(error.value)
    assert isinstance(parse_term(written, as_text=True).value, str)


def test_asked_as_text_a_file_is_words():
    assert told(parse_terms(["sea.jpg"], as_text=True)) == [("sea.jpg", 1.0)]


def test_a_forced_file_must_be_there():
    with pytest.raises(UsageError, match=r"no file at lake\.jpg"):
        parse_term("file:lake.jpg")


@pytest.mark.parametrize("folder", ["./trip", "trip/", "file:trip", "file:./trip", ".", "..", "/", "./trip@5"])
def test_a_folder_is_not_searched_by(folder):
    with pytest.raises(UsageError, match="is a folder; ") as error:
        parse_term(folder)
    assert error.value.hint.kind is HintKind.FOLDER_IN_QUERY
    assert re.search("is a folder; .*mmsearch index.*--under.*--text", explained_error(error.value))
    assert "\n" not in explained_error(error.value)


@pytest.mark.parametrize(
    ("word", "value"),
    [("trip", "trip"), ("old trips", "old trips"), ("2:trip", "trip"), ("trip^2", "trip"), ("trip@5", "trip@5")],
)
def test_a_bare_word_that_is_a_folders_name_is_a_word(word, value):
    Path("old trips").mkdir()
    assert parse_term(word).value == value


def test_what_a_name_of_a_folder_or_file_is_taken_as_is_said():
    Path("dog").touch()
    assert notices(["trip"]) == ("trip is taken as words; ./trip is the folder of that name",)
    assert told(read_query_line(["dog"]).query) == [(Path("dog"), 1.0)]
    assert notices(["dog"]) == ("dog is taken as the file of that name; text:dog asks for the words",)
    for plain in (["sea.jpg"], ["./dog"], ["text:dog"], ["a", "dog", "on", "a", "trip"]):
        assert notices(plain) == ()


# --- a line of several arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("a dog in snow", ["a dog in snow"]),
        ("16:9 television", ["16:9 television"]),
        ("7:30 train", ["7:30 train"]),
        ("3:1 win", ["3:1 win"]),
        ("00:15 on an alarm clock", ["00:15 on an alarm clock"]),
        ("E=mc^2 on a board", ["E=mc^2 on a board"]),
        ("area of 10 m^2", ["area of 10 m^2"]),
        ("text:16:9 television", ["16:9 television"]),
        ("text:dog^2 toy", ["dog^2 toy"]),
        ("a trip to the sea", ["a trip to the sea"]),
        ("beach + dog", ["beach", "dog"]),
        ("a beach + a dog + sand", ["a beach", "a dog", "sand"]),
        ("C++ or A+B", ["C++ or A+B"]),
        ("beach^2 people", [("beach", 2), "people"]),
        ("at the beach^2 with people", ["at the", ("beach", 2), "with people"]),
        ("2:beach many people", [("beach", 2), "many people"]),
        ("sea.jpg at night", [Path("sea.jpg"), "at night"]),
        ("at night sea.jpg", ["at night", Path("sea.jpg")]),
        ("a sea.jpg at clip.mp4@1:23 dusk", ["a", Path("sea.jpg"), "at", Moment(Path("clip.mp4"), 83), "dusk"]),
        ("sea.jpg^2 clip.mp4", [(Path("sea.jpg"), 2), Path("clip.mp4")]),
        ("dog - cat", ["dog - cat"]),
        ("on 3/4/2019", ["on 3/4/2019"]),
    ],
)
def test_neighbouring_bare_words_are_one_phrase(line, terms):
    expected = [term if isinstance(term, tuple) else (term, 1.0) for term in terms]
    assert told(parse_terms(line.split(" "))) == expected


def test_what_was_quoted_is_a_term_of_its_own():
    assert told(parse_terms(["a dog", "in", "snow", "a red kite^2", "16:9 screen", "2 + 2"])) == [
        ("a dog", 1.0),
        ("in snow", 1.0),
        ("a red kite", 2.0),
        ("16:9 screen", 1.0),
        ("2 + 2", 1.0),
    ]


@pytest.mark.parametrize("line", ["+", "+ dog", "dog +", "dog + + cat"])
def test_a_plus_stands_between_two_terms(line):
    with pytest.raises(UsageError, match=r"a lone \+ stands between two terms.*text:\+"):
        parse_terms(line.split(" "))
    assert told(parse_terms(["text:+"])) == [("+", 1.0)]


def test_how_a_line_was_read_is_told_unless_it_is_one_phrase_or_file():
    assert notices(["a", "dog"]) == ()
    assert notices(["sea.jpg"]) == ()
    assert notices(["beach^2", "a", "dog"], ["sea.jpg"]) == ('asked: "beach"^2 + "a dog" - file:sea.jpg',)
    assert notices(["beach^2"]) == ('asked: "beach"^2',)
    assert notices(["a dog", "cat"], as_text=True) == ('asked: "a dog" + "cat"',)


# --- weights ---------------------------------------------------------------------------------------------------

WORDS = ["16:9 television", "16:9", "7:30 train", "3:1 win", "00:15 on an alarm clock", "10:am train", "1:n relation"]
WORDS += [
    "E=mc^2",
    "x^2",
    "10^6",
    "2^10",
    "m^2",
    "km^2",
    "the area in m^2",
    "x^2 + y^2",
    "s^-1",
    "Apollo 11^2",
    "C++^2",
]
WORDS += ["dog^", "^2", "dog^^", "dog^2x", "2:", "2: dog", ":dog", "2:1st half", "π^2"]


@pytest.mark.parametrize("words", WORDS)
def test_a_guess_does_not_change_words(words):
    assert told(parse_terms([words])) == [(words, 1.0)]


@pytest.mark.parametrize(
    ("written", "value", "weight"),
    [
        ("snow-covered^2", "snow-covered", 2),
        ("собака^2", "собака", 2),
        ("犬^2", "犬", 2),
        ("dog^.5", "dog", 0.5),
        ("a dog at 7:30 train^2", "a dog at 7:30 train", 2),
        ("2:Apollo 11", "Apollo 11", 2),
        ("2:text:16:9", "16:9", 2),
        ("2:text:dog^3", "dog^3", 2),
    ],
)
def test_a_weight_belongs_to_a_plain_word_or_a_phrase(written, value, weight):
    assert told(parse_terms([written])) == [(value, weight)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("dog^0", "dog^0: a weight of 0 asks for nothing"),
        ("0:dog", "0:dog: a weight of 0"),
        ("dog^-2", "dog^-2: a weight is not negative; `--minus dog`"),
        ("sea.jpg^-1", "`--minus sea.jpg`"),
        ("dog^1001", "dog^1001: a weight is at most 1000; to ask for these words: text:dog"),
        ("dog^" + "9" * 400, "a weight is at most 1000"),
    ],
)
def test_a_weight_that_cannot_be_is_one_clear_line(written, said):
    with pytest.raises(UsageError) as error:
        parse_terms([written, "cat"])
    assert said in explained_error(error.value)
    assert "\n" not in explained_error(error.value)


@pytest.mark.parametrize("words", [*WORDS, "dog^2", "2:dog", "sea.jpg", "./sea.jpg", "+", "file:sea.jpg", "text:dog"])
def test_asked_as_text_everything_is_literal(words):
    assert told(parse_terms([words], as_text=True)) == [(words, 1.0)]
    assert told(parse_terms(["a", *words.split(" "), "b"], as_text=True)) == [(f"a {words} b", 1.0)]


def test_minus_terms_weigh_against():
    assert told(parse_terms(["beach"], ["people^2"])) == [("beach", 1.0), ("people", -2.0)]


@pytest.mark.parametrize("nothing", [[], [""], ["   "], ["text:"], ["a", ""]])
def test_an_empty_query_is_wrong_use(nothing):
    with pytest.raises(UsageError, match="the query is empty"):
        parse_terms(nothing)


# --- moments of films and sounds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "path", "start", "end", "weight"),
    [
        ("clip.mp4@83", "clip.mp4", 83, None, 1),
        ("clip.mp4@0", "clip.mp4", 0, None, 1),
        ("clip.mp4@1:23", "clip.mp4", 83, None, 1),
        ("clip.mp4@1:02:03.5", "clip.mp4", 3723.5, None, 1),
        ("clip.mp4@1:23-1:31", "clip.mp4", 83, 91, 1),
        ("clip.mp4@83-91.25", "clip.mp4", 83, 91.25, 1),
        ("clip.mp4@59:58-1:00:03", "clip.mp4", 3598, 3603, 1),
        ("clip.mp4@1:23^2", "clip.mp4", 83, None, 2),
        ("2:clip.mp4@1:23", "clip.mp4", 83, None, 2),
        ("0.5:clip.mp4@1:23-1:31^3", "clip.mp4", 83, 91, 1.5),
        ("file:clip.mp4@83", "clip.mp4", 83, None, 1),
        ("2:file:clip.mp4@1:23-1:31", "clip.mp4", 83, 91, 2),
        ("./clip.mp4@83", "./clip.mp4", 83, None, 1),
        ("me@home.mp4@83", "me@home.mp4", 83, None, 1),
        ("match@3.mp4@4-5", "match@3.mp4", 4, 5, 1),
        ("user@home@2", "user@home", 2, None, 1),
    ],
)
def test_a_file_and_a_time_are_a_moment(written, path, start, end, weight):
    term = parse_term(written)
    assert term.value == Moment(Path(path), start, end)
    assert term.weight == weight


def test_a_moment_may_begin_at_home():
    assert parse_term("~/clip.mp4@83").value == Moment(Path.home() / "clip.mp4", 83)
    assert parse_term("file:~/clip.mp4@83").value == Moment(Path.home() / "clip.mp4", 83)


@pytest.mark.parametrize("name", ["me@home.mp4", "match@3.mp4", "old@1:23", "user@home"])
def test_a_file_with_an_at_sign_in_its_name_is_a_file(name):
    assert parse_term(name).value == Path(name)
    assert parse_term(f"file:{name}").value == Path(name)
    assert parse_term(f"{name}^2").value == Path(name)


@pytest.mark.parametrize(
    "words", ["user@2", "me@example.com", "see you @ 7", "rendezvous@19:30", "a@b", "@2", "clip.mp4 @ 83", "x@1:2:3:4"]
)
def test_other_words_with_an_at_sign_stay_words(words):
    assert parse_term(words).value == words


def test_asked_as_text_a_moment_is_words():
    assert told(parse_terms(["clip.mp4@83", "clip.mp4@1:23-1:31"], as_text=True)) == [
        ("clip.mp4@83 clip.mp4@1:23-1:31", 1.0)
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("clip.mp4@1:31-1:23", "ends before it begins; write FILE@FROM-TO, for example clip.mp4@1:23-1:31"),
        ("clip.mp4@5-5", "ends before it begins"),
        ("lake.mp4@83", "no file at lake.mp4"),
        ("file:lake.mp4@83", "no file at lake.mp4"),
        ("file:lake@83", "no file at lake@83"),
        ("./lake@1:23-1:31", "no file at ./lake"),
        ("./trip@5", "./trip is a folder"),
    ],
)
def test_a_moment_that_cannot_be_is_one_clear_line(written, said):
    with pytest.raises(UsageError) as error:
        parse_term(written)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_moment_of_a_query_is_told_as_it_is_written_and_is_a_file_of_it(tmp_path):
    query = parse_terms(["clip.mp4@83", "clip.mp4@1:23-1:31^2", "dog"])
    assert query.describe() == ["file:clip.mp4@00:01:23", "file:clip.mp4@00:01:23-00:01:31^2", "dog"]
    assert query.files == [str(tmp_path / "clip.mp4").encode()] * 2
    assert as_query(Moment(Path("clip.mp4"), 2.5)).files == [str(tmp_path / "clip.mp4").encode()]


@pytest.mark.parametrize(("text", "seconds"), [("83", 83), ("1:23", 83), ("1:02:03.5", 3723.5), ("0.25", 0.25)])
def test_times_are_read_in_seconds(text, seconds):
    assert seconds_of(text) == seconds


def test_where_only_a_moment_will_do_anything_else_says_how_to_write_one():
    assert read_moment("clip.mp4@2", span=False) == Moment(Path("clip.mp4"), 2)
    assert read_moment("clip.mp4@2-3", span=True) == Moment(Path("clip.mp4"), 2, 3)
    for term, span, said in (
        ("clip.mp4", False, "clip.mp4 names no time in a file; write FILE@TIME, for example film.mp4@1:23"),
        ("clip.mp4", True, "write FILE@FROM-TO, for example film.mp4@1:23-1:31"),
        ("clip.mp4@2", True, "does not say to when"),
        ("clip.mp4@2-3", False, "is more than one frame"),
        ("old@1:23", False, "names no time in a file"),
    ):
        with pytest.raises(UsageError) as error:
            read_moment(term, span=span)
        assert said in str(error.value)


def test_marks_are_digits_or_files_or_moments(tmp_path):
    (tmp_path / "123").touch()
    read = read_query_line(["dog"], like=["12", "./123", "sea.jpg"], unlike=["clip.mp4@1:23"])
    assert read.query.like == [12, Path("123"), Path("sea.jpg")]
    assert read.query.unlike == [Moment(Path("clip.mp4"), 83)]


def test_the_notice_names_what_is_liked_and_what_is_not():
    read = read_query_line(["dog"], like=["12", "sea.jpg"], unlike=["7"])
    assert tuple(map(str, read.notices)) == ('asked: "dog"; liked row 12, file:sea.jpg; not liked row 7',)
    assert tuple(map(str, read_query_line([], like=["12"]).notices)) == ("asked: liked row 12",)


@pytest.mark.parametrize(
    ("mark", "line"),
    [
        ("beach", "beach is neither the id of a row nor a file"),
        ("-3", "-3 is neither"),
        ("gone.jpg", "no file at gone"),
    ],
)
def test_a_mark_that_is_neither_a_row_nor_a_file_is_an_error(mark, line):
    with pytest.raises(UsageError, match=line):
        read_query_line(["dog"], like=[mark])
