"""A voice that says words by its pitch, made by code, and the transcriber that reads them back."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsearch import Said

RATE = 16_000
PITCHES = {"fire": 96.0, "alarm": 112.0, "harbour": 130.0, "invoice": 150.0, "kitchen": 174.0, "goodbye": 202.0}
"""Hertz; each word has its own."""

WORD_S, GAP_S = 0.6, 0.2
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240))


def say(*words: str, rate: int = RATE) -> np.ndarray:
    """Words as sound, float32 ``[samples]``: harmonics of the word's pitch, shaped as three vowels."""
    gap = np.zeros(round(GAP_S * rate), np.float32)
    return np.concatenate([gap, *(part for word in words for part in (_word(PITCHES[word], rate), gap))])


def _word(pitch: float, rate: int) -> np.ndarray:
    time = np.arange(round(WORD_S * rate)) / rate
    part = time / (WORD_S / len(_VOWELS))
    sound = np.zeros_like(time)
    for harmonic in range(1, int(4000 / pitch)):
        shape = np.zeros_like(time)
        for place, formants in enumerate(_VOWELS):
            peaks = [np.exp(-(((harmonic * pitch - at) / (80 + 0.05 * at)) ** 2)) for at in formants]
            shape += np.where(part.astype(int) == place, 0.01 + peaks[0] + 0.5 * peaks[1] + 0.25 * peaks[2], 0)
        sound += shape * harmonic**-0.3 * np.sin(2 * np.pi * harmonic * pitch * time)
    sound *= np.sqrt(np.clip(np.sin(np.pi * (part % 1)), 0.05, 1))
    return (sound / np.abs(sound).max() / 2).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> np.ndarray:
    """No sound."""
    return np.zeros(round(seconds * rate), np.float32)


def noise(seconds: float, rate: int = RATE) -> np.ndarray:
    """White noise."""
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def write_wav(path: Path, *parts: np.ndarray, rate: int = RATE) -> Path:
    """Sounds one after the other as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm(*parts))
    return path


def pcm(*parts: np.ndarray) -> bytes:
    """Sounds one after the other as 16-bit samples."""
    return (np.concatenate(parts) * 32767).astype("<i2").tobytes()


class PitchReader:
    """A transcriber that reads back what `say` says. It notes how long the sounds were that it was given."""

    def __init__(self, name: str = "pitch-reader", language: str | None = "en") -> None:
        self.name = name
        self.heard_s: list[float] = []
        self._language = language

    def transcribe(self, samples: np.ndarray) -> list[Said]:
        assert samples.dtype == np.float32
        self.heard_s.append(len(samples) / RATE)
        return [
            Said(start, end, _nearest_word(samples[round(start * RATE) : round(end * RATE)]), self._language)
            for start, end in _loud_parts(samples)
        ]


def _loud_parts(samples: np.ndarray) -> Sequence[tuple[float, float]]:
    step = RATE // 50
    energy = np.abs(samples[: len(samples) // step * step]).reshape(-1, step).max(axis=1)
    loud = np.convolve(energy > 0.02, np.ones(3), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
    parts = [(a * step / RATE, b * step / RATE) for a, b in edges.reshape(-1, 2)]
    return [(start, end) for start, end in parts if end - start > WORD_S / 2]


def _nearest_word(samples: np.ndarray) -> str:
    correlation = np.fft.irfft(np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2)
    lags = np.arange(RATE // 220, RATE // 88)
    pitch = RATE / lags[np.argmax(correlation[lags])]
    return min(PITCHES, key=lambda word: abs(PITCHES[word] - pitch))
