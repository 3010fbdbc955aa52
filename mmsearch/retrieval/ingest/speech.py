"""Passages of what is said in the sounds and films of a run, while their sound comes in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import Said, TextEncoder, Transcriber
from mmsearch.retrieval.enrich.speech.reader import SpeechReader
from mmsearch.retrieval.ingest.rows import RowDraft
from mmsearch.types import Span


class SpeechPassages:
    """What is said in files whose sound comes in parts, several at once. Without a transcriber: nothing."""

    def __init__(self, transcriber: Transcriber | None) -> None:
        self._transcriber = transcriber
        self._readers: dict[bytes, SpeechReader] = {}
        self._said: dict[bytes, list[Said]] = {}

    def add(self, path: bytes, samples: NDArray[np.float32]) -> None:
        """Add the next part of a file's sound, mono at 16 kHz."""
        assert self._transcriber is not None
        if path not in self._readers:
            self._readers[path] = SpeechReader(self._transcriber)
        self._said.setdefault(path, []).extend(self._readers[path].add(samples))

    def drop(self, path: bytes) -> None:
        """Forget what was said in a file that was not decoded to its end."""
        self._readers.pop(path, None)
        self._said.pop(path, None)

    def finish(self, path: bytes, encoder: TextEncoder | None) -> Iterator[RowDraft]:
        """The passages of a file whose sound has ended, in order of time."""
        reader = self._readers.pop(path, None)
        said = self._said.pop(path, [])
        if reader is not None and encoder is not None:
            yield from speech_passages([*said, *reader.finish()], encoder)


def speech_passages(said: Sequence[Said], encoder: TextEncoder) -> Iterator[RowDraft]:
    """Passages of what was said, joined as subtitles are; each in one language."""
    from mmsearch.retrieval.media.texts.subtitles import Cue, timed_passages

    for language, pieces in itertools.groupby(said, key=lambda piece: piece.language):
        cues = [Cue(piece.start_s, piece.end_s, piece.text) for piece in pieces]
        for start_s, end_s, text in timed_passages(cues, encoder.count_tokens, encoder.max_tokens):
            yield RowDraft("text", Span(start_s, end_s, "s"), text, evidence="speech", lang=language)
