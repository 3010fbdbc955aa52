"""``mmsearch query``: what may be asked, and what is answered."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest

from mmsearch import Collection, Query

HIT_FIELDS = {"rank", "score", "match", "path", "modality", "id", "span", "text", "evidence", "state"}
HIT_FIELDS |= {"width", "height", "taken_at", "taken_from"}


def names(ran):
    assert ran.code == 0, ran.err
    return [hit["path"].rpartition("/")[2] for hit in ran.json["hits"]]


def test_json_is_one_object_with_the_query_its_space_the_times_and_the_hits(query, indexed):
    answer = query("a red wall", "--json").json
    assert answer["query"] == ["a red wall"]
    assert answer["space"].startswith("mini-")
    assert set(answer["took_ms"]) == {"load", "embed", "search"}
    assert answer["hits"]
    for rank, hit in enumerate(answer["hits"], 1):
        assert set(hit) >= HIT_FIELDS
        assert hit["rank"] == rank
        assert hit["path"].startswith(str(indexed.folder))
        assert hit["state"] == "current"


def test_a_text_hit_has_its_passage_and_span(query):
    (hit,) = query("bread on a table", "--to", "text", "-k", "1", "--json").json["hits"]
    assert hit["path"].endswith("bread.txt")
    assert hit["text"] == "A loaf of rye bread cools on the kitchen table."
    assert hit["span"] == {"start_char": 0, "end_char": 47}


def test_the_command_line_answers_what_the_library_answers(query, indexed):
    with Collection.open(indexed.home) as album:
        expected = [hit.id for hit in album.search("an orange circle", k=4)]
    assert [hit["id"] for hit in query("an orange circle", "-k", "4", "--json").json["hits"]] == expected


def test_a_picture_finds_pictures_but_not_itself(query, indexed):
    assert "red.png" not in names(query(indexed.folder / "red.png", "--to", "image", "--json"))


def test_with_include_self_a_picture_finds_itself_first(query, indexed):
    answer = query(indexed.folder / "red.png", "--to", "image", "--include-self", "--json")
    assert names(answer)[0] == "red.png"
    assert answer.json["hits"][0]["score"] == pytest.approx(1.0, abs=1e-3)


def test_a_picture_finds_texts(query, indexed):
    assert set(names(query(indexed.folder / "red.png", "--to", "text", "--json"))) == {"bread.txt", "boats.md"}


def test_to_may_be_given_twice(query):
    assert len(names(query("boats", "--to", "text", "--to", "image", "--json"))) == 7


def test_several_terms_make_one_query_with_their_weights(query, indexed):
    with Collection.open(indexed.home) as album:
        expected = [hit.id for hit in album.search(Query(("boats", 3), "bread"), to=["text"])]
    for terms in (("boats^3", "bread"), ("3:boats", "bread")):
        assert [hit["id"] for hit in query(*terms, "--to", "text", "--json").json["hits"]] == expected


def test_a_heavy_weight_decides_between_two_terms(query):
    assert names(query("boats^9", "bread", "--to", "text", "-k", "1", "--json")) == ["boats.md"]
    assert names(query("boats", "bread^9", "--to", "text", "-k", "1", "--json")) == ["bread.txt"]


def test_minus_pushes_away(query):
    towards = query("boats on the sea", "--to", "text", "--json").json["hits"]
    away = query("boats on the sea", "--minus", "harbour", "--to", "text", "--json").json["hits"]
    score = {hit["path"]: hit["score"] for hit in towards}
    boats = next(hit for hit in away if hit["path"].endswith("boats.md"))
    assert boats["score"] < score[boats["path"]]


def test_like_and_unlike_take_ids_and_files_and_leave_them_out(query, indexed):
    hits = query("a colour", "--to", "image", "--json").json["hits"]
    liked, unliked = hits[0], hits[1]
    ran = query("a colour", "--to", "image", "--like", liked["id"], "--unlike", unliked["path"], "--json")
    assert ran.json["query"] == ["a colour", f"like:{liked['id']}", f"unlike:file:{unliked['path']}"]
    assert {hit["id"] for hit in ran.json["hits"]} == {hit["id"] for hit in hits[2:]}
    assert f"liked row {liked['id']}" in ran.err
    kept = query("a colour", "--to", "image", "--like", liked["id"], "--include-self", "--json").json["hits"]
    assert liked["id"] in {hit["id"] for hit in kept}


def test_likes_alone_are_a_query(query, indexed):
    red = query(indexed.folder / "red.png", "--to", "image", "--include-self", "--json").json["hits"][0]
    assert "red.png" not in names(query("--like", red["id"], "--to", "image", "--json"))
    assert query("--unlike", red["id"]).code == 2
    assert "Missing argument" in query().err


def test_under_keeps_to_a_folder(query, indexed):
    assert names(query("anything", "--under", indexed.folder / "trip", "--json")) == ["sea.png"]
    assert names(query("anything", "--under", "trip", "--json")) == ["sea.png"]


def test_before_and_after_keep_to_dates(query):
    assert names(query("anything", "--before", "2020", "--json")) == ["sea.png"]
    assert "sea.png" not in names(query("anything", "--after", "2020-01-01", "--json"))
    assert names(query("anything", "--after", "2019-06", "--before", "2019-07", "--json")) == ["sea.png"]


def test_where_keeps_to_a_condition_on_columns(query):
    assert names(query("anything", "--where", "width > 1000", "--json")) == ["wide.png"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("width = 1600", {"wide.png"}),
        ("width=1600 and height = 200", {"wide.png"}),
        ("width = 1600 or taken_from = 'exif'", {"wide.png"}),
        ("passage = 'A loaf of rye bread cools on the kitchen table.'", {"bread.txt"}),
        ("note = 'x'", set()),
        ("width == 1600", {"wide.png"}),
    ],
)
def test_one_equals_sign_compares_as_two_do(query, condition, found):
    assert set(names(query("anything", "--where", condition, "--json"))) == found


def test_k_larger_than_the_collection_gives_all_there_is(query):
    assert len(names(query("anything", "-k", "5000", "--json"))) == 7


def test_no_hit_is_no_failure(query):
    none = ("anything", "--where", "width > 100000")
    assert query(*none, "--json").json["hits"] == []
    told = query(*none)
    assert (told.code, told.out, told.err) == (0, "", "no hits\n")
    assert query(*none, "--quiet").err == ""


def test_min_leaves_out_hits_of_a_lower_level(query):
    levels = [hit["level"] for hit in query("a loaf of bread on a table", "--json").json["hits"]]
    assert set(levels) > {"strong"}
    kept = query("a loaf of bread on a table", "--min", "likely", "--json").json["hits"]
    assert [hit["level"] for hit in kept] == [level for level in levels if level in ("strong", "likely")]
    ran = query("a loaf of bread on a table", "--min", "certain")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "no level 'certain'; there are: strong, likely, weak" in ran.err


@pytest.mark.parametrize(("least", "said"), [("weak", "no hit is weak or better\n"), ("strong", "no hit is strong\n")])
def test_if_no_hit_reaches_the_level_that_is_said(query, least, said):
    ran = query("a parliament debates taxes", "--to", "image", "--min", least)
    assert (ran.code, ran.out, ran.err) == (0, "", said)
    assert query("a parliament debates taxes", "--to", "image", "--min", least, "--quiet").err == ""


def test_if_no_level_is_known_one_line_says_why_there_is_no_hit(query, indexed):
    asked = (indexed.folder / "red.png", indexed.folder / "green.png", "--min", "weak")
    ran = query(*asked)
    read_as, why = ran.err.splitlines()
    assert (ran.code, ran.out, read_as.partition(":")[0]) == (0, "", "asked")
    assert why.startswith("no levels are known for image, text found with mini by such a query")
    assert "`mmsearch eval --calibrate`" in why
    assert query(*asked, "--json").json["notices"]


def test_the_first_line_says_if_there_is_no_good_match(query, as_terminal):
    unlike = ("a parliament debates taxes", "--to", "image")
    assert query(*unlike, "--json").json["level"] in ("weak", "nothing")
    assert query(*unlike).lines[0] == "# no good match; the nearest:"
    assert len(query(*unlike).lines) == 6
    assert "no good match" not in query("a loaf of bread on a table").out
    for form in ("--json", "--paths", "--print0"):
        assert "no good match" not in query(*unlike, form).out
    as_terminal(80)
    assert query(*unlike).lines[0] == "no good match; the nearest:"
    assert "no good match" not in query("a loaf of bread on a table").out


def test_verbose_lines_have_score_match_and_id_too(query):
    (hit,) = query("bread", "-k", "1", "--json").json["hits"]
    rank, level, score, match, row_id, path, *_ = query("bread", "-k", "1", "-v").lines[-1].split("\t")
    assert (rank, level, row_id, path) == ("1", hit["level"], str(hit["id"]), hit["path"])
    assert float(score) == pytest.approx(hit["score"], abs=1e-3)
    assert float(match) == pytest.approx(hit["match"], abs=0.1)


def headings_and_ranks(ran):
    """Of a table on a terminal: its headings, and the ranks of its rows."""
    shown = [re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;]*m", "", line) for line in ran.lines]
    first_words = [line.split()[0] for line in shown if re.match(r"\d|pictures$|texts$", line)]
    return [int(word) if word.isdigit() else word for word in first_words]


def test_a_terminal_shows_each_kind_below_its_heading_unless_flat(query, indexed, as_terminal):
    asked = (indexed.folder / "red.png", indexed.folder / "green.png")  # of two pictures together no levels are known
    piped = query(*asked)
    ranks = {"image": [], "text": []}
    for hit in query(*asked, "--json").json["hits"]:
        ranks[hit["modality"]].append(hit["rank"])
    as_terminal(100)
    groups = sorted([(ranks["image"], "pictures"), (ranks["text"], "texts")])
    assert headings_and_ranks(query(*asked)) == [one for own, heading in groups for one in (heading, *own)]
    assert headings_and_ranks(query(*asked, "--flat")) == list(range(1, len(piped.lines) + 1))
    assert [line.split("\t")[0] for line in piped.lines] == [str(i) for i in range(1, len(piped.lines) + 1)]


def test_one_kind_that_is_clearly_the_best_leaves_one_list_on_a_terminal(query, as_terminal):
    as_terminal(100)
    assert headings_and_ranks(query("a loaf of bread on a table")) == list(range(1, 8))


def test_exact_gives_the_same_answer_where_there_is_no_index(query):
    assert names(query("a circle", "--exact", "--json")) == names(query("a circle", "--json"))


def test_text_takes_a_term_that_looks_like_a_path_as_words(query):
    ran = query("no/such/file.jpg", "--text", "--json")
    assert ran.json["query"] == ["no/such/file.jpg"]


def test_prefixes_force_a_reading(query, indexed):
    assert query("text:boats.jpg", "--json").json["query"] == ["boats.jpg"]
    picture = indexed.folder / "red.png"
    assert query(f"file:{picture}", "--json").json["query"] == [f"file:{picture}"]


def test_unquoted_words_are_one_phrase(query):
    ran = query("a", "loaf", "on", "a", "table", "--json")
    assert ran.json["query"] == ["a loaf on a table"]
    assert ran.err == ""
    assert ran.json["hits"] == query("a loaf on a table", "--json").json["hits"]


def test_how_a_line_was_read_is_shown_on_stderr_and_in_json(query, indexed):
    ran = query("boats^2", "rye", "bread", "--minus", "harbour", "--json")
    assert ran.json["query"] == ["boats^2", "rye bread", "-harbour"]
    assert ran.err == 'asked: "boats"^2 + "rye bread" - "harbour"\n'
    assert query("boats^2", "rye", "-q").err == ""


def test_what_words_were_read_as_is_shown_and_literal_leaves_them(query):
    ran = query("photos", "of", "a", "wall", "without", "dogs", "since", "2020", "--json")
    assert ran.json["query"] == ["a wall", "-dogs"]
    assert ran.json["reading"]["after"] == "2020-01-01"
    assert {hit["modality"] for hit in ran.json["hits"]} == {"image"}
    assert ran.err == "read as: a wall − dogs · photos · since 2020\n"
    literal = query("a wall since 2020", "--literal", "--json")
    assert (literal.json["query"], literal.err) == (["a wall since 2020"], "")
    assert "reading" not in literal.json


def test_a_reading_that_leaves_nothing_names_the_way_out(query):
    ran = query("a wall before 1990")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines()[1:] == [
        "nothing is left of what the line was read as (a wall · before 1990); --literal takes all of it as words"
    ]


def test_filters_alone_list_what_passes_them_without_levels(query):
    ran = query("photos since 2020", "--json")
    assert ran.json["level"] is None
    assert {hit["level"] for hit in ran.json["hits"]} == {None}
    assert "no good match" not in query("photos since 2020").out


def test_options_go_before_what_is_read(query):
    assert query("a wall before 1990", "--before", "2100", "--json").json["hits"]
    assert set(names(query("photos since 1990", "--to", "text", "--json"))) == {"bread.txt", "boats.md"}


def test_hits_are_ordered_by_date(query):
    found = names(query("a wall", "--sort", "oldest", "--min", "weak", "--json"))
    assert names(query("a wall", "--sort", "newest", "--min", "weak", "--json")) == found[::-1]


def test_a_guess_does_not_change_words(query):
    for words in ("16:9 television", "7:30 train", "3:1 win", "E=mc^2", "00:15 on an alarm clock"):
        for ran in (query(words, "--json"), query(*words.split(), "--json"), query(words, "--text", "--json")):
            assert (ran.json["query"], ran.err) == ([words], "")


def test_a_folder_of_that_name_does_not_turn_a_word_into_an_error(query, indexed, monkeypatch):
    monkeypatch.chdir(indexed.folder)
    ran = query("trip", "--json")
    assert ran.json["query"] == ["trip"]
    assert ran.err == "trip is taken as words; ./trip is the folder of that name\n"
    for folder in ("./trip", "trip/", "file:trip"):
        ran = query(folder)
        assert ran.code == 2
        assert "is a folder" in ran.err
        assert "--text" in ran.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["no/such/file.jpg"], "mmsearch query --text 'no/such/file.jpg'"),
        (["file:nowhere"], "no file at nowhere"),
        (["a", "-k", "0"], "k must be at least 1"),
        (["a", "-k", "-3"], "k must be at least 1"),
        ([""], "the query is empty"),
        (["  "], "the query is empty"),
        (["a", "--to", "picture"], "no modality 'picture'; there are: image, text, audio, video"),
        (["a", "--after", "tomorrow"], "'tomorrow' is no date; write 2023"),
        (["a", "--where", "size >"], "cannot read the condition"),
        (["a", "--where", "colour == 'red'"], "no column 'colour'; there are:"),
        (["."], "is a folder"),
    ],
)
def test_wrong_use_gets_code_2_and_one_line_that_names_the_way_out(query, arguments, hint):
    ran = query(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert hint in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a", "-k", "many"], ["a", "--no-such-option"]])
def test_a_call_that_cannot_be_parsed_gets_code_2(query, arguments):
    ran = query(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: " in ran.err


def test_a_query_file_that_is_no_picture_gets_one_line(query, indexed):
    ran = query(indexed.folder / "empty.jpg")
    assert ran.code in (1, 2)
    assert ran.err.count("\n") == 1
    assert "empty.jpg" in ran.err


def test_without_a_collection_one_line_says_how_to_make_one(run, tmp_path):
    ran = run("query", "a cat", "-c", tmp_path / "none.mms")
    assert ran.code != 0
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert "mmsearch index" in ran.err


def test_the_collection_may_be_named_by_the_environment(run, indexed, monkeypatch):
    monkeypatch.setenv("MMSEARCH_COLLECTION", str(indexed.home))
    assert len(names(run("query", "anything", "--json"))) == 7


def test_a_named_collection_goes_before_the_environment(run, indexed, monkeypatch, tmp_path):
    monkeypatch.setenv("MMSEARCH_COLLECTION", str(tmp_path / "none.mms"))
    assert run("query", "anything", "-c", indexed.home).code == 0


@pytest.mark.parametrize(("form", "end"), [("--paths", "\n"), ("--print0", "\0")])
def test_paths_leave_out_files_that_are_gone_and_say_so(run, painted, tmp_path, form, end):
    for name in ("here.png", "gone.png"):
        painted(tmp_path / "album" / name, "red" if name == "here.png" else "blue", "black")
    home = tmp_path / "c.mms"
    assert run("index", tmp_path / "album", "-c", home).code == 0
    (tmp_path / "album" / "gone.png").unlink()
    left = run("query", "red", form, "-c", home)
    assert left.out.split(end) == [str(tmp_path / "album" / "here.png"), ""]
    assert left.err == "1 hit is left out: the file is gone; --gone keeps it\n"
    kept = run("query", "red", form, "--gone", "-c", home)
    assert len(kept.out.split(end)) == 3
    assert kept.err == ""


def test_copies_are_told_beside_their_hit(run, painted, tmp_path):
    for folder in ("a", "b", "c"):
        painted(tmp_path / folder / "same.png", "red", "black")
    home = tmp_path / "c.mms"
    assert run("index", tmp_path / "a", tmp_path / "b", tmp_path / "c", "-c", home).code == 0
    assert run("query", "red", "-c", home).lines[-1].endswith("\t[+2 copies]")


# --- documents -------------------------------------------------------------------------------------------------


@pytest.fixture
def paper(tmp_path, documents, run):
    """A PDF of two pages in a collection, and an empty folder of programs that is the whole PATH."""
    lamp = ["The keeper of the lighthouse lights the lamp every evening."] * 12
    path = tmp_path / "paper.pdf"
    path.write_bytes(documents.pdf(["Whales swim in the sea."] * 30, lamp))
    assert run("index", path, "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1).code == 0
    return path


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Installs a program of a name, which writes down its arguments; returns what it was called with."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name):
        called = tmp_path / f"{name}.called"
        script = f'#!/bin/sh\nfor a in "$@"; do echo "$a"; done > {called}.part\n/bin/mv {called}.part {called}\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)

        def arguments():
            deadline = time.monotonic() + 5
            while not called.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            return called.read_text().splitlines()

        return arguments

    return install


def test_a_page_is_shown_as_the_span(run, paper, tmp_path):
    ran = run("query", "the lighthouse keeper", "--to", "text", "-k", "1", "-c", tmp_path / "c.mms")
    assert "page 2" in ran.out
    shown = json.loads(
        run("query", "the lighthouse keeper", "--to", "text", "-k", "1", "--json", "-c", tmp_path / "c.mms").out
    )
    assert shown["hits"][0]["span"] == {"start_page": 1, "end_page": 2}


@pytest.mark.skipif(sys.platform != "linux", reason="programs of a Linux desktop")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("evince", ["--page-index=2", "{}"]),
        ("okular", ["--page", "2", "{}"]),
        ("zathura", ["--page=2", "{}"]),
        ("mupdf", ["{}", "2"]),
        ("qpdfview", ["--unique", "{}#2"]),
        ("firefox", ["file://{}#page=2"]),
    ],
)
def test_open_shows_a_pdf_at_the_page(run, paper, program, tmp_path, name, arguments):
    called = program(name)
    ran = run("query", "the lighthouse keeper", "--to", "text", "--open", "-c", tmp_path / "c.mms")
    assert (ran.code, ran.err) == (0, "")
    assert called() == [argument.format(paper) for argument in arguments]


@pytest.mark.skipif(sys.platform != "linux", reason="programs of a Linux desktop")
def test_open_says_the_page_where_no_program_is_told_it(run, paper, program, tmp_path):
    called = program("xdg-open")
    ran = run("query", "the lighthouse keeper", "--to", "text", "--open", "-c", tmp_path / "c.mms")
    assert ran.err == (
        "opened by the system's program; the hit is on page 2 (Evince, Okular or a browser would start there)\n"
    )
    assert called() == [str(paper)]
    ran = run("query", "whales swim in the sea", "--to", "text", "--open", "-c", tmp_path / "c.mms")
    assert ran.err == "", "the first page is where every program begins"
