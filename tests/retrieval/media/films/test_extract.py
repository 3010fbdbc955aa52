"""A frame of a film as a picture file, and a stretch of a film or a sound as a file of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError, UsageError
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.films.extract import cut_clip, save_frame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.sounds.sound import Sound

RATE = 48_000
LIMIT = 100_000_000
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "mkv", ".webm": "webm", ".m4a": "m4a", ".mp3": "mp3", ".ogg": "ogg"}
FORMATS |= {".opus": "ogg", ".flac": "flac", ".wav": "wav"}


@pytest.fixture(scope="module")
def film(films: ModuleType) -> bytes:
    """Eight seconds at 25 frames a second with a key frame every second; the sound's pitch rises once a second."""
    sound = np.concatenate([films.tone(1, RATE, 400 + 100 * second) for second in range(8)], axis=1)
    pictures = (films.numbered(number) for number in range(200))
    return films.film(pictures, sound=sound, options={"g": "25", "bf": "2", "sc_threshold": "0"})


def numbers(path: Path, films: ModuleType) -> list[int]:
    with path.open("rb") as file:
        return [films.number_in(frame.picture()) for frame in open_film(file, FORMATS[path.suffix], LIMIT).frames()]


def samples(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        (window,) = Sound(file, FORMATS[path.suffix], RATE, window_s=600).windows()
        return window.samples


def pitch_at(sound: np.ndarray, time: float) -> float:
    part = sound[round((time - 0.15) * RATE) : round((time + 0.15) * RATE)]
    return float(np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * RATE / len(part))


@pytest.mark.parametrize("ending", [".jpg", ".JPEG", ".png", ".webp"])
def test_a_frame_is_saved_in_full_size_with_its_exact_time(
    ending: str, film: bytes, films: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / f"frame{ending}"
    facts = save_frame(io.BytesIO(film), "mp4", 3.05, out, max_pixels=LIMIT)
    assert facts == SavedFrame(out, pytest.approx(3.04), 160, 120)
    with Image.open(out) as picture:
        assert picture.size == (160, 120)
        assert films.number_in(picture.convert("RGB")) == 76


def test_a_saved_frame_is_upright(scene: Callable, films: ModuleType, tmp_path: Path) -> None:
    data = films.film([scene(96, 64).rotate(-90, expand=True)] * 3, rotation=90)
    save_frame(io.BytesIO(data), "mp4", 0, tmp_path / "a.png", max_pixels=LIMIT)
    with Image.open(tmp_path / "a.png") as picture:
        assert np.abs(np.asarray(picture).astype(int) - np.asarray(scene(96, 64)))[8:24, 8:40].max() < 12


def test_what_cannot_be_saved_is_refused_with_what_can(film: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write '\.bmp': use \.jpg, "):
        save_frame(io.BytesIO(film), "mp4", 1, tmp_path / "a.bmp", max_pixels=LIMIT)
    with pytest.raises(UsageError, match="a file without an ending"):
        cut_clip(io.BytesIO(film), "mp4", 1, 2, tmp_path / "a", max_pixels=LIMIT)
    with pytest.raises(DecodeError, match="the film ends at 00:00:08"):
        save_frame(io.BytesIO(film), "mp4", 9, tmp_path / "a.jpg", max_pixels=LIMIT)
    for ending in (".mp4", ".webm", ".wav", ".mp3"):
        with pytest.raises(DecodeError, match=r"^it ends before 00:00:09$"):
            cut_clip(io.BytesIO(film), "mp4", 9, 10, tmp_path / f"a{ending}", max_pixels=LIMIT)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_clip_is_copied_from_the_key_frame_before_it(
    ending: str, film: bytes, films: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / f"clip{ending}"
    facts = cut_clip(io.BytesIO(film), "mp4", 2.5, 4.5, out, max_pixels=LIMIT)
    assert facts.copied
    assert facts.start_s == pytest.approx(2)
    assert facts.end_s == pytest.approx(4.5, abs=0.15)
    shown = numbers(out, films)
    assert shown[:50] == list(range(50, 100))
    assert shown[-1] == pytest.approx(112, abs=4)
    sound = samples(out)
    assert len(sound) / RATE == pytest.approx(2.5, abs=0.03)
    assert [pitch_at(sound, time) for time in (0.5, 1.5, 2.3)] == pytest.approx([600, 700, 800], abs=15)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_clip_of_the_beginning_of_matroska_keeps_its_first_frames(
    ending: str, films: ModuleType, tmp_path: Path
) -> None:
    data = films.film((films.numbered(n) for n in range(60)), format="matroska", options={"bf": "3", "g": "60"})
    out = tmp_path / f"clip{ending}"
    assert cut_clip(io.BytesIO(data), "mkv", 0.5, 1.5, out, max_pixels=LIMIT).copied
    assert numbers(out, films)[:38] == list(range(38))


def test_a_clip_in_other_codecs_is_exact(film: bytes, films: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "clip.webm"
    facts = cut_clip(io.BytesIO(film), "mp4", 2.5, 4.5, out, max_pixels=LIMIT)
    assert facts == SavedClip(out, 2.5, pytest.approx(4.5), copied=False)
    assert numbers(out, films) == list(range(62, 113))
    sound = samples(out)
    assert len(sound) / RATE == pytest.approx(2, abs=0.05)
    assert [pitch_at(sound, time) for time in (0.25, 1.0, 1.75)] == pytest.approx([600, 700, 800], abs=15)


@pytest.mark.parametrize("ending", [".m4a", ".mp3", ".ogg", ".opus", ".flac", ".wav"])
def test_the_sound_of_a_film_is_cut_out_alone(ending: str, film: bytes, tmp_path: Path) -> None:
    out = tmp_path / f"clip{ending}"
    facts = cut_clip(io.BytesIO(film), "mp4", 2.5, 4.5, out, max_pixels=LIMIT)
    assert facts.copied == (ending == ".m4a")
    assert facts.start_s == pytest.approx(2.5, abs=0.03)
    sound = samples(out)
    assert len(sound) / RATE == pytest.approx(2, abs=0.1)
    assert [pitch_at(sound, time) for time in (0.25, 1.0, 1.75)] == pytest.approx([600, 700, 800], abs=15)


@pytest.mark.parametrize(
    ("muxer", "codec", "format", "ending"),
    [
        ("wav", "pcm_s16le", "wav", ".wav"),
        ("flac", "flac", "flac", ".flac"),
        ("mp3", "libmp3lame", "mp3", ".mp3"),
        ("ogg", "libopus", "ogg", ".ogg"),
        ("wav", "pcm_s16le", "wav", ".mp3"),
        ("aiff", "pcm_s16be", "aiff", ".wav"),
    ],
)
def test_a_sound_is_cut_like_a_film(
    muxer: str, codec: str, format: str, ending: str, films: ModuleType, tmp_path: Path
) -> None:
    whole = np.concatenate([films.tone(1, RATE, 400 + 100 * second) for second in range(6)], axis=1)
    data = films.sound_file(whole, RATE, format=muxer, codec=codec)
    out = tmp_path / f"clip{ending}"
    facts = cut_clip(io.BytesIO(data), format, 2.5, 4.5, out, max_pixels=LIMIT)
    assert facts.copied == (FORMATS[ending] == format)
    assert facts.start_s == pytest.approx(2.5, abs=0.1)
    sound = samples(out)
    assert len(sound) / RATE == pytest.approx(2, abs=0.2)
    assert [pitch_at(sound, time) for time in (0.25, 1.0, 1.75)] == pytest.approx([600, 700, 800], abs=20)


def test_eight_channels_are_cut_as_they_are_or_mixed_to_two(films: ModuleType, tmp_path: Path) -> None:
    eight = np.repeat(films.tone(3, RATE), 8, axis=0)
    data = films.sound_file(eight, RATE, format="ipod", codec="aac", options={"b": "512000"})
    for ending, channels in ((".flac", 8), (".mp3", 2)):
        cut_clip(io.BytesIO(data), "m4a", 1, 2, tmp_path / f"a{ending}", max_pixels=LIMIT)
        with av.open(str(tmp_path / f"a{ending}")) as container:
            assert container.streams.audio[0].layout.nb_channels == channels


def test_a_clip_of_an_animated_picture_is_a_film(films: ModuleType, encoded: Callable, tmp_path: Path) -> None:
    pictures = [films.numbered(number) for number in range(10)]
    data = encoded(pictures[0], "gif", save_all=True, append_images=pictures[1:], duration=200)
    facts = cut_clip(io.BytesIO(data), "gif", 0.5, 1.5, tmp_path / "a.mp4", max_pixels=LIMIT)
    assert facts == SavedClip(tmp_path / "a.mp4", 0.5, pytest.approx(1.5), copied=False)
    assert numbers(tmp_path / "a.mp4", films) == [2, 3, 4, 5, 6, 7]


def test_players_find_the_clip_they_expect(film: bytes, tmp_path: Path) -> None:
    cut_clip(io.BytesIO(film), "mp4", 1, 2, tmp_path / "a.webm", max_pixels=LIMIT)
    with av.open(str(tmp_path / "a.webm")) as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams] == ["vp9", "opus"]
        assert container.duration / 1e6 == pytest.approx(1, abs=0.1)
