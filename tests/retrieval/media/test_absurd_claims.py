"""Sounds whose headers state what their bytes cannot hold: each ends soon, with one reason."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.sounds.sound import Sound
from mmsearch.retrieval.media.workers.messages import Extent
from mmsearch.retrieval.media.workers.process import TimeLimit


def wav(rate: int, samples: int, channels: int = 1, bits: int = 8) -> bytes:
    """A WAV file of noise that states any rate."""
    data = np.random.default_rng(0).integers(0, 256, samples * channels * bits // 8, dtype=np.uint8).tobytes()
    width = channels * bits // 8
    header = struct.pack("<IHHIIHH", 16, 1, channels, rate & 0xFFFFFFFF, rate * width & 0xFFFFFFFF, width, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + header
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


def windows(data: bytes) -> list:
    return list(Sound(io.BytesIO(data), "wav", 16_000).windows())


@pytest.mark.parametrize("rate", [1, 2, 10, 100, 999, 4_000_000, 1 << 30])
def test_a_rate_that_no_sound_has_is_a_fault_of_the_file(rate):
    with pytest.raises(DecodeError, match=r"states a rate of -?[\d,]+ Hz, which no sound has"):
        windows(wav(rate, 200_000))


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 44_100, 192_000])
def test_rates_that_sounds_have_are_read(rate):
    assert windows(wav(rate, rate))[0].end_s == pytest.approx(1, abs=0.01)


def gaps(av, count: int, gap_s: int) -> bytes:
    """A Matroska sound whose time stamps leap ahead again and again."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("pcm_s16le", rate=8_000, layout="mono")
        for number in range(count):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8_000, number * gap_s * 8_000
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return file.getvalue()


def test_time_stamps_that_leap_on_and_on_are_not_filled_without_end():
    av = pytest.importorskip("av")
    with pytest.raises(DecodeError, match="gaps of hours"):
        for _ in Sound(io.BytesIO(gaps(av, 12, 1_800)), "mkv", 16_000, hop_s=10.0).windows():
            pass


def test_a_gap_that_a_recorder_leaves_is_silence():
    av = pytest.importorskip("av")
    found = list(Sound(io.BytesIO(gaps(av, 3, 60)), "mkv", 16_000).windows())
    assert found[-1].end_s == pytest.approx(120.1, abs=0.1)


def test_the_time_limit_believes_a_duration_as_far_as_the_bytes_can_hold_it():
    limit = TimeLimit(60, 1, 0.25)
    assert limit.extension(Extent(duration_s=55 * 3600.0), 200_000) == 0.25 * 200_000 / 25
    assert limit.extension(Extent(duration_s=3600.0), 75 * 3600) == 0.25 * 3600
    assert limit.extension(Extent(size=2_000_000), 2_000_000) == 2
    assert limit.extension(Extent(duration_s=float("inf")), 1 << 40) == 0.25 * 24 * 3600
