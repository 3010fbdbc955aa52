"""Vectors of texts and pictures, asked for as OpenAI's interface, Infinity and vLLM are asked."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app


@pytest.fixture(scope="module")
def client(gallery) -> TestClient:
    with TestClient(create_app([gallery]), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture(scope="module")
def disc(gallery) -> bytes:
    """The file of a picture."""
    with gallery.open_file(gallery.search("a red disc", to="image")[0].id) as opened:
        return opened.file.read()


def data_url(picture: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def picture_part(url: str) -> dict:
    return {"type": "image_url", "image_url": {"url": url}}


def vectors(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [one["index"] for one in data] == list(range(len(data)))
    assert {one["object"] for one in data} == {"embedding"}
    return np.array([one["embedding"] for one in data], np.float32)


def ask(client, **given):
    return client.post("/v1/embeddings", json={"model": "mini", **given})


def error(answer, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    about = answer.json()["error"]
    assert set(about) == {"message", "type", "param", "code", "kind"}
    assert "\n" not in about["message"]
    return about["message"]


def test_texts_have_the_vectors_that_the_library_gives(client, gallery):
    texts = ["a red disc", "bread"]
    answer = ask(client, input=texts)
    np.testing.assert_allclose(vectors(answer), gallery.encode(texts), atol=1e-6)
    assert answer.json()["object"] == "list"
    assert answer.json()["model"] == "mini"
    assert answer.json()["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


def test_one_text_needs_no_list(client, gallery):
    np.testing.assert_allclose(vectors(ask(client, input="bread")), gallery.encode(["bread"]), atol=1e-6)


def test_vectors_come_in_base64_for_clients_that_ask_for_it(client, gallery):
    (one,) = ask(client, input="bread", encoding_format="base64").json()["data"]
    np.testing.assert_allclose(
        np.frombuffer(base64.b64decode(one["embedding"]), "<f4"), gallery.encode(["bread"])[0], atol=1e-6
    )


def test_pictures_come_as_data_urls_beside_texts(client, gallery, disc):
    parts = ["a red disc", {"image_url": {"url": data_url(disc)}}, {"type": "text", "text": "bread"}]
    np.testing.assert_allclose(vectors(ask(client, input=parts)), gallery.encode([parts[0], disc, "bread"]), atol=1e-6)


@pytest.mark.parametrize(
    "shape",
    [
        lambda url: {"input": {"image_url": url}},
        lambda url: {"input": [picture_part(url)]},
        lambda url: {"input": [url], "modality": "image"},  # Infinity
        lambda url: {"input": url, "modality": "image"},
        lambda url: {"messages": [{"role": "user", "content": [picture_part(url)]}]},
        lambda url: {
            "messages": [{"role": "user", "content": [picture_part(url), {"type": "text", "text": ""}]}]
        },  # vLLM
    ],
)
def test_other_servers_shapes_of_pictures_are_read(client, gallery, disc, shape):
    np.testing.assert_allclose(vectors(ask(client, **shape(data_url(disc)))), gallery.encode([disc]), atol=1e-6)


def test_a_conversation_of_words_is_a_text(client, gallery):
    answer = ask(client, messages=[{"role": "user", "content": "bread"}])
    np.testing.assert_allclose(vectors(answer), gallery.encode(["bread"]), atol=1e-6)


def test_a_vector_finds_what_its_text_finds(client, gallery):
    vector = vectors(ask(client, input="a loaf of rye bread"))[0]
    assert gallery.search(vector, k=1, to="text")[0].path.endswith("bread.md")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "https://example.com/a.png", "file:///etc/passwd", "", 7])
def test_no_address_is_fetched(client, url):
    for part in ({"image_url": {"url": url}}, {"image_url": url}):
        assert error(ask(client, input=[part])).startswith("no address is fetched")
    assert ask(client, input=[url], modality="image").status_code == 400


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("data:image/png;base64,***", "not base64"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png,abc", "begins with its type"),
        ("data:text/html;base64,YWJj", "begins with its type"),
    ],
)
def test_a_data_url_that_holds_no_picture_is_said(client, url, said):
    assert said in error(ask(client, input=[{"image_url": url}]))


def test_a_picture_that_cannot_be_decoded_is_said(client):
    broken = data_url(b"\x89PNG\r\n\x1a\nnothing more")
    assert "value 2" in error(ask(client, input=["bread", {"image_url": broken}]), 422)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give input"),
        ({"input": []}, "1 to 256 entries, not 0"),
        ({"input": ["x"] * 257}, "1 to 256 entries, not 257"),
        ({"input": [1, 2, 3]}, "an entry is a text"),
        ({"input": [None]}, "an entry is a text"),
        ({"input": [["x"]]}, "an entry is a text"),
        ({"input": ["bread", " "]}, "value 2"),
        ({"input": "x" * 20_001}, "at most 20,000 characters"),
        ({"input": "x", "messages": []}, "give input"),
        ({"messages": [{"content": ["a", "b"]}]}, "one text or one picture"),
        ({"messages": {}}, "messages is a list"),
        ({"messages": ["x"]}, "content is a list"),
        ({"input": "x", "encoding_format": "hex"}, "one of: float, base64"),
        ({"input": "x", "modality": "smell"}, "text or image"),
        ({"input": "x", "dimensions": 64}, "vectors of 256 numbers"),
        ({"input": "x", "model": 3}, "name the model"),
        ({"input": "x", "model": None}, "name the model"),
        ({"input": "x", "truncate": True}, "no member 'truncate'; there are: model, input"),
    ],
)
def test_what_cannot_be_asked_is_one_line_in_openais_shape(client, given, said):
    assert said in error(ask(client, **given))


def test_what_is_no_object_of_json_is_said(client):
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        assert "JSON" in error(client.post("/v1/embeddings", content=body))


def test_a_lone_surrogate_does_no_harm(client):
    answer = client.post("/v1/embeddings", content=rb'{"model": "mini", "input": "bread \ud800"}')
    assert answer.status_code in (200, 400)


def test_an_unknown_model_names_those_that_there_are(client):
    answer = ask(client, model="gpt-4", input="x")
    assert error(answer, 404) == "no model 'gpt-4'; there are: mini"
    assert answer.json()["error"]["code"] == "model_not_found"


def test_a_model_is_named_as_in_the_catalogue_or_by_its_space(client, gallery):
    np.testing.assert_array_equal(
        vectors(ask(client, model=gallery.space.key, input="bread")), vectors(ask(client, input="bread"))
    )
    assert len(vectors(ask(client, input="bread", dimensions=256, user="me"))[0]) == 256


def test_a_collection_without_a_model_says_so(mine):
    with TestClient(create_app([mine]), base_url="http://127.0.0.1:8765") as client:
        assert error(ask(client, input="x"), 404) == "no model 'mini'; no collection has a model"


def test_models_of_all_collections_that_are_served_are_found(mine, gallery):
    with TestClient(create_app([mine, gallery]), base_url="http://127.0.0.1:8765") as client:
        assert vectors(ask(client, input="bread")).shape == (1, 256)


def test_it_is_asked_by_post(client):
    assert client.get("/v1/embeddings").status_code == 405


def test_a_client_that_shows_no_token_is_refused(gallery):
    with TestClient(create_app([gallery], token="secret"), base_url="http://127.0.0.1:8765") as client:
        assert ask(client, input="x").status_code == 401
        client.headers["Authorization"] = "Bearer secret"  # as clients of OpenAI send their key
        assert ask(client, input="x").status_code == 200


def test_the_same_collection_answers_after_a_commit(empty, photos):
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as client:
        Collection.open(empty.root).index([photos], workers=1)
        assert vectors(ask(client, input="bread")).shape == (1, 256)
