"""The sound track of any file as mono windows at an encoder's sample rate, one window at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.container import (
    Clock,
    NoTrackError,
    Packets,
    as_decode_errors,
    open_container,
    pick_stream,
    stated_duration,
    stated_facts,
)
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S
from mmsearch.retrieval.media.durations import header_duration, lacks_last_page
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import Facts

if TYPE_CHECKING:
    from av.audio.fifo import AudioFifo
    from av.audio.frame import AudioFrame

_CHUNK_S = 0.5
_MIN_RATE, _MAX_RATE = 1_000, 3_000_000  # samples per second; DSD has 2.8 million
_MANY_CHANNELS = 8

_MAX_SILENCE_S, _MAX_SILENCE_S_PER_BYTE = 3600.0, 1 / 25
"""The most silence that fills the gaps of a file: an hour, or more in a large file. Every codec needs at least 25 bytes
per second, so that longer gaps are damage."""

_JITTER_S = 0.1
"""A gap or an overlap up to this is ignored: some containers round time stamps to milliseconds."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a sound; ``samples`` are mono, float32 ``[round((end_s - start_s) * rate)]`` in -1…1, read only."""

    start_s: float
    end_s: float
    samples: NDArray[np.float32]


class Sound:
    """The sound track of an opened file, window by window.

    Attributes:
        expected_s: the duration that the header states, in seconds; 0.0 if it states none.
        facts: valid after the last window.

    Raises:
        DecodeError: no sound track, or one that cannot be decoded.
    """

    def __init__(
        self, source: IO[bytes], format: str, rate: int, *, window_s: float = WINDOW_S, hop_s: float = HOP_S
    ) -> None:
        self._container = open_container(source, format)
        with as_decode_errors():
            if not self._container.streams.audio:
                raise NoTrackError("no sound track")
            self._stream = pick_stream(self._container.streams.audio, "a sound track")
            self._stream.codec_context.thread_count = 1
            self.expected_s = stated_duration(self._container, self._stream)
        _check_rate(self._stream.codec_context.sample_rate)
        self._may_fill_s = max(_MAX_SILENCE_S, source.seek(0, os.SEEK_END) * _MAX_SILENCE_S_PER_BYTE)
        self._stated = stated_facts(self._container, "sound")
        self._header_s = header_duration(source, format, self.expected_s)
        self._cut_off = lacks_last_page(source, format)
        self._rate = rate
        self._window, self._hop = round(window_s * rate), round(hop_s * rate)
        self._packets = Packets(self._container, self._stream)
        self._not_finite = False
        self._since_s = 0.0
        self._clock = Clock(self._container, self.expected_s)
        self.facts = Facts()

    @property
    def can_go_on(self) -> bool:
        """Whether a later run can find the place that has been reached, by its time."""
        return self._clock.is_reliable

    @property
    def damage(self) -> str | None:
        """What was wrong with the part that has been read."""
        failed = "damaged: parts of the sound could not be decoded" if self._packets.failed else None
        return join_notes(failed, self._silenced)

    @property
    def _silenced(self) -> str | None:
        return "NaN samples silenced" if self._not_finite else None

    def windows(self, first: int = 0) -> Iterator[Window]:
        """Windows every ``hop_s`` seconds; the last one ends with the sound. A shorter sound is one short window.

        With ``first`` > 0 the first window has that number, which must exist; what lies before it is not decoded.

        Raises:
            DecodeError: nothing of it can be decoded.
        """
        start = first * self._hop
        self._since_s = float(max(0, start // self._rate - 1))  # a whole second: samples lie on the same grid
        held = np.empty(0, np.float32)  # from `start` on; the last window given begins there once there is one
        parts: list[NDArray[np.float32]] = []  # what follows it: joined only when there is enough for a window
        given, missing = False, self._window
        with as_decode_errors():
            for chunk in _skip_samples(self._resampled(), start - round(self._since_s * self._rate)):
                parts.append(chunk)
                missing -= len(chunk)
                if missing > 0:
                    continue
                held, parts = np.concatenate([held, *parts]), []
                while len(held) >= self._window + (self._hop if given else 0):
                    if given:
                        held, start = held[self._hop :], start + self._hop
                    given = True
                    yield self._cut(start, held[: self._window])
                missing = self._window + self._hop - len(held)
            held = np.concatenate([held, *parts])
            end = start + len(held)
            if not len(held):
                raise DecodeError(self._why_nothing())
            if not given:
                yield self._cut(start, held)
            elif len(held) > self._window:
                yield self._cut(end - self._window, held[-self._window :])
        self._container.close()
        self.facts = replace(self._stated, duration_s=end / self._rate, note=self._note(end / self._rate))

    def _cut(self, start: int, samples: NDArray[np.float32]) -> Window:
        samples = samples[:]
        samples.flags.writeable = False  # the next window may share them
        return Window(start / self._rate, (start + len(samples)) / self._rate, samples)

    def _why_nothing(self) -> str:
        if self._packets.failed:
            return "damaged: nothing of the sound track can be decoded"
        return "the sound lasts no time" if not self.expected_s else "header only: there is no sound behind it"

    def _note(self, duration: float) -> str | None:
        if duration < self._header_s - max(0.5, 0.01 * self._header_s):
            return join_notes(f"truncated: {duration:.0f} s of {self._header_s:.0f} s could be read", self._silenced)
        if self._cut_off or self._packets.broken_off:
            return join_notes(f"truncated: {duration:.0f} s could be read", self._silenced)
        return self.damage

    def _resampled(self) -> Iterator[NDArray[np.float32]]:
        """Mono sound at the wanted rate from time 0 on, silence where the track has gaps."""
        import soxr

        rate, taken, given = 0, 0, 0
        stream: soxr.ResampleStream | None = None
        for chunk, chunk_rate in self._chunks():
            if chunk_rate != rate and stream is not None:
                yield _last_samples(
                    stream.resample_chunk(np.empty(0, np.float32), last=True), taken, rate, self._rate, given
                )
                stream = None
            if stream is None and chunk_rate != self._rate:
                stream, rate, taken, given = soxr.ResampleStream(chunk_rate, self._rate, 1), chunk_rate, 0, 0
            if stream is None:
                yield np.clip(chunk, -1, 1, out=chunk)
                continue
            out = stream.resample_chunk(chunk)
            np.clip(out, -1, 1, out=out)
            taken, given = taken + len(chunk), given + len(out)
            yield out
        if stream is not None:
            yield _last_samples(
                stream.resample_chunk(np.empty(0, np.float32), last=True), taken, rate, self._rate, given
            )

    def _chunks(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Mono sound at its own rate, about half a second at a time, with that rate."""
        begin_s = done_s = self._since_s
        self._clock = clock = Clock(self._container, self.expected_s, mid_stream=begin_s > 0)
        pending = _Pending()
        rate = 0
        frames = clock.timed(self._packets.frames(begin_s), lambda frame: frame.samples / frame.sample_rate)
        for frame, time, length in frames:
            changed = frame.sample_rate != rate
            if pending.count and (changed or pending.count >= _CHUNK_S * rate):
                yield self._joined(pending), rate
            if changed:
                rate = _check_rate(frame.sample_rate)
            gap, skipped = time - done_s, 0
            if abs(gap) <= _JITTER_S and done_s != begin_s:
                pass  # most frames
            elif gap < 0:
                skipped = min(round(-gap * rate), frame.samples)
            elif gap > 0:
                self._may_fill_s -= gap
                if self._may_fill_s < 0:
                    raise DecodeError("damaged: its time stamps leave gaps of hours that nothing fills")
                for silence in _silence(round(gap * rate), rate):
                    pending.add_samples(silence)
                    yield self._joined(pending), rate
                    done_s += len(silence) / rate
            pending.add(as_packed(frame), skipped)
            done_s += (frame.samples - skipped) / rate if skipped else length
        if pending.count:
            yield self._joined(pending), rate

    def _joined(self, pending: _Pending) -> NDArray[np.float32]:
        samples = pending.take()
        self._not_finite |= pending.not_finite
        return samples


class _Pending:
    """Frames and samples that wait to become one array: a frame of MP3 lasts 26 ms, and each call of numpy costs.

    Frames wait in FFmpeg's queue, so that the decoder writes the next one to the same memory, which the processor's
    cache still holds.

    Attributes:
        count: how many samples of each channel wait.
        not_finite: there were infinite samples or NaN, which became 0.
    """

    def __init__(self) -> None:
        self.count = 0
        self.not_finite = False
        self._samples: list[NDArray[np.float32]] = []
        self._queue: AudioFifo | None = None
        self._kind: tuple[str, int, int] = ("", 0, 0)  # sample format, number of channels, rate

    def add(self, frame: AudioFrame, skipped: int) -> None:
        """Add a frame without its first ``skipped`` samples; the frame loses its time stamp."""
        kind = (frame.format.name, frame.layout.nb_channels, frame.sample_rate)
        if skipped or kind != self._kind or self._queue is None:
            self._convert()
            if kind != self._kind or self._queue is None:
                self._queue, self._kind = _queue_of(kind[0]), kind
        frame.pts = None  # the queue refuses gaps
        self._queue.write(frame)
        self.count += frame.samples - skipped
        if skipped:
            self._convert()
            self._samples[-1] = self._samples[-1][skipped:]

    def add_samples(self, samples: NDArray[np.float32]) -> None:
        """Add mono samples."""
        self._convert()
        self._samples.append(samples)
        self.count += len(samples)

    def take(self) -> NDArray[np.float32]:
        """All that waits, in mono."""
        self._convert()
        taken, self._samples, self.count = self._samples, [], 0
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def _convert(self) -> None:
        joined = None if self._queue is None else self._queue.read()
        if joined is None:
            return
        values = _channels(joined)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _mean(values)
            total = float(mean.sum())
        # NaN and infinity stay in sums: one sum clears most chunks.
        dtype = values[0].dtype
        if dtype.kind == "f" and not math.isfinite(total) and not all(np.isfinite(row).all() for row in values):
            self.not_finite = True
            mean = _mean([np.where(np.isfinite(row), row, 0) for row in values])
        if dtype.kind != "f":
            mean = mean / float(1 << (8 * dtype.itemsize - 1)) - (dtype.kind == "u")
        self._samples.append(mean.astype(np.float32, copy=False))


def _queue_of(name: str) -> AudioFifo:
    """A queue of frames of a sample format.

    Raises:
        DecodeError: samples that numpy has no type for.
    """
    from av.audio.fifo import AudioFifo
    from av.audio.frame import format_dtypes

    if name not in format_dtypes:
        raise DecodeError("samples of a kind that cannot be read")
    return AudioFifo()


def _channels(frame: AudioFrame) -> list[NDArray[Any]]:
    """The samples of each channel of a frame, in its own memory."""
    from av.audio.frame import format_dtypes

    name, count, channels = frame.format.name, frame.samples, frame.layout.nb_channels
    dtype, planes = np.dtype(format_dtypes[name]), frame.planes
    if not name.endswith("p"):
        return list(np.frombuffer(_memory(planes[0]), dtype, count * channels).reshape(-1, channels).T)
    return [np.frombuffer(_memory(plane), dtype, count) for plane in planes]


def _memory(plane: object) -> Any:
    return plane


def _mean(channels: list[NDArray[Any]]) -> NDArray[Any]:
    """The mean of channels, exact to float32; several times as fast as `numpy.mean`."""
    dtype = channels[0].dtype
    exact = np.float32 if dtype.itemsize < 4 or (dtype == np.float32 and len(channels) <= 2) else np.float64
    if len(channels) == 1:
        return channels[0].astype(exact)
    total: NDArray[Any] = np.add(channels[0], channels[1], dtype=exact)
    for channel in channels[2:]:
        total += channel
    if len(channels) == 2:
        total *= 0.5  # exact, and faster than a division
    else:
        total /= len(channels)
    return total


def _check_rate(rate: int) -> int:
    """The rate; a DecodeError if it is impossible: at one sample per second a few bytes would last for hours."""
    if rate and not _MIN_RATE <= rate <= _MAX_RATE:
        raise DecodeError(f"damaged: its header states a rate of {rate:,} Hz, which no sound has")
    return rate


def as_packed(frame: AudioFrame) -> AudioFrame:
    """The frame; eight or more channels in one plane, since PyAV reads past the end of eight planes."""
    if frame.layout.nb_channels < _MANY_CHANNELS or not frame.format.is_planar:
        return frame
    from av.audio.resampler import AudioResampler

    resampler = AudioResampler(format=frame.format.name.removesuffix("p"))
    return [*resampler.resample(frame), *resampler.resample(None)][0]


def _skip_samples(chunks: Iterator[NDArray[np.float32]], count: int) -> Iterator[NDArray[np.float32]]:
    """The chunks without the first ``count`` samples."""
    for chunk in chunks:
        yield chunk[count:] if count > 0 else chunk
        count -= len(chunk)


def _silence(count: int, rate: int) -> Iterator[NDArray[np.float32]]:
    while count > 0:
        yield np.zeros(min(count, rate), np.float32)
        count -= rate


def _last_samples(
    rest: NDArray[np.float32], taken: int, rate: int, wanted_rate: int, given: int
) -> NDArray[np.float32]:
    """The resampler's last samples, cut or padded so that the sound keeps its length."""
    missing = max(0, round(taken * wanted_rate / rate) - given)
    return np.pad(rest[:missing], (0, max(0, missing - len(rest)))).clip(-1, 1)
