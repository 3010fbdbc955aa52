"""Parts of films and sounds as fragmented MP4 that browsers play, handed on piece by piece while it is written.

Tracks that browsers play are copied, pictures from the key frame before the start on. The others are coded anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any, TypeGuard

import numpy as np

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.container import as_decode_errors, open_container, start_offset, stated_duration
from mmsearch.retrieval.media.films import animation
from mmsearch.retrieval.media.films.cutting import (
    TIME_BASE,
    ClipFormat,
    Cut,
    coded_sound,
    encoded_frames,
    frames_shown,
    in_order_of_time,
    tracks_of,
    with_timestamps,
)
from mmsearch.retrieval.media.films.frame import (
    BT601,
    BT709,
    HD_HEIGHT,
    UNSPECIFIED,
    FilmFrame,
    Frame,
    square_size,
)
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.pictures.tone_mapping import HLG, PQ
from mmsearch.types import clock

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_MP4 = ClipFormat("mp4", "libx264", "aac", frozenset({"h264", "vp9", "av1", "aac", "mp3", "opus", "flac"}))
_PIXEL_FORMATS = {
    "h264": ("yuv420p", "yuvj420p"),
    "vp9": ("yuv420p", "yuv420p10le"),
    "av1": ("yuv420p", "yuv420p10le"),
}
"""Of pictures that browsers play: most have no decoder for others, such as H.264 of 10 bits."""

_WITHOUT_TIMES = ("avi", "mpegvideo")
"""Formats of films whose packets have no times of presentation, so that they cannot be copied."""

# Edit lists and times are right only if the header waits for the first packets (delay_moov).
_MUXER_OPTIONS = {
    "movflags": "frag_keyframe+delay_moov+default_base_moof",
    "frag_duration": "1000000",  # microseconds
    "flush_packets": "1",
}
_X264_OPTIONS = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "g": "60"}
_MAX_CODED_SIDE = 1280
"""Of pictures that are coded anew, in pixels: larger ones would not come as fast as they are played."""

_RGB, _NARROW = 0, 1
"""How H.264 states that there is no luma, and that luma goes from 16 to 235."""

_MAX_LATE_S = 0.25
"""A copied clip may start so much after the time that was asked for; else it is coded anew."""

_BACK_S = (0.0, 2.0, 10.0)
"""A jump goes to so long before the start: further back if it goes past the key frame before it."""

_PIECE_BYTES, _PIECE_S = 256 * 1024, 0.2
"""A piece is handed on when it is so large, or so long after the one before."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a clip is.

    Attributes:
        start_s: where it starts, in seconds of the source: a copied film starts at a key frame.
        end_s: where it ends.
        media_type: ``video/mp4`` or ``audio/mp4``.
    """

    start_s: float
    end_s: float
    media_type: str


Send = Callable[[ClipFacts, bytes], None]
"""Takes a piece of the clip, and returns when there is room for the next one."""


class _CannotCopyError(Exception):
    """A track cannot be copied after all; nothing of the clip has been handed on."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The tracks of a clip, and which of them are copied; ``duration_s`` is that of the source, 0 if unknown."""

    pictures: bool
    sound: bool
    copies_pictures: bool = False
    copies_sound: bool = False
    rate: int = 48_000
    layout: str = "stereo"
    duration_s: float = 0.0

    @property
    def media_type(self) -> str:
        return "video/mp4" if self.pictures else "audio/mp4"


def write_browser_clip(
    source: IO[bytes],
    format: str,
    start_s: float,
    end_s: float,
    send: Send,
    *,
    max_pixels: int,
    start_only: bool = False,
) -> ClipFacts:
    """Write the part of a film or sound between two times as MP4.

    Args:
        source: the file.
        format: its name in `formats.FORMATS`.
        start_s: in seconds.
        end_s: in seconds.
        send: takes the pieces of the clip.
        max_pixels: of the largest frame that may be decoded.
        start_only: write nothing, only find out where the clip would start.

    Raises:
        DecodeError: the file ends before ``start_s``, or cannot be decoded.
    """
    cut = Cut(source, format, start_s, end_s, "", _MP4)
    with as_decode_errors():
        plan = _plan(cut)
        if plan.duration_s and start_s >= plan.duration_s:
            raise DecodeError(f"it ends before {clock(start_s)}")
        while True:
            try:
                return _write(cut, plan, send, max_pixels, start_only)
            except _CannotCopyError:
                plan = replace(plan, copies_pictures=False, copies_sound=False)


def _plan(cut: Cut) -> _Plan:
    if cut.format in animation.ANIMATED_FORMATS:
        return _Plan(pictures=True, sound=False)
    with open_container(cut.source, cut.format) as container:
        tracks = {track.type: track for track in tracks_of(container, _MP4)}
        pictures, sound = tracks.get("video"), tracks.get("audio")
        has_times = cut.format not in _WITHOUT_TIMES and not FORMATS[cut.format].untimed
        plan = _Plan(
            pictures is not None, sound is not None, duration_s=stated_duration(container, next(iter(tracks.values())))
        )
        if pictures is not None:
            context = pictures.codec_context
            formats = _PIXEL_FORMATS.get(context.codec.canonical_name, ())
            plan = replace(plan, copies_pictures=has_times and context.pix_fmt in formats)
        if sound is not None:
            assert _MP4.copied is not None
            layout = "mono" if sound.layout.nb_channels == 1 else "stereo"
            context = sound.codec_context
            known = context.codec.canonical_name in _MP4.copied
            known &= context.codec.canonical_name != "aac" or bool(context.extradata)  # MP4 takes no packets of ADTS
            plan = replace(plan, copies_sound=has_times and known, rate=sound.rate, layout=layout)
        return plan


def _write(cut: Cut, plan: _Plan, send: Send, max_pixels: int, start_only: bool) -> ClipFacts:
    import av

    lead = None
    if plan.copies_pictures or (plan.copies_sound and not plan.pictures):
        lead = _CopiedTrack(cut, "video" if plan.pictures else "audio")
        if lead.first is None or lead.first > cut.start + _MAX_LATE_S:
            raise _CannotCopyError
        cut = replace(cut, start=lead.first)
    end = min(cut.end, plan.duration_s) if plan.duration_s else cut.end
    facts = ClipFacts(cut.start, end, plan.media_type)
    if start_only:
        return facts
    pieces = _Pieces(lambda data: send(facts, data))
    try:
        with av.open(pieces, "w", format="mp4", options=_MUXER_OPTIONS) as clip:
            written = False
            for _, packet in in_order_of_time(_tracks(cut, plan, lead, clip, max_pixels)):
                clip.mux(packet)
                written = True
                pieces.send_if_due()
            if not written:
                raise DecodeError(f"it ends before {clock(cut.start)}")
    except (av.FFmpegError, ValueError) as error:
        if pieces.sent or (lead is None and not plan.copies_sound):
            raise
        raise _CannotCopyError from error
    pieces.finish()
    return facts


def _tracks(
    cut: Cut, plan: _Plan, lead: _CopiedTrack | None, clip: Any, max_pixels: int
) -> list[Iterator[tuple[float, Any]]]:
    """The packets of the clip's tracks; its streams are added to ``clip``."""
    tracks: list[Iterator[tuple[float, Any]]] = []
    if lead is not None:
        tracks.append(lead.packets_for(clip, cut.start))
    elif plan.pictures:
        tracks.append(_coded_pictures(cut, clip, max_pixels))
    if plan.sound and (lead is None or plan.pictures):
        if plan.copies_sound:
            tracks.append(_CopiedTrack(cut, "audio").packets_for(clip, cut.start))
        else:
            tracks.append(coded_sound(cut, clip, plan.rate, plan.layout))
    return tracks


class _Pieces:
    """What FFmpeg writes, collected to pieces. As it has no ``seek``, FFmpeg takes it for a stream."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._waiting = bytearray()
        self._last = time.monotonic()
        self.sent = False

    def write(self, data: bytes) -> int:
        self._waiting += data
        if len(self._waiting) >= _PIECE_BYTES:
            self.finish()
        return len(data)

    def send_if_due(self) -> None:
        if time.monotonic() - self._last > _PIECE_S or not self.sent:
            self.finish()

    def finish(self) -> None:
        if self._waiting:
            self.sent = True
            data = bytes(self._waiting)
            self._waiting.clear()
            self._send(data)
        self._last = time.monotonic()


class _CopiedTrack:
    """The coded packets of one track from a time on: of pictures from the key frame before it, of sound from the packet
    that is heard then.

    Attributes:
        first: when the first of them is shown or heard, in seconds; None if there are none.
    """

    def __init__(self, cut: Cut, kind: str) -> None:
        self._cut, self._kind = cut, kind
        for back in _BACK_S:
            self._begin(max(0.0, cut.start - back))
            if self.first is not None and self.first <= cut.start:
                break

    def _begin(self, at: float) -> None:
        container = open_container(self._cut.source, self._cut.format)
        self._track = next(track for track in tracks_of(container, _MP4) if track.type == self._kind)
        self._origin = start_offset(container)
        if at > 0:
            container.seek(int((at + self._origin) / self._track.time_base), stream=self._track)
        packets = with_timestamps(container.demux(self._track))
        self._packets = itertools.dropwhile(lambda packet: not self._can_begin(packet), packets)
        self._head = next(self._packets, None)
        self.first = None if self._head is None else self._time(self._head)

    def _time(self, packet: Any) -> float:
        return float(packet.pts * packet.time_base) - self._origin

    def _can_begin(self, packet: Any) -> bool:
        if self._kind == "audio" and self._time(packet) + _length(packet) <= self._cut.start:
            return False
        return bool(packet.is_keyframe)

    def packets_for(self, clip: Any, start: float) -> Iterator[tuple[float, Any]]:
        """The packets, each with its time, for a new stream of ``clip``, whose time 0 is ``start``."""
        return self._shifted(clip.add_stream_from_template(self._track), start)

    def _shifted(self, written: Any, start: float) -> Iterator[tuple[float, Any]]:
        if self._head is None:
            return
        for packet in itertools.chain([self._head], self._packets):
            if float(packet.dts * packet.time_base) - self._origin >= self._cut.end:
                return
            at = self._time(packet)
            if at < start:  # of pictures: they build on those before the key frame
                continue
            shift = round((start + self._origin) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = written
            yield at, packet


def _length(packet: Any) -> float:
    return float((packet.duration or 0) * packet.time_base)


def _coded_pictures(cut: Cut, clip: Any, max_pixels: int) -> Iterator[tuple[float, Any]]:
    """Packets of the pictures, coded anew, each with the time up to which they are shown."""
    frames = frames_shown(open_film(cut.source, cut.format, max_pixels), cut.start, cut.end)
    first = next(frames, None)
    if first is None:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    size = _coded_size(first)
    stream = clip.add_stream("libx264", rate=30, options=_X264_OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = stream.time_base = TIME_BASE
    stream.codec_context.colorspace, stream.codec_context.color_range = _matrix_of(first), _NARROW
    yield from encoded_frames(
        cut, stream, itertools.chain([first], frames), lambda frame: _picture_to_code(frame, size)
    )


def _coded_size(frame: Frame) -> tuple[int, int]:
    """Width and height of an upright frame within the limit, both even."""
    if isinstance(frame, FilmFrame):
        width, height = square_size(frame.decoded.width, frame.decoded.height, frame.pixel_aspect)
        if _quarter_turns(frame) % 2:
            width, height = height, width
    else:
        width, height = frame.picture().size
    scale = min(Fraction(1), Fraction(_MAX_CODED_SIDE, max(width, height)))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _quarter_turns(frame: FilmFrame) -> int:
    return round(frame.decoded.rotation / 90) % 4


def _keeps_its_values(frame: Frame) -> TypeGuard[FilmFrame]:
    """Whether luma and chroma are coded as they are: of films that are made for common screens."""
    return isinstance(frame, FilmFrame) and int(getattr(frame.decoded, "color_trc", 0) or 0) not in (PQ, HLG)


def _matrix_of(frame: Frame) -> int:
    """Which RGB the coded luma and chroma stand for, as H.264 states it."""
    if not _keeps_its_values(frame):
        return BT601  # as FFmpeg makes them of RGB
    stated = int(frame.decoded.colorspace)
    if stated not in (_RGB, UNSPECIFIED):
        return stated
    return BT709 if frame.decoded.height >= HD_HEIGHT else BT601


def _picture_to_code(frame: Frame, size: tuple[int, int]) -> VideoFrame:
    """A frame of a size, upright."""
    from av.video.frame import VideoFrame

    if not _keeps_its_values(frame):
        return VideoFrame.from_ndarray(np.asarray(frame.picture(size[::-1]).resize(size)), "rgb24")
    turns = _quarter_turns(frame)
    width, height = size[::-1] if turns % 2 else size
    planes = frame.decoded.reformat(width, height, "yuv420p", interpolation="AREA", dst_color_range="MPEG").to_ndarray()
    if turns:
        luma, chroma = planes[:height], planes[height:].reshape(2, height // 2, width // 2)
        turned = [np.rot90(luma, turns), *(np.rot90(plane, turns) for plane in chroma)]
        planes = np.concatenate([plane.reshape(-1) for plane in turned]).reshape(-1, size[0])
    return VideoFrame.from_ndarray(planes, "yuv420p")
