"""Writes one frame of a film as a picture, and a part of a sound or a film as a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from mmsearch.errors import DecodeError, UsageError
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.container import as_decode_errors, open_container, start_offset
from mmsearch.retrieval.media.films import animation
from mmsearch.retrieval.media.films.cutting import (
    TIME_BASE,
    ClipFormat,
    Cut,
    coded_sound,
    encoded_frames,
    frames_shown,
    in_order_of_time,
    layout_name,
    tracks_of,
    with_timestamps,
)
from mmsearch.retrieval.media.films.film import shown_at
from mmsearch.retrieval.media.films.frame import Frame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.formats import FORMATS
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


_CLIP_FORMATS = {
    ".mp4": ClipFormat("mp4", "libx264", "aac", _COMMON_CODECS),
    ".mov": ClipFormat("mov", "libx264", "aac", _COMMON_CODECS | _PCM | {"prores", "mjpeg"}),
    ".mkv": ClipFormat("matroska", "libx264", "aac", None),
    ".webm": ClipFormat("webm", "libvpx-vp9", "libopus", frozenset({"vp8", "vp9", "av1", "vorbis", "opus"})),
    ".m4a": ClipFormat("ipod", None, "aac", frozenset({"aac", "alac"})),
    ".mp3": ClipFormat("mp3", None, "libmp3lame", frozenset({"mp3"})),
    ".ogg": ClipFormat("ogg", None, "libopus", frozenset({"vorbis", "opus"})),
    ".opus": ClipFormat("ogg", None, "libopus", frozenset({"opus"})),
    ".flac": ClipFormat("flac", None, "flac", frozenset({"flac"})),
    ".wav": ClipFormat("wav", None, "pcm_s16le", _PCM),
}


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
    cut = Cut(source, format, start_s, end_s, os.fspath(out), _CLIP_FORMATS[_ending(out, _CLIP_FORMATS)])
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


def _copy(cut: Cut) -> tuple[float, float] | None:
    """Copy the streams; returns start and end in seconds, or None if the container does not take their codecs."""
    import av

    with open_container(cut.source, cut.format) as container:
        tracks = tracks_of(container, cut.target)
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
    cut: Cut, container: Any, tracks: list[Any], clip: Any, written: list[Any]
) -> tuple[float, float] | None:
    """Copy the packets of ``tracks`` to the streams ``written``; returns start and end, None if there are none."""
    origin, lead = start_offset(container), tracks[0]
    container.seek(int((cut.start + origin) / lead.time_base), stream=lead)
    first: float | None = None
    last = 0.0
    finished: set[int] = set()
    for packet in with_timestamps(container.demux(*tracks)):
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


def _recode(cut: Cut, max_pixels: int) -> float:
    """Code pictures and sound anew; returns where they end, in seconds."""
    import av

    target, last = cut.target, cut.start
    with av.open(cut.out, "w", format=target.container) as clip:
        packets: list[Iterator[tuple[float, Any]]] = []
        has_pictures, sound = target.pictures is not None, None
        if cut.format not in animation.ANIMATED_FORMATS:
            with open_container(cut.source, cut.format) as probe:
                tracks = {track.type: track for track in tracks_of(probe, target)}
                has_pictures = "video" in tracks
                if "audio" in tracks:
                    sound = (tracks["audio"].rate, layout_name(tracks["audio"].layout, target))
        if has_pictures and target.pictures is not None:
            packets.append(_coded_pictures(cut, clip, target.pictures, max_pixels))
        if sound is not None:
            packets.append(coded_sound(cut, clip, *sound))
        for time, coded in in_order_of_time(packets):
            clip.mux(coded)
            last = max(last, time)
    if last <= cut.start:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    return min(last, cut.end)


def _coded_pictures(cut: Cut, clip: Any, coder: str, max_pixels: int) -> Iterator[tuple[float, Any]]:
    """Packets of the pictures, each with the time up to which they are shown."""
    from av.video.frame import VideoFrame

    frames = frames_shown(open_film(cut.source, cut.format, max_pixels), cut.start, cut.end)
    first = next(frames, None)
    if first is None:
        raise DecodeError(f"it ends before {clock(cut.start)}")
    width, height = (side - side % 2 or 2 for side in first.picture().size)
    stream = clip.add_stream(coder, rate=30)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = stream.time_base = TIME_BASE
    stream.options = (
        {"crf": "20"} if coder == "libx264" else {"crf": "30", "b": "0", "deadline": "good", "cpu-used": "5"}
    )

    def picture_of(frame: Frame) -> VideoFrame:
        picture = frame.picture()
        if picture.size != (width, height):
            picture = picture.crop((0, 0, width, height))
        return VideoFrame.from_ndarray(np.asarray(picture), "rgb24")

    yield from encoded_frames(cut, stream, itertools.chain([first], frames), picture_of)
