"""What embedding a window of sound with `mini` takes, by part, each beside the way it was done before, in turns."""

from __future__ import annotations

import argparse
import io
import statistics
import time
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import machine_facts, versions
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.mini import mel
from mmsearch.retrieval.encoders.mini.encoder import FOLDER, open_sounds
from mmsearch.retrieval.media.decode_spec import HOP_S
from mmsearch.retrieval.media.sounds import sound
from mmsearch.retrieval.onnx_session import open_session
from mmsearch.unit import normalize_rows

RATE = 44_100
_STEP = "its floats alone"  # of what makes the network faster; no part of the whole


def recording(seconds: int) -> bytes:
    """A WAV file of noise in two channels of 16 bits."""
    samples = np.random.default_rng(0).normal(0, 3000, (seconds * RATE, 2)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def decoded(file: bytes) -> list[NDArray[np.float32]]:
    """The windows of a WAV file."""
    return [window.samples for window in sound.Sound(io.BytesIO(file), "wav", mel.SAMPLE_RATE).windows()]


def decoded_before(file: bytes) -> list[NDArray[np.float32]]:
    """The same, channels joined by numpy's mean."""
    ours, sound._mean = sound._mean, lambda channels: np.mean(channels, axis=0, dtype=np.float64)
    try:
        return decoded(file)
    finally:
        sound._mean = ours


def taken(work: Callable[[], Any], count: int) -> float:
    """Milliseconds of the thread's processor time for each of so many windows."""
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start) / count


def measure(count: int, rounds: int) -> tuple[dict[str, dict[str, float]], float]:
    """Milliseconds a window ``now`` and ``before``, and their ``ratio``, by part: medians of rounds, in turns, on one
    thread. And the least cosine of a vector to that of before."""
    file = recording(round(HOP_S * (count + 1)))
    windows = decoded(file)
    patches = [mel.log_mel_patches(window) for window in windows]
    network = open_sounds()
    floats, stored = (open_session(FOLDER / "audio.onnx", 1, floats=given) for given in (True, False))

    def front_end() -> None:
        for window in windows:
            mel.log_mel_patches(window)

    def run(session: Any) -> NDArray[np.float32]:
        return normalize_rows(np.stack([session.run(None, {"patches": one})[0][0] for one in patches]))

    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "decode and resample": (lambda: decoded(file), lambda: decoded_before(file)),
        "front end": (front_end, front_end),
        "network": (lambda: run(network), lambda: run(stored)),
        _STEP: (lambda: run(floats), lambda: run(stored)),
    }
    cosine = float((run(network) * run(stored)).sum(axis=1).min())
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name, (now, before) in ways.items():
            order = (now, before) if turn % 2 else (before, now)
            first, second = (taken(work, len(windows)) for work in order)
            took[name].append((first, second) if turn % 2 else (second, first))
    turns_of_all = zip(*(turns for name, turns in took.items() if name != _STEP), strict=True)
    took["whole"] = [(sum(now for now, _ in turn), sum(before for _, before in turn)) for turn in turns_of_all]
    parts = {
        name: {
            "now": statistics.median(now for now, _ in turns),
            "before": statistics.median(before for _, before in turns),
            "ratio": statistics.median(before / now for now, before in turns),
        }
        for name, turns in took.items()
    }
    return parts, cosine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    parts, cosine = measure(given.windows, given.rounds)
    print(machine_facts(), versions())
    print(f"vectors as before: least cosine {cosine:.6f}")
    for name, part in parts.items():
        print(f"{name:20}{part['now']:7.1f} ms a window, before{part['before']:7.1f}, ratio {part['ratio']:.2f}")


if __name__ == "__main__":
    main()
