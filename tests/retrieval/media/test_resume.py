"""Films and sounds decoded from a place in them on: the same shots and windows as from the start."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mmsearch.retrieval.media.films.film import Film
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.resume import ResumePoint
from mmsearch.retrieval.media.sounds.sound import Sound

SMALL = ImageTransform(32, 32, resize="squash", interpolation="bicubic")
RATE = 16_000
SOUNDS = {
    "wav": ("wav", "pcm_s16le", 44_100),
    "flac": ("flac", "flac", 48_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "aac": ("adts", "aac", 44_100),
    "m4a": ("ipod", "aac", 44_100),
    "opus": ("ogg", "libopus", 48_000),
    "mkv": ("matroska", "aac", 48_000),
}
READ_AS = {"adts": "aac", "ipod": "mov", "matroska": "mkv", "mp4": "mov", "mov": "mov"}


def changing(seconds: float, rate: int) -> np.ndarray:
    """A tone that climbs, with a knock every second, so that every window differs from its neighbours."""
    moments = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * (200 + 10 * moments) * moments)
    knock = np.exp(-30 * (moments % 1.0)) * np.sin(2 * np.pi * 1_700 * moments)
    return (0.4 * tone + 0.4 * knock).astype(np.float32)[None]


@pytest.fixture(scope="module", params=SOUNDS)
def track(request, films) -> tuple[bytes, str]:
    """47 s of sound in some format, and how it is read."""
    format, codec, rate = SOUNDS[request.param]
    data = films.sound_file(changing(47.3, rate), rate, format=format, codec=codec)
    return data, READ_AS.get(format, format)


def likeness(one, other):
    """The correlation of two windows where they fit best: Matroska's time stamps are rounded to milliseconds."""
    length = min(len(one), len(other)) - 2 * 16
    middle = one[16 : 16 + length]
    return max(float(np.corrcoef(middle, other[at : at + length])[0, 1]) for at in range(33))


def windows_of(track, first=0):
    sound = Sound(io.BytesIO(track[0]), track[1], RATE)
    windows = list(sound.windows(first))
    return windows, sound


def test_a_sound_goes_on_at_any_of_its_windows(track):
    whole, sound = windows_of(track)
    assert sound.can_go_on
    for first in range(1, len(whole) - 1):
        rest, later = windows_of(track, first)
        assert [w.start_s for w in rest] == pytest.approx([w.start_s for w in whole[first:]], abs=0.002)
        assert later.facts.duration_s == pytest.approx(sound.facts.duration_s, abs=0.002)
        assert later.facts.note == sound.facts.note
        for one, other in zip(rest, whole[first:], strict=True):
            assert likeness(one.samples, other.samples) > 0.99


def test_what_lies_before_is_not_decoded(films, monkeypatch):
    from mmsearch.retrieval.media.sounds import sound

    data = films.sound_file(changing(120, 44_100), 44_100, format="mp3", codec="libmp3lame")
    decoded_s = []
    as_packed = sound.as_packed
    monkeypatch.setattr(sound, "as_packed", lambda frame: decoded_s.append(frame.samples / 44_100) or as_packed(frame))
    windows_of((data, "mp3"), 20)
    assert sum(decoded_s) < 30


FILMS = [
    ("mp4", "libx264"),
    ("matroska", "libx264"),
    ("matroska", "libvpx"),
    ("mpegts", "mpeg2video"),
    ("avi", "mpeg4"),
]


@pytest.fixture(scope="module", params=FILMS, ids="-".join)
def film(request, films, drawn) -> tuple[bytes, str]:
    """Shots of 3, 2, 27, 4 and 15 s, and how the film is read."""
    format, codec = request.param
    pictures = []
    for name, seconds in (("disc", 3), ("rings", 2), ("cross", 27), ("grid", 4), ("stripes", 15)):
        pictures += [drawn(name, (96, 64))] * (12 * seconds)
    data = films.film(pictures, format=format, codec=codec, fps=12, options={"g": "30"})
    return data, READ_AS.get(format, format)


def shots_of(film, since=None):
    opened = Film(io.BytesIO(film[0]), film[1], SMALL, max_pixels=10**8)
    shots, can = [], True
    for shot in opened.shots(since):
        shots.append(shot)
        can = can and opened.can_go_on
    return shots, can, opened


def test_a_film_goes_on_at_any_of_its_shots_and_pieces(film):
    whole, can, opened = shots_of(film)
    assert len(whole) >= 8
    assert any(shot.continues for shot in whole)
    if not can:
        pytest.skip("a kind of film that is read from its start: it has no times to go by")
    shot_s = 0.0
    for index, shot in enumerate(whole):
        shot_s = shot_s if shot.continues else shot.start_s
        if index == 0:
            continue
        rest, _, later = shots_of(film, ResumePoint(index, shot.start_s, shot_s))
        assert later.first == index
        assert [(s.start_s, s.end_s, s.continues) for s in rest] == [
            (s.start_s, s.end_s, s.continues) for s in whole[index:]
        ]
        for one, other in zip(rest, whole[index:], strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
        assert later.facts == opened.facts


def test_a_film_without_such_a_place_is_read_from_its_start(film):
    whole, _, _ = shots_of(film)
    for wrong in (ResumePoint(2, 4.5, 4.5), ResumePoint(2, 5.0, 3.0), ResumePoint(3, 1e6, 1e6)):
        shots, _, opened = shots_of(film, wrong)
        assert opened.first == 0
        assert [shot.start_s for shot in shots] == [shot.start_s for shot in whole]
