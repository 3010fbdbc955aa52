"""Small pictures of rows, and frames of films, over HTTP."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.thumbnails import SIDES


@pytest.fixture(scope="module")
def client(media_collection):
    with TestClient(create_app([media_collection]), base_url="http://127.0.0.1:8765") as client:
        yield client


def rows(collection: Collection, modality: str) -> list[int]:
    return [record.id for record in collection if record.modality == modality]


def picture_in(answer) -> Image.Image:
    return Image.open(io.BytesIO(answer.content))


def test_a_small_picture_is_webp(client, media_collection):
    answer = client.get(f"/thumb/{rows(media_collection, 'image')[0]}")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (picture_in(answer).format, picture_in(answer).size) == ("WEBP", (96, 64))


def test_a_width_is_rounded_up_to_one_of_a_few(client, tmp_path, drawn, empty):
    (tmp_path / "photos").mkdir()
    drawn("grid", (2000, 1000)).save(tmp_path / "photos" / "large.png")
    empty.index([tmp_path / "photos"], workers=1)
    (row,) = rows(empty, "image")
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as large:
        for asked, side in ((1, 160), (160, 160), (161, 320), (500, 640), (1281, 1280), (99999, 1280)):
            answer = large.get(f"/thumb/{row}", params={"w": asked})
            assert picture_in(answer).size == (side, side // 2)
        assert picture_in(large.get(f"/thumb/{row}")).width == 320
        tags = {large.get(f"/thumb/{row}", params={"w": w}).headers["etag"] for w in range(100, 1300, 100)}
        assert len(tags) == len(SIDES)


@pytest.mark.parametrize("asked", ["", "0", "-1", "wide", "1e3", "٣", "9" * 1000])
def test_a_width_that_is_none_is_refused(client, asked):
    assert client.get("/thumb/1", params={"w": asked}).status_code == 400


def test_the_tag_is_that_of_the_content_so_copies_share_a_picture(client, media_collection):
    paths = {record.path.rpartition("/")[2]: record.id for record in media_collection if record.modality == "image"}
    tags = {name: client.get(f"/thumb/{row}").headers["etag"] for name, row in paths.items()}
    assert tags["disc.png"] == tags["copy of disc.png"] != tags["square.png"]
    again = client.get(f"/thumb/{paths['disc.png']}", headers={"If-None-Match": tags["disc.png"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_film_is_shown_in_the_middle_of_the_moment(client, media_collection):
    """The first half of the film shows a red disc on white, the second stripes."""
    shots = [record for record in media_collection if record.modality == "video" and record.span is not None]
    first, *_, second = sorted(shots, key=lambda record: (record.span.start, record.span.end))
    early, late = (
        picture_in(client.get(f"/thumb/{shot.id}")).convert("RGB").getpixel((5, 5)) for shot in (first, second)
    )
    assert min(early) > 240
    assert min(late) < 200
    (subtitle,) = [record.id for record in media_collection if record.text and "disc" in record.text]
    assert min(picture_in(client.get(f"/thumb/{subtitle}")).convert("RGB").getpixel((5, 5))) > 240


def test_what_has_no_picture_is_told_apart_by_its_kind(client, media_collection):
    sound = next(r.id for r in media_collection if r.modality == "audio" and r.path.endswith("flac"))
    text = next(r.id for r in media_collection if r.path.endswith(".md"))
    for row, noun in ((sound, "a sound"), (text, "a text")):
        answer = client.get(f"/thumb/{row}")
        assert answer.status_code == 404
        assert answer.json()["error"] == {"kind": "NoPicture", "message": f"row {row} has no picture: it is {noun}"}


def test_a_picture_that_cannot_be_decoded_says_why(tmp_path, drawn, empty):
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "broken.png"
    drawn("noise").save(path)
    whole = path.stat()
    empty.index([path.parent], workers=1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * (whole.st_size - 8))
    os.utime(path, ns=(whole.st_mtime_ns, whole.st_mtime_ns))
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as client:
        for _ in range(2):
            answer = client.get(f"/thumb/{rows(empty, 'image')[0]}", params={"w": 640})
            assert answer.status_code == 422
            assert "damaged" in answer.json()["error"]["message"]


def test_a_picture_that_is_kept_is_shown_though_the_file_is_away(client, media_collection, tmp_path, drawn, empty):
    """A disk that is not mounted: what was indexed can still be seen."""
    (tmp_path / "photos").mkdir()
    drawn("ramp").save(tmp_path / "photos" / "ramp.png")
    empty.index([tmp_path / "photos"], workers=1)
    (row,) = rows(empty, "image")
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as one:
        seen = one.get(f"/thumb/{row}")
        (tmp_path / "photos" / "ramp.png").unlink()
        assert one.get(f"/thumb/{row}").content == seen.content
        assert one.get(f"/thumb/{row}", params={"w": 1280}).status_code == 410


def test_a_frame_is_jpeg_in_full_size_at_its_time(client, media_collection):
    film = rows(media_collection, "video")[0]
    seen = {}
    for time in (0.5, 3.5):
        answer = client.get(f"/frame/{film}", params={"t": time})
        assert answer.headers["content-type"] == "image/jpeg"
        assert picture_in(answer).size == (160, 120)
        seen[time] = min(picture_in(answer).getpixel((5, 5)))
    assert seen[0.5] > 240 > 200 > seen[3.5]
    answer = client.get(f"/frame/{film}", params={"t": 0.5, "w": 80})
    assert picture_in(answer).size == (80, 60)
    again = client.get(f"/frame/{film}", params={"t": 0.5, "w": 80}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("asked", "status"), [("nan", 400), ("inf", 400), ("-1", 400), ("now", 400), ("1e9", 400), ("60", 422)]
)
def test_a_time_that_is_none_or_past_the_end_is_refused(client, media_collection, asked, status):
    answer = client.get(f"/frame/{rows(media_collection, 'video')[0]}", params={"t": asked})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_only_films_have_frames(client, media_collection):
    answer = client.get(f"/frame/{rows(media_collection, 'image')[0]}", params={"t": 1})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "NoFilm")
