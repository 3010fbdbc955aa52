"""Parts of films and sounds as coded packets: which tracks, which frames, and sound that is coded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any

from mmsearch.retrieval.media.container import NoTrackError, Packets, open_container, pick_stream, start_offset
from mmsearch.retrieval.media.films.frame import Frame
from mmsearch.retrieval.media.sounds.sound import as_packed

TIME_BASE = Fraction(1, 90_000)
_MP3_CHANNELS = 2

_PRE_ROLL_S = 1.0
"""Sound is decoded from so long before the clip on: its first frames build on those before them."""


@dataclass(frozen=True, slots=True)
class ClipFormat:
    """How clips of an ending are written.

    Attributes:
        container: FFmpeg's name of it.
        pictures: the video encoder; None: sound only.
        sound: the audio encoder.
        copied: codecs that players expect, whose streams are copied; None: all that the container takes.
    """

    container: str
    pictures: str | None
    sound: str
    copied: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a file that is written: from ``start`` to ``end``, in seconds, to the file ``out``."""

    source: IO[bytes]
    format: str
    start: float
    end: float
    out: str
    target: ClipFormat


def tracks_of(container: Any, target: ClipFormat) -> list[Any]:
    """The tracks that a clip has: one of pictures, if it holds any, and one of sound."""
    from av.stream import Disposition

    pictures = tuple(track for track in container.streams.video if not track.disposition & Disposition.attached_pic)
    tracks = []
    if pictures and target.pictures is not None:
        tracks.append(pick_stream(pictures, "a film"))
    if container.streams.audio:
        tracks.append(pick_stream(container.streams.audio, "a sound track"))
    if not tracks:
        raise NoTrackError("no sound track" if target.pictures is None else "neither picture nor sound in it")
    return tracks


def with_timestamps(packets: Iterator[Any]) -> Iterator[Any]:
    """Packets with time stamps of decoding, which are made up for the first ones of Matroska; others are left out."""
    waiting: dict[int, list[Any]] = {}
    known: set[int] = set()
    for packet in packets:
        if packet.pts is None:
            continue
        track = packet.stream.index
        early = waiting.setdefault(track, [])
        if packet.dts is None:
            if track not in known:
                early.append(packet)
            continue
        for steps, held in zip(range(len(early), 0, -1), early, strict=True):
            held.dts = min(held.pts, packet.dts - steps * max(1, packet.duration or 1))
            yield held
        early.clear()
        known.add(track)
        yield packet


def frames_shown(reader: Any, start: float, end: float) -> Iterator[Frame]:
    """The frames that are shown between two times, each later than the one before."""
    held: Frame | None = None
    for frame in reader.frames_from(start):
        if frame.time >= end:
            break
        if held is not None and frame.time < held.time + float(TIME_BASE):  # players do not show it
            continue
        if held is not None and frame.time > start + float(TIME_BASE):  # sums of durations are not exact
            yield held
        held = frame
    if held is not None and held.time + held.duration > start:
        yield held


def in_order_of_time(tracks: Sequence[Iterator[tuple[float, Any]]]) -> Iterator[tuple[float, Any]]:
    """The packets of several tracks, each with its time, as one stream. Each track is begun before the first packet."""
    pending = [(next(track, None), track) for track in tracks]
    while live := [(head, track) for head, track in pending if head is not None]:
        head, track = min(live, key=lambda item: item[0][0])
        yield head
        pending = [(next(other, None), other) if other is track else (kept, other) for kept, other in pending]


def layout_name(layout: Any, target: ClipFormat | None) -> str:
    """The name of a channel layout; some files only state the number of channels, and MP3 has two at most."""
    usual = {1: "mono", 2: "stereo"}
    most = _MP3_CHANNELS if target is not None and target.sound == "libmp3lame" else layout.nb_channels
    return usual.get(min(layout.nb_channels, most), str(layout.name))


def _rate_for(coder: str, rate: int) -> int:
    """The rate, or the next higher one that the encoder supports."""
    from av.codec import Codec

    known = sorted(Codec(coder, "w").audio_rates or ())
    return next((high for high in known if high >= rate), known[-1]) if known else rate


def coded_sound(cut: Cut, clip: Any, rate: int, layout: str) -> Iterator[tuple[float, Any]]:
    """Packets of the sound, each with the time up to which it is heard."""
    from av.audio.frame import AudioFrame

    coder, start, end = cut.target.sound, cut.start, cut.end
    stream = clip.add_stream(coder, rate=_rate_for(coder, rate), layout=layout)
    container = open_container(cut.source, cut.format)
    track = pick_stream(container.streams.audio, "a sound track")
    origin = start_offset(container)
    if start > _PRE_ROLL_S and track.time_base is not None:
        container.seek(int((start - _PRE_ROLL_S + origin) / track.time_base), stream=track)
    until = start
    for decoded in Packets(container, track).frames():
        frame: Any = decoded
        time = (frame.time or 0.0) - origin
        low = max(0, round((start - time) * frame.sample_rate))
        high = min(frame.samples, round((end - time) * frame.sample_rate))
        if time >= end:
            break
        if low >= high:
            continue
        frame = as_packed(frame)
        samples = frame.to_ndarray()
        across = 1 if frame.format.is_planar else frame.layout.nb_channels
        part = AudioFrame.from_ndarray(
            samples[:, low * across : high * across].copy(), frame.format.name, layout_name(frame.layout, None)
        )
        part.sample_rate = frame.sample_rate
        part.time_base = Fraction(1, frame.sample_rate)
        part.pts = round(max(0.0, time - start) * frame.sample_rate)
        until = min(end, time + high / frame.sample_rate)
        for packet in stream.encode(part):
            yield until, packet
    for packet in stream.encode(None):
        yield until, packet
    container.close()


def encoded_frames(
    cut: Cut, stream: Any, frames: Iterable[Frame], picture_of: Callable[[Frame], Any]
) -> Iterator[tuple[float, Any]]:
    """Packets of frames, each with the time up to which they are shown; ``picture_of`` gives a frame to encode."""
    until = cut.start
    for frame in frames:
        picture = picture_of(frame)
        picture.pts = round((max(frame.time, cut.start) - cut.start) / TIME_BASE)
        picture.time_base = TIME_BASE
        until = min(cut.end, frame.time + frame.duration)
        for packet in stream.encode(picture):
            yield until, packet
    for packet in stream.encode(None):
        yield until, packet
