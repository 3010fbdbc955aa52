"""Films frame by frame: the right picture, upright, at its exact time, whole or from the middle on."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.container import Clock
from mmsearch.retrieval.media.films import film as film_module
from mmsearch.retrieval.media.films.animation import is_animated
from mmsearch.retrieval.media.films.film import Film, Shot, frames_between
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.sniff import sniff
from mmsearch.retrieval.media.sounds.sound import Sound
from mmsearch.types import Facts

LIMIT = 100_000_000
SMALL = ImageTransform(48, 64)

CODED: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "mp4 h264": ("mp4", "libx264", "mp4", {"bf": "0"}),
    "mp4 h264 B frames": ("mp4", "libx264", "mp4", {"bf": "3", "g": "25"}),
    "mp4 h264 open groups": ("mp4", "libx264", "mp4", {"bf": "3", "g": "20", "x264-params": "open-gop=1"}),
    "mp4 hevc": ("mp4", "libx265", "mp4", {"x265-params": "log-level=none"}),
    "mp4 av1": ("mp4", "libsvtav1", "mp4", {"preset": "8", "crf": "10"}),
    "mov h264": ("mov", "libx264", "mov", {}),
    "mov prores": ("mov", "prores", "mov", {}),
    "mkv hevc open groups": ("matroska", "libx265", "mkv", {"x265-params": "log-level=none:open-gop=1:keyint=20"}),
    "webm vp8": ("webm", "libvpx", "webm", {"deadline": "realtime"}),
    "webm vp9": ("webm", "libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8"}),
    "avi mpeg4": ("avi", "mpeg4", "avi", {}),
    "avi mpeg4 B frames": ("avi", "mpeg4", "avi", {"bf": "2"}),
    "avi h264 B frames": ("avi", "libx264", "avi", {"bf": "2"}),
    "avi mjpeg": ("avi", "mjpeg", "avi", {}),
    "ts h264": ("mpegts", "libx264", "mpegts", {"g": "20"}),
    "ts h264 open groups": ("mpegts", "libx264", "mpegts", {"bf": "3", "g": "20", "x264-params": "open-gop=1"}),
    "ts mpeg2 B frames": ("mpegts", "mpeg2video", "mpegts", {"bf": "2"}),
    "ps mpeg2 B frames": ("mpeg", "mpeg2video", "mpeg", {"bf": "2"}),
    "bare mpeg2": ("mpeg2video", "mpeg2video", "mpegvideo", {"bf": "2"}),
    "flv": ("flv", "flv", "flv", {}),
    "flv h264 B frames": ("flv", "libx264", "flv", {"bf": "2"}),
    "wmv": ("asf", "wmv2", "asf", {}),
    "3gp h263": ("3gp", "h263", "3gp", {}),
}
PIXELS = {"prores": "yuv422p10le", "mjpeg": "yuvj420p"}


@pytest.fixture(scope="module")
def counting(films: ModuleType) -> Callable[[str], tuple[bytes, str]]:
    """A film of 80 frames at 25 a second, coded as the name says; each shows its number."""
    made: dict[str, bytes] = {}

    def make(name: str) -> tuple[bytes, str]:
        muxer, codec, format, options = CODED[name]
        if name not in made:
            size = (176, 144) if codec == "h263" else (160, 120)
            pictures = (films.numbered(number, size) for number in range(80))
            pix_fmt = PIXELS.get(codec, "yuv420p")
            made[name] = films.film(pictures, format=muxer, codec=codec, options=options, pix_fmt=pix_fmt)
        return made[name], format

    return make


def shots_of(data: bytes, format: str, transform: ImageTransform = SMALL) -> tuple[list[Shot], Facts]:
    film = Film(io.BytesIO(data), format, transform, max_pixels=LIMIT)
    return list(film.shots()), film.facts


def frame_at(data: bytes, format: str, time: float) -> np.ndarray:
    (frame,), _ = frames_between(io.BytesIO(data), format, SMALL, time, None, max_pixels=LIMIT)
    return frame


@pytest.mark.parametrize("name", CODED)
def test_every_frame_comes_once_at_its_time(name: str, films: ModuleType, counting: Callable) -> None:
    data, format = counting(name)
    found = sniff(data[: 1 << 14], "a", explicitly_requested=False)
    assert (found.kind, found.format) == ("video", format)
    frames = [(films.number_in(f.picture()), f.time) for f in open_film(io.BytesIO(data), format, LIMIT).frames()]
    assert [number for number, _ in frames] == list(range(80))
    assert [time for _, time in frames] == pytest.approx([number / 25 for number in range(80)], abs=0.002)


@pytest.mark.parametrize("name", CODED)
def test_a_jump_lands_on_the_frame_that_is_shown_then(name: str, films: ModuleType, counting: Callable) -> None:
    data, format = counting(name)
    for time in (2.01, 0.0, 3.17, 1.63, 1.585, 0.83, 0.41, 2.42):
        assert films.number_in(frame_at(data, format, time)) == int(time * 25), time


def test_frames_that_come_at_odd_times_keep_them(films: ModuleType) -> None:
    times = [0.0, 0.04, 0.1, 0.5, 0.52, 2.0, 2.01, 4.5, 5.25]
    for muxer, format in (("mp4", "mp4"), ("matroska", "mkv")):
        data = films.film((films.numbered(number) for number in range(9)), format=muxer, times=times)
        frames = list(open_film(io.BytesIO(data), format, LIMIT).frames())
        assert [films.number_in(frame.picture()) for frame in frames] == list(range(9))
        assert [frame.time for frame in frames] == pytest.approx(times, abs=0.001)
        for time, number in ((0.3, 2), (1.99, 4), (3.0, 6), (4.6, 7)):
            assert films.number_in(frame_at(data, format, time)) == number


def test_the_clock_starts_where_the_container_starts(films: ModuleType) -> None:
    pictures = [films.numbered(number) for number in range(50)]
    data = films.film(pictures, format="mpegts", times=[10 + number / 25 for number in range(50)])
    frames = list(open_film(io.BytesIO(data), "mpegts", LIMIT).frames())
    assert frames[0].time == 0
    assert films.number_in(frame_at(data, "mpegts", 1.5)) == 37


def test_two_recordings_in_one_file_follow_each_other(films: ModuleType) -> None:
    one = films.film((films.numbered(number) for number in range(50)), format="mpegts", sound=films.tone(2, 48_000))
    frames = list(open_film(io.BytesIO(one + one), "mpegts", LIMIT).frames())
    assert [films.number_in(frame.picture()) for frame in frames] == [*range(50), *range(50)]
    assert np.diff([frame.time for frame in frames]) == pytest.approx(1 / 25, abs=0.03)
    *_, last = Sound(io.BytesIO(one + one), "mpegts", 48_000).windows()
    assert last.end_s == pytest.approx(4, abs=0.15)


def timed(stamps: list[float | None], stated_s: float = 0.0) -> list[float]:
    """What the clock makes of the time stamps of frames that last a tenth of a second."""
    frames = [SimpleNamespace(pts=stamp, time=stamp) for stamp in stamps]
    times = Clock(SimpleNamespace(start_time=0), stated_s).timed(frames, lambda frame: 0.1)
    return [round(time, 3) for _, time, _ in times]


def test_the_clock_goes_past_stamps_that_are_wrong_or_missing() -> None:
    assert timed([0, 0.1, 5000, 0.3, 0.4]) == [0, 0.1, 0.2, 0.3, 0.4]
    assert timed([0, 0.1, -70, 0.3]) == [0, 0.1, 0.2, 0.3]
    assert timed([0, None, None, 0.3]) == [0, 0.1, 0.2, 0.3]


def test_the_clock_follows_a_pause_but_not_a_jump_to_another_recording() -> None:
    assert timed([0, 0.1, 7, 7.1]) == [0, 0.1, 7, 7.1]
    assert timed([0, 0.1, 50, 50.1]) == [0, 0.1, 0.2, 0.3]
    assert timed([0, 0.1, 50, 50.1], stated_s=60) == [0, 0.1, 50, 50.1]
    assert timed([0, 0.1, 9000, 9000.1], stated_s=10_000) == [0, 0.1, 0.2, 0.3]
    assert timed([8, 8.1, 0, 0.1]) == [8, 8.1, 8.2, 8.3]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_film_taken_with_the_camera_turned_is_upright(rotation: int, scene: Callable, films: ModuleType) -> None:
    stored = scene(96, 64).rotate(-rotation, expand=True)
    data = films.film([stored] * 5, rotation=rotation)
    (shot,), facts = shots_of(data, "mp4", ImageTransform(64, 96))
    assert (facts.width, facts.height) == (96, 64)
    assert np.abs(shot.frames[0].astype(int) - np.asarray(scene(96, 64)))[8:24, 8:40].max() < 12
    assert np.abs(shot.frames[0].astype(int) - np.asarray(scene(96, 64)))[40:56, 56:88].max() < 12


def test_pixels_that_are_not_square_are_stretched(scene: Callable, films: ModuleType) -> None:
    data = films.film([scene(64, 64)] * 3, pixel_aspect=Fraction(3, 2))
    _, facts = shots_of(data, "mp4")
    assert (facts.width, facts.height) == (96, 64)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "nv12"),
        ("libx264", "yuvj420p"),
        ("ffv1", "rgb24"),
    ],
)
def test_every_pixel_format_has_the_same_colours(codec: str, pix_fmt: str, scene: Callable, films: ModuleType) -> None:
    if codec == "ffv1":
        pix_fmt = "bgr0"
    data = films.film([scene(96, 64)] * 3, format="matroska", codec=codec, pix_fmt=pix_fmt, options={"crf": "5"})
    (shot,), _ = shots_of(data, "mkv", ImageTransform(64, 96))
    assert np.abs(shot.frames[0].astype(int) - np.asarray(scene(96, 64)))[8:24, 8:40].max() < 12


def test_a_frame_has_the_pixels_that_a_picture_of_it_would_have(noise: Callable, films: ModuleType) -> None:
    for size, resize, levels in (((160, 120), "squash", 0), ((160, 120), "shortest", 0), ((1280, 720), "squash", 2)):
        transform = ImageTransform(96, 96, resize=resize)
        data = films.film([noise(*size)] * 3)
        (shot,), _ = shots_of(data, "mp4", transform)
        whole = next(open_film(io.BytesIO(data), "mp4", LIMIT).frames()).picture()
        assert whole.size == size
        assert np.abs(shot.frames[0].astype(int) - transform.apply(whole)).mean() <= levels


def pan(seed: int, first: int, count: int, size: tuple[int, int] = (160, 120)) -> list[Image.Image]:
    """What a camera shows that moves slowly over smooth blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    wide = Image.fromarray(blobs).resize((640, 480), Image.Resampling.BICUBIC)
    return [wide.crop((first + step, 50, first + step + 160, 170)).resize(size) for step in range(count)]


CHANGES: dict[str, tuple[dict, dict]] = {
    "444": ({}, {"pix_fmt": "yuv444p"}),
    "10 bits": ({}, {"pix_fmt": "yuv420p10le"}),
    "8 bits": ({"pix_fmt": "yuv420p10le"}, {}),
    "range": ({}, {"pix_fmt": "yuvj420p"}),
    "colours": (
        {"options": {"x264-params": "colormatrix=bt709"}},
        {"options": {"x264-params": "colormatrix=smpte170m"}},
    ),
    "size": ({}, {"size": (320, 240)}),
}


def changing(films: ModuleType, change: str) -> bytes:
    """A shot of six seconds that changes its pixel format or the like after 4.5; the large frame is one before that."""
    data = b""
    for first, count, given in zip((0, 45), (45, 15), CHANGES[change], strict=True):
        size = given.get("size", (160, 120))
        how = {name: value for name, value in given.items() if name != "size"}
        data += films.film(pan(7, first, count, size), format="mpegts", fps=10, **how)
    return data


def kept_both_ways(
    data: bytes, format: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Shot], int, list[Shot], int]:
    """Shots if sampled frames are converted at once, how many were; the same if they wait until their shot ends."""
    found: list = []
    real = film_module.frame_pixels
    for most in (0, 1 << 40):
        times: list[float] = []
        monkeypatch.setattr(film_module, "_MAX_HELD_BYTES", most)
        monkeypatch.setattr(
            film_module, "frame_pixels", lambda frame, how, into=times: into.append(frame.time) or real(frame, how)
        )
        film = Film(io.BytesIO(data), format, SMALL, max_pixels=LIMIT, keep_side=96)
        found += [list(film.shots()), len(times)]
    return tuple(found)


def assert_same(some: list[Shot], others: list[Shot]) -> None:
    for one, other in zip(some, others, strict=True):
        stretch, other_stretch = ((shot.start_s, shot.end_s, shot.times, shot.continues) for shot in (one, other))
        assert stretch == other_stretch
        assert one.frames.tobytes() == other.frames.tobytes()
        assert one.middle is not None
        assert other.middle is not None
        assert (one.middle.size, one.middle.tobytes()) == (other.middle.size, other.middle.tobytes())


@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_wait_are_those_that_do_not_though_the_film_changes(
    change: str, films: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = changing(films, change)
    formats = [
        (frame.decoded.format.name, int(frame.decoded.color_range), int(frame.decoded.colorspace), frame.size)
        for frame in open_film(io.BytesIO(data), "mpegts", LIMIT).frames()
    ]
    at_once, converted, waited, wanted = kept_both_ways(data, "mpegts", monkeypatch)
    (shot,) = at_once
    assert shot.times[0] < 4.5 < shot.times[-1]
    assert len(set(formats)) == 2
    assert (converted, wanted) == (6, 4)
    assert_same(at_once, waited)


def test_frames_that_wait_are_those_that_do_not_in_shots_long_and_short(
    films: ModuleType, encoded: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [*pan(1, 0, 70), *pan(2, 0, 12), *pan(3, 0, 3), *pan(4, 40, 30)]
    options = {"bf": "3", "g": "25"}
    coded = {
        "mp4": films.film(pictures, fps=5, options=options),
        "mkv": films.film(pictures, format="matroska", fps=5, pix_fmt="yuv420p10le", options=options),
        "gif": encoded(pictures[0], "gif", save_all=True, append_images=pictures[5::5], duration=1000),
    }
    for format, data in coded.items():
        at_once, converted, waited, wanted = kept_both_ways(data, format, monkeypatch)
        assert len(at_once) >= 3, format
        assert any(shot.continues for shot in at_once)
        assert wanted == sum(len(shot.frames) for shot in waited) < converted
        assert_same(at_once, waited)


def test_facts_are_those_of_the_film(films: ModuleType) -> None:
    data = films.film(
        (films.numbered(number) for number in range(30)), metadata={"creation_time": "2021-05-01T10:00:00Z"}
    )
    film = Film(io.BytesIO(data), "mp4", SMALL, max_pixels=LIMIT)
    assert film.expected_s == pytest.approx(1.2)
    list(film.shots())
    taken_at = dt.datetime(2021, 5, 1, 10, tzinfo=dt.UTC)
    assert film.facts == Facts(width=160, height=120, duration_s=film.facts.duration_s, taken_at=taken_at)
    assert film.facts.duration_s == pytest.approx(1.2)


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animated_picture_is_a_film(kind: str, films: ModuleType, encoded: Callable) -> None:
    pictures = [films.numbered(number) for number in range(6)]
    durations = [100, 200, 300, 100, 400, 500]
    options: dict[str, object] = {"lossless": True} if kind == "webp" else {}
    data = encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    assert is_animated(io.BytesIO(data), kind)
    frames = list(open_film(io.BytesIO(data), kind, LIMIT).frames())
    assert [films.number_in(frame.picture()) for frame in frames] == list(range(6))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.6, 0.7, 1.1])
    assert films.number_in(frame_at(data, kind, 0.65)) == 3
    _, facts = shots_of(data, kind)
    assert facts == Facts(width=160, height=120, duration_s=pytest.approx(1.6))


def test_frames_of_an_animation_without_a_duration_last_as_long_as_in_a_browser(
    films: ModuleType, encoded: Callable
) -> None:
    pictures = [films.numbered(number) for number in range(4)]
    data = encoded(pictures[0], "gif", save_all=True, append_images=pictures[1:], duration=0)
    frames = list(open_film(io.BytesIO(data), "gif", LIMIT).frames())
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_a_picture_that_stands_still_is_not_animated(kind: str, films: ModuleType, encoded: Callable) -> None:
    assert not is_animated(io.BytesIO(encoded(films.numbered(1), kind)), kind)
    assert not is_animated(io.BytesIO(encoded(films.numbered(1), kind)[:15]), kind)


def test_a_question_about_a_stretch_takes_frames_from_all_of_it(films: ModuleType) -> None:
    data = films.film((films.numbered(number) for number in range(300)), fps=10)

    def numbers(start: float, end: float) -> list[int]:
        frames, _ = frames_between(io.BytesIO(data), "mp4", SMALL, start, end, max_pixels=LIMIT)
        return [films.number_in(frame) for frame in frames]

    assert numbers(5, 5.2) == [50]
    assert numbers(5, 6) == [52]
    assert numbers(5, 8) == [52, 62, 72]
    assert numbers(2, 12) == [32, 52, 82, 102]
    assert numbers(0, 30) == sorted(set(numbers(0, 30)))
    assert len(numbers(0, 30)) == 12
    assert numbers(28, 99)[-1] > 280


def test_a_question_beyond_the_end_says_where_the_end_is(films: ModuleType) -> None:
    data = films.film((films.numbered(number) for number in range(80)), fps=2)
    assert films.number_in(frame_at(data, "mp4", 40)) == 79
    for start, end in ((41, None), (83, 91)):
        with pytest.raises(DecodeError, match=r"^the film ends at 00:00:40$"):
            frames_between(io.BytesIO(data), "mp4", SMALL, start, end, max_pixels=LIMIT)


def test_every_film_of_the_evaluation_data_is_seen_to_its_end(shared: Path) -> None:
    paths = sorted((shared / "data/dev/video20/video").iterdir())
    assert paths
    for path in paths:
        data = path.read_bytes()
        found = sniff(data[: 1 << 14], path.name, explicitly_requested=False)
        assert found.kind == "video"
        shots, facts = shots_of(data, found.format)
        assert facts.note is None, path
        assert [shot.start_s for shot in shots[1:]] == [shot.end_s for shot in shots[:-1]]
        assert all(0 < shot.end_s - shot.start_s <= 10 and 1 <= len(shot.frames) <= 4 for shot in shots)
        assert shots[-1].end_s == facts.duration_s


def test_pictures_of_the_wrong_size_are_refused_before_they_are_decoded(films: ModuleType) -> None:
    data = films.film([Image.new("RGB", (640, 480))] * 2)
    with pytest.raises(DecodeError, match="640 x 480 pixels is over the limit"):
        Film(io.BytesIO(data), "mp4", SMALL, max_pixels=300_000)
