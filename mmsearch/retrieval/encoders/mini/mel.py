"""Log-mel patches of sounds, the input of `mini`'s audio network: 0.975 s each, one every 0.48 s.

The front end of YAMNet (https://github.com/tensorflow/models/tree/master/research/audioset/yamnet): 16 kHz, periodic
Hann windows of 25 ms every 10 ms, magnitudes of a 512-point transform, 64 mel bands from 125 to 7,500 Hz (HTK's scale),
log(x + 0.001).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
BANDS = 64
PATCH_FRAMES = 96
_WINDOW, _HOP, _POINTS = 400, 160, 512
_PATCH_HOP = 48  # frames
_PATCH_SAMPLES = (PATCH_FRAMES - 1) * _HOP + _WINDOW

Floats = NDArray[np.float32]


def log_mel_patches(sound: Floats) -> Floats:
    """Patches, float32 ``[n, 96, 64]`` with n ≥ 1, of mono samples at 16 kHz in -1…1.

    The end is padded with silence to a whole patch, so that all of the sound is used.
    """
    hop = _PATCH_HOP * _HOP
    count = 1 + max(0, -(-(len(sound) - _PATCH_SAMPLES) // hop))
    padded = np.zeros((count - 1) * hop + _PATCH_SAMPLES, np.float32)
    padded[: len(sound)] = sound
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    magnitudes = np.abs(np.fft.rfft(frames * _hann(), _POINTS)).astype(np.float32)
    bands = np.log(magnitudes @ _mel_weights() + np.float32(0.001))
    return np.stack([bands[i * _PATCH_HOP : i * _PATCH_HOP + PATCH_FRAMES] for i in range(count)])


@cache
def _hann() -> Floats:
    window: Floats = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
    return window


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    mels: NDArray[np.float64] = 1127.0 * np.log1p(hertz / 700.0)
    return mels


@cache
def _mel_weights() -> Floats:
    """Triangles, linear in mel, float32 ``[257, 64]``; the bin of 0 Hz weighs nothing."""
    bins = _mel(np.linspace(0.0, SAMPLE_RATE / 2, _POINTS // 2 + 1))[:, None]
    lowest, highest = _mel(np.array([125.0, 7500.0]))
    edges = np.linspace(lowest, highest, BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    weights[0] = 0.0
    single: Floats = weights.astype(np.float32)
    return single
