"""The OpenAPI document against the routes and the real answers of the server."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.embeddings import _NAMES as EMBEDDING_NAMES
from mmsearch.serve.openapi import DOCUMENT
from mmsearch.serve.openapi_schemas import SCHEMAS
from mmsearch.serve.search_request import _NAMES as SEARCH_NAMES

BESIDE = {"/", "/static/{name}"}  # the page, which is no interface
METHODS = ("get", "head", "post", "put", "delete")
BROKEN = b"\x89PNG\r\n\x1a\nnothing more"


def strict(schema: Any) -> Any:
    """The schema with objects that have no other members than those that it names."""
    if isinstance(schema, dict):
        closed = {name: strict(value) for name, value in schema.items()}
        if isinstance(schema.get("properties"), dict) and "required" in schema:
            closed.setdefault("additionalProperties", False)
        return closed
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


STRICT = strict({"components": DOCUMENT["components"]})


def fits(data: Any, schema: dict[str, Any]) -> None:
    """Fails unless the data has what a schema of the document says, and nothing else."""
    validator = Draft202012Validator({**STRICT, "allOf": [strict(schema)]})
    errors = [f"{'/'.join(map(str, error.path))}: {error.message[:500]}" for error in validator.iter_errors(data)]
    assert errors == []


def operation_of(method: str, path: str) -> dict[str, Any]:
    """What the document says of a request."""
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method in operations:
            return operations[method]
    raise AssertionError(f"{method} {path} is not in the document")


@dataclass
class Checked:
    """A client that holds every answer against the document."""

    client: TestClient

    def ask(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        """The answer, which has the status and what the document says."""
        operation = operation_of(method, path)
        parameters = {one["name"]: one["schema"] for one in operation.get("parameters", ())}
        assert set(given.get("params", {})) <= set(parameters)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if status == 200 and "json" in given:
            fits(given["json"], body["schema"])
        answer = self.client.request(method.upper(), path, **given)
        assert answer.status_code == status, answer.text[:500]
        said = operation["responses"][str(status)]
        kinds = said.get("content", {})
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if method == "head" or not kinds:
            assert answer.content == b""
        else:
            assert kind in kinds or "*/*" in kinds
            if kind == "application/json":
                fits(answer.json(), kinds[kind]["schema"])
        return answer


@pytest.fixture(scope="module")
def checked(gallery) -> Checked:
    with TestClient(create_app([gallery], local=True), base_url="http://127.0.0.1:8765") as client:
        yield Checked(client)


@pytest.fixture(scope="module")
def ids(gallery) -> dict[str, int]:
    """An id of each kind of row."""
    return {record.modality: record.id for record in gallery}


# --- the document itself ---------------------------------------------------------------------------------------


def test_every_route_of_the_app_is_in_the_document_and_the_other_way_round(gallery):
    routes: dict[str, set[str]] = {}
    for route in create_app([gallery]).routes:
        assert isinstance(route, Route)
        path = re.sub(r":\w+\}", "}", route.path)
        routes.setdefault(path, set()).update(method.lower() for method in route.methods)
    documented = {path: {name for name in one if name in METHODS} for path, one in DOCUMENT["paths"].items()}
    assert set(documented) == set(routes) - BESIDE
    for path, methods in documented.items():
        assert methods <= routes[path]
        assert routes[path] - methods <= {"head"}  # of every GET, which need not be said


def test_every_schema_is_one_and_every_reference_leads_somewhere():
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    names = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(DOCUMENT))
    assert set(names) == set(SCHEMAS)


def test_every_operation_names_its_parameters_and_what_it_is_for():
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            named = [(one["name"], one["in"]) for one in operation.get("parameters", ())]
            assert len(set(named)) == len(named)
            in_path = {name for name, place in named if place == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))


def test_members_of_requests_are_those_that_are_read():
    assert set(SCHEMAS["Search"]["properties"]) == set(SEARCH_NAMES)
    assert set(SCHEMAS["EmbeddingsRequest"]["properties"]) == set(EMBEDDING_NAMES)


def test_what_does_not_fit_is_noticed():
    """The check of the other tests can fail."""
    for wrong in ({"passages": [{"id": 1, "span": None}]}, {"passages": [], "more": 1}, {}):
        with pytest.raises(AssertionError):
            fits(wrong, {"$ref": "#/components/schemas/Passages"})
    fits({"passages": []}, {"$ref": "#/components/schemas/Passages"})


# --- answers ---------------------------------------------------------------------------------------------------


def test_the_document_is_served(checked):
    assert checked.ask("get", "/openapi.json").json() == DOCUMENT


def test_status_and_health(checked):
    assert checked.ask("get", "/api/status").json()["collections"]
    checked.ask("get", "/healthz")
    checked.ask("get", "/readyz")
    checked.ask("get", "/metrics")


def test_a_collection_that_cannot_be_read_is_not_ready(collection):
    with TestClient(create_app([collection]), base_url="http://127.0.0.1:8765") as client:
        (collection.root / "MANIFEST.json").write_text("{")
        Checked(client).ask("get", "/readyz", 503)


@pytest.mark.parametrize(
    "asked",
    [
        {"terms": ["a red disc"]},
        {"terms": [{"text": "a red disc", "weight": 2}, {"text": "bread"}], "minus": ["a grid"], "k": 3},
        {"terms": ["a disc"], "to": ["image"], "after": "1990", "before": "2100", "where": "width > 1", "k": 500},
        {"terms": ["a disc"], "min_level": "likely", "all_spans": True, "include_self": True, "exact": True},
        {"terms": ["xyzzy"], "c": "gallery"},
        {"terms": ["a disc"], "before": "1990"},
    ],
)
def test_searches(checked, asked):
    checked.ask("post", "/api/search", json=asked)


def test_searches_by_stored_rows_and_files_can_be_asked_again(checked, ids, gallery):
    answer = checked.ask("post", "/api/search", json={"terms": [{"id": ids["image"]}], "like": [ids["text"]]})
    again = checked.ask("post", "/api/search", json=answer.json()["asked"])
    assert again.json()["hits"] == answer.json()["hits"]
    checked.ask("post", "/api/search", json={"terms": ["a disc"], "in": ids["image"], "unlike": [ids["text"]]})
    with gallery.open_file(ids["image"]) as opened:
        picture = opened.file.read()
    uploaded = checked.ask(
        "post",
        "/api/search",
        data={"query": json.dumps({"terms": [{"file": "mine", "weight": 2}, "a disc"]})},
        files={"mine": ("mine.png", picture, "image/png")},
    )
    again = checked.ask("post", "/api/search", json=uploaded.json()["asked"])
    assert [hit["id"] for hit in again.json()["hits"]] == [hit["id"] for hit in uploaded.json()["hits"]]


def test_what_files_hold(media_collection):
    ids = {record.modality: record.id for record in media_collection}
    with TestClient(create_app([media_collection]), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        for row in ids.values():
            for method in ("get", "head"):
                one.ask(method, f"/media/{row}", params={"download": "1"})
            one.ask("get", f"/media/{row}", 206, headers={"Range": "bytes=0-9"})
        tag = one.ask("get", f"/thumb/{ids['image']}", params={"w": 64}).headers["etag"]
        one.ask("get", f"/thumb/{ids['image']}", 304, params={"w": 64}, headers={"If-None-Match": tag})
        one.ask("get", f"/frame/{ids['video']}", params={"t": 1.5, "w": 160})
        clip = one.ask("get", f"/clip/{ids['video']}", params={"from": 1, "to": 2})
        assert set(one_operation("/clip/{id}")["headers"]) <= {name.title() for name in clip.headers}
        one.ask("head", f"/clip/{ids['video']}")
        one.ask("get", f"/clip/{ids['video']}", 206, params={"from": 1, "to": 2}, headers={"Range": "bytes=9-"})
        one.ask("get", f"/clip/{ids['audio']}", params={"from": 1, "to": 2})
        one.ask("post", f"/api/items/{ids['image']}/reveal", 403)


def test_files_that_are_not_what_was_indexed(collection, photos, drawn):
    ids = {os.path.basename(record.path): record.id for record in collection}
    drawn("noise.png").save(photos / "disc.png")
    (photos / "square.jpg").unlink()
    with TestClient(create_app([collection], local=True), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        for name, status in (("disc.png", 409), ("square.jpg", 410)):
            assert one.ask("get", f"/api/items/{ids[name]}").json()["openable"] is False
            one.ask("get", f"/media/{ids[name]}", status)
            one.ask("get", f"/thumb/{ids[name]}", status)
            one.ask("post", f"/api/items/{ids[name]}/reveal", status)


def test_a_row_of_subtitles_is_an_item_of_its_film(media_collection):
    subtitles = next(one for one in media_collection if one.path.endswith("film.mkv") and one.modality == "text")
    with TestClient(create_app([media_collection]), base_url="http://127.0.0.1:8765") as client:
        item = Checked(client).ask("get", f"/api/items/{subtitles.id}").json()
    assert (item["name"], item["modality"], item["text"]) == ("film.mkv", "video", subtitles.text)


def one_operation(path: str) -> Any:
    """What a GET that succeeds answers, by the document."""
    return DOCUMENT["paths"][path]["get"]["responses"]["200"]


def test_later_pages_are_as_the_first(checked, ids):
    for ask in (
        lambda **more: checked.ask("post", "/api/search", json={"terms": ["a disc"], "k": 1, **more}),
        lambda **more: checked.ask("get", f"/api/items/{ids['image']}/similar", params={"k": 1, **more}),
    ):
        answer = ask().json()
        while answer["cursor"]:
            answer = ask(cursor=answer["cursor"]).json()
        assert answer["hits"]
    answer = checked.ask("get", "/api/items", params={"k": 1}).json()
    while answer["cursor"]:
        answer = checked.ask("get", "/api/items", params={"k": 1, "cursor": answer["cursor"]}).json()


def test_items(checked, ids):
    for row in ids.values():
        checked.ask("get", f"/api/items/{row}")
        checked.ask("get", f"/api/items/{row}/passages", params={"around": 2})
    checked.ask("get", f"/api/items/{ids['image']}/similar", params={"to": "image", "min_level": "weak"})
    checked.ask("get", "/api/items", params={"to": "text", "after": "1990"})
    checked.ask("get", "/api/facets", params={"to": "image", "c": "gallery"})


def test_rows_of_films_sounds_and_tables(tmp_path, films, empty):
    """Spans in seconds and rows; levels that are not known; columns of the user's own."""
    (tmp_path / "table.csv").write_text("note\nThe first row.\nThe second row.\n")
    (tmp_path / "tone.wav").write_bytes(films.wav((films.tone(3, 16_000)[None] * 32_000).astype("<i2"), 16_000))
    shots = (films.numbered(number) for number in (1, 63) for _ in range(20))
    (tmp_path / "film.mp4").write_bytes(films.film(shots, fps=5))
    empty.index([tmp_path / name for name in ("table.csv", "tone.wav", "film.mp4")], workers=1)
    empty.add(empty.encode(["a note"]), paths=["a name"], modality="text", texts=["a note"], facts={"stars": [5]})
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        hits = one.ask("post", "/api/search", json={"terms": ["a note"], "all_spans": True}).json()["hits"]
        assert {next(iter(hit["span"] or ["whole"])) for hit in hits} == {"start_s", "start_row", "whole"}
        for hit in hits:
            one.ask("get", f"/api/items/{hit['id']}")
            one.ask("get", f"/api/items/{hit['id']}/passages")
        one.ask("get", "/api/items")
        one.ask("get", "/api/facets")
        one.ask("get", "/api/status")


def test_names_that_are_not_utf8(tmp_path, drawn, empty):
    drawn("disc.png").save(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.png"))
    empty.index([tmp_path], workers=1)
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        (hit,) = one.ask("post", "/api/search", json={"terms": ["a disc"]}).json()["hits"]
        assert hit["path_b64"]
        one.ask("get", f"/api/items/{hit['id']}")
        one.ask("get", "/api/items")
        one.ask("get", "/api/facets")


def test_vectors_made_elsewhere_have_no_levels(mine):
    with TestClient(create_app([mine]), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        record = next(iter(mine))
        answer = one.ask("get", f"/api/items/{record.id}/similar").json()
        assert answer["level"] is None
        one.ask("get", "/api/status")
        one.ask("post", "/api/search", 400, json={"terms": ["words"]})


def test_embeddings(checked):
    for given in ({"input": "a"}, {"input": ["a", "b"], "encoding_format": "base64"}, {"messages": [{"content": "a"}]}):
        checked.ask("post", "/v1/embeddings", json={"model": "mini", **given})
    checked.ask("post", "/v1/embeddings", 400, json={"model": "mini"})
    checked.ask("post", "/v1/embeddings", 404, json={"model": "none", "input": "a"})
    broken = {"image_url": {"url": f"data:image/png;base64,{base64.b64encode(BROKEN).decode()}"}}
    checked.ask("post", "/v1/embeddings", 422, json={"model": "mini", "input": [broken]})


@pytest.mark.parametrize(
    ("method", "path", "status", "given"),
    [
        ("post", "/api/search", 400, {"json": {}}),
        ("post", "/api/search", 400, {"content": b"{"}),
        ("post", "/api/search", 404, {"json": {"terms": ["x"], "c": "none"}}),
        ("post", "/api/search", 404, {"json": {"terms": [{"id": 999}]}}),
        ("get", "/api/items/999", 404, {}),
        ("get", "/api/items/999/passages", 404, {}),
        ("get", "/api/items/999/similar", 404, {}),
        ("get", "/api/items", 400, {"params": {"k": "x"}}),
        ("get", "/api/facets", 400, {"params": {"after": "x"}}),
        ("get", "/api/facets", 400, {"params": {"under": "a\0b"}}),
        ("post", "/api/search", 400, {"content": rb'{"terms": ["x"], "under": "/\ud800"}'}),
        ("get", "/api/facets", 404, {"params": {"c": "none"}}),
        ("get", "/media/999", 404, {}),
        ("head", "/media/999", 404, {}),
        ("get", "/media/1", 416, {"headers": {"Range": "bytes=999999-"}}),
        ("get", "/thumb/1", 400, {"params": {"w": "large"}}),
        ("get", "/frame/1", 404, {}),
        ("get", "/clip/1", 404, {}),
        ("get", "/clip/1", 400, {"params": {"from": 3, "to": 2}}),
        ("post", "/api/items/999/reveal", 404, {}),
        ("get", "/api/status", 421, {"headers": {"Host": "evil.example"}}),
        ("get", "/api/status", 403, {"headers": {"Origin": "http://evil.example"}}),
        ("get", "/openapi.json", 421, {"headers": {"Host": "evil.example"}}),
    ],
)
def test_errors_have_the_shape_that_the_document_says(checked, method, path, status, given):
    checked.ask(method, path, status, **given)


def test_without_the_token_every_interface_says_that_it_is_missing(gallery):
    with TestClient(create_app([gallery], token="secret"), base_url="http://127.0.0.1:8765") as client:
        for path, operations in DOCUMENT["paths"].items():
            for method in operations:
                if path not in ("/healthz", "/readyz"):
                    answer = client.request(method.upper(), path.replace("{id}", "1"))
                    assert answer.status_code == 401
                    if method != "head":
                        fits(answer.json(), {"$ref": "#/components/schemas/Error"})


def test_a_collection_of_several_is_asked_by_its_name(gallery, mine):
    with TestClient(create_app([gallery, mine]), base_url="http://127.0.0.1:8765") as client:
        one = Checked(client)
        assert one.ask("get", "/api/items", params={"c": "mine"}).json()["total"] == 20
        assert isinstance(one.client.get("/api/status").json()["collections"], list)
        assert Collection.exists(mine.root)
