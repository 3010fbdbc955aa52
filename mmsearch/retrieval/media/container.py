"""Containers of sound and film, opened with PyAV: the demuxer is forced, nothing but the given bytes is read."""

from __future__ import annotations

import contextlib
import errno
import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.dates import Taken, date_of_stream
from mmsearch.retrieval.media.formats import FORMATS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.frame import Frame
    from av.packet import Packet
    from av.stream import Stream

_ENCRYPTED_TAGS = frozenset({"enca", "encv", "drms", "drmi"})
_OF_DISK = (errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC))
_LEAP_S, _LITTLE_GAP_S, _MAX_GAP_S = 1.0, 10.0, 3600.0
_WARM_UP_S = 2.0
"""Sound of so long before a place is decoded with it: frames build on those before them, for some tenths at most."""

StreamT = TypeVar("StreamT", bound="Stream")


class NoTrackError(DecodeError):
    """A container has no track of the kind that was asked for."""


class _Bytes:
    """A file as FFmpeg may see it: no name, no close, and a position of its own, so that two readers can share it."""

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
    """The container of a file whose format `sniff` found.

    Raises:
        DecodeError: its header cannot be read.
    """
    import av

    if format not in FORMATS or FORMATS[format].kind == "image":
        raise DecodeError("not a sound or a film")
    with clear_errors(f"cannot be opened as {format}"):
        return av.open(
            _Bytes(source), "r", format=FORMATS[format].reader, io_open=_refuse, metadata_errors="replace", options={}
        )


def bare_frame(source: IO[bytes], demuxer: str) -> Any:
    """The first frame of a picture file, as FFmpeg decodes it with all its bits.

    Raises:
        DecodeError: there is none that can be decoded.
    """
    import av

    source.seek(0)
    with clear_errors(), av.open(_Bytes(source), "r", format=demuxer, io_open=_refuse) as container:
        for frame in container.decode(video=0):
            return frame
    raise DecodeError("damaged or cut off: there is no picture in it")


@contextlib.contextmanager
def clear_errors(what: str = "cannot be decoded") -> Iterator[None]:
    """Turns whatever strangers' bytes bring out in FFmpeg into a DecodeError of one line, which ends with ``what``.

    FFmpeg's own words ("Invalid argument", "Invalid data found when processing input") tell a person nothing.
    """
    import av

    try:
        yield
    except (DecodeError, MemoryError):
        raise
    except av.FFmpegError as error:
        if error.errno is not None and error.errno in _OF_DISK:  # of what is written
            raise DecodeError(f"cannot be written: {os.strerror(error.errno).lower()}") from None
        if isinstance(error, _not_made()):
            raise DecodeError("damaged, or of a kind that FFmpeg does not read") from None
        raise DecodeError(f"damaged or cut off: {what}") from None
    except OSError:
        raise
    except Exception:
        raise DecodeError(f"damaged or cut off: {what}") from None


def _not_made() -> tuple[type[Exception], ...]:
    """What FFmpeg raises for what it does not know, or has only in part."""
    from av import error

    return (error.LookupError, error.NotImplementedError, error.PatchWelcomeError, error.ExperimentalError)


def pick_stream(streams: tuple[StreamT, ...], noun: str) -> StreamT:
    """The stream that a player would start with: the first that is marked as default, else the first.

    Raises:
        DecodeError: it cannot be decoded; ``noun`` says what it is.
    """
    from av.stream import Disposition

    stream = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    context: Any = stream.codec_context
    if context is None:
        raise DecodeError(f"{noun} in a protected or unknown codec")
    if stream.codec_tag in _ENCRYPTED_TAGS:
        raise DecodeError(f"{noun} in a protected codec: {stream.codec_tag}")
    return stream


def origin_of(container: InputContainer) -> float:
    """Where the container's clock starts, in seconds: what lies there has time 0 for us."""
    return (container.start_time or 0) / 1_000_000


def stated_duration(container: InputContainer, stream: Stream) -> float:
    """Seconds from the container's start to the stream's end, as the header states or implies; 0.0 where unknown."""
    whole = max(0.0, (container.duration or 0) / 1_000_000)
    if stream.duration and stream.duration > 0 and stream.time_base:
        start = float((stream.start_time or 0) * stream.time_base) - origin_of(container)
        return min(max(0.0, start) + float(stream.duration * stream.time_base), whole or math.inf)
    return whole


def taken(container: InputContainer, source: str) -> Taken | None:
    """When it was recorded, by the metadata of the file and of its tracks; ``source`` names what it is."""
    return date_of_stream([container.metadata, *(track.metadata for track in container.streams)], source)


class Packets:
    """The packets of one stream; an error in reading ends them. Counts those that could not be decoded.

    With ``counting``, time stamps stand for places in the order of coding and are dealt out anew to the frames
    in the order in which they are shown.
    """

    def __init__(self, container: InputContainer, stream: Stream, *, counting: bool = False) -> None:
        self._container, self._stream, self._counting = container, stream, counting
        self.failed = 0
        self.broken_off = False

    def frames(self, since_s: float = 0.0) -> Iterator[Any]:
        """The decoded frames in the order of presentation; packets that cannot be decoded are passed over.

        Of sound: packets before ``since_s`` are not decoded, but for the last few, which a codec may build on.
        """
        import av

        stamps: list[int] = []
        for packet in self._packets():
            time = self._time(packet) if since_s else None
            if time is not None:
                if time < since_s - _WARM_UP_S:
                    continue
                if time >= since_s:
                    since_s = 0.0
            if self._counting and packet.size and packet.dts is not None:
                heapq.heappush(stamps, packet.dts)
            try:
                frames: list[Any] = list(packet.decode())
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
        return float(packet.pts * packet.time_base) - origin_of(self._container)

    def _packets(self) -> Iterator[Packet[Any]]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.MemoryError:
                raise
            except av.FFmpegError:
                self.broken_off = True
                yield _flush(self._stream)  # the decoder still holds frames
                return
            yield packet


def _flush(stream: Stream) -> Packet[Any]:
    from av.packet import Packet

    packet: Packet[Any] = Packet()
    packet.stream = stream
    return packet


class Clock:
    """From the time stamps of a track to seconds on the container's clock, past joins, wraps and wrong stamps.

    ``steady``: all stamps so far were right, so that a place in the track can be told by its stamp alone. A clock that
    begins ``amid`` such a track believes the first.
    """

    def __init__(self, container: InputContainer, stated_s: float, *, amid: bool = False) -> None:
        self._shift, self._stated, self._amid = -origin_of(container), stated_s, amid
        self.steady = True

    def timed(self, frames: Iterable[Any], length_of: Callable[[Any], float]) -> Iterator[tuple[Any, float, float]]:
        """Each frame, when it is due, and how long it lasts (by ``length_of``), both in seconds.

        A frame whose stamp does not follow from the one before, but whose successor's does, follows as well. Otherwise
        a leap forward is one as long as it stays inside what the container says it lasts; any other is a join.
        """
        due: float | None = None if self._amid else 0.0
        for frame, following in _with_next(frames):
            length = length_of(frame)
            if due is None:
                due = self._stamp(frame, 0.0)
            time = self._stamp(frame, due)
            self.steady &= frame.pts is not None
            if abs(time - due) > _LEAP_S:
                self.steady = False
                if following is not None and abs(self._stamp(following, due) - due - length) <= _LEAP_S:
                    time = due
                elif not 0 < time - due <= (_MAX_GAP_S if time <= self._stated + _LEAP_S else _LITTLE_GAP_S):
                    self._shift += due - time
                    time = due
            due = time + length
            yield frame, time, length

    def _stamp(self, frame: Frame, due: float) -> float:
        return due if frame.pts is None or frame.time is None else frame.time + self._shift


def _with_next(frames: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    held = None
    for frame in frames:
        if held is not None:
            yield held, frame
        held = frame
    if held is not None:
        yield held, None
