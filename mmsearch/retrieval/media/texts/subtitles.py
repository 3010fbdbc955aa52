"""Subtitles: SubRip and WebVTT files and the text tracks of films, as timed cues and as passages to embed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from mmsearch.retrieval.media.container import as_decode_errors, open_container, start_offset
from mmsearch.retrieval.media.decode_spec import MAX_SPAN_S
from mmsearch.retrieval.media.texts.text import CountTokens, passages

_MAX_SILENCE_S = 2.0

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?\Z")
_COUNTER = re.compile(r"\s*\d+\s*\Z")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|\Z)", re.DOTALL)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})


@dataclass(frozen=True, slots=True)
class Cue:
    """Text on the screen from ``start_s`` to ``end_s``, in one line and without styling."""

    start_s: float
    end_s: float
    text: str


def parse_subtitles(text: str) -> list[Cue]:
    """The cues of a SubRip or WebVTT file, by time; other lines are passed over."""
    lines = text.lstrip("\ufeff").splitlines()
    is_webvtt = bool(lines) and lines[0].startswith("WEBVTT")
    cues: list[Cue] = []
    times: tuple[float, float] | None = None
    lines_of_cue: list[str] = []
    for line in [*lines, ""]:
        timing = _TIMING.match(line)
        if timing:
            if lines_of_cue and _COUNTER.match(lines_of_cue[-1]):  # a SubRip cue's number stands right before its times
                lines_of_cue.pop()
            cues += _cue(times, lines_of_cue)
            times, lines_of_cue = (_seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])), []
        elif is_webvtt and not line.strip():
            cues += _cue(times, lines_of_cue)
            times, lines_of_cue = None, []
        else:
            lines_of_cue.append(line)
    return _in_order(cues + _cue(times, lines_of_cue))


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction}")


def _cue(times: tuple[float, float] | None, lines_of_cue: Sequence[str]) -> list[Cue]:
    words = _plain("\n".join(lines_of_cue))
    return [Cue(times[0], max(times), words)] if times and words else []


def _plain(styled: str) -> str:
    """The text without tags, override codes, drawings and entities, with single spaces."""
    styled = _OVERRIDE.sub("", _DRAWING.sub("", styled))
    for mark, meant in (("\\N", "\n"), ("\\n", "\n"), ("\\h", " ")):
        styled = styled.replace(mark, meant)
    return " ".join(html.unescape(_TAG.sub("", styled)).split())


def _in_order(cues: list[Cue]) -> list[Cue]:
    """Cues by time, without duplicates, which are shadows or second layers."""
    return list(dict.fromkeys(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))))


def embedded_subtitles(source: IO[bytes], format: str) -> list[Cue]:
    """The cues of all text tracks of a film, by time; tracks of bitmaps are passed over.

    Raises:
        DecodeError: the container cannot be read.
    """
    from av.stream import Discard

    container = open_container(source, format)
    cues = []
    with as_decode_errors(), container:
        tracks = [track for track in container.streams.subtitles if _is_text(track)]
        if not tracks:
            return []
        for stream in container.streams:
            if stream not in tracks:
                stream.discard = Discard.all
        origin = start_offset(container)
        for packet in _packets(container, tracks):
            if packet.pts is None or packet.time_base is None:
                continue
            start = float(packet.pts * packet.time_base) - origin
            end = start + float((packet.duration or 0) * packet.time_base)
            cues += _cue((max(0.0, start), end), _lines(packet))
    return _in_order(cues)


def _is_text(track: Any) -> bool:
    return track.codec_context is not None and track.codec_context.codec.canonical_name in _TEXT_CODECS


def _packets(container: Any, tracks: list[Any]) -> Iterator[Any]:
    """The packets of some tracks, until the end of the file or an error in reading."""
    import av

    packets = container.demux(*tracks)
    while True:
        try:
            packet = next(packets)
        except av.error.MemoryError:
            raise
        except (StopIteration, av.FFmpegError):
            return
        yield packet


def _lines(packet: Any) -> list[str]:
    """The texts of a packet: FFmpeg gives texts of all formats as ASS events, whose ninth field is the text."""
    import av

    try:
        events = [rect.ass.decode("utf-8", "replace") for rect in packet.decode() if hasattr(rect, "ass")]
    except av.error.MemoryError:
        raise
    except av.FFmpegError:
        return []
    return [event.split(",", 8)[-1] for event in events]


def timed_passages(cues: Sequence[Cue], count_tokens: CountTokens, max_tokens: int) -> list[tuple[float, float, str]]:
    """Passages ``(start_s, end_s, text)`` of neighbouring cues.

    Cues are joined while they span at most 10 s, the silence between them is at most 2 s, and they hold at most
    ``max_tokens`` tokens together. A cue with more tokens is cut as `text.passages` cuts, and its time is divided in
    proportion to the characters. A passage lasts at most 10 s from its start.
    """
    if not cues:
        return []
    counts = count_tokens([cue.text for cue in cues]).tolist()
    joined: list[tuple[float, float, str]] = []
    open_tokens = 0
    for cue, tokens in zip(cues, counts, strict=True):
        if tokens > max_tokens:
            joined += _parts(cue, count_tokens, max_tokens)
            open_tokens = max_tokens  # nothing is joined to its last part
            continue
        if joined and open_tokens + tokens <= max_tokens:
            start, end, text = joined[-1]
            if max(end, cue.end_s) - start <= MAX_SPAN_S and cue.start_s - end <= _MAX_SILENCE_S:
                joined[-1] = (start, max(end, cue.end_s), f"{text} {cue.text}")
                open_tokens += tokens
                continue
        joined.append((cue.start_s, cue.end_s, cue.text))
        open_tokens = tokens
    return [(start, min(end, start + MAX_SPAN_S), text) for start, end, text in joined]


def _parts(cue: Cue, count_tokens: CountTokens, max_tokens: int) -> Iterator[tuple[float, float, str]]:
    per_character = (cue.end_s - cue.start_s) / len(cue.text)
    for start, end in passages(cue.text, count_tokens, max_tokens):
        yield cue.start_s + start * per_character, cue.start_s + end * per_character, cue.text[start:end]
