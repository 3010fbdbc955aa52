"""Containers of sound and film, opened with PyAV. FFmpeg is told the demuxer, and reads only the given file."""

from __future__ import annotations

import contextlib
import errno
import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.metadata import metadata_of_stream
from mmsearch.types import Facts

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.frame import Frame
    from av.packet import Packet
    from av.stream import Stream

_ENCRYPTED_TAGS = frozenset({"enca", "encv", "drms", "drmi"})
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC))

_MAX_DRIFT_S = 1.0
"""A time stamp that is off by up to this is taken as it is; see `Clock`."""

_MAX_UNSTATED_GAP_S, _MAX_GAP_S = 10.0, 3600.0
"""The longest gap in a track that is believed: past the duration that the header states, and within it."""

_PRE_ROLL_S = 2.0
"""Sound is decoded from so long before the place that is wanted: frames build on those some tenths before them."""

StreamT = TypeVar("StreamT", bound="Stream")


class NoTrackError(DecodeError):
    """A container has no track of the kind that was asked for."""


class _PositionedFile:
    """A file as FFmpeg sees it: without a name or a way to close it, and with a position of its own."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int) -> bytes:
        self._source.seek(self._position)
        data = self._source.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset, whence = offset + self._position, os.SEEK_SET
        self._position = self._source.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    raise DecodeError("refers to another file")


def open_container(source: IO[bytes], format: str) -> InputContainer:
    """Open the container of a file.

    Args:
        source: the file.
        format: its name in `formats.FORMATS`, as `sniff` gives it.

    Raises:
        DecodeError: its header cannot be read.
    """
    import av

    if format not in FORMATS or FORMATS[format].kind == "image":
        raise DecodeError("not a sound or a film")
    with as_decode_errors(f"cannot be opened as {format}"):
        return av.open(
            _PositionedFile(source),
            "r",
            format=FORMATS[format].reader,
            io_open=_refuse,
            metadata_errors="replace",
            options={},
        )


def first_frame(source: IO[bytes], demuxer: str) -> Any:
    """The first frame of a picture file as FFmpeg decodes it, with all bits of each value.

    Raises:
        DecodeError: no frame can be decoded.
    """
    import av

    source.seek(0)
    with (
        as_decode_errors(),
        av.open(_PositionedFile(source), "r", format=demuxer, io_open=_refuse) as container,
    ):
        for frame in container.decode(video=0):
            return frame
    raise DecodeError("damaged or cut off: there is no picture in it")


@contextlib.contextmanager
def as_decode_errors(what: str = "cannot be decoded") -> Iterator[None]:
    """Turn FFmpeg's errors into a DecodeError of one line.

    FFmpeg's own messages ("Invalid argument", "Invalid data found when processing input") do not help a person.

    Args:
        what: the end of the line, after "damaged or cut off".
    """
    import av

    try:
        yield
    except (DecodeError, MemoryError):
        raise
    except av.FFmpegError as error:
        if error.errno is not None and error.errno in _DISK_ERRORS:  # an error in writing a clip
            raise DecodeError(f"cannot be written: {os.strerror(error.errno).lower()}") from None
        if isinstance(error, _unsupported_errors()):
            raise DecodeError("damaged, or of a kind that FFmpeg does not read") from None
        raise DecodeError(f"damaged or cut off: {what}") from None
    except OSError:
        raise
    except Exception:
        raise DecodeError(f"damaged or cut off: {what}") from None


def _unsupported_errors() -> tuple[type[Exception], ...]:
    """FFmpeg's errors for codecs and features that it does not have, or only in part."""
    from av import error

    return (error.LookupError, error.NotImplementedError, error.PatchWelcomeError, error.ExperimentalError)


def pick_stream(streams: tuple[StreamT, ...], noun: str) -> StreamT:
    """The stream that a player starts with: the first that is marked as default, else the first.

    Args:
        streams: the streams of one kind.
        noun: what they are, for the error: *a film*.

    Raises:
        DecodeError: it is encrypted, or of an unknown codec.
    """
    from av.stream import Disposition

    stream = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    context: Any = stream.codec_context
    if context is None:
        raise DecodeError(f"{noun} in a protected or unknown codec")
    if stream.codec_tag in _ENCRYPTED_TAGS:
        raise DecodeError(f"{noun} in a protected codec: {stream.codec_tag}")
    return stream


def start_offset(container: InputContainer) -> float:
    """The time stamp at which the container starts, in seconds. It is time 0 in all that is decoded here."""
    return (container.start_time or 0) / 1_000_000


def stated_duration(container: InputContainer, stream: Stream) -> float:
    """Seconds from the container's start to the stream's end, as the header states or implies; 0.0 if unknown."""
    whole = max(0.0, (container.duration or 0) / 1_000_000)
    if stream.duration and stream.duration > 0 and stream.time_base:
        start = float((stream.start_time or 0) * stream.time_base) - start_offset(container)
        return min(max(0.0, start) + float(stream.duration * stream.time_base), whole or math.inf)
    return whole


def stated_facts(container: InputContainer, source: str) -> Facts:
    """What the metadata of a *film* or a *sound* (``source``) and of its tracks states: date, camera, place, title."""
    return metadata_of_stream([container.metadata, *(track.metadata for track in container.streams)], source)


class Packets:
    """The packets of one stream.

    Attributes:
        failed: how many packets could not be decoded.
        broken_off: an error in reading ended the stream.

    Args:
        container: the file.
        stream: the stream.
        counting: time stamps count packets in the order of coding; frames get them in the order of presentation.
    """

    def __init__(self, container: InputContainer, stream: Stream, *, counting: bool = False) -> None:
        self._container, self._stream, self._counting = container, stream, counting
        self.failed = 0
        self.broken_off = False

    def frames(self, since_s: float = 0.0) -> Iterator[Any]:
        """The decoded frames in the order of presentation; packets that cannot be decoded are passed over.

        Args:
            since_s: of sound, packets before this time are not decoded, except for the last two seconds of them.
        """
        import av

        stamps: list[int] = []
        for packet in self._packets():
            time = self._time(packet) if since_s else None
            if time is not None:
                if time < since_s - _PRE_ROLL_S:
                    continue
                if time >= since_s:
                    since_s = 0.0
            if self._counting and packet.size and packet.dts is not None:
                heapq.heappush(stamps, packet.dts)
            try:
                frames: list[Any] = packet.decode()
            except av.error.MemoryError:
                raise
            except (av.error.EOFError, av.error.BlockingIOError):
                continue
            except av.FFmpegError:
                self.failed += not since_s
                continue
            for frame in frames:
                if stamps:
                    frame.pts = heapq.heappop(stamps)
                yield frame

    def _time(self, packet: Packet[Any]) -> float | None:
        if packet.pts is None or packet.time_base is None:
            return None
        return float(packet.pts * packet.time_base) - start_offset(self._container)

    def _packets(self) -> Iterator[Packet[Any]]:
        import av

        try:
            yield from self._container.demux(self._stream)
        except av.error.MemoryError:
            raise
        except av.FFmpegError:
            self.broken_off = True
            yield _flush(self._stream)  # the decoder still holds frames


def _flush(stream: Stream) -> Packet[Any]:
    from av.packet import Packet

    packet: Packet[Any] = Packet()
    packet.stream = stream
    return packet


class Clock:
    """Turns the time stamps of a track into seconds, also where files were joined, counters wrap, or stamps are wrong.

    Attributes:
        is_reliable: all stamps so far were right, so that a place in the track is found again by its stamp.

    Args:
        container: the file.
        stated_s: how long it lasts by its header, in seconds.
        mid_stream: decoding begins within the track: the first stamp is taken as it is.
    """

    def __init__(self, container: InputContainer, stated_s: float, *, mid_stream: bool = False) -> None:
        self._shift, self._stated, self._amid = -start_offset(container), stated_s, mid_stream
        self.is_reliable = True

    def timed(self, frames: Iterable[Any], length_of: Callable[[Any], float]) -> Iterator[tuple[Any, float, float]]:
        """Each frame, when it is shown, and how long it lasts (by ``length_of``), both in seconds.

        A stamp that is off is ignored if the next frame's stamp follows from the frame before. Otherwise a leap forward
        is a gap as long as it ends within the duration of the container; any other leap is a join of two files, and the
        time goes on from the frame before.
        """
        due: float | None = None if self._amid else 0.0
        coming = iter(frames)
        frame = next(coming, None)
        while frame is not None:
            following = next(coming, None)
            length, stamp = length_of(frame), frame.time
            if due is None:
                due = 0.0 if stamp is None else stamp + self._shift
            time = due if stamp is None else stamp + self._shift
            if stamp is None:
                self.is_reliable &= frame.pts is not None
            if abs(time - due) > _MAX_DRIFT_S:
                self.is_reliable = False
                if following is not None and abs(self._stamp(following, due) - due - length) <= _MAX_DRIFT_S:
                    time = due
                elif not 0 < time - due <= (_MAX_GAP_S if time <= self._stated + _MAX_DRIFT_S else _MAX_UNSTATED_GAP_S):
                    self._shift += due - time
                    time = due
            due = time + length
            yield frame, time, length
            frame = following

    def _stamp(self, frame: Frame, due: float) -> float:
        return due if frame.time is None else frame.time + self._shift
