"""The frames of a film or an animation at their exact times, from the beginning or from any time on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.container import (
    Clock,
    NoTrackError,
    Packets,
    as_decode_errors,
    open_container,
    pick_stream,
    start_offset,
    stated_duration,
    stated_facts,
)
from mmsearch.retrieval.media.durations import header_duration
from mmsearch.retrieval.media.films import animation
from mmsearch.retrieval.media.films.frame import FilmFrame, Frame, Scaler, square_size
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.pictures.image import check_size

_MAX_FRAME_S = 3600.0

_BACK_S = (0.0, 2.0, 10.0, 60.0)
"""A jump goes to so long before the time that is wanted: further back if no frame before that time is found."""

_ORDER_OF_CODING = frozenset({"avi", "mpegvideo"})
"""Formats whose time stamps count coded pictures: with B frames FFmpeg shows the first one late."""

_SETTLES_S = {"mpeg": 1.0}
"""Program streams have time stamps on some pictures only: so long after a jump FFmpeg's times are guesses."""


def open_film(source: IO[bytes], format: str, max_pixels: int) -> FilmReader | AnimationReader:
    """A reader of the frames of a file whose format `sniff` found.

    Raises:
        DecodeError: no picture in it, it cannot be decoded, or its frames have more than ``max_pixels``.
    """
    if format in animation.ANIMATED_FORMATS:
        return AnimationReader(source, format, max_pixels)
    return FilmReader(source, format, max_pixels)


class AnimationReader:
    """The frames of an animated picture. Its header states no duration."""

    expected_s = 0.0

    def __init__(self, source: IO[bytes], format: str, max_pixels: int) -> None:
        self._source, self._format, self._max_pixels = source, format, max_pixels
        first = self._open()
        self.stated = first.stated
        self.note: str | None = None
        self.damage: str | None = None
        self.can_go_on = False

    def frames(self) -> Iterator[Frame]:
        """All frames in order."""
        animated = self._open()
        yield from animated.frames()
        self.note = animated.note

    def _open(self) -> animation.Animation:
        return animation.Animation(self._source, self._format, self._max_pixels)

    def frames_from(self, time: float) -> Iterator[Frame]:
        """All frames in order: an animation is always decoded from its beginning."""
        return self.frames()

    def close(self) -> None:
        """Does nothing: the file belongs to the caller."""


class FilmReader:
    """The frames of a film's video track, as FFmpeg decodes it.

    Attributes:
        expected_s: the duration that the header states, in seconds; 0.0: unknown.
        stated: what its metadata states, such as when it was recorded.
        note: after the last frame, whether the file breaks off or is damaged.
    """

    def __init__(self, source: IO[bytes], format: str, max_pixels: int) -> None:
        self._source, self._format, self._max_pixels = source, format, max_pixels
        self._open()
        self.expected_s = stated_duration(self._container, self._stream)
        self._header_s = header_duration(source, format, self.expected_s)
        self.stated = stated_facts(self._container, "film")
        self.note: str | None = None
        self._clock: Clock | None = None
        self._late = 0.0
        self._scaler = Scaler()
        if format in _ORDER_OF_CODING:
            first = next(self._packets.frames(), None)
            if first is not None and first.time is not None:
                self._late = max(0.0, first.time - start_offset(self._container))
            self._open()

    def _open(self) -> None:
        from av.stream import Disposition

        self._container = open_container(self._source, self._format)
        self._has_begun = False
        with as_decode_errors():
            covers = Disposition.attached_pic | Disposition.timed_thumbnails
            tracks = tuple(track for track in self._container.streams.video if not track.disposition & covers)
            if not tracks:
                raise NoTrackError("no picture in it")
            self._stream = pick_stream(tracks, "a film")
            context = self._stream.codec_context
            self._pixel_aspect = self._stream.sample_aspect_ratio or Fraction(1)
            self._guard(context.width, context.height)
            # Each worker is one process of many. FFmpeg refuses frames that grow over the limit later on.
            context.thread_count = 1
            context.options = {"max_pixels": str(self._max_pixels)}
            rate = self._stream.average_rate or self._stream.guessed_rate or 0
            self._frame_s = 1 / float(rate) if rate else 0.0
            self._last_length = (0, self._frame_s)
        # FFmpeg has no times of presentation for these in AVI; a jump would lose count.
        counting = self._format == "avi" and context.name in ("h264", "hevc")
        self._packets = Packets(self._container, self._stream, counting=counting)
        self._can_jump = not counting and self._format != "mpegvideo" and not FORMATS[self._format].untimed

    def _guard(self, width: int, height: int) -> None:
        size = square_size(width, height, self._pixel_aspect)
        check_size(size, max(width * height, size[0] * size[1]), self._max_pixels)
        self._size = (width, height)

    def frames(self) -> Iterator[FilmFrame]:
        """All frames in the order of presentation.

        Raises:
            DecodeError: not one of them can be decoded.
        """
        clock = self._clock = Clock(self._container, self.expected_s)
        end = 0.0
        nothing = True
        with as_decode_errors():
            for decoded, stamp, length in clock.timed(self._packets.frames(), self._length):
                time = stamp - self._late
                if not nothing and time < end - length:  # out of order: players do not show it
                    continue
                nothing, end = False, time + length
                yield self._frame(decoded, time, length)
        if nothing:
            raise DecodeError(self._why_nothing())
        self.note = self._note(end)

    def frames_from(self, time: float) -> Iterator[FilmFrame]:
        """Frames in the order of presentation; the first is shown at ``time`` or before, if any is.

        Raises:
            DecodeError: not one of them can be decoded.
        """
        with as_decode_errors():
            settles = _SETTLES_S.get(self._format, 0.0)
            if time > 1 and self._can_jump:
                for back in _BACK_S:
                    frames = self._after_seek(max(0.0, time - back - settles), settles)
                    first = next(frames, None)
                    if first is not None and first.time <= time:
                        end = 0.0
                        for frame in itertools.chain([first], frames):
                            end = frame.time + frame.duration
                            yield frame
                        self.note = self._note(end)
                        return
                    if time - back - settles <= 0:
                        break
            self.close()
            self._open()
            yield from self.frames()

    def _after_seek(self, time: float, settles: float) -> Iterator[FilmFrame]:
        """Frames from the first key frame after a jump on: those before it depend on frames that were not decoded.

        Those of the first ``settles`` seconds, whose times are guesses, are left out.
        """
        import av

        base, origin = self._stream.time_base, start_offset(self._container) + self._late
        if base is None:
            return
        try:
            self._read_first_frame()
            self._container.seek(int((time + origin) / base), stream=self._stream)
        except av.FFmpegError:
            return
        started: float | None = None
        for decoded in self._packets.frames():
            if decoded.pts is None or decoded.time is None:
                return
            if started is None and decoded.key_frame:
                started = decoded.time
            if started is not None and decoded.time >= started + settles:
                yield self._frame(decoded, decoded.time - origin, self._length(decoded))

    def _read_first_frame(self) -> None:
        """Decode one frame of H.264 before the first jump: what follows may need what the first packet alone says.

        Films of old versions of x264 in 4:4:4 name the version there, and FFmpeg decodes them by it.
        """
        if self._stream.codec_context.name == "h264" and not self._has_begun:
            next(self._container.decode(self._stream), None)
        self._has_begun = True

    def _length(self, decoded: Any) -> float:
        duration = decoded.duration
        if duration != self._last_length[0]:  # fractions are slow, and most frames are equally long
            length = float(duration * decoded.time_base) if decoded.time_base else 0.0
            self._last_length = (duration, length if 0 < length < _MAX_FRAME_S else self._frame_s)
        return self._last_length[1]

    def _frame(self, decoded: Any, time: float, length: float) -> FilmFrame:
        if (decoded.width, decoded.height) != self._size:
            self._guard(decoded.width, decoded.height)
        return FilmFrame(time, length, decoded, self._scaler, self._pixel_aspect)

    def _why_nothing(self) -> str:
        if self._packets.failed:
            return "damaged: none of its pictures can be decoded"
        return "header only: there is no picture behind it"

    def _note(self, duration: float) -> str | None:
        if duration < self._header_s - max(1.0, 0.02 * self._header_s):
            return f"truncated: {duration:.0f} s of {self._header_s:.0f} s could be read"
        if self._packets.broken_off:
            return f"truncated: {duration:.0f} s could be read"
        return self.damage

    @property
    def damage(self) -> str | None:
        """What was wrong with the part that has been read."""
        return "damaged: parts of the film could not be decoded" if self._packets.failed else None

    @property
    def can_go_on(self) -> bool:
        """Whether a later run can find the place that has been reached, by its time: stamps are right, jumps exact."""
        is_reliable = self._clock is None or self._clock.is_reliable
        return self._can_jump and self._format not in _SETTLES_S and is_reliable

    def close(self) -> None:
        """Give the decoder's memory back."""
        self._container.close()
