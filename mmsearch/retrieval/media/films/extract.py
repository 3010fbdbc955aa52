"""Writes one frame of a film as a picture, and a part of a sound or a film as a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from mmsearch.errors import DecodeError, UsageError
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.container import (
    NoTrackError,
    Packets,
    as_decode_errors,
    open_container,
    pick_stream,
    start_offset,
)
from mmsearch.retrieval.media.films import animation
from mmsearch.retrieval.media.films.film import shown_at
from mmsearch.retrieval.media.films.frame import Frame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.sounds.sound import as_packed
from mmsearch.types import clock

_PICTURE_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95}),
}

_MAX_LATE_S = 0.25
"""A copied clip may start so much after the time that was asked for; else it is coded anew."""

_COMMON_CODECS = frozenset({"h264", "hevc", "av1", "mpeg4", "aac", "mp3", "ac3", "alac"})
_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"})


@dataclass(frozen=True, slots=True)
class _ClipFormat:
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
class _Cut:
    """The part of a file that is written: from ``start`` to ``end``, in seconds, to the file ``out``."""

    source: IO[bytes]
    format: str
    start: float
    end: float
    out: str
    target: _ClipFormat


_CLIP_FORMATS = {
    ".mp4": _ClipFormat("mp4", "libx264", "aac", _COMMON_CODECS),
    ".mov": _ClipFormat("mov", "libx264", "aac", _COMMON_CODECS | _PCM | {"prores", "mjpeg"}),
    ".mkv": _ClipFormat("matroska", "libx264", "aac", None),
    ".webm": _ClipFormat("webm", "libvpx-vp9", "libopus", frozenset({"vp8", "vp9", "av1", "vorbis", "opus"})),
    ".m4a": _ClipFormat("ipod", None, "aac", frozenset({"aac", "alac"})),
    ".mp3": _ClipFormat("mp3", None, "libmp3lame", frozenset({"mp3"})),
    ".ogg": _ClipFormat("ogg", None, "libopus", frozenset({"vorbis", "opus"})),
    ".opus": _ClipFormat("ogg", None, "libopus", frozenset({"opus"})),
    ".flac": _ClipFormat("flac", None, "flac", frozenset({"flac"})),
    ".wav": _ClipFormat("wav", None, "pcm_s16le", _PCM),
}

_TIME_BASE = Fraction(1, 90_000)
_MP3_CHANNELS = 2

_PRE_ROLL_S = 1.0
"""Sound is decoded from so long before the clip on: its first frames build on those before them."""


def save_frame(
    source: IO[bytes], format: str, time_s: float, out: str | os.PathLike[str], *, max_pixels: int
) -> SavedFrame:
    """Write the frame that is shown at a time as a picture, upright and in full size.

    Raises:
        UsageError: ``out`` ends in none of .jpg, .png, .webp.
        DecodeError: the film ends before that, or cannot be decoded.
    """
    ending = _ending(out, _PICTURE_FORMATS)
    reader = open_film(source, format, max_pixels)
    frame = next(shown_at(reader, [time_s]))
    picture = frame.picture()
    reader.close()
    name, options = _PICTURE_FORMATS[ending]
    picture.save(out, name, **options)
    return SavedFrame(Path(out), frame.time, picture.width, picture.height)


def cut_clip(
    source: IO[bytes],
    format: str,
    start_s: float,
    end_s: float,
    out: str | os.PathLike[str],
    *,
    max_pixels: int = 100_000_000,
) -> SavedClip:
    """Write the part of a sound or a film between two times.

    Coded pictures and sound are copied, from the key frame at or before ``start_s``, where the container that
    ``out`` ends in takes them; otherwise they are coded anew, exactly from ``start_s`` on.

    Raises:
        UsageError: no clip can be written to such an ending.
        DecodeError: it ends before that, or cannot be decoded.
    """
    cut = _Cut(source, format, start_s, end_s, os.fspath(out), _CLIP_FORMATS[_ending(out, _CLIP_FORMATS)])
    with as_decode_errors():
        if format not in animation.ANIMATED_FORMATS and not FORMATS[format].untimed:
            copied = _copy(cut)
            if copied is not None:
                return SavedClip(Path(out), *copied, copied=True)
        end = _recode(cut, max_pixels)
    return SavedClip(Path(out), start_s, end, copied=False)


def check_ending(what: Literal["frame", "clip"], out: str | os.PathLike[str]) -> None:
    """Raise a UsageError if a file of that name can hold no frame, or no clip."""
    _ending(out, _PICTURE_FORMATS if what == "frame" else _CLIP_FORMATS)


def _ending(out: str | os.PathLike[str], known: dict[str, Any]) -> str:
    ending = os.path.splitext(os.fspath(out))[1].lower()
    if ending not in known:
        raise UsageError(f"cannot write {ending or 'a file without an ending'!r}: use {', '.join(known)}")
    return ending


def _tracks(container: Any, target: _ClipFormat) -> list[Any]:
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


def _copy(cut: _Cut) -> tuple[float, float] | None:
    """Copy the streams; returns start and end in seconds, or None if the container does not take their codecs."""
    import av

    with open_container(cut.source, cut.format) as container:
        tracks = _tracks(container, cut.target)
        with av.open(cut.out, "w", format=cut.target.container) as clip:
            takes = cut.target.copied or clip.supported_codecs
            if any(track.codec_context.codec.canonical_name not in takes for track in tracks):
                return None
            try:
                written = [clip.add_stream_from_template(track) for track in tracks]
                copied = _copy_packets(cut, container, tracks, clip, written)
            except (av.FFmpegError, ValueError):
                return None
    if copied is not None and copied[1] <= cut.start:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    if copied is not None and copied[0] > cut.start + _MAX_LATE_S:
        return None  # the jump went past the key frame before the start
    return copied


def _copy_packets(
    cut: _Cut, container: Any, tracks: list[Any], clip: Any, written: list[Any]
) -> tuple[float, float] | None:
    """Copy the packets of ``tracks`` to the streams ``written``; returns start and end, None if there are none."""
    origin, lead = start_offset(container), tracks[0]
    container.seek(int((cut.start + origin) / lead.time_base), stream=lead)
    first: float | None = None
    last = 0.0
    finished: set[int] = set()
    for packet in _with_timestamps(container.demux(*tracks)):
        time = float(packet.pts * packet.time_base) - origin
        long = float((packet.duration or 0) * packet.time_base)
        if first is None:
            is_early = lead.type == "audio" and time + long <= cut.start
            if packet.stream is not lead or not packet.is_keyframe or is_early:
                continue
            first = time
        if float(packet.dts * packet.time_base) - origin >= cut.end:
            finished.add(packet.stream.index)
            if len(finished) == len(tracks):
                break
            continue
        if time < first:
            continue
        shift = round((first + origin) / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        last = max(last, time + long)
        packet.stream = written[tracks.index(next(t for t in tracks if t.index == packet.stream.index))]
        clip.mux(packet)
    return None if first is None else (first, last)


def _with_timestamps(packets: Iterator[Any]) -> Iterator[Any]:
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


def _recode(cut: _Cut, max_pixels: int) -> float:
    """Code pictures and sound anew; returns where they end, in seconds."""
    import av

    target, last = cut.target, cut.start
    with av.open(cut.out, "w", format=target.container) as clip:
        packets: list[Iterator[tuple[float, Any]]] = []
        has_pictures, sound = target.pictures is not None, None
        if cut.format not in animation.ANIMATED_FORMATS:
            with open_container(cut.source, cut.format) as probe:
                tracks = {track.type: track for track in _tracks(probe, target)}
                has_pictures = "video" in tracks
                if "audio" in tracks:
                    sound = (tracks["audio"].rate, _layout(tracks["audio"].layout, target))
        if has_pictures and target.pictures is not None:
            packets.append(_coded_pictures(cut, clip, target.pictures, max_pixels))
        if sound is not None:
            packets.append(_coded_sound(cut, clip, *sound))
        pending = [(next(track, None), track) for track in packets]
        while live := [item for item in pending if item[0] is not None]:
            head, track = min(live, key=lambda item: item[0][0] if item[0] else 0.0)
            assert head is not None
            time, coded = head
            clip.mux(coded)
            last = max(last, time)
            pending = [(next(t, None), t) if t is track else (kept, t) for kept, t in pending]
    if last <= cut.start:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    return min(last, cut.end)


def _frames_between(reader: Any, start: float, end: float) -> Iterator[Frame]:
    """The frames that are shown between two times."""
    held: Frame | None = None
    for frame in reader.frames_from(start):
        if frame.time >= end:
            break
        if held is not None and frame.time > start + float(_TIME_BASE):  # sums of durations are not exact
            yield held
        held = frame
    if held is not None and held.time + held.duration > start:
        yield held


def _coded_pictures(cut: _Cut, clip: Any, coder: str, max_pixels: int) -> Iterator[tuple[float, Any]]:
    """Packets of the pictures, each with the time up to which they are shown."""
    from av.video.frame import VideoFrame

    frames = _frames_between(open_film(cut.source, cut.format, max_pixels), cut.start, cut.end)
    first = next(frames, None)
    if first is None:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    width, height = (side - side % 2 or 2 for side in first.picture().size)
    stream = clip.add_stream(coder, rate=30)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = stream.time_base = _TIME_BASE
    stream.options = (
        {"crf": "20"} if coder == "libx264" else {"crf": "30", "b": "0", "deadline": "good", "cpu-used": "5"}
    )

    until = cut.start
    for frame in itertools.chain([first], frames):
        picture = frame.picture()
        if picture.size != (width, height):
            picture = picture.crop((0, 0, width, height))
        coded: Any = VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
        coded.pts = round((max(frame.time, cut.start) - cut.start) / _TIME_BASE)
        coded.time_base = _TIME_BASE
        until = min(cut.end, frame.time + frame.duration)
        for packet in stream.encode(coded):
            yield until, packet
    for packet in stream.encode(None):
        yield until, packet


def _layout(layout: Any, target: _ClipFormat | None) -> str:
    """The name of a channel layout; some files only state the number of channels, and MP3 has two at most."""
    usual = {1: "mono", 2: "stereo"}
    most = _MP3_CHANNELS if target is not None and target.sound == "libmp3lame" else layout.nb_channels
    return usual.get(min(layout.nb_channels, most), str(layout.name))


def _rate_for(coder: str, rate: int) -> int:
    """The rate, or the next higher one that the encoder supports."""
    from av.codec import Codec

    known = sorted(Codec(coder, "w").audio_rates or ())
    return next((high for high in known if high >= rate), known[-1]) if known else rate


def _coded_sound(cut: _Cut, clip: Any, rate: int, layout: str) -> Iterator[tuple[float, Any]]:
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
            samples[:, low * across : high * across].copy(), frame.format.name, _layout(frame.layout, None)
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
