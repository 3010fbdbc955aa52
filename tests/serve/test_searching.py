"""``POST /api/search``: what can be asked, pages, files, errors."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from mmsearch import Collection, Query, StoredRow


def search(client, **asked):
    answer = client.post("/api/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def comparable(answer):
    """Without what differs from run to run."""
    return {name: value for name, value in answer.items() if name in ("query", "space", "level", "notices", "hits")}


def test_an_answer_is_the_json_of_the_command_line(client, collection):
    found = search(client, terms=["a red disc"], k=5)
    assert comparable(found) == comparable(json.loads(json.dumps(collection.ask("a red disc", 5).to_json())))
    assert found["took_ms"].keys() == {"load", "embed", "search"}
    assert found["collection"] == "photos"
    assert found["generation"] == collection.manifest.generation


def test_weights_minus_marks_and_filters_are_those_of_the_library(client, collection):
    disc, square, *_ = (hit.id for hit in collection.search("a disc", k=10))
    found = search(
        client,
        terms=[{"text": "a red disc", "weight": 2}, {"id": disc}],
        minus=["stripes"],
        like=[square],
        to=["image"],
        where="width > 10",
        after="2000",
        k=6,
    )
    query = Query(("a red disc", 2), StoredRow(disc), minus=["stripes"], like=[square])
    assert comparable(found) == comparable(
        json.loads(json.dumps(collection.ask(query, 6, to=["image"], where="width > 10", after="2000").to_json()))
    )


def test_pages_continue_each_other_to_the_end(client, collection):
    everything = [hit.id for hit in collection.search("a red disc", k=50)]
    ids, ranks, cursor = [], [], None
    for _ in range(9):
        page = search(client, terms=["a red disc"], k=3, cursor=cursor)
        ids += [hit["id"] for hit in page["hits"]]
        ranks += [hit["rank"] for hit in page["hits"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert ids == everything
    assert ranks == list(range(1, 11))


def test_a_cursor_belongs_to_its_query(client):
    cursor = search(client, terms=["a red disc"], k=3)["cursor"]
    for wrong in (cursor, "nonsense", "¤"):
        answer = client.post("/api/search", json={"terms": ["other words"], "k": 3, "cursor": wrong})
        assert answer.status_code == 400
        assert "cursor" in answer.json()["error"]["message"]


def test_an_uploaded_picture_is_asked_by_and_comes_back_as_a_vector(client, collection, photos):
    data = (photos / "disc.png").read_bytes()
    asked = {"terms": [{"file": "mine"}], "k": 4}
    answer = client.post("/api/search", data={"query": json.dumps(asked)}, files={"mine": ("a.png", data, "image/png")})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert Path(found["hits"][0]["path"]).name == "disc.png"
    assert found["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    (term,) = found["asked"]["terms"]
    assert term["name"] == "a.png"
    assert term["modality"] == "image"
    again = search(client, **found["asked"])
    assert [hit["id"] for hit in again["hits"]] == [hit["id"] for hit in found["hits"]]


def test_an_upload_alone_needs_no_query(client, photos):
    files = {"file": ("a.png", (photos / "disc.png").read_bytes(), "image/png")}
    assert client.post("/api/search", files=files).json()["hits"][0]["path"].endswith("disc.png")


def test_an_upload_that_cannot_be_read_is_said(client):
    answer = client.post("/api/search", files={"file": ("a.png", b"\x89PNG\r\n\x1a\nnothing", "image/png")})
    assert answer.status_code == 422
    assert "cannot search by" in answer.json()["error"]["message"]


def test_uploads_leave_no_file_behind(client, photos, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    client.post("/api/search", files={"file": ("a.png", (photos / "disc.png").read_bytes(), "image/png")})
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_lies_in_the_file_of_a_row(client, collection):
    text = next(hit for hit in collection.search("bread", k=10) if hit.path.endswith("bread.md"))
    found = search(client, terms=["bread"], **{"in": text.id})
    assert {hit["path"] for hit in found["hits"]} == {text.path}


def test_folders_are_told_only_where_they_are_indexed(client, photos):
    assert search(client, terms=["a disc"], under=str(photos))["hits"]
    assert search(client, terms=["a disc"], under=".")["hits"]
    for folder in ("/etc", str(photos.parent / "photos.mms"), str(photos) + "/../other", "/no/such/folder"):
        answer = client.post("/api/search", json={"terms": ["a disc"], "under": folder})
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == f"no folder {folder} is indexed"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "the query is empty"),
        ({"terms": []}, "the query is empty"),
        ({"terms": "a dog"}, "terms is a list"),
        ({"query": "a dog"}, "no member 'query' of a search"),
        ({"terms": [{"text": "a", "id": 3}]}, "a term is a text, or an object with one of"),
        ({"terms": [{"text": "a", "weight": -1}]}, "above 0"),
        ({"terms": [{"vector": "!"}]}, "base64 of float16"),
        ({"terms": [{"file": "x"}]}, "no uploaded file 'x'"),
        ({"terms": ["a"], "k": 0}, "k is from 1 to 500"),
        ({"terms": ["a"], "k": 501}, "k is from 1 to 500"),
        ({"terms": ["a"], "k": "5"}, "k is a whole number"),
        ({"terms": ["a"], "to": ["smells"]}, "no modality 'smells'"),
        ({"terms": ["a"], "where": "colour > 1"}, "no column 'colour'"),
        ({"terms": ["a"], "after": "yesterday"}, "is no date"),
        ({"terms": ["a"], "min_level": "good"}, "no level 'good'"),
        ({"terms": ["a"], "like": ["12"]}, "like names rows by their ids"),
        ({"terms": ["a"] * 65}, "at most 64"),
        ([], "a search is a JSON object"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(gallery_client, asked, said):
    answer = gallery_client.post("/api/search", json=asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert "\n" not in answer.json()["error"]["message"]


def test_rows_that_are_not_there_are_not_found(client):
    assert client.post("/api/search", json={"terms": [{"id": 12345}]}).status_code == 404
    assert client.get("/api/items/12345").status_code == 404
    assert client.get("/api/items/12345/similar").status_code == 404


def test_similar_is_that_of_the_library(client, collection):
    disc = collection.search("a red disc", to="image")[0].id
    found = client.get(f"/api/items/{disc}/similar", params={"k": 4, "to": "image"}).json()
    assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in collection.similar(disc, 4, to="image")]


def test_a_commit_of_another_process_is_seen_by_the_next_request(client, collection, photos, drawn):
    assert len(search(client, terms=["a disc"])["hits"]) == 10
    drawn("disc.png", (50, 50)).save(photos / "another.png")
    Collection.open(collection.root).index([photos], workers=1)
    assert len(search(client, terms=["a disc"])["hits"]) == 11


def test_an_unknown_collection_is_named(client):
    answer = client.post("/api/search", json={"terms": ["a"], "c": "films"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "no collection 'films'; there are: photos"


def test_a_line_of_words_is_read_and_its_reading_is_answered(client, photos):
    found = search(client, line="photos of a disc without stripes since 2020", k=3)
    assert found["query"] == ["a disc", "-stripes"]
    assert {hit["modality"] for hit in found["hits"]} == {"image"}
    reading = found["reading"]
    assert (reading["after"], reading["to"]) == ("2020-01-01", ["image"])
    assert [part["text"] for part in reading["parts"]] == ["photos of", "since 2020", "without stripes"]


def test_a_literal_or_plain_line_has_no_reading(client):
    literal = search(client, line="a disc since 2020", literal=True, k=1)
    assert literal["query"] == ["a disc since 2020"]
    assert "reading" not in literal
    assert "reading" not in search(client, line="a disc", k=1)


def test_what_a_request_says_goes_before_its_line(client):
    found = search(client, line="photos since 1990", to=["text"], after="2000", k=5)
    assert {hit["modality"] for hit in found["hits"]} == {"text"}
    assert found["level"] is None, "filters alone have no level"


def test_a_reading_that_leaves_nothing_says_so(client):
    found = search(client, line="a disc before 1990", k=5)
    assert found["hits"] == []
    assert found["notices"] == ["nothing is left of what the line was read as (a disc · before 1990)"]


def test_filters_of_a_line_apply_to_what_is_given_besides(client, collection):
    (disc,) = (hit.id for hit in collection.search("a disc", k=1))
    found = search(client, line="photos since 1990", terms=[{"id": disc}], k=5)
    assert found["query"] == [f"row:{disc}"]
    assert found["reading"]["words"] == "what is given"


def test_hits_by_date_come_in_pages_of_one_order(client):
    asked = {"terms": ["a disc"], "sort": "newest", "min_level": "nothing", "k": 3}
    first = search(client, **asked)
    second = search(client, **asked, cursor=first["cursor"])
    ids = [hit["id"] for hit in (*first["hits"], *second["hits"])]
    assert len(set(ids)) == len(ids) == 6
