"""Parts of films and sounds over HTTP, as MP4 that browsers play."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import psutil
import pytest
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.retrieval.media.workers import process
from mmsearch.serve import clips, create_app


@pytest.fixture(scope="module")
def cinema(tmp_path_factory, films) -> Collection:
    """One film of eight seconds twice: as browsers play it, and as they do not; and a sound."""
    folder = tmp_path_factory.mktemp("cinema")
    (folder / "films").mkdir()
    pictures = [films.numbered(number) for number in range(200)]
    h264 = films.film(pictures, options={"g": "25", "sc_threshold": "0"}, sound=films.tone(8, 48_000))
    (folder / "films" / "good.mp4").write_bytes(h264)
    (folder / "films" / "old.avi").write_bytes(films.film(pictures, format="avi", codec="mpeg4"))
    (folder / "films" / "tone.flac").write_bytes(
        films.sound_file(films.tone(8, 16_000), 16_000, format="flac", codec="flac")
    )
    (folder / "films" / "words.txt").write_text("Some words.")
    made = Collection.create(folder / "cinema.mms", model="mini")
    made.index([folder / "films"], workers=1)
    return made


@pytest.fixture
def client(cinema: Collection) -> Iterator[TestClient]:
    with TestClient(create_app([cinema]), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def started_workers(monkeypatch):
    """How many processes were started so far."""
    started = []
    popen = process.subprocess.Popen
    monkeypatch.setattr(process.subprocess, "Popen", lambda *given, **how: started.append(1) or popen(*given, **how))
    return lambda: len(started)


def row_of(collection: Collection, name: str) -> int:
    return next(record.id for record in collection if record.path.endswith(name) and record.modality != "text")


def numbers(clip: bytes, films) -> list[int]:
    with av.open(io.BytesIO(clip)) as container:
        return [films.number_in(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_a_film_that_browsers_play_is_copied_and_says_where_it_starts(client, cinema, films):
    answer = client.get(f"/clip/{row_of(cinema, 'good.mp4')}", params={"from": 3.5, "to": 5})
    assert answer.headers["content-type"] == "video/mp4"
    assert (float(answer.headers["clip-start"]), float(answer.headers["clip-end"])) == (3.0, 5.0)
    assert numbers(answer.content, films)[:3] == [75, 76, 77]


def test_a_film_that_they_do_not_play_is_made_playable(client, cinema, films):
    answer = client.get(f"/clip/{row_of(cinema, 'old.avi')}", params={"from": 3.5, "to": 5})
    assert float(answer.headers["clip-start"]) == 3.5
    with av.open(io.BytesIO(answer.content)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == ("h264", "yuv420p")
    assert abs(numbers(answer.content, films)[0] - 87) <= 1


def test_a_sound_is_mp4_too(client, cinema):
    answer = client.get(f"/clip/{row_of(cinema, 'tone.flac')}", params={"from": 1, "to": 3})
    assert answer.headers["content-type"] == "audio/mp4"
    with av.open(io.BytesIO(answer.content)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 16_000 == pytest.approx(2, abs=0.3)


def test_head_says_where_it_starts_and_makes_nothing(client, cinema):
    address = f"/clip/{row_of(cinema, 'good.mp4')}"
    head = client.head(address, params={"from": 3.5, "to": 5})
    assert (head.status_code, head.content, head.headers["clip-start"]) == (200, b"", "3.000000")
    got = client.get(address, params={"from": 3.5, "to": 5})
    for name in ("clip-start", "clip-end", "content-type"):
        assert got.headers[name] == head.headers[name]
    again = client.head(address, params={"from": 3.5, "to": 5})  # it is made now
    assert again.headers["content-length"] == str(len(got.content))


def test_a_player_can_jump_in_a_clip_that_is_made_quickly(client, cinema, started_workers):
    address, asked = f"/clip/{row_of(cinema, 'good.mp4')}", {"from": 2.5, "to": 6}
    whole = client.get(address, params=asked)
    assert whole.headers["accept-ranges"] == "bytes"
    made = started_workers()
    part = client.get(address, params=asked, headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[1000:])
    assert client.get(address, params=asked, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert started_workers() == made  # nothing was made again
    assert client.get(address, params={"from": 2.5, "to": 7}).content != whole.content
    assert started_workers() > made


def test_a_clip_that_takes_long_is_sent_while_it_is_made(client, cinema, films, monkeypatch):
    monkeypatch.setattr(clips, "_COLLECTED_S", 0.0)
    answer = client.get(f"/clip/{row_of(cinema, 'good.mp4')}", params={"from": 3.5, "to": 5})
    assert answer.headers["accept-ranges"] == "none"
    assert "content-length" not in answer.headers
    assert numbers(answer.content, films)[0] == 75


def test_a_clip_that_is_kept_is_not_given_of_a_file_that_has_changed(tmp_path, films, empty):
    film = tmp_path / "films" / "film.mp4"
    film.parent.mkdir()
    film.write_bytes(films.film([films.numbered(n) for n in range(50)]))
    empty.index([film.parent], workers=1)
    row = row_of(empty, "film.mp4")
    with TestClient(create_app([empty]), base_url="http://127.0.0.1:8765") as client:
        assert client.get(f"/clip/{row}", params={"to": 1}).status_code == 200
        film.write_bytes(film.read_bytes() + b"more")
        assert client.get(f"/clip/{row}", params={"to": 1}).status_code == 409


def test_a_clip_is_a_minute_long_if_nothing_is_said_and_ten_at_most(client, cinema, monkeypatch, films):
    address = f"/clip/{row_of(cinema, 'good.mp4')}"
    assert client.head(address).headers["clip-end"] == "8.000000"
    monkeypatch.setattr(clips, "MOST_S", 2.0)
    answer = client.get(address, params={"from": 0, "to": 1e6})
    assert answer.headers["clip-end"] == "2.000000"
    assert max(numbers(answer.content, films)) < 60


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"from": 3, "to": 3}, 400),
        ({"from": -1}, 400),
        ({"from": "nan"}, 400),
        ({"to": "inf"}, 400),
        ({"from": "x"}, 400),
        ({"from": 60}, 422),
    ],
)
def test_times_that_are_none_are_refused(client, cinema, asked, status):
    answer = client.get(f"/clip/{row_of(cinema, 'good.mp4')}", params=asked)
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]["message"]


def test_no_clip_is_made_of_a_text(client, cinema):
    text = next(record.id for record in cinema if record.modality == "text")
    answer = client.get(f"/clip/{text}")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "NoFilm")


def test_nothing_stays_of_a_clip(client, cinema, tmp_path_factory):
    before = {process.pid for process in psutil.Process().children()}
    descriptors = psutil.Process().num_fds()
    for asked in ({"from": 0, "to": 8}, {"from": 60}):
        client.get(f"/clip/{row_of(cinema, 'old.avi')}", params=asked)
        client.head(f"/clip/{row_of(cinema, 'old.avi')}", params=asked)
    assert {process.pid for process in psutil.Process().children()} <= before
    assert psutil.Process().num_fds() <= descriptors + 2
