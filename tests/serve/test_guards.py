"""Who may ask: hosts, origins, tokens, sizes; and what every answer forbids."""

from __future__ import annotations

import asyncio

import pytest
from starlette.testclient import TestClient

from mmsearch.serve import create_app, guards

HERE = "http://127.0.0.1:8765"


@pytest.fixture
def make_client(gallery):
    """A client of a server with further keywords of `create_app`."""

    def make(base_url=HERE, **options):
        return TestClient(create_app([gallery], **options), base_url=base_url, follow_redirects=False)

    return make


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "127.0.0.1", "localhost:80", "LOCALHOST", "[::1]:8765", "127.9.9.9"]
)
def test_this_machine_is_asked_by_its_own_names(gallery_client, host):
    assert gallery_client.get("/api/status", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.7", "localhost.evil.example", "[::2]"]
)
def test_a_name_that_was_made_to_lead_here_is_refused(gallery_client, host):
    answer = gallery_client.get("/api/status", headers={"host": host})
    assert answer.status_code == 421
    assert "is not" in answer.json()["error"]["message"]


def test_an_app_may_name_its_hosts_or_check_them_itself(make_client):
    assert make_client("http://photos.example", hosts=["photos.example"]).get("/healthz").status_code == 200
    assert make_client("http://other.example", hosts=["photos.example"]).get("/healthz").status_code == 421
    assert make_client("http://other.example", hosts=None).get("/healthz").status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8765"])
def test_pages_of_other_origins_are_refused(gallery_client, origin):
    for ask in (gallery_client.get, gallery_client.post):
        assert ask("/api/search", headers={"origin": origin}).status_code == 403


def test_our_own_page_and_programs_may_ask(gallery_client):
    for headers in ({}, {"origin": HERE}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert gallery_client.post("/api/search", json={"terms": ["a"]}, headers=headers).status_code == 200


def test_other_sites_may_link_here_but_not_embed_what_is_here(gallery_client):
    cross = {"sec-fetch-site": "cross-site"}
    assert gallery_client.get("/api/status", headers=cross | {"sec-fetch-mode": "navigate"}).status_code == 200
    assert gallery_client.get("/api/status", headers=cross | {"sec-fetch-mode": "no-cors"}).status_code == 403


def test_a_get_changes_nothing(gallery_client):
    for route in gallery_client.app.routes:
        if "POST" in (getattr(route, "methods", None) or ()):
            assert "GET" not in route.methods, route.path
    assert gallery_client.get("/api/search").status_code == 405


def test_without_the_token_nothing_is_told(make_client):
    client = make_client("http://192.0.2.7:8765", token="secret")
    answer = client.get("/api/status")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.post("/api/search", json={"terms": ["a"]}).status_code == 401
    assert client.get("/healthz").status_code == 200
    for wrong in ("Bearer other", "Bearer", "Basic secret", "secret", "Bearer \u00e4".encode()):
        assert client.get("/api/status", headers={"authorization": wrong}).status_code == 401
    assert client.get("/api/status", headers={"cookie": "mmsearch_session=secret"}).status_code == 401
    assert client.get("/api/status", headers={"authorization": "Bearer secret"}).status_code == 200


def test_the_token_in_the_address_becomes_a_cookie(make_client):
    client = make_client("http://192.0.2.7:8765", token="secret")
    assert client.get("/?token=other").status_code == 401
    answer = client.get("/?token=secret&q=a%20dog")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?q=a+dog"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secret" not in cookie
    assert client.get("/api/status").status_code == 200
    assert client.get("http://192.0.2.7:8765//evil.example/?token=secret").headers["location"] == "/evil.example/"


def test_with_a_token_the_names_of_hosts_are_still_checked(make_client):
    bearer = {"authorization": "Bearer secret"}
    assert make_client("http://evil.example", token="secret").get("/api/status", headers=bearer).status_code == 421


def test_every_answer_forbids_browsers_to_run_or_embed_it(gallery_client):
    for path in ("/api/status", "/nothing", "/healthz"):
        headers = gallery_client.get(path).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_a_body_that_is_too_long_is_refused(gallery_client, monkeypatch):
    monkeypatch.setattr(guards, "MOST_BODY", 1000)
    for body in (b"x" * 1001, (b"x" * 100 for _ in range(1000))):
        answer = gallery_client.post("/api/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413


def test_a_wait_for_the_body_is_cancelled_even_as_the_body_comes():
    """Work that ends as the request is read cancels the wait for the client to leave; lost, nobody would answer."""

    async def wait_and_cancel() -> bool:
        message = asyncio.get_running_loop().create_future()

        async def receive():
            return await message

        body = guards._Body({"type": "http", "headers": []}, receive)
        waiting = asyncio.ensure_future(body.receive())
        await asyncio.sleep(0)
        message.set_result({"type": "http.request", "body": b"", "more_body": False})
        waiting.cancel()
        await asyncio.wait({waiting})
        return waiting.cancelled()

    for _ in range(20):
        assert asyncio.run(wait_and_cancel())


def test_a_failure_shows_no_traceback(gallery, monkeypatch):
    app = create_app([gallery])
    monkeypatch.setattr(app.state.served["gallery"], "status", lambda: 1 / 0)
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
    answer = client.get("/api/status")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "this went wrong in the server; its log says why"
