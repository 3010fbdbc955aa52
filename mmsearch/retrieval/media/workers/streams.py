"""Films and sounds in the decoding worker: their shots and windows, handed on one at a time, on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.decode_spec import FRAMES_OF_SHOT, DecodeSpec
from mmsearch.retrieval.media.resume import Since
from mmsearch.retrieval.media.texts.text import joined_notes
from mmsearch.types import Facts

if TYPE_CHECKING:
    from mmsearch.retrieval.media.films.film import Film
    from mmsearch.retrieval.media.sounds.sound import Sound

PartKind = Literal["shot", "window", "page"]
Emit = Callable[[PartKind, NDArray[Any], dict[str, Any]], None]
Announce = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """A film or a sound to be decoded.

    ``moment`` asks for a part of it: from, to (seconds); to None for one frame, or a window around the time.
    ``emit`` hands on a part and returns when there is room for the next; ``lasts`` is told the duration in seconds
    that the header states, by which the time limit is set. ``since`` says which shots and windows are known already.
    """

    file: IO[bytes]
    format: str
    recipe: DecodeSpec
    max_pixels: int
    emit: Emit
    lasts: Announce
    moment: tuple[float, float | None] | None = None
    since: Mapping[PartKind, Since] = field(default_factory=dict)


def decode_sound(stream: Stream) -> Facts:
    """Emit every window of a sound, or of a film's sound track.

    Raises:
        DecodeError: there is no sound in it, or none that can be decoded.
    """
    from mmsearch.retrieval.media.sounds.sound import Sound

    recipe = stream.recipe
    assert recipe.sample_rate is not None
    stream.file.seek(0)
    sound = Sound(stream.file, stream.format, recipe.sample_rate, window_s=recipe.window_s, hop_s=recipe.hop_s)
    stream.lasts(sound.expected_s)
    since = stream.since.get("window")
    first = since.index if since else 0
    for index, window in enumerate(sound.windows(first), first):
        facts = {"start_s": window.start_s, "end_s": window.end_s}
        stream.emit("window", window.samples, {**facts, **_reached(sound, index)})
    return _with_damage(sound.facts, since)


def decode_frames(stream: Stream) -> Facts:
    """Emit every shot of a film.

    Raises:
        DecodeError: there is no picture in it, or none that can be decoded.
    """
    from mmsearch.retrieval.media.films.film import Film

    assert stream.recipe.frames is not None
    stream.file.seek(0)
    film = Film(stream.file, stream.format, stream.recipe.frames, max_pixels=stream.max_pixels)
    stream.lasts(film.expected_s)
    since = stream.since.get("shot")
    for place, shot in enumerate(film.shots(since)):
        facts = {"start_s": shot.start_s, "end_s": shot.end_s, "continues": shot.continues}
        stream.emit("shot", shot.frames, {**facts, **_reached(film, film.first + place)})
    return _with_damage(film.facts, since if film.first else None)


def _reached(track: Film | Sound, index: int) -> dict[str, Any]:
    """What the part with that number tells of the track up to its end; see `sandbox.Part`."""
    of_s = track.expected_s or None
    return {"index": index, "can_go_on": track.can_go_on, "damage": track.damage, "of_s": of_s}


def _with_damage(facts: Facts, since: Since | None) -> Facts:
    """Facts that tell, too, what an earlier run found wrong with the part that was left out."""
    if since is None or not since.damage or since.damage in (facts.note or ""):
        return facts
    return replace(facts, note=joined_notes(facts.note, since.damage))


def decode_film(stream: Stream) -> dict[str, Any]:
    """Emit a film's shots and windows; returns ``kind`` (*audio* where there is no picture), ``facts``, ``cues``.

    Raises:
        DecodeError: neither picture nor sound can be had of it.
    """
    found: dict[str, Facts] = {}
    failed: dict[str, DecodeError] = {}
    for part, wanted, decode in (
        ("video", stream.recipe.frames, decode_frames),
        ("audio", stream.recipe.sample_rate, decode_sound),
    ):
        if wanted is None:
            continue
        try:
            found[part] = decode(stream)
        except DecodeError as error:
            failed[part] = error
    if not found:
        raise failed.get("video") or failed["audio"]
    facts = found.get("video") or found["audio"]
    notes = [facts.note, found["audio"].note if len(found) == 2 else None]
    facts = replace(facts, note=joined_notes(*dict.fromkeys(notes)))
    if stream.recipe.frames is None:
        width, height = _size_of_picture(stream)  # by which a film's sound is told from a mere recording
        facts = replace(facts, width=width, height=height)
    if "video" in failed:
        return {"kind": "audio" if _has_no(failed["video"]) else "video", "facts": facts, "cues": []}
    return {"kind": "video", "facts": facts, "cues": _cues(stream) if stream.recipe.texts else []}


def _size_of_picture(stream: Stream) -> tuple[int | None, int | None]:
    """Width and height of a film's first frame; None where none can be had."""
    from mmsearch.retrieval.media.films.frames import open_film

    stream.file.seek(0)
    try:
        reader = open_film(stream.file, stream.format, stream.max_pixels)
        picture = next(reader.frames()).picture()
        reader.close()
    except (DecodeError, StopIteration):
        return None, None
    return picture.width, picture.height


def _has_no(error: DecodeError) -> bool:
    return str(error).startswith("no ")


def _cues(stream: Stream) -> list[tuple[float, float, str]]:
    """Embedded subtitles. A film whose subtitles are damaged is still a film."""
    from mmsearch.retrieval.media.texts.subtitles import embedded_subtitles

    stream.file.seek(0)
    try:
        return [(cue.start_s, cue.end_s, cue.text) for cue in embedded_subtitles(stream.file, stream.format)]
    except DecodeError:
        return []


def decode_moment(stream: Stream, kind: str) -> Facts:
    """Emit the frames, or else the window of sound, at the stream's ``moment``.

    Raises:
        DecodeError: the moment lies outside the file, or there is nothing of the kind in it.
    """
    assert stream.moment is not None
    if kind == "video" and stream.recipe.frames is not None:
        from mmsearch.retrieval.media.films.film import frames_between

        start, end = stream.moment
        stream.file.seek(0)
        frames, facts = frames_between(
            stream.file, stream.format, stream.recipe.frames, start, end, max_pixels=stream.max_pixels
        )
        for first in range(0, len(frames), FRAMES_OF_SHOT):  # the room for a part is that of one shot
            stream.emit("shot", frames[first : first + FRAMES_OF_SHOT], {"start_s": start, "end_s": end or start})
        return facts
    return _sound_at(stream)


def _sound_at(stream: Stream) -> Facts:
    """Emit the window of sound that the moment names: from … to, at most a window long, or around a time."""
    from mmsearch.retrieval.media.sounds.sound import Sound

    recipe = stream.recipe
    assert stream.moment is not None
    assert recipe.sample_rate is not None
    start, end = stream.moment
    if end is None:
        start, end = max(0.0, start - recipe.window_s / 2), start + recipe.window_s / 2
    end = min(end, start + recipe.window_s)
    stream.file.seek(0)
    sound = Sound(stream.file, stream.format, recipe.sample_rate, window_s=1.0, hop_s=1.0)
    stream.lasts(sound.expected_s)
    samples = np.concatenate([np.empty(0, np.float32), *_between(sound.windows(), start, end, recipe.sample_rate)])
    if not len(samples):
        raise DecodeError(f"there is no sound at {start:g} s: the file is shorter")
    stream.emit("window", samples, {"start_s": start, "end_s": end})
    return sound.facts


def _between(windows: Iterator[Any], start_s: float, end_s: float, rate: int) -> Iterator[NDArray[np.float32]]:
    """The samples between two times, each once: the last window of a sound overlaps the one before."""
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
