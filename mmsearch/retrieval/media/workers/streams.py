"""Films and sounds in the decoding worker: emits their shots and windows, one at a time, with times on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.enrich.ocr.lines import FRAME_SIDE, TextLine
from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE
from mmsearch.retrieval.media.container import NoTrackError
from mmsearch.retrieval.media.decode_spec import FRAMES_OF_SHOT, VOICE_PART_S, DecodeSpec
from mmsearch.retrieval.media.resume import ResumePoint, ResumePoints
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.retrieval.media.workers.jobs import PartFacts, PartKind
from mmsearch.types import Facts

if TYPE_CHECKING:
    from PIL import Image

    from mmsearch.retrieval.media.films.film import Film, Shot
    from mmsearch.retrieval.media.sounds.sound import Sound, Window

_FOR_EVER_S = 1e9

Emit = Callable[[PartFacts, NDArray[Any]], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """A film or a sound to decode.

    Attributes:
        file: its bytes.
        format: its name in `formats.FORMATS`.
        spec: what decoding makes of it.
        max_pixels: of the largest frame that may be decoded.
        emit: takes a part and its array, and returns when there is room for the next.
        announce_duration: takes the duration that the header states, in seconds, by which the time limit is set.
        moment: decode only this part, from … to in seconds; to None: one frame, or a window around the time.
        resume_points: the first shot and the first window to decode.
        read_lines: reads the text in a frame of each shot; None: no text is read.
    """

    file: IO[bytes]
    format: str
    spec: DecodeSpec
    max_pixels: int
    emit: Emit
    announce_duration: Callable[[float], None]
    moment: tuple[float, float | None] | None = None
    resume_points: ResumePoints = field(default_factory=dict)
    read_lines: Callable[[Image.Image], tuple[TextLine, ...]] | None = None


@dataclass(frozen=True, slots=True)
class FilmContent:
    """What a film is besides its parts: *audio* where it has no picture, its facts, and its subtitles as
    ``(start_s, end_s, text)``."""

    kind: Literal["audio", "video"]
    facts: Facts
    cues: list[tuple[float, float, str]]


def decode_sound(stream: Stream) -> Facts:
    """Emit every window of a sound, and what is to be listened to for speech.

    Raises:
        NoTrackError: it has no sound track.
        DecodeError: the sound cannot be decoded.
    """
    if stream.spec.sample_rate is None:
        return decode_voice(stream)
    facts = decode_windows(stream)
    if stream.spec.speech:
        decode_voice(stream)
    return facts


def decode_voice(stream: Stream) -> Facts:
    """Emit the sound track in parts that do not overlap, at the rate in which speech is looked for.

    Raises:
        NoTrackError: it has no sound track.
        DecodeError: the sound cannot be decoded.
    """
    from mmsearch.retrieval.media.sounds.sound import Sound

    stream.file.seek(0)
    sound = Sound(stream.file, stream.format, VOICE_RATE, window_s=VOICE_PART_S, hop_s=VOICE_PART_S)
    stream.announce_duration(sound.expected_s)
    at = 0
    for samples in _between(sound.windows(), 0.0, _FOR_EVER_S, VOICE_RATE):
        start_s, at = at / VOICE_RATE, at + len(samples)
        facts = PartFacts(kind="voice", start_s=start_s, end_s=at / VOICE_RATE, of_s=sound.expected_s or None)
        stream.emit(facts, samples)
    return sound.facts


def decode_windows(stream: Stream) -> Facts:
    """Emit every window of a sound, or of a film's sound track.

    Raises:
        NoTrackError: it has no sound track.
        DecodeError: the sound cannot be decoded.
    """
    from mmsearch.retrieval.media.sounds.sound import Sound

    spec = stream.spec
    assert spec.sample_rate is not None
    stream.file.seek(0)
    sound = Sound(stream.file, stream.format, spec.sample_rate, window_s=spec.window_s, hop_s=spec.hop_s)
    stream.announce_duration(sound.expected_s)
    resume = stream.resume_points.get("window")
    first = resume.index if resume else 0
    for index, window in enumerate(sound.windows(first), first):
        stream.emit(_facts_of("window", sound, index, window), window.samples)
    return _with_damage(sound.facts, resume)


def decode_frames(stream: Stream) -> Facts:
    """Emit every shot of a film.

    Raises:
        NoTrackError: it has no video track.
        DecodeError: no picture can be decoded.
    """
    from mmsearch.retrieval.media.films.film import Film

    assert stream.spec.frames is not None
    stream.file.seek(0)
    read = stream.read_lines
    side = None if read is None else FRAME_SIDE
    film = Film(stream.file, stream.format, stream.spec.frames, max_pixels=stream.max_pixels, keep_side=side)
    stream.announce_duration(film.expected_s)
    resume = stream.resume_points.get("shot")
    for place, shot in enumerate(film.shots(resume)):
        facts = _facts_of("shot", film, film.first + place, shot)
        lines = () if read is None or shot.middle is None else read(shot.middle)
        stream.emit(replace(facts, continues=shot.continues, lines=lines), shot.frames)
    return _with_damage(film.facts, resume if film.first else None)


def _facts_of(kind: PartKind, track: Film | Sound, index: int, part: Shot | Window) -> PartFacts:
    """The facts of the part of a track that was decoded last."""
    return PartFacts(
        kind=kind,
        start_s=part.start_s,
        end_s=part.end_s,
        index=index,
        can_go_on=track.can_go_on,
        damage=track.damage,
        of_s=track.expected_s or None,
    )


def _with_damage(facts: Facts, resume: ResumePoint | None) -> Facts:
    """Facts whose note also says what an earlier run found wrong with the part that was left out."""
    if resume is None or not resume.damage or resume.damage in (facts.note or ""):
        return facts
    return replace(facts, note=join_notes(facts.note, resume.damage))


def decode_film(stream: Stream) -> FilmContent:
    """Emit a film's shots and windows. If it has no subtitles, also what is to be listened to for speech.

    Raises:
        DecodeError: neither picture nor sound can be decoded.
    """
    found: dict[str, Facts] = {}
    failed: dict[str, DecodeError] = {}
    for part, wanted, decode in (
        ("video", stream.spec.frames, decode_frames),
        ("audio", stream.spec.sample_rate, decode_windows),
    ):
        if wanted is None:
            continue
        try:
            found[part] = decode(stream)
        except DecodeError as error:
            failed[part] = error
    cues = _cues(stream) if stream.spec.texts else []
    if stream.spec.speech and not cues and "audio" not in failed:
        try:
            voice = decode_voice(stream)
        except DecodeError as error:
            failed["audio"] = error
        else:
            found.setdefault("audio", voice)
    if not found:
        raise failed.get("video") or failed["audio"]
    facts = found.get("video") or found["audio"]
    notes = [facts.note, found["audio"].note if len(found) == 2 else None]
    facts = replace(facts, note=join_notes(*dict.fromkeys(notes)))
    if stream.spec.frames is None:
        width, height = _size_of_picture(stream)  # a film's sound is stored with a size, a recording without one
        facts = replace(facts, width=width, height=height)
    if "video" in failed:
        return FilmContent("audio" if isinstance(failed["video"], NoTrackError) else "video", facts, [])
    return FilmContent("video", facts, cues)


def _size_of_picture(stream: Stream) -> tuple[int | None, int | None]:
    """Width and height of a film's first frame; None if it cannot be decoded."""
    from mmsearch.retrieval.media.films.frames import open_film

    stream.file.seek(0)
    try:
        reader = open_film(stream.file, stream.format, stream.max_pixels)
        picture = next(reader.frames()).picture()
        reader.close()
    except (DecodeError, StopIteration):
        return None, None
    return picture.width, picture.height


def _cues(stream: Stream) -> list[tuple[float, float, str]]:
    """Embedded subtitles; none if they are damaged, which is no reason to skip the film."""
    from mmsearch.retrieval.media.texts.subtitles import embedded_subtitles

    stream.file.seek(0)
    try:
        return [(cue.start_s, cue.end_s, cue.text) for cue in embedded_subtitles(stream.file, stream.format)]
    except DecodeError:
        return []


def decode_moment(stream: Stream, kind: str) -> Facts:
    """Emit the frames at the stream's ``moment``, or its window of sound.

    Raises:
        DecodeError: the moment lies outside the file, or the file has no track of that kind.
    """
    assert stream.moment is not None
    if kind == "video" and stream.spec.frames is not None:
        from mmsearch.retrieval.media.films.film import frames_between

        start, end = stream.moment
        stream.file.seek(0)
        frames, facts = frames_between(
            stream.file, stream.format, stream.spec.frames, start, end, max_pixels=stream.max_pixels
        )
        part = PartFacts(kind="shot", start_s=start, end_s=end or start)
        for first in range(0, len(frames), FRAMES_OF_SHOT):  # a part holds the frames of one shot
            stream.emit(part, frames[first : first + FRAMES_OF_SHOT])
        return facts
    return _sound_at(stream)


def _sound_at(stream: Stream) -> Facts:
    """Emit the sound of the moment: from … to, at most one window long, or one window around a time."""
    from mmsearch.retrieval.media.sounds.sound import Sound

    spec = stream.spec
    assert stream.moment is not None
    assert spec.sample_rate is not None
    start, end = stream.moment
    if end is None:
        start, end = max(0.0, start - spec.window_s / 2), start + spec.window_s / 2
    end = min(end, start + spec.window_s)
    stream.file.seek(0)
    sound = Sound(stream.file, stream.format, spec.sample_rate, window_s=1.0, hop_s=1.0)
    stream.announce_duration(sound.expected_s)
    samples = np.concatenate([np.empty(0, np.float32), *_between(sound.windows(), start, end, spec.sample_rate)])
    if not len(samples):
        raise DecodeError(f"there is no sound at {start:g} s: the file is shorter")
    stream.emit(PartFacts(kind="window", start_s=start, end_s=end), samples)
    return sound.facts


def _between(windows: Iterator[Any], start_s: float, end_s: float, rate: int) -> Iterator[NDArray[np.float32]]:
    """The samples between two times, without duplicates: the last window of a sound overlaps the one before."""
    at = round(start_s * rate)
    stop = round(end_s * rate)
    for window in windows:
        first = round(window.start_s * rate)
        piece = window.samples[max(at - first, 0) : max(stop - first, 0)]
        if len(piece) and first + len(window.samples) > at:
            yield piece
            at = max(at, first) + len(piece)
        if at >= stop:
            return
