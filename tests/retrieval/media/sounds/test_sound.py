"""The sound track of any file as mono windows at a wanted rate, at the times of the container's clock."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mmsearch.retrieval.media.sniff import sniff
from mmsearch.retrieval.media.sounds.sound import Sound, Window
from mmsearch.types import Facts

RATE = 48_000

CONTAINERS = {
    "wav 16 bit": ("wav", "pcm_s16le", "wav"),
    "wav 24 bit": ("wav", "pcm_s24le", "wav"),
    "wav 32 bit": ("wav", "pcm_s32le", "wav"),
    "wav 8 bit": ("wav", "pcm_u8", "wav"),
    "wav float": ("wav", "pcm_f32le", "wav"),
    "wav double": ("wav", "pcm_f64le", "wav"),
    "wav a-law": ("wav", "pcm_alaw", "wav"),
    "flac": ("flac", "flac", "flac"),
    "mp3": ("mp3", "libmp3lame", "mp3"),
    "m4a aac": ("ipod", "aac", "m4a"),
    "m4a alac": ("ipod", "alac", "m4a"),
    "aac": ("adts", "aac", "aac"),
    "ogg opus": ("ogg", "libopus", "ogg"),
    "ogg vorbis": ("ogg", "vorbis", "ogg"),
    "ogg flac": ("ogg", "flac", "ogg"),
    "aiff": ("aiff", "pcm_s16be", "aiff"),
    "wma": ("asf", "wmav2", "asf"),
    "mka": ("matroska", "libopus", "mkv"),
    "caf": ("caf", "pcm_s16le", "caf"),
}
EXACT = {
    "wav 16 bit",
    "wav 24 bit",
    "wav 32 bit",
    "wav float",
    "wav double",
    "flac",
    "m4a alac",
    "ogg flac",
    "aiff",
    "caf",
}


def heard(data: bytes, format: str, rate: int = RATE, **options: float) -> tuple[list[Window], Facts]:
    sound = Sound(io.BytesIO(data), format, rate, **options)
    windows = list(sound.windows())
    return windows, sound.facts


def joined(data: bytes, format: str, rate: int = RATE) -> np.ndarray:
    """The whole sound as one array."""
    ((whole,), _) = heard(data, format, rate, window_s=600.0)
    return whole.samples


def spans(windows: list[Window]) -> list[tuple[float, float]]:
    return [(round(window.start_s, 4), round(window.end_s, 4)) for window in windows]


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_every_format_gives_its_sound(name: str, rate: int, films: ModuleType) -> None:
    muxer, codec, format = CONTAINERS[name]
    options = {"strict": "-2"} if codec == "vorbis" else {}
    stereo = np.repeat(films.tone(2, 48_000), 2, axis=0)
    data = films.sound_file(stereo, 48_000, format=muxer, codec=codec, options=options)
    found = sniff(data[: 1 << 14], "a", explicitly_requested=False)
    assert (found.kind, found.format) == ("audio", format)
    samples = joined(data, format, rate)
    assert samples.dtype == np.float32
    assert len(samples) / rate == pytest.approx(2, abs=0 if name in EXACT else 0.1)
    middle = samples[rate // 2 : rate * 3 // 2]
    assert pitch(middle, rate) == pytest.approx(440, abs=1)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in ("aac", "ogg vorbis", "wma")])
def test_coders_that_need_a_run_up_still_put_a_click_where_it_was(name: str, films: ModuleType) -> None:
    muxer, codec, format = CONTAINERS[name]
    click = np.zeros((1, 48_000), np.float32)
    click[0, 24_000:24_048] = 0.9
    samples = joined(films.sound_file(click, 48_000, format=muxer, codec=codec), format)
    assert np.argmax(np.abs(samples)) / RATE == pytest.approx(0.5, abs=0.002)


def test_sound_at_the_wanted_rate_is_given_as_it_is(films: ModuleType) -> None:
    values = np.random.default_rng(0).integers(-32768, 32767, (1, 5000), dtype=np.int16)
    assert np.array_equal(joined(films.wav(values, RATE), "wav"), values[0] / np.float32(32768))


def test_resampling_follows_the_curve(films: ModuleType) -> None:
    samples = joined(films.wav(films.tone(3, 44_100), 44_100, kind="float32"), "wav")
    expected = films.tone(3, RATE)[0]
    assert len(samples) == len(expected)
    assert np.abs(samples - expected)[1000:-1000].max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 96_000, 192_000])
def test_any_rate_is_brought_to_the_wanted_one(rate: int, films: ModuleType) -> None:
    windows, facts = heard(films.wav(films.tone(10, rate), rate, kind="float32"), "wav")
    assert spans(windows) == [(0, 10)]
    assert len(windows[0].samples) == 10 * RATE
    assert pitch(windows[0].samples, RATE) == pytest.approx(440, abs=0.2)
    assert facts.duration_s == 10


def test_a_rate_that_changes_on_the_way_is_followed(films: ModuleType) -> None:
    parts = [films.sound_file(films.tone(2, r), r, format="adts", codec="aac") for r in (44_100, 48_000, 32_000)]
    samples = joined(b"".join(parts), "aac")
    assert len(samples) / RATE == pytest.approx(6, abs=0.2)
    for second in (1, 3, 5):
        assert pitch(samples[round((second - 0.4) * RATE) : round((second + 0.4) * RATE)], RATE) == pytest.approx(
            440, abs=2
        )


def test_mono_is_the_mean_of_all_channels(films: ModuleType) -> None:
    one_of_two = np.concatenate([films.tone(1, RATE, level=0.8), np.zeros((1, RATE), np.float32)])
    assert np.abs(joined(films.wav(one_of_two, RATE, kind="float32"), "wav")).max() == pytest.approx(0.4, abs=1e-3)
    eight = np.concatenate([films.tone(1, RATE, 440 * (channel + 1), 0.8) for channel in range(8)])
    for muxer, codec, format in (("flac", "flac", "flac"), ("ipod", "aac", "m4a")):
        data = films.sound_file(eight, RATE, format=muxer, codec=codec, options={"b": "768000"})
        assert np.corrcoef(joined(data, format)[:RATE], eight.mean(axis=0))[0, 1] > 0.9
    assert joined(films.wav(np.full((20, 900), 3277, np.int16), RATE), "wav") == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.25, [(0, 0.25)]),
        (9.99, [(0, 9.99)]),
        (10, [(0, 10)]),
        (10.000125, [(0, 10), (0.0001, 10.0001)]),
        (10.5, [(0, 10), (0.5, 10.5)]),
        (14.9, [(0, 10), (4.9, 14.9)]),
        (15, [(0, 10), (5, 15)]),
        (17, [(0, 10), (5, 15), (7, 17)]),
        (25, [(0, 10), (5, 15), (10, 20), (15, 25)]),
    ],
)
def test_windows_come_every_five_seconds_and_the_last_ends_with_the_sound(
    seconds: float, expected: list[tuple[float, float]], films: ModuleType
) -> None:
    ramp = np.linspace(-1, 1, round(seconds * 8000), dtype=np.float32)[None]
    windows, facts = heard(films.wav(ramp, 8000, kind="float32"), "wav", 8000)
    assert spans(windows) == expected
    assert facts == Facts(duration_s=seconds)
    for window in windows:
        first = round(window.start_s * 8000)
        assert np.array_equal(window.samples, ramp[0, first : first + len(window.samples)])
        assert len(window.samples) == round((window.end_s - window.start_s) * 8000)


def test_the_same_file_gives_the_same_samples(films: ModuleType) -> None:
    data = films.sound_file(films.tone(12, 44_100), 44_100, format="mp3", codec="libmp3lame")
    first, second = heard(data, "mp3")[0], heard(data, "mp3")[0]
    assert spans(first) == spans(second)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("muxer", "format", "codec"),
    [("mp4", "mp4", "aac"), ("matroska", "mkv", "libopus"), ("mpegts", "mpegts", "aac"), ("mov", "mov", "pcm_s16le")],
)
def test_a_sound_track_that_starts_late_keeps_the_films_clock(
    muxer: str, format: str, codec: str, films: ModuleType
) -> None:
    pictures = [films.numbered(number) for number in range(50)]
    data = films.film(pictures, format=muxer, sound=films.tone(1, RATE), sound_codec=codec, sound_start=0.5)
    (window,), facts = heard(data, format)
    level = np.abs(window.samples)
    assert level[: round(0.47 * RATE)].max() < 0.05
    assert level[round(0.52 * RATE) : round(1.4 * RATE)].max() > 0.4
    assert facts.duration_s == pytest.approx(1.5, abs=0.05)


def test_every_sound_of_the_evaluation_data_is_heard_to_its_end(shared: Path) -> None:
    paths = sorted((shared / "data/dev/esc10_fold1/audio").iterdir())
    assert paths
    for path in paths:
        data = path.read_bytes()
        found = sniff(data[: 1 << 14], path.name, explicitly_requested=False)
        assert (found.kind, found.format) == ("audio", "ogg")
        windows, facts = heard(data, "ogg")
        assert facts.note is None
        assert windows[-1].end_s == facts.duration_s
        assert facts.duration_s == pytest.approx(5, abs=2.5)
