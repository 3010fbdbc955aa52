"""Where somebody speaks in a sound, by the network of Silero VAD: utterances, as the sound comes in.

The weights lie beside this module, with their licence. They are those of the package silero-vad 6.2.3, whose file
``silero_vad_16k_sequence.onnx`` takes many frames in one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.onnx_session import open_session

if TYPE_CHECKING:
    from mmsearch.retrieval.onnx_session import Session

VOICE_RATE = 16_000
"""Samples a second of the sound that is listened to."""

LONGEST_S = 28.0
"""An utterance is at most so long: speech models read 30 s at once."""

_NETWORK = Path(__file__).with_name("silero_vad.onnx")
_FRAME, _CONTEXT = 512, 64  # samples: each frame goes in behind the end of the one before
_FRAMES_AT_ONCE = 256
_STARTS_AT, _GOES_ON_AT = 0.5, 0.35  # probabilities of speech, as Silero sets them
_SHORTEST_S = 0.25  # of voice in an utterance
_PAUSE_S = 1.0  # that ends an utterance: a shorter one would cut sentences, which speech models read as a whole
_AROUND_S = 0.2  # before and after the voice
_CUT_FROM = 2 / 3  # of a long utterance: it is cut where the voice is faintest from here on


def _frames(seconds: float) -> int:
    return round(seconds * VOICE_RATE / _FRAME)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A part of a sound in which somebody speaks.

    Attributes:
        start_s: where it starts in the sound, in seconds.
        samples: mono, 16 kHz, float32 ``[samples]`` in -1…1, at most `LONGEST_S` seconds.
    """

    start_s: float
    samples: NDArray[np.float32]


class VoiceProbability:
    """How probable it is that somebody speaks, frame by frame, in a sound that comes in parts."""

    def __init__(self) -> None:
        self._session = _session()
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._before = np.zeros(_CONTEXT, np.float32)

    def of(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of each frame, float32 ``[frames]``, of samples that are whole frames of 512."""
        if not len(samples):
            return np.empty(0, np.float32)
        joined = np.concatenate([self._before, samples])
        self._before = joined[-_CONTEXT:].copy()
        frames = np.lib.stride_tricks.sliding_window_view(joined, _CONTEXT + _FRAME)[::_FRAME]
        found = []
        for first in range(0, len(frames), _FRAMES_AT_ONCE):
            some = np.ascontiguousarray(frames[first : first + _FRAMES_AT_ONCE])
            inputs = {"input": some, "h": self._hidden, "c": self._cell}
            probabilities, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], inputs)
            found.append(probabilities)
        return np.concatenate(found)


@cache
def _session() -> Session:
    return open_session(_NETWORK, threads=1)


class SpeechFinder:
    """Cuts a sound that comes in parts into utterances. It holds at most one of them.

    Args:
        longest_s: the most seconds of an utterance.
    """

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._voice = VoiceProbability()
        self._longest = _frames(longest_s)
        self._rest = np.empty(0, np.float32)  # less than a frame
        self._first = 0  # the number of the first frame that is held
        self._held: list[NDArray[np.float32]] = []
        self._probabilities: list[float] = []
        self._voiced = 0  # frames with voice among them
        self._last_voiced = 0  # the number of the last of these

    def add(self, samples: NDArray[np.float32]) -> Iterator[Utterance]:
        """Add the next samples, mono at 16 kHz, float32 ``[samples]``; yields the utterances that have ended."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // _FRAME * _FRAME
        self._rest = samples[whole:].copy()
        frames = samples[:whole].reshape(-1, _FRAME)
        for frame, probability in zip(frames, self._voice.of(samples[:whole]).tolist(), strict=True):
            yield from self._add_frame(frame, probability)

    def finish(self) -> Iterator[Utterance]:
        """The last utterance, if somebody speaks at the end of the sound."""
        if len(self._rest):
            yield from self.add(np.zeros(_FRAME - len(self._rest), np.float32))
        if self._voiced:
            yield from self._cut_behind(self._last_voiced + _frames(_AROUND_S))

    def _add_frame(self, frame: NDArray[np.float32], probability: float) -> Iterator[Utterance]:
        self._held.append(frame.copy())  # a view would keep all that came with it
        self._probabilities.append(probability)
        number = self._first + len(self._held) - 1
        if probability >= (_GOES_ON_AT if self._voiced else _STARTS_AT):
            self._voiced += 1
            self._last_voiced = number
        if not self._voiced:
            self._forget(len(self._held) - _frames(_AROUND_S))
        elif number - self._last_voiced >= _frames(_PAUSE_S):
            yield from self._cut_behind(self._last_voiced + _frames(_AROUND_S))
        elif len(self._held) >= self._longest:
            first = int(self._longest * _CUT_FROM)
            faintest = first + int(np.argmin(self._probabilities[first:]))
            yield from self._cut_behind(self._first + faintest, goes_on=True)

    def _cut_behind(self, number: int, *, goes_on: bool = False) -> Iterator[Utterance]:
        """The utterance that ends with a frame. With ``goes_on`` the next one begins right there."""
        count = min(number - self._first + 1, len(self._held))
        if self._voiced >= _frames(_SHORTEST_S):
            yield Utterance(self._first * _FRAME / VOICE_RATE, np.concatenate(self._held[:count]))
        self._forget(count)
        self._voiced = 0
        if goes_on:
            voiced = [place for place, value in enumerate(self._probabilities) if value >= _GOES_ON_AT]
            self._voiced = len(voiced)
            self._last_voiced = self._first + (voiced[-1] if voiced else 0)
        else:
            self._forget(len(self._held) - _frames(_AROUND_S))

    def _forget(self, count: int) -> None:
        """Drop the oldest frames."""
        count = max(0, count)
        del self._held[:count], self._probabilities[:count]
        self._first += count
