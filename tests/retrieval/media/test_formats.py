"""The table of formats is right; every format of sounds and films comes out at its right times, also cut."""

from __future__ import annotations

import importlib
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest
from PIL import Image

from mmsearch.errors import UsageError
from mmsearch.retrieval.media.films.extract import cut_clip, save_frame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.formats import (
    FORMAT_BY_ENDING,
    FORMATS,
    MEDIA_ENDINGS,
    TEXT_ENDINGS,
    Format,
    endings_of,
    guide_list,
)
from mmsearch.retrieval.media.pictures.image import load_plugin
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.retrieval.media.sounds.sound import Sound
from mmsearch.retrieval.media.unsupported import UNREAD_ENDINGS
from mmsearch.retrieval.search.query_line import looks_like_path, read_query_line

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
    found = sniff(data[:HEAD_BYTES], name, explicitly_requested=False)
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
    assert written.start_s <= 1.1
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


# The table itself


@pytest.mark.parametrize("name", FORMATS)
def test_what_reads_a_format_is_there(name: str) -> None:
    format = FORMATS[name]
    if format.extra is not None:
        pytest.importorskip(format.plugin or format.reader)
    if format.kind == "image":
        load_plugin(name)
        assert format.reader in Image.OPEN
    elif format.kind in ("audio", "video"):
        av.ContainerFormat(format.reader, "r")  # FFmpeg has it
    elif format.kind != "raw":
        importlib.import_module(f"mmsearch.retrieval.media.{format.reader}")


@pytest.mark.parametrize("name", FORMATS)
def test_each_ending_of_a_format_is_a_path_to_a_query_and_its_own(name: str) -> None:
    for ending in FORMATS[name].endings:
        assert FORMAT_BY_ENDING[ending] == name, "two formats go by one ending"
        assert ending == ending.lower()
        assert looks_like_path(f"holiday.{ending}")
        assert looks_like_path(f"HOLIDAY.{ending.upper()}")
        with pytest.raises(UsageError, match=re.escape(f"no file at holiday.{ending}")):
            read_query_line([f"holiday.{ending}"])


@pytest.mark.parametrize("word", ["3.264", "1,000.265", "hello.", "holiday.doc", "e.g", "mp4", ".mp4"])
def test_numbers_and_other_words_with_a_dot_are_no_paths(word: str) -> None:
    assert not looks_like_path(word)


def found_by_name(format: Format, ending: str) -> str:
    """What a file of an ending is found to be where nothing in its bytes tells: its kind, or why it is not read."""
    head = b"A dog runs on the beach.\n" if format.textual else b"\x01\x02\x03\x04"
    found = sniff(head, f"holiday.{ending}", explicitly_requested=False)
    return found.reason or found.kind


@pytest.mark.parametrize("name", FORMATS)
def test_sniffing_by_name_agrees_with_the_table(name: str) -> None:
    format = FORMATS[name]
    for ending in format.endings:
        if format.textual or format.by_ending:
            assert found_by_name(format, ending) == format.kind
        elif ending in UNREAD_ENDINGS:  # a kind that is read and one that is not share it
            assert found_by_name(format, ending) == UNREAD_ENDINGS[ending]
        else:
            assert found_by_name(format, ending).startswith(f"it does not begin as a .{ending} does")


@pytest.mark.parametrize("name", FORMATS)
def test_sniffing_by_first_bytes_agrees_with_the_table(name: str) -> None:
    for magic in FORMATS[name].magics:
        found = sniff(magic + bytes(600), "holiday", explicitly_requested=False)
        assert (found.kind, found.format) == (FORMATS[name].kind, name)


def test_sets_of_endings_come_from_the_table() -> None:
    assert {"jpg", "mp4", "wav", "cr2"} <= MEDIA_ENDINGS
    assert not TEXT_ENDINGS & MEDIA_ENDINGS
    texts = {"txt", "text", "md", "markdown", "rst", "csv", "tsv", "jsonl", "ndjson", "srt", "vtt"}
    assert {
        *texts,
        *["html", "htm", "xhtml", "eml", "emlx", "mht", "mhtml", "mbox", "fodt", "fods", "fodp", "fodg"],
    } == TEXT_ENDINGS
    assert endings_of("subtitles") == ("srt", "vtt")
    assert {"mp4", "mts"} <= set(endings_of("video"))
    assert set(endings_of("raw", "table")) == set(endings_of("raw")) | set(endings_of("table"))


def test_the_guide_lists_the_formats_of_the_table() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide.md").read_text("utf-8")
    _, _, rest = guide.partition("<!-- formats: made by `python -m mmsearch.retrieval.media.formats` -->\n")
    assert rest, "docs/guide.md has lost the mark before its list of formats"
    listed, end, _ = rest.partition("\n<!-- end of formats -->\n")
    assert end, "docs/guide.md has lost the mark behind its list of formats"
    assert listed == guide_list(), "run `python -m mmsearch.retrieval.media.formats` and put what it prints there"
    for ending in FORMAT_BY_ENDING:
        assert f"`.{ending}`" in listed
