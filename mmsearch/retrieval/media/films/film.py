"""Films as shots of at most ten seconds, each with up to four frames as an encoder's pixels, one shot at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.decode_spec import FRAMES_OF_SHOT, MAX_SPAN_S
from mmsearch.retrieval.media.films.frame import Frame, thumbnails
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.films.shots import is_flat, pick_evenly, with_cuts
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.resume import ResumePoint
from mmsearch.types import Facts, clock

if TYPE_CHECKING:
    from PIL import Image

_FIRST_S, _EVERY_S = 0.25, 1.0
"""Frames are sampled so long after the start of a shot, and then at this distance."""

_MIN_REST_S = 2.0
"""A long shot is cut into pieces; a shorter rest stays with the piece before it, and the two are halved."""

_MAX_QUERY_FRAMES = 32

_SEEK_S = 10.0
"""A jump is made to a frame that is further away; nearer ones are reached by decoding."""

_CONTEXT_S = 5.0
"""Film before a resume point that is decoded for the cut detector, which looks back 2 s."""

_ROUNDING_S = 1e-6

_MAX_HELD_BYTES = 4 * 1024**2
"""A frame of up to so many bytes waits until it is clear that it is wanted; up to 13 of a shot do."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shot:
    """A shot, or a piece of one that is longer than `MAX_SPAN_S`.

    Attributes:
        start_s: in seconds.
        end_s: in seconds.
        frames: RGB pixels of the transform's size, uint8 ``[n, height, width, 3]``, n ≥ 1.
        times: presentation times of the frames, in seconds.
        continues: a piece of a shot, but not the first.
        middle: a frame of it, in RGB, not far from the middle; None where none was to be kept.
    """

    start_s: float
    end_s: float
    frames: NDArray[np.uint8]
    times: tuple[float, ...]
    continues: bool
    middle: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sampled frame; ``convert`` gives its pixels."""

    wanted: float
    time: float
    convert: Callable[[], NDArray[np.uint8]]
    flat: bool


class Film:
    """The shots of an opened film or animated picture.

    Args:
        source: the file.
        format: its name in `formats.FORMATS`.
        transform: how frames become the encoder's pixels.
        max_pixels: of the largest frame that may be decoded.
        keep_side: each shot keeps a frame with at least so many pixels along its short side, if the film has them.

    Attributes:
        expected_s: the duration that the header states, in seconds; 0.0 if it states none.
        first: the number of the first shot that `shots` gives, valid from then on.
        facts: valid after the last shot.

    Raises:
        DecodeError: no picture in it, it cannot be decoded, or its frames have more than ``max_pixels``.
    """

    def __init__(
        self,
        source: IO[bytes],
        format: str,
        transform: ImageTransform,
        *,
        max_pixels: int,
        keep_side: int | None = None,
    ) -> None:
        self._open = partial(open_film, source, format, max_pixels)
        self._reader = self._open()
        self._transform = transform
        self._keep_side = keep_side
        self.expected_s = self._reader.expected_s
        self.first = 0
        self.facts = Facts()

    @property
    def can_go_on(self) -> bool:
        """Whether a later run can find the place that has been reached, by its time."""
        return self._reader.can_go_on

    @property
    def damage(self) -> str | None:
        """What was wrong with the part that has been read."""
        return self._reader.damage

    def shots(self, resume: ResumePoint | None = None) -> Iterator[Shot]:
        """The film's shots in order, without gaps; a long one comes in pieces.

        With ``resume`` shots before it are left out; all are given if the film has no shot that starts there.

        Raises:
            DecodeError: nothing of it can be decoded.
        """
        size = (0, 0)
        end = 0.0
        sampler: _Sampler | None = None
        for frame, cut, until in self._frames(resume):
            if sampler is None:
                size = frame.size
                sampler = _Sampler(frame, self._transform, self._keep_side, resume if self.first else None)
            elif cut:
                yield from sampler.finish(frame.time)
                sampler = _Sampler(frame, self._transform, self._keep_side)
            yield from sampler.add(frame, until)
            end = until
        if sampler is not None:
            yield from sampler.finish(end)
        self._reader.close()
        stated, note = self._reader.stated, self._reader.note
        self.facts = replace(stated, width=size[0], height=size[1], duration_s=end, note=note)

    def _frames(self, resume: ResumePoint | None) -> Iterator[tuple[Frame, bool, float]]:
        """Frames, whether a shot begins, and until when each is shown: from ``resume`` on, or all."""
        if resume is not None:
            frames = with_cuts(self._reader.frames_from(max(0.0, resume.start_s - _CONTEXT_S)))
            found = _from(resume, _with_ends(frames))
            first = next(found, None)
            if first is not None:
                self.first = resume.index
                yield first
                yield from found
                return
            self._reader.close()
            self._reader = self._open()
        yield from _with_ends(with_cuts(self._reader.frames()))


def _from(resume: ResumePoint, frames: Iterator[tuple[Frame, bool, float]]) -> Iterator[tuple[Frame, bool, float]]:
    """The frames from a resume point on; none if a cut that should be there is not, or the other way round."""
    starts = resume.start_s == resume.shot_start_s
    for frame, cut, until in frames:
        if until > resume.start_s + _ROUNDING_S:
            if cut == starts and (not starts or abs(frame.time - resume.start_s) <= _ROUNDING_S):
                yield frame, cut, until
                yield from frames
            return


def _with_ends(
    frames: Iterator[tuple[Frame, bool]],
) -> Iterator[tuple[Frame, bool, float]]:
    """Each frame with the time until which it is shown."""
    held: tuple[Frame, bool] | None = None
    for item in frames:
        if held is not None:
            yield *held, item[0].time
        held = item
    if held is not None:
        yield *held, held[0].time + held[0].duration


class _Sampler:
    """Samples the frames of one shot: the one shown after a quarter of a second, and one every second from there.

    With ``resume`` it begins with a later piece of the shot. Of each piece it keeps one frame in large, as the length
    is not known before the end: the first, then the second, the fourth, the eighth.
    """

    def __init__(
        self,
        first: Frame,
        transform: ImageTransform,
        keep_side: int | None,
        resume: ResumePoint | None = None,
    ) -> None:
        self._transform = transform
        self._keep_side = keep_side
        self._middle: Callable[[], Image.Image] | None = None
        self._start = first.time if resume is None else resume.start_s
        self._first: Frame | None = first
        self._wanted = (first.time if resume is None else resume.shot_start_s) + _FIRST_S
        self._continues = resume is not None and resume.start_s != resume.shot_start_s
        self._candidates: list[_Candidate] = []
        while self._wanted < self._start:
            self._first = None
            self._wanted += _EVERY_S

    def add(self, frame: Frame, until: float) -> Iterator[Shot]:
        """Add a frame that is shown until ``until``; yields the pieces that are complete."""
        while self._wanted < until:
            yield from self._cut_off(self._wanted)
            self._take(self._wanted, frame)
            self._first = None
            self._wanted += _EVERY_S

    def finish(self, end: float) -> Iterator[Shot]:
        """The last pieces of the shot, which ends at ``end``."""
        yield from self._cut_off(end)
        if self._first is not None:
            self._take(self._first.time, self._first)
        if end - self._start > MAX_SPAN_S:
            yield self._piece(self._start + (end - self._start) / 2)
        yield self._piece(end)

    def _take(self, wanted: float, frame: Frame) -> None:
        """Sample a frame, and keep it in large if its turn has come."""
        flat = is_flat(thumbnails(frame.samples()[None])[0])
        if self._candidates and self._candidates[-1].time == frame.time:
            convert = self._candidates[-1].convert
        else:
            convert = _converter(frame, partial(frame_pixels, frame, self._transform))
        self._candidates.append(_Candidate(wanted, frame.time, convert, flat))
        count = len(self._candidates)
        due = self._middle is None or (count & (count - 1) == 0 and not flat)
        if self._keep_side is not None and due:
            self._middle = _converter(frame, partial(frame.picture, (self._keep_side, self._keep_side)))

    def _cut_off(self, time: float) -> Iterator[Shot]:
        """The pieces of full length before ``time``, except the last where the rest would be too short."""
        while time - self._start > MAX_SPAN_S + _MIN_REST_S:
            yield self._piece(self._start + MAX_SPAN_S)

    def _piece(self, end: float) -> Shot:
        inside = [candidate for candidate in self._candidates if candidate.wanted < end or not self._candidates]
        self._candidates = [candidate for candidate in self._candidates if candidate.wanted >= end]
        distinct = list({candidate.time: candidate for candidate in inside}.values())
        chosen = pick_evenly([candidate for candidate in distinct if not candidate.flat] or distinct, FRAMES_OF_SHOT)
        shot = Shot(
            self._start,
            end,
            np.stack([candidate.convert() for candidate in chosen]),
            tuple(candidate.time for candidate in chosen),
            self._continues,
            None if self._middle is None else self._middle(),
        )
        self._middle = None
        self._start, self._continues = end, True
        return shot


def _converter(frame: Frame, convert: Callable[[], T]) -> Callable[[], T]:
    """What gives the result of ``convert``. Few sampled frames are wanted in the end, so that only large ones, which
    would fill the memory, are converted at once."""
    if frame.held_bytes <= _MAX_HELD_BYTES:
        return convert
    converted = convert()
    return lambda: converted


def frame_pixels(frame: Frame, transform: ImageTransform) -> NDArray[np.uint8]:
    """A frame as the encoder's pixels, uint8 ``[height, width, 3]``; large frames are reduced first."""
    return transform.apply(frame.picture((2 * transform.height, 2 * transform.width)))


def frames_between(
    source: IO[bytes], format: str, transform: ImageTransform, start_s: float, end_s: float | None, *, max_pixels: int
) -> tuple[NDArray[np.uint8], Facts]:
    """The frame shown at ``start_s``, or frames from ``start_s`` to ``end_s``, sampled as those of a shot.

    Returns pixels, uint8 ``[n, height, width, 3]``, n ≥ 1, and facts.

    Raises:
        DecodeError: the film ends before that, or cannot be decoded.
    """
    reader = open_film(source, format, max_pixels)
    pixels: list[NDArray[np.uint8]] = []
    seen = set()
    size = (0, 0)
    for frame in shown_at(reader, _sample_times(start_s, end_s)):
        if frame.time not in seen:
            seen.add(frame.time)
            pixels.append(frame_pixels(frame, transform))
            size = frame.size
    facts = replace(reader.stated, width=size[0], height=size[1], duration_s=reader.expected_s or None)
    reader.close()
    return np.stack(pixels), facts


def _sample_times(start: float, end: float | None) -> list[float]:
    if end is None or end - start <= _FIRST_S:
        return [start]
    pieces = max(1, round((end - start) / MAX_SPAN_S + 0.499))
    moments: list[float] = []
    for piece in range(pieces):
        low, high = (start + (end - start) * edge / pieces for edge in (piece, piece + 1))
        moments += pick_evenly(np.arange(low + _FIRST_S, high, _EVERY_S).tolist(), FRAMES_OF_SHOT)
    return pick_evenly(moments, _MAX_QUERY_FRAMES)


def shown_at(reader: object, moments: list[float]) -> Iterator[Frame]:
    """The frames shown at some times, in order; times after the end of the film are left out.

    Raises:
        DecodeError: the film ends before the first of them.
    """
    frames: Iterator[Frame] | None = None
    held: Frame | None = None
    following: Frame | None = None
    given = False
    for moment in moments:
        if frames is None or (following is not None and moment - following.time > _SEEK_S):
            frames = reader.frames_from(moment)  # type: ignore[attr-defined]
            held, following = None, next(frames, None)
        while following is not None and (held is None or following.time <= moment):
            held, following = following, next(frames, None)
        if held is None:
            raise DecodeError("no picture in it")
        if following is None and moment > held.time + held.duration:
            if not given:
                raise DecodeError(f"the film ends at {clock(held.time + held.duration)}")
            return
        given = True
        yield held
