"""Every format of sounds and films that FFmpeg reads comes out at its right times, also cut and by the frame."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest
from PIL import Image

from mmsearch.retrieval.media.films.extract import cut_clip, save_frame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.formats import BY_ENDING, FILM_ENDINGS, FORMATS, MEDIA_ENDINGS
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.retrieval.media.sounds.sound import Sound

MAX_PIXELS = 10_000_000
RATE = 48_000
X265 = {"options": {"x265-params": "log-level=error"}}

FILMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a.h264": ("h264", "libx264", {"options": {"bf": "2"}}),
    "a.265": ("hevc", "libx265", X265),
    "a.obu": ("obu", "libsvtav1", {}),
    "a.ivf": ("ivf", "libvpx", {}),
    "a.m4v": ("m4v", "mpeg4", {}),
    "a.mjpg": ("mjpeg", "mjpeg", {"pix_fmt": "yuvj420p"}),
    "a.m2v": ("mpeg2video", "mpeg2video", {}),
    "a.vob": ("vob", "mpeg2video", {}),
    "a.nut": ("nut", "libx264", {}),
    "a.mxf": ("mxf", "mpeg2video", {}),
    "a.rm": ("rm", "rv20", {}),
    "a.wtv": ("wtv", "mpeg2video", {}),
    "a.f4v": ("f4v", "libx264", {}),
    "a.3g2": ("3g2", "libx264", {}),
    "a.dv": ("dv", "dvvideo", {"size": (720, 576)}),
    "a.gxf": ("gxf", "mpeg2video", {"size": (720, 576)}),
    "a.y4m": ("yuv4mpegpipe", "wrapped_avframe", {}),
}
SOUNDS: dict[str, tuple[str, str]] = {
    "a.ac3": ("ac3", "ac3"),
    "a.eac3": ("eac3", "eac3"),
    "a.au": ("au", "pcm_mulaw"),
    "a.w64": ("w64", "pcm_s16le"),
    "a.wv": ("wv", "wavpack"),
    "a.tta": ("tta", "tta"),
    "a.voc": ("voc", "pcm_u8"),
    "a.sox": ("sox", "pcm_s32le"),
    "a.latm": ("latm", "aac"),
    "a.aifc": ("aiff", "pcm_s16le"),
    "a.mp2": ("mp2", "mp2"),
    "a.sbc": ("sbc", "sbc"),
    "a.sf": ("ircam", "pcm_s16le"),
}


def made_film(films: ModuleType, name: str) -> tuple[bytes, str]:
    format, codec, options = FILMS[name]
    size = options.get("size", (176, 144))
    pictures = [films.numbered(1 + i // 25, size) for i in range(100)]
    data = films.film(pictures, format=format, codec=codec, **{k: v for k, v in options.items() if k != "size"})
    return data, sniffed(data, name)


def sniffed(data: bytes, name: str) -> str:
    found = sniff(data[:HEAD_BYTES], name, named=False)
    assert found.kind == FORMATS[found.format].kind
    return found.format


@pytest.mark.parametrize("name", FILMS)
def test_a_film_of_any_format_keeps_its_times(name: str, films: ModuleType, tmp_path: Path) -> None:
    data, format = made_film(films, name)
    reader = open_film(io.BytesIO(data), format, MAX_PIXELS)
    frames = list(reader.frames())
    assert frames[-1].time + frames[-1].duration == pytest.approx(4.0, abs=0.09)
    assert reader.note is None
    assert save_frame(io.BytesIO(data), format, 2.5, tmp_path / "frame.png", max_pixels=MAX_PIXELS)
    assert films.number_in(Image.open(tmp_path / "frame.png").convert("RGB")) == 3
    written = cut_clip(io.BytesIO(data), format, 1.1, 2.9, tmp_path / "clip.mp4")
    assert written["start_s"] <= 1.1
    with av.open(tmp_path / "clip.mp4") as clip:
        shown = [films.number_in(frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
    assert {2, 3} <= set(shown)


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_of_any_format_keeps_its_length(name: str, films: ModuleType, tmp_path: Path) -> None:
    format, codec = SOUNDS[name]
    data = films.film([], format=format, sound=films.tone(12.0, RATE), sound_codec=codec, rate=RATE)
    format = sniffed(data, name)
    sound = Sound(io.BytesIO(data), format, 16_000)
    windows = list(sound.windows())
    assert windows[-1].end_s == pytest.approx(12.0, abs=0.1)  # VOC rounds rates
    assert sound.facts.note is None
    cut_clip(io.BytesIO(data), format, 3.0, 5.0, tmp_path / "clip.m4a")
    with av.open(tmp_path / "clip.m4a") as clip:
        heard = sum(frame.samples / frame.sample_rate for frame in clip.decode(audio=0))
    assert heard == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["a.wv", "a.tta", "a.au"])
def test_a_sound_that_breaks_off_says_so(name: str, films: ModuleType) -> None:
    format, codec = SOUNDS[name]
    data = films.film([], format=format, sound=films.tone(12.0, RATE), sound_codec=codec, rate=RATE)
    sound = Sound(io.BytesIO(data[: len(data) // 2]), sniffed(data, name), 16_000)
    assert list(sound.windows())
    assert (sound.facts.note or "").startswith("truncated")


def test_the_table_of_formats_is_sound() -> None:
    for name, format in FORMATS.items():
        assert format.kind in ("image", "audio", "video"), name
        if format.kind != "image":
            av.ContainerFormat(format.reader, "r")  # FFmpeg has it
        for ending in format.endings:
            assert BY_ENDING[ending] == name, "two formats go by one ending"
    assert {"jpg", "mp4", "wav", "cr2"} <= MEDIA_ENDINGS
    assert "txt" not in MEDIA_ENDINGS
    assert ".mp4" in FILM_ENDINGS
