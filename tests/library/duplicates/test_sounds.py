from __future__ import annotations

import numpy as np
import pytest

from mmsearch.library.duplicates.sounds import RATE, Trace, agreement, trace


def sound(number: int, seconds: float = 4.0) -> np.ndarray:
    """Tones that come and go."""
    random = np.random.default_rng(number)
    times = np.arange(round(seconds * RATE)) / RATE
    total = 0.02 * random.standard_normal(len(times))
    for _ in range(30):
        start, length, pitch = random.uniform(0, seconds), random.uniform(0.05, 0.5), random.uniform(200, 3000)
        total += np.sin(2 * np.pi * pitch * times) * ((times > start) & (times < start + length))
    return (total / np.abs(total).max()).astype(np.float32)


def traced(samples: np.ndarray) -> Trace:
    made = trace(samples.astype(np.float32))
    assert made is not None
    return made


EDITS = {
    "quieter": lambda samples: samples * 0.1,
    "cut": lambda samples: samples[2345:-1234],
    "noisy": lambda samples: samples + 0.003 * np.random.default_rng(9).standard_normal(len(samples)),
    "coarse": lambda samples: np.round(samples * 60) / 60,
    "after silence": lambda samples: np.concatenate([np.zeros(2 * RATE), samples]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_sound_agrees(edit):
    assert agreement(traced(sound(1)), traced(EDITS[edit](sound(1)))) > 0.55
    assert agreement(traced(EDITS[edit](sound(1))), traced(sound(1))) > 0.55


def test_other_sounds_do_not_agree():
    traces = [traced(sound(number)) for number in range(6)]
    assert max(agreement(a, b) for i, a in enumerate(traces) for b in traces[:i]) < 0.3


def test_a_part_that_is_common_is_not_enough():
    one = np.concatenate([sound(1), sound(2)])
    other = np.concatenate([sound(1), sound(3)])
    assert agreement(traced(one), traced(other)) < 0.55


@pytest.mark.parametrize("samples", [np.zeros(4 * RATE), np.ones(100), sound(1, 0.2)])
def test_silence_and_short_sounds_have_no_trace(samples):
    assert trace(samples.astype(np.float32)) is None


def test_an_excerpt_is_no_copy():
    whole = np.concatenate([sound(number) for number in range(4)])
    assert agreement(traced(whole), traced(sound(2))) < 0.1
