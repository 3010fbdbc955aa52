"""Sounds and films made on the spot with PyAV: films whose frames show their numbers, sounds that are sums of tones."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image

BITS = 12
_COLUMNS, _ROWS = 4, 3
_TICK = Fraction(1, 90_000)


def numbered(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture that shows a number as twelve blocks, dark for 0 and bright for 1: any codec keeps them apart."""
    bits = [number >> place & 1 for place in range(BITS)]
    blocks = np.where(np.array(bits).reshape(_ROWS, _COLUMNS), 220, 40).astype(np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert("RGB")


def number_in(pixels: np.ndarray | Image.Image) -> int:
    """The number that an upright picture of any size shows."""
    grey = np.asarray(pixels, dtype=float).mean(axis=2)
    height, width = grey.shape
    middles = [
        grey[(2 * row + 1) * height // (2 * _ROWS), (2 * column + 1) * width // (2 * _COLUMNS)]
        for row in range(_ROWS)
        for column in range(_COLUMNS)
    ]
    return sum(int(value > 128) << place for place, value in enumerate(middles))


def film(
    pictures: Iterable[Image.Image],
    *,
    format: str = "mp4",
    codec: str = "libx264",
    fps: float = 25,
    times: Sequence[float] | None = None,
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    sound_start: float = 0.0,
    rate: int = 48_000,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    subtitles: Sequence[tuple[float, float, str]] = (),
    subtitle_codec: str = "subrip",
    cut_header: bool = False,
) -> bytes:
    """A film of the pictures, at ``fps`` or at ``times`` (seconds), with ``sound`` float ``[channels, n]`` if given."""
    file = io.BytesIO()
    pictures = iter(pictures)
    first = next(pictures, None)
    with av.open(file, "w", format=format) as container:
        container.metadata.update(metadata or {})
        streams: list[Any] = []
        if first is not None:
            video = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            video.width, video.height = first.size
            video.pix_fmt = pix_fmt
            video.options = {"preset": "ultrafast", **(options or {})} if codec == "libx264" else (options or {})
            if times is not None:
                video.codec_context.time_base = video.time_base = _TICK if format != "matroska" else Fraction(1, 1000)
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation:
                video.set_display_rotation(rotation)
            streams.append(video)
        audio = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 8: "7.1"}[len(sound)]
            audio = container.add_stream(sound_codec, rate=rate, layout=layout, options={"b": "128000"})
            streams.append(audio)
        text = container.add_mux_stream(subtitle_codec) if subtitles else None
        packets = []
        if first is not None:
            packets += _pictures(video, itertools.chain([first], pictures), times)
        if audio is not None:
            packets += _sound(audio, sound, rate, sound_start)
        container.start_encoding()
        if text is not None:
            packets += _subtitles(text, subtitles, subtitle_codec)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return file.getvalue()


def _pictures(stream: Any, pictures: Iterable[Image.Image], times: Sequence[float] | None) -> list[Any]:
    packets = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_image(picture)
        if times is not None:
            base = stream.codec_context.time_base
            frame.pts, frame.time_base = round(times[index] / base), base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(stream: Any, samples: np.ndarray, rate: int, start: float = 0.0) -> list[Any]:
    packets = []
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[len(samples)]
    for at in range(0, samples.shape[1], 4096):
        part = np.ascontiguousarray(samples[:, at : at + 4096].T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, "flt", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at + round(start * rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _subtitles(stream: Any, cues: Sequence[tuple[float, float, str]], codec: str) -> list[Any]:
    from av.packet import Packet

    packets = []
    for start, end, words in cues:
        data = words.encode()
        if codec == "mov_text":
            data = struct.pack(">H", len(data)) + data
        packet = Packet(data)
        packet.stream = stream
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        packets.append(packet)
    return packets


def sound_file(
    samples: np.ndarray, rate: int, *, format: str, codec: str, options: dict[str, str] | None = None
) -> bytes:
    """A file of sound alone; ``samples`` are floats ``[channels, n]`` in -1…1."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[len(samples)]
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options={"b": "128000", **(options or {})})
        for packet in _sound(stream, samples, rate):
            container.mux(packet)
    return file.getvalue()


def wav(samples: np.ndarray, rate: int, *, kind: str = "int16") -> bytes:
    """A WAV file of ``[channels, n]``: integers as they are, or floats (format 3)."""
    values = np.ascontiguousarray(samples.T, dtype=kind)
    data = values.tobytes()
    width = values.dtype.itemsize
    form = 3 if values.dtype.kind == "f" else 1
    channels = len(samples)
    header = struct.pack("<HHIIHH", form, channels, rate, rate * channels * width, channels * width, 8 * width)
    chunks = b"fmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """A sine, float32 ``[1, n]``."""
    moments = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * moments)).astype(np.float32)[None]
