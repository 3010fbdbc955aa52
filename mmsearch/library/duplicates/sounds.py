"""Copies among sounds: vectors of windows propose pairs, and the rise and fall of loudness in bands confirms them.

What is compared is how the loudness of neighbouring bands changes from one moment to the next. That stays the same when
a sound is made louder, coded at another rate or cut short. Silence counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.library.duplicates.known import Pair
from mmsearch.library.duplicates.pictures import Compared
from mmsearch.library.duplicates.propose import Told

RATE = 8000
MOST_S = 300.0
"""Seconds of each sound that are compared."""

_FRAME, _HOP, _BANDS = 512, 80, 24
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 3400.0
_SILENT_DB, _SILENCE = 50.0, 1e-5
_LEAST = 0.55  # correlation
_OF_SHORTER = 0.8  # of what is heard in the shorter one
_OF_LONGER = 0.35
_LEAST_FRAMES = 60
_APART = 4  # frames between which loudness changes

Trace = NDArray[np.float32]


def trace(samples: NDArray[np.float32]) -> Trace | None:
    """How loudness changes, float32 ``[frames, bands - 1]``, zeros where it is silent; None of too short a sound."""
    if len(samples) < _FRAME + _LEAST_FRAMES * _HOP:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(_FRAME).astype(np.float32), axis=1)))
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1) * _FRAME / RATE
    starts = np.maximum(np.round(edges[:-1]).astype(np.intp), np.arange(_BANDS) + 1)
    stops = np.maximum(np.round(edges[1:]).astype(np.intp), starts + 1)
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in zip(starts, stops, strict=True)], axis=1)
    loudness = power.sum(axis=1)
    heard = loudness > max(loudness.max() * 10 ** (-_SILENT_DB / 10), _SILENCE)
    floor = bands.max() * 1e-5 + 1e-12
    levels = np.log(bands + floor)
    between = np.diff(levels, axis=1)
    change = np.zeros_like(between)
    change[_APART:] = between[_APART:] - between[:-_APART]
    quiet = ~heard
    quiet[_APART:] |= ~heard[:-_APART]
    change[quiet] = 0
    if np.count_nonzero(~quiet) < _LEAST_FRAMES:
        return None
    return np.asarray(np.clip(change, -2, 2), np.float32)


def agreement(one: Trace, other: Trace) -> float:
    """The correlation of two traces where they agree best, if they lie over one another for long enough; else 0."""
    size = 1 << (len(one) + len(other) - 1).bit_length()
    spectra = np.fft.rfft(one, size, axis=0) * np.conj(np.fft.rfft(other, size, axis=0))
    products = np.fft.irfft(spectra.sum(axis=1), size)
    own, others = np.square(one).sum(axis=1), np.square(other).sum(axis=1)
    energies = [np.concatenate([[0.0], np.cumsum(values)]) for values in (own, others)]
    lags = np.arange(-(len(other) - 1), len(one))
    starts, stops = np.maximum(lags, 0), np.minimum(len(one), lags + len(other))
    first = energies[0][stops] - energies[0][starts]
    second = energies[1][stops - lags] - energies[1][starts - lags]
    shares = first / energies[0][-1], second / energies[1][-1]
    heard = (np.maximum(*shares) >= _OF_SHORTER) & (np.minimum(*shares) >= _OF_LONGER)
    # As much must happen in one as in the other: a single click is found in anything.
    both = np.maximum(np.sqrt(np.maximum(first * second, 0)), 0.5 * np.maximum(first, second))
    scores = products[lags % size] / np.maximum(both, 1e-3)
    scores[~heard] = 0
    return float(max(scores.max(initial=0.0), 0.0))


def _as_long(one: float, other: float) -> bool:
    """Whether two sounds may be copies by their seconds: of long ones, beginnings alone are compared."""
    return max(one, other) <= MOST_S or min(one, other) >= _OF_SHORTER * max(one, other)


def compare_sounds(
    collection: Collection,
    pairs: Sequence[tuple[int, int]],
    *,
    with_different: bool = False,
    told: Told = lambda share: None,
) -> Compared:
    """Compare pairs of sounds, by the rows that stand for them."""
    made = Compared()
    ids = sorted({row for pair in pairs for row in pair})
    records = [record for record in collection.records(ids) if record.state == "current"]
    lengths = {record.id: record.duration_s or 0.0 for record in records}
    traces: dict[int, Trace] = {}
    for record, samples in zip(records, collection.samples(records, rate=RATE, seconds=MOST_S), strict=True):
        found = None if samples is None else trace(samples)
        if found is not None:
            traces[record.id] = found
        elif samples is None:
            made.unreadable[record.path] = "no sound could be decoded"
        told(len(traces) / max(1, len(records)))
    for one, other in pairs:
        if one in traces and other in traces:
            made.count += 1
            score = agreement(traces[one], traces[other]) if _as_long(lengths[one], lengths[other]) else 0.0
            if score >= _LEAST:
                made.pairs.append(Pair(one, other, "sound", round(score, 4)))
            elif with_different:
                made.pairs.append(Pair(one, other, "different", 0.0))
    told(1.0)
    return made
