"""Items of archives over HTTP: their bytes, pictures, frames and clips."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.mcp_names import Folders


@pytest.fixture(scope="module")
def shard(tmp_path_factory, archives, drawn, films):
    """A tar of four pictures with captions, and a film of two seconds with one."""
    film = films.film([drawn("stripes", (160, 120))] * 50, fps=25, sound=films.tone(2, 48_000))
    own = {"x/film.mp4": film, "x/film.txt": b"A quilt that hangs in the wind."}
    files = {**archives.samples(drawn), **own}
    return archives.write_tar(tmp_path_factory.mktemp("items") / "shard.tar", files)


@pytest.fixture(scope="module")
def collection(shard):
    made = Collection.create(shard.with_suffix(".mms"), model="mini")
    made.index([shard], workers=1)
    return made


@pytest.fixture(scope="module")
def client(collection):
    with TestClient(create_app([collection]), base_url="http://127.0.0.1:8765") as client:
        yield client


def hit_at(client, shard, name: str, **asked) -> dict:
    found = client.post("/api/search", json={"line": "a quilt", "literal": True, "k": 50, **asked}).json()["hits"]
    return next(hit for hit in found if hit["path"] == f"{shard}#{name}")


def test_an_item_is_sent_under_its_own_name(client, shard, archives, drawn):
    hit = hit_at(client, shard, "000000.png")
    sent = client.get(f"/media/{hit['id']}")
    assert sent.content == archives.samples(drawn)["000000.png"]
    assert sent.headers["content-type"] == "image/png"
    assert 'filename="000000.png"' in sent.headers["content-disposition"]
    part = client.get(f"/media/{hit['id']}", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, sent.content[4:8])


def test_items_have_small_pictures(client, shard):
    for name in ("000001.png", "x/film.mp4"):
        made = client.get(f"/thumb/{hit_at(client, shard, name)['id']}?w=160")
        assert made.status_code == 200, made.text
        assert Image.open(io.BytesIO(made.content)).format == "WEBP"


def test_a_film_in_a_tar_has_frames_and_clips(client, shard):
    row = hit_at(client, shard, "x/film.mp4")["id"]
    assert client.get(f"/frame/{row}?t=1").headers["content-type"] == "image/jpeg"
    clip = client.get(f"/clip/{row}?from=0&to=1")
    assert (clip.status_code, clip.headers["content-type"]) == (200, "video/mp4")
    assert len(clip.content) > 1000


def test_a_caption_is_shown_as_its_file(client, shard):
    picture = hit_at(client, shard, "000002.png", to=["text"])
    assert (picture["modality"], picture["evidence"]) == ("image", ["caption"])
    assert client.get(f"/thumb/{picture['id']}").status_code == 200
    assert client.get(f"/api/items/{picture['id']}").json()["modality"] == "image"
    film = hit_at(client, shard, "x/film.mp4", to=["text"])
    assert (film["modality"], film["text"]) == ("video", "A quilt that hangs in the wind.")


def test_files_are_counted_by_what_they_are(client):
    assert client.get("/api/facets").json()["kinds"] == {"image": 4, "video": 1}
    assert client.get("/api/facets?to=text").json()["kinds"] == {"image": 4, "video": 1}


def test_the_archive_is_shown_in_its_folder(client, shard, monkeypatch, tmp_path):
    from mmsearch.serve import reveal

    asked = []
    monkeypatch.setattr(reveal, "command_to_show", lambda path: asked.append(path) or ["true"])
    client.app.state.local = True
    assert client.post(f"/api/items/{hit_at(client, shard, '000000.png')['id']}/reveal").status_code == 204
    assert asked == [str(shard)]


def test_an_archive_is_a_folder_to_people_and_agents(client, collection, shard):
    assert client.get("/api/facets").json()["folders"] == [{"path": str(shard), "name": "shard.tar", "files": 5}]
    assert Folders.of(collection).named("shard.tar") == str(shard)
    found = client.post("/api/search", json={"line": "a quilt", "under": str(shard)}).json()["hits"]
    assert len(found) == 5
