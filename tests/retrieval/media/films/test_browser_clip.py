"""Parts of films and sounds as MP4 that browsers play: what is copied, what is coded anew, and when it starts."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.films.browser_clip import ClipFacts, write_browser_clip
from mmsearch.retrieval.media.films.frames import open_film

RATE = 48_000
LIMIT = 100_000_000
FPS = 25
H264 = {"g": "25", "bf": "2", "sc_threshold": "0"}
VP9 = {"g": "25", "deadline": "realtime", "cpu-used": "8"}


@pytest.fixture(scope="module")
def make(films: ModuleType) -> Callable[..., bytes]:
    """Makes a film of eight seconds whose frames show their numbers, whose sound rises once a second, and that has a
    key frame every second."""
    sound = np.concatenate([films.tone(1, RATE, 400 + 100 * second) for second in range(8)], axis=1)
    pictures = [films.numbered(number) for number in range(8 * FPS)]

    def film(**how: Any) -> bytes:
        if how.get("codec", "libx264") == "libx264":
            how.setdefault("options", H264)
        return films.film(pictures, **{"sound": sound, **how})

    return film


def clip_of(data: bytes, format: str, start: float, end: float) -> tuple[ClipFacts, bytes]:
    pieces: list[bytes] = []
    facts = write_browser_clip(
        io.BytesIO(data), format, start, end, lambda _, data: pieces.append(data), max_pixels=LIMIT
    )
    return facts, b"".join(pieces)


def codecs(clip: bytes) -> list[str]:
    with av.open(io.BytesIO(clip)) as container:
        return sorted(stream.codec_context.codec.canonical_name for stream in container.streams)


def frames(clip: bytes, films: ModuleType) -> list[tuple[float, int]]:
    """When each frame is shown, and its number."""
    reader = open_film(io.BytesIO(clip), "mp4", LIMIT)
    return [(frame.time, films.number_in(frame.picture())) for frame in reader.frames()]


def pitch_at(clip: bytes, time: float) -> float:
    with av.open(io.BytesIO(clip)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        decoded = list(container.decode(audio=0))
        start = decoded[0].time
        samples = np.concatenate([part.to_ndarray()[0] for frame in decoded for part in resampler.resample(frame)])
    middle = round((time - start) * RATE)
    part = samples[middle - RATE // 8 : middle + RATE // 8]
    return float(np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * RATE / len(part))


@pytest.mark.parametrize(
    ("format", "how", "kept"),
    [
        ("mp4", {}, ["aac", "h264"]),
        ("mkv", {"format": "matroska"}, ["aac", "h264"]),
        ("mkv", {"format": "matroska", "sound_codec": "libmp3lame"}, ["h264", "mp3"]),
        ("mkv", {"format": "matroska", "sound_codec": "flac"}, ["flac", "h264"]),
        ("flv", {"format": "flv"}, ["aac", "h264"]),
        ("webm", {"format": "webm", "codec": "libvpx-vp9", "sound_codec": "libopus", "options": VP9}, ["opus", "vp9"]),
    ],
)
def test_what_browsers_play_is_copied_from_the_key_frame_before_the_start(make, films, format, how, kept):
    facts, clip = clip_of(make(**how), format, 3.5, 6.0)
    assert (facts.start_s, facts.end_s) == (pytest.approx(3.0, abs=0.03), 6.0)
    assert facts.media_type == "video/mp4"
    assert codecs(clip) == kept
    shown = frames(clip, films)
    assert shown[0] == (0.0, 75)
    assert shown[-1][1] in (149, 150, 151, 152, 153)
    for time, number in shown:
        assert time == pytest.approx(number / FPS - 3.0, abs=0.002)
    assert [round(pitch_at(clip, time), -1) for time in (0.5, 1.5, 2.5)] == [700, 800, 900]


@pytest.mark.parametrize(
    ("format", "how", "made"),
    [
        ("mkv", {"format": "matroska", "sound_codec": "ac3"}, ["aac", "h264"]),
        ("mov", {"format": "mov", "sound_codec": "pcm_s16le"}, ["aac", "h264"]),
        ("mpegts", {"format": "mpegts"}, ["aac", "h264"]),  # its AAC is not that of MP4
    ],
)
def test_sound_that_browsers_do_not_play_is_coded_beside_pictures_that_are_copied(make, films, format, how, made):
    facts, clip = clip_of(make(**how), format, 3.5, 6.0)
    assert codecs(clip) == made
    assert facts.start_s <= 3.0
    for time, number in frames(clip, films):
        assert time == pytest.approx(number / FPS - facts.start_s, abs=0.03)
    assert [round(pitch_at(clip, time - facts.start_s), -1) for time in (3.5, 4.5, 5.5)] == [700, 800, 900]


@pytest.mark.parametrize(
    ("format", "how"),
    [
        ("avi", {"format": "avi", "codec": "mpeg4", "sound_codec": "libmp3lame"}),
        ("avi", {"format": "avi", "sound_codec": "libmp3lame"}),  # H.264 without times of presentation
        ("mpeg", {"format": "mpeg", "codec": "mpeg2video", "sound_codec": "mp2"}),
        ("mkv", {"format": "matroska", "codec": "libx265", "options": {"x265-params": "keyint=25:log-level=none"}}),
        ("mkv", {"format": "matroska", "pix_fmt": "yuv420p10le"}),
        ("mov", {"format": "mov", "codec": "mpeg4"}),
    ],
)
def test_pictures_that_browsers_do_not_play_are_coded_from_the_start_on(make, films, format, how):
    facts, clip = clip_of(make(**how), format, 3.5, 6.0)
    assert facts == ClipFacts(3.5, 6.0, "video/mp4")
    assert "h264" in codecs(clip)
    with av.open(io.BytesIO(clip)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    shown = frames(clip, films)
    assert shown[0][0] == 0.0
    for time, number in shown[1:]:
        assert time == pytest.approx(number / FPS - 3.5, abs=0.06)  # times in MPEG are guesses
    assert shown[-1][1] >= 148
    assert [round(pitch_at(clip, time), -1) for time in (0.25, 1.0, 2.0)] == [700, 800, 900]


def test_sound_that_begins_later_than_the_pictures_stays_late(make):
    _, clip = clip_of(make(format="matroska", sound_start=1.0), "mkv", 3.5, 6.0)
    assert [round(pitch_at(clip, time), -1) for time in (0.5, 1.5)] == [600, 700]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_turned_film_stays_upright(films, scene, codec):
    data = films.film([scene(96, 64).rotate(-90, expand=True)] * 30, rotation=90, codec=codec)
    _, clip = clip_of(data, "mp4", 0, 1)
    picture = np.asarray(next(open_film(io.BytesIO(clip), "mp4", LIMIT).frames()).picture(), int)
    assert picture.shape == (64, 96, 3)
    assert np.abs(picture - np.asarray(scene(96, 64)))[8:24, 8:40].max() < 16


def test_a_large_film_is_coded_at_a_size_that_keeps_up(films):
    data = films.film([films.numbered(5, (1920, 1080))] * 3, codec="mpeg4", format="matroska", pixel_aspect=Fraction(1))
    _, clip = clip_of(data, "mkv", 0, 1)
    with av.open(io.BytesIO(clip)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (1280, 720)
    assert frames(clip, films)[0][1] == 5


def test_the_clip_comes_in_pieces_while_it_is_made(make):
    data = make(codec="mpeg4", format="matroska", options={"g": "25"})
    ends: list[int] = []
    source = io.BytesIO(data)
    write_browser_clip(source, "mkv", 0, 8, lambda *_: ends.append(source.tell()), max_pixels=LIMIT)
    assert len(ends) > 1
    assert ends[0] < len(data) / 2


@pytest.mark.parametrize(("codec", "kept"), [("libmp3lame", "mp3"), ("flac", "flac"), ("pcm_s16le", "aac")])
def test_a_sound_is_an_mp4_of_sound_alone(films, codec, kept):
    sound = np.concatenate([films.tone(1, RATE, 400 + 100 * second) for second in range(8)], axis=1)
    container = {"libmp3lame": "mp3", "flac": "flac", "pcm_s16le": "wav"}[codec]
    data = films.film([], sound=sound, sound_codec=codec, format=container)
    facts, clip = clip_of(data, container, 3.5, 6.0)
    assert facts.media_type == "audio/mp4"
    assert facts.start_s == pytest.approx(3.5, abs=0.15)
    assert codecs(clip) == [kept]
    assert [round(pitch_at(clip, time - facts.start_s), -1) for time in (4.5, 5.5)] == [800, 900]


def test_an_animated_picture_is_a_film(films):
    file = io.BytesIO()
    pictures = [films.numbered(number) for number in range(8)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=500)
    _, clip = clip_of(file.getvalue(), "gif", 1.0, 3.0)
    assert [(round(time, 2), number) for time, number in frames(clip, films)] == [(0, 2), (0.5, 3), (1, 4), (1.5, 5)]


def test_the_start_can_be_asked_for_alone(make):
    data = make()
    none: list[Any] = []
    facts = write_browser_clip(
        io.BytesIO(data), "mp4", 3.5, 60.0, lambda *piece: none.append(piece), max_pixels=LIMIT, start_only=True
    )
    assert facts == ClipFacts(3.0, 8.0, "video/mp4")
    assert none == []


def test_a_film_that_ends_before_the_start_or_is_damaged_says_so(make):
    with pytest.raises(DecodeError, match=r"^it ends before 00:00:09$"):
        clip_of(make(), "mp4", 9, 10)
    with pytest.raises(DecodeError, match="damaged or cut off"):
        clip_of(make()[:2000], "mp4", 1, 2)
