"""A recording while it is made: it is kept as a WAV file, and becomes the rows that an index run makes of that file."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError, HintKind, UsageError
from mmsearch.retrieval.encoders.inputs import checked_vectors
from mmsearch.retrieval.encoders.protocol import Said
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.enrich.speech.reader import SpeechReader
from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE
from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows
from mmsearch.retrieval.ingest.rows import RowDraft, rows_of_file
from mmsearch.retrieval.ingest.speech import speech_passages
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.media.dates import date_in_name, with_date
from mmsearch.retrieval.media.workers.jobs import Decoded
from mmsearch.retrieval.media.workers.worker import hash_file
from mmsearch.retrieval.paths import status_change_ns
from mmsearch.types import Facts, Span, printable

_UTTERANCE_S = 10.0  # the most: words are to be found soon after they are said
_MOST_BYTES = (1 << 32) - (1 << 20)  # of a WAV file


class WindowCutter:
    """Cuts samples that come in parts into the windows that `sounds.sound.Sound` gives."""

    def __init__(self, rate: int, window_s: float, hop_s: float) -> None:
        self._rate, self._window, self._hop = rate, round(window_s * rate), round(hop_s * rate)
        self._held = np.empty(0, np.float32)  # from `_start` on; the last window given begins there once there is one
        self._start = 0
        self._given = False

    def add(self, samples: NDArray[np.float32]) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Add the next samples; yields the windows that are complete."""
        self._held = np.concatenate([self._held, samples])
        while len(self._held) >= self._window + (self._hop if self._given else 0):
            if self._given:
                self._held, self._start = self._held[self._hop :], self._start + self._hop
            self._given = True
            yield self._cut(self._start, self._held[: self._window])

    def finish(self) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """The last window, which ends with the sound; a shorter sound is one short window."""
        if not self._given and len(self._held):
            yield self._cut(self._start, self._held)
        elif len(self._held) > self._window:
            end = self._start + len(self._held)
            yield self._cut(end - self._window, self._held[-self._window :])

    def _cut(self, start: int, samples: NDArray[np.float32]) -> tuple[Span, NDArray[np.float32]]:
        return Span(start / self._rate, (start + len(samples)) / self._rate, "s"), samples.copy()


@dataclass(frozen=True, slots=True)
class NewRows:
    """What has been heard since the last time.

    Attributes:
        rows: of the collection.
        said: what was said.
    """

    rows: list[StoredRows]
    said: list[Said]


class LiveRecording:
    """A recording that is being made.

    Args:
        path: the WAV file to write, which must not exist.
        routing: the models, of which one embeds sounds or one transcribes.
        cut: the options that decide which rows a file is cut into.

    Attributes:
        rate: samples a second of the recording: those of the model, so that a later run finds the same sound in it.

    Raises:
        UsageError: the file exists, or no model can listen.
    """

    def __init__(self, path: Path, routing: ModelRouting, cut: CutOptions) -> None:
        if routing.audio is None and routing.listener is None:
            raise UsageError(
                "no model of this collection can listen: none embeds sounds, and none for speech is on this machine",
                hint=HintKind.ADD_SOUND_MODEL,
            )
        self._path, self._routing, self._cut = path, routing, cut
        self.rate = routing.audio.sample_rate if routing.audio else VOICE_RATE
        try:
            self._file = open(path, "xb")  # noqa: SIM115  closed by `close`
        except FileExistsError:
            raise UsageError(f"there is a file at {printable(str(path))} already: name a new one") from None
        self._wav = wave.open(self._file, "wb")  # noqa: SIM115
        self._wav.setparams((1, 2, self.rate, 0, "NONE", ""))
        self._windows = WindowCutter(self.rate, cut.window, cut.hop)
        self._reader = SpeechReader(routing.listener, _UTTERANCE_S) if routing.listener else None
        self._resampler = _resampler(self.rate) if self._reader and self.rate != VOICE_RATE else None
        self._drafts: list[RowDraft] = []
        self._said: list[Said] = []
        self._told = (0, 0)
        self._samples = 0
        self._unfinished_hash = os.urandom(16)  # of a content that no file has

    @property
    def seconds(self) -> float:
        """How long it is by now."""
        return self._samples / self.rate

    @property
    def is_full(self) -> bool:
        """Whether the file has reached the size that a WAV file may have."""
        return 2 * self._samples >= _MOST_BYTES

    def add(self, samples: NDArray[np.int16]) -> None:
        """Add the next samples, mono, int16 ``[samples]`` at ``rate``."""
        self._wav.writeframesraw(samples.astype("<i2").tobytes())
        self._samples += len(samples)
        values = samples.astype(np.float32) / np.float32(32768)
        if self._routing.audio is not None:
            for span, window in self._windows.add(values):
                self._drafts.append(self._embedded(span, window))
        if self._reader is not None:
            self._said += self._reader.add(self._at_voice_rate(values))

    def new_rows(self) -> NewRows:
        """Rows of what has been heard since the last call; the file on disk is whole."""
        self._wav.writeframes(b"")  # puts the length into the header
        self._file.flush()
        windows, pieces = self._told
        self._told = len(self._drafts), len(self._said)
        said = self._said[pieces:]
        return NewRows(
            self._rows([*self._drafts[windows:], *self._passages(said)], self._unfinished_hash, Facts()), said
        )

    def finish(self) -> NewRows:
        """All rows, as an index run would make them of the file, which is closed; what was said since the last call."""
        if self._routing.audio is not None:
            self._drafts += [self._embedded(span, window) for span, window in self._windows.finish()]
        if self._reader is not None:
            self._said += [*self._reader.add(self._at_voice_rate(np.empty(0, np.float32), last=True))]
            self._said += self._reader.finish()
        self.close()
        with self._path.open("rb") as file:
            content_hash = hash_file(file)
        facts = with_date(Facts(duration_s=self.seconds), date_in_name(os.fsencode(self._path)))
        rows = self._rows([*self._drafts, *self._passages(self._said)], content_hash, facts)
        counts = dict.fromkeys(self._routing.spaces(), 0) | {stored.modality: len(stored.items) for stored in rows}
        expected = ExpectedRows(counts, self._cut.window, self._cut.hop, speech=self._cut.speech).to_text()
        rows = [replace(s, items=[replace(item, made=expected) for item in s.items]) for s in rows]
        return NewRows(rows, self._said[self._told[1] :])

    def close(self) -> None:
        """End the file; if there is nothing in it, it is removed."""
        if not self._file.closed:
            self._wav.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if not self._samples:
                self._path.unlink()

    def _rows(self, drafts: Sequence[RowDraft], content_hash: bytes, facts: Facts) -> list[StoredRows]:
        stat = os.stat(self._path)
        path = os.fsencode(self._path)
        times = {"mtime_ns": stat.st_mtime_ns, "ctime_ns": status_change_ns(stat)}
        file = Decoded(path, "decoded", "audio", content_hash, stat.st_size, facts=facts, **times)  # type: ignore[arg-type]
        return rows_of_file(file, drafts, self._routing.spaces())

    def _embedded(self, span: Span, window: NDArray[np.float32]) -> RowDraft:
        audio = self._routing.audio
        assert audio is not None
        vectors = checked_vectors(audio.encode_sounds([window]), 1, audio.space)
        if not np.isfinite(vectors).all():
            raise DecodeError("the model made no finite vector of the sound")
        return RowDraft("audio", span, vectors=[vectors[0]])

    def _passages(self, said: Sequence[Said]) -> list[RowDraft]:
        text = self._routing.text
        drafts = list(speech_passages(said, text)) if text is not None else []
        if drafts and text is not None:
            passages = [draft.passage or "" for draft in drafts]
            vectors = checked_vectors(text.encode_texts(passages), len(passages), text.space)
            for draft, vector in zip(drafts, vectors, strict=True):
                draft.vectors.append(vector)
        return drafts

    def _at_voice_rate(self, values: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        if self._resampler is None:
            return values
        resampled: NDArray[np.float32] = self._resampler.resample_chunk(values, last=last)
        return resampled.clip(-1, 1)


def _resampler(rate: int) -> Any:
    import soxr

    return soxr.ResampleStream(rate, VOICE_RATE, 1)
