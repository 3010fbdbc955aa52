"""Files of rows over HTTP: whole or in part, only those that were indexed, and never as something a browser runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.indexed_files import content_disposition
from mmsearch.serve.reveal import command_to_show


def row_of(collection: Collection, name: str) -> int:
    return next(record.id for record in collection if Path(record.path).name == name)


def error_of(answer) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert "\n" not in error["message"]
    return answer.status_code, error["kind"], error["message"]


def client_of(collection: Collection, **how) -> TestClient:
    return TestClient(create_app([collection], **how), base_url="http://127.0.0.1:8765")


# --- what is sent ----------------------------------------------------------------------------------------------


def test_a_picture_is_sent_as_it_is(client, collection, photos):
    answer = client.get(f"/media/{row_of(collection, 'disc.png')}")
    assert answer.content == (photos / "disc.png").read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-disposition"] == "inline; filename=\"disc.png\"; filename*=UTF-8''disc.png"


def test_a_part_is_sent_and_the_rest_can_be_fetched_later(client, collection, photos):
    data = (photos / "disc.png").read_bytes()
    address = f"/media/{row_of(collection, 'disc.png')}"
    first = client.get(address, headers={"Range": "bytes=0-99"})
    assert (first.status_code, first.content) == (206, data[:100])
    assert first.headers["content-range"] == f"bytes 0-99/{len(data)}"
    assert first.headers["content-length"] == "100"
    for condition in (first.headers["etag"], first.headers["last-modified"]):
        rest = client.get(address, headers={"Range": "bytes=100-", "If-Range": condition})
        assert (rest.status_code, first.content + rest.content) == (206, data)
    other = client.get(address, headers={"Range": "bytes=100-", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, data)
    assert client.get(address, headers={"Range": "bytes=-7"}).content == data[-7:]


def test_a_range_that_is_not_in_the_file_is_refused_with_its_size(client, collection, photos):
    size = (photos / "disc.png").stat().st_size
    answer = client.get(f"/media/{row_of(collection, 'disc.png')}", headers={"Range": f"bytes={size}-"})
    assert error_of(answer) == (416, "RangeNotSatisfiable", f"the file has {size} bytes")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=" + ",".join(f"{i}-" for i in range(5000)),
        "bytes=0-0,1-1",
        "bytes=9-1",
        "words=1-2",
        "bytes=0-" + "9" * 30,
    ],
)
def test_ranges_that_are_made_to_hurt_get_the_file_once(client, collection, photos, asked):
    answer = client.get(f"/media/{row_of(collection, 'disc.png')}", headers={"Range": asked})
    assert answer.content == (photos / "disc.png").read_bytes()


def test_what_the_client_has_is_not_sent_again(client, collection):
    address = f"/media/{row_of(collection, 'disc.png')}"
    seen = client.get(address).headers
    for headers in ({"If-None-Match": seen["etag"]}, {"If-Modified-Since": seen["last-modified"]}):
        answer = client.get(address, headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == seen["etag"]
        assert "content-length" not in answer.headers
    assert client.get(address, headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_tag_is_that_of_the_content(client, collection, photos):
    tags = {
        name: client.head(f"/media/{row_of(collection, name)}").headers["etag"] for name in ("disc.png", "grid.png")
    }
    assert tags["disc.png"] == f'"{collection.get(row_of(collection, "disc.png")).content_hash.hex()}"'
    assert len(set(tags.values())) == 2


def test_head_says_all_and_sends_nothing(client, collection):
    for address in (f"/media/{row_of(collection, 'disc.png')}", f"/thumb/{row_of(collection, 'disc.png')}"):
        got, head = client.get(address), client.head(address, headers={"Range": "bytes=0-1"})
        assert (head.status_code, head.content) == (200, b"")
        assert dict(head.headers) == dict(got.headers)
    for address in ("/media/999", "/thumb/999", "/frame/999", "/clip/999"):
        answer = client.head(address)
        assert (answer.status_code, answer.content) == (404, b"")


def test_an_empty_part_of_nothing_is_no_error(client, collection, tmp_path, photos):
    """A file that is empty now has changed."""
    (photos / "disc.png").write_bytes(b"")
    assert client.get(f"/media/{row_of(collection, 'disc.png')}").status_code == 409


# --- what a browser makes of it --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["drawing.svg", "feed.xml", "app.js", "notes.md", "words.txt"])
def test_no_text_is_something_that_a_browser_runs(empty, tmp_path, name):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / name).write_text("<script>alert(1)</script> some words")
    empty.index([folder], workers=1)
    if not len(empty):  # it is no text to mmsearch: a row can be made of it all the same
        empty.add(empty.encode(["words"]), paths=[folder / name], modality="text", texts=["words"])
    with client_of(empty) as client:
        answer = client.get(f"/media/{next(iter(empty)).id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("name", ["page.html", "mail.eml", "flat.fodt"])
def test_a_document_that_may_hold_scripts_is_to_be_saved(empty, tmp_path, name):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / name).write_text("<p xmlns:a='b'><script>alert(1)</script> some words</p>")
    empty.index([folder], workers=1)
    if not len(empty):
        empty.add(empty.encode(["words"]), paths=[folder / name], modality="text", texts=["words"])
    with client_of(empty) as client:
        answer = client.get(f"/media/{next(iter(empty)).id}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_a_pdf_is_shown_and_so_are_its_pages(empty, tmp_path, documents):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(documents.pdf(["A lighthouse"], ["A storm comes from the west"]))
    (folder / "a.rtf").write_bytes(b"{\\rtf1 A lighthouse}")
    empty.index([folder], workers=1)
    rows = {(Path(row.path).name, row.modality, row.span.start): row.id for row in empty}
    with client_of(empty) as client:
        answer = client.get(f"/media/{rows['a.pdf', 'text', 1]}")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"].startswith("inline;")
        pages = [client.get(f"/thumb/{rows['a.pdf', kind, n]}") for kind in ("text", "image") for n in (0, 1)]
        assert [page.status_code for page in pages] == [200] * 4
        assert pages[0].content == pages[2].content != pages[1].content == pages[3].content
        assert client.get(f"/thumb/{rows['a.rtf', 'text', 0]}").status_code == 404


def test_what_is_no_text_and_of_no_known_kind_is_to_be_saved(empty, tmp_path):
    (tmp_path / "photos").mkdir()
    empty.index([tmp_path / "photos"], workers=1)
    (tmp_path / "photos" / "page.html").write_text("<script>alert(1)</script>")
    empty.add(empty.encode(["x"]), paths=[tmp_path / "photos" / "page.html"], modality="image")
    with client_of(empty) as client:
        answer = client.get(f"/media/{next(iter(empty)).id}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_a_download_is_an_attachment_under_its_own_name(client, collection):
    row = row_of(collection, "disc.png")
    for asked, kind in (("?download=1", "attachment"), ("?download=0", "inline"), ("", "inline")):
        assert client.get(f"/media/{row}{asked}").headers["content-disposition"].startswith(f"{kind};")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.jpg", "inline; filename=\"a b.jpg\"; filename*=UTF-8''a%20b.jpg"),
        ("Zürich.jpg", "inline; filename=\"Z_rich.jpg\"; filename*=UTF-8''Z%C3%BCrich.jpg"),
        ('a"; x="b.jpg', "inline; filename=\"a_; x=_b.jpg\"; filename*=UTF-8''a%22%3B%20x%3D%22b.jpg"),
        (
            "a\r\nSet-Cookie: x.jpg",
            "inline; filename=\"a__Set-Cookie: x.jpg\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x.jpg",
        ),
        ("100%.jpg", "inline; filename=\"100_.jpg\"; filename*=UTF-8''100%25.jpg"),
        ("caf\udce9.jpg", "inline; filename=\"caf_.jpg\"; filename*=UTF-8''caf%3F.jpg"),
    ],
)
def test_every_name_fits_into_the_header(name, header):
    assert content_disposition("inline", f"/folder/{name}") == header
    header.encode("latin-1")


# --- what is not sent ------------------------------------------------------------------------------------------


def test_an_address_has_an_id_and_never_a_path(client, collection, photos):
    for path in (
        "/media/../../etc/passwd",
        "/media/%2e%2e%2fetc%2fpasswd",
        f"/media/{photos}/disc.png",
        "/media/",
        "/media/-1",
        "/media/1.5",
        "/media/1%00",
        "/media/one",
    ):
        assert client.get(path).status_code == 404, path
    for number in (0, 999, 2**63, 2**64, 10**30):
        assert error_of(client.get(f"/media/{number}"))[:2] == (404, "NoSuchRowError")
    assert client.get(f"/media/1?path={photos}/cross.png").content == client.get("/media/1").content


@pytest.mark.parametrize("kind", ["media", "thumb", "frame", "clip"])
def test_no_file_is_read_that_was_not_indexed_so(kind, client, collection, photos, tmp_path, kept_pictures):
    """Gone, changed, a link that leads out, vectors of a file elsewhere, a name: each says what it is."""
    gone, changed, linked = (row_of(collection, name) for name in ("disc.png", "cross.png", "grid.png"))
    (photos / "disc.png").unlink()
    (photos / "cross.png").write_bytes((photos / "cross.png").read_bytes() + b"more")
    (photos / "grid.png").rename(tmp_path / "secret.png")
    (photos / "grid.png").symlink_to(tmp_path / "secret.png")
    vector = collection.encode(["a picture"])
    (outside,) = collection.add(vector, paths=[tmp_path / "secret.png"], modality="image")
    (name,) = collection.add(vector, paths=["a name"], modality="image")
    if kind in ("frame", "clip"):
        for row in (gone, changed, linked, outside, name):
            assert client.get(f"/{kind}/{row}").status_code == 404  # pictures are no films
        return
    for path in kept_pictures.rglob("*.webp"):
        path.unlink()
    assert error_of(client.get(f"/{kind}/{gone}"))[:2] == (410, "FileGone")
    assert error_of(client.get(f"/{kind}/{changed}"))[:2] == (409, "FileChanged")
    assert error_of(client.get(f"/{kind}/{linked}"))[:2] == (403, "FileOutside")
    assert error_of(client.get(f"/{kind}/{outside}")) == (
        403,
        "FileOutside",
        f"the file lies outside the indexed folders: {tmp_path / 'secret.png'}",
    )
    assert error_of(client.get(f"/{kind}/{name}"))[:2] == (404, "NoFile")


def test_films_that_have_changed_have_no_frames_and_clips(tmp_path, films, empty):
    film = tmp_path / "films" / "film.mp4"
    film.parent.mkdir()
    film.write_bytes(films.film([films.numbered(n) for n in range(20)]))
    empty.index([film.parent], workers=1)
    row = next(record.id for record in empty if record.modality == "video")
    os.utime(film, ns=(0, 0))
    with client_of(empty) as client:
        for kind in ("frame", "clip", "thumb", "media"):
            assert error_of(client.get(f"/{kind}/{row}"))[:2] == (409, "FileChanged")


# --- the file manager ------------------------------------------------------------------------------------------


def test_a_file_is_shown_in_its_folder_only_on_this_machine(collection, photos, tmp_path, monkeypatch):
    said = tmp_path / "said"
    program = tmp_path / "bin" / command_to_show("/")[0]
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > "{said}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    row = row_of(collection, "disc.png")
    with client_of(collection, local=False) as client:
        assert error_of(client.post(f"/api/items/{row}/reveal"))[:2] == (403, "NotLocal")
    with client_of(collection, local=True) as client:
        assert client.get(f"/api/items/{row}/reveal").status_code == 405
        assert not said.exists()
        answer = client.post(f"/api/items/{row}/reveal")
        assert (answer.status_code, answer.content) == (204, b"")
        subprocess.run(["sh", "-c", f"until [ -s {said} ]; do sleep 0.01; done"], timeout=5, check=True)
        assert said.read_text().split() == command_to_show(str(photos / "disc.png"))[1:]
        (photos / "disc.png").unlink()
        assert error_of(client.post(f"/api/items/{row}/reveal"))[:2] == (410, "FileGone")
        monkeypatch.setenv("PATH", "")
        other = client.post(f"/api/items/{row_of(collection, 'cross.png')}/reveal")
        assert error_of(other)[:2] == (501, "NoFileManager")


def test_each_system_has_its_own_file_manager():
    assert command_to_show("/a/b.png", "linux") == ["xdg-open", "/a"]
    assert command_to_show("/a/b.png", "darwin") == ["open", "-R", "/a/b.png"]
    assert command_to_show("C:\\a\\b.png", "win32") == ["explorer", "/select,", "C:\\a\\b.png"]
