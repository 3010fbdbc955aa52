"""What is said in a sound that comes in parts: utterances are found, transcribed, and put on the clock of the sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import Said, Transcriber
from mmsearch.retrieval.enrich.speech.voice import LONGEST_S, VOICE_RATE, SpeechFinder, Utterance

_LONGEST_PIECE_S = 10.0
"""As long as the span of a row may be; a transcriber may give longer pieces."""


class SpeechReader:
    """Transcribes one sound; holds at most one utterance of it.

    Args:
        transcriber: turns an utterance into text.
        longest_s: the most seconds of an utterance.
    """

    def __init__(self, transcriber: Transcriber, longest_s: float = LONGEST_S) -> None:
        self._transcriber = transcriber
        self._finder = SpeechFinder(longest_s)

    def add(self, samples: NDArray[np.float32]) -> list[Said]:
        """Add the next samples, mono at 16 kHz; returns what was said in utterances that have ended."""
        return self._transcribe(self._finder.add(samples))

    def finish(self) -> list[Said]:
        """What was said in the last utterance."""
        return self._transcribe(self._finder.finish())

    def _transcribe(self, utterances: Iterable[Utterance]) -> list[Said]:
        return [said for utterance in utterances for said in self._pieces(utterance)]

    def _pieces(self, utterance: Utterance) -> Iterator[Said]:
        length_s = len(utterance.samples) / VOICE_RATE
        for said in self._transcriber.transcribe(utterance.samples):
            text = " ".join(said.text.split())
            start = min(max(said.start_s, 0.0), length_s)
            end = min(max(said.end_s, start), length_s)
            if text:
                yield from _short(utterance.start_s + start, utterance.start_s + end, text, said.language)


def _short(start: float, end: float, text: str, language: str | None) -> Iterator[Said]:
    """A piece, in parts of at most ten seconds: words are shared out evenly over the time."""
    words = text.split(" ")
    parts = min(len(words), max(1, int(np.ceil((end - start) / _LONGEST_PIECE_S))))
    for part in range(parts):
        first, stop = (round(len(words) * edge / parts) for edge in (part, part + 1))
        began, ended = (start + (end - start) * edge / parts for edge in (part, part + 1))
        yield Said(began, ended, " ".join(words[first:stop]), language)
