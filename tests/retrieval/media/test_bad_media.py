"""Sounds and films that are broken, odd or empty: what is there is used and marked, else one line says why not."""

from __future__ import annotations

import contextlib
import errno
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.container import as_decode_errors, open_container
from mmsearch.retrieval.media.films.extract import cut_clip, save_frame
from mmsearch.retrieval.media.films.film import Film, Shot, frames_between
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.sniff import sniff
from mmsearch.retrieval.media.sounds.sound import Sound
from mmsearch.retrieval.media.texts.subtitles import embedded_subtitles
from mmsearch.types import Facts

RATE = 48_000
LIMIT = 100_000_000
SMALL = ImageTransform(48, 64)


def heard(data: bytes, format: str, rate: int = RATE) -> tuple[np.ndarray, Facts]:
    """The sound as far as it goes, in one piece."""
    sound = Sound(io.BytesIO(data), format, rate, window_s=600)
    (window,) = sound.windows()
    return window.samples, sound.facts


def seen(data: bytes, format: str, transform: ImageTransform = SMALL, limit: int = LIMIT) -> tuple[list[Shot], Facts]:
    film = Film(io.BytesIO(data), format, transform, max_pixels=limit)
    return list(film.shots()), film.facts


def reason(data: bytes, format: str, decode: Any) -> str:
    with pytest.raises(DecodeError) as error:
        decode(data, format)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def ten_seconds(films: ModuleType) -> dict[str, bytes]:
    """The same ten seconds of film with sound, in each container."""
    sound = films.tone(10, RATE)
    codecs = {"flv": "libmp3lame", "asf": "wmav2", "webm": "libopus", "mpeg": "mp2", "avi": "libmp3lame"}
    pictures = {"asf": "wmv2", "webm": "libvpx", "mpeg": "mpeg2video", "avi": "mpeg4"}
    return {
        muxer: films.film(
            (films.numbered(number) for number in range(100)),
            fps=25 if muxer == "mpeg" else 10,
            format=muxer,
            codec=pictures.get(muxer, "libx264"),
            sound=sound,
            sound_codec=codecs.get(muxer, "aac"),
            options={"g": "20"},
        )
        for muxer in ("mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf")
    }


def test_a_sound_has_no_picture_and_says_so(films: ModuleType) -> None:
    for muxer, codec, format in (("wav", "pcm_s16le", "wav"), ("matroska", "libopus", "mkv"), ("ipod", "aac", "m4a")):
        data = films.sound_file(films.tone(1, RATE), RATE, format=muxer, codec=codec)
        assert reason(data, format, seen) == "no picture in it"


def test_a_cover_is_no_film(films: ModuleType) -> None:
    import av

    cover, file = io.BytesIO(), io.BytesIO()
    films.numbered(1).save(cover, "JPEG")
    with av.open(file, "w", format="mp3") as container:
        sound = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        picture = container.add_mux_stream("mjpeg", width=160, height=120)
        picture.disposition = av.stream.Disposition.attached_pic
        packets = films._sound(sound, films.tone(1, RATE), RATE)
        container.start_encoding()
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        container.mux(packet)
        for packet in packets:
            container.mux(packet)
    assert reason(file.getvalue(), "mp3", seen) == "no picture in it"
    assert heard(file.getvalue(), "mp3")[1].duration_s == pytest.approx(1, abs=0.05)


def test_a_silent_film_has_no_sound_track_and_says_so(films: ModuleType) -> None:
    assert reason(films.film([films.numbered(1)] * 5), "mp4", heard) == "no sound track"


def test_a_container_of_subtitles_alone_is_neither(films: ModuleType) -> None:
    data = films.film([], format="matroska", subtitles=[(0, 1, "Hello")])
    assert reason(data, "mkv", seen) == "no picture in it"
    assert reason(data, "mkv", heard) == "no sound track"
    assert [cue.text for cue in embedded_subtitles(io.BytesIO(data), "mkv")] == ["Hello"]


def test_a_sound_that_lasts_no_time_says_so(films: ModuleType) -> None:
    assert reason(films.wav(np.empty((1, 0), np.int16), RATE), "wav", heard) == "the sound lasts no time"


@pytest.mark.parametrize("muxer", ["mp4", "matroska", "avi", "flv"])
def test_a_header_with_nothing_behind_it_says_so(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    data = ten_seconds[muxer]
    format = sniff(data[: 1 << 14], "a", explicitly_requested=False).format
    for share in (0.0005, 0.001, 0.003):
        head = data[: max(16, int(len(data) * share))]
        text = reason(head, format, seen)
        assert re.match("header only|damaged or cut off|no picture in it|damaged: none of its pictures", text), text


@pytest.mark.parametrize("muxer", ["matroska", "webm", "avi", "flv", "asf"])
def test_a_film_cut_in_the_middle_gives_what_is_there_and_a_note(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    data = ten_seconds[muxer][: len(ten_seconds[muxer]) // 2]
    format = sniff(data[: 1 << 14], "a", explicitly_requested=False).format
    shots, facts = seen(data, format)
    assert 2 < shots[-1].end_s < 8
    assert re.fullmatch(r"truncated: [2-7] s of (9|10) s could be read", facts.note or ""), facts.note
    samples, facts = heard(data, format)
    assert 2 < len(samples) / RATE < 8
    assert re.fullmatch(r"truncated: [2-7] s of (9|10) s could be read", facts.note or ""), facts.note


@pytest.mark.parametrize("muxer", ["mpegts", "mpeg"])
def test_a_broadcast_cut_anywhere_is_shorter(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    data = ten_seconds[muxer]
    data = data[len(data) // 4 : len(data) * 3 // 4] if muxer == "mpegts" else data[: len(data) // 2]
    shots, _ = seen(data, muxer)
    assert 1 < shots[-1].end_s < 8


def test_a_film_whose_index_was_cut_off_says_so(ten_seconds: dict[str, bytes]) -> None:
    data = ten_seconds["mp4"]
    assert reason(data[: len(data) // 2], "mp4", seen) == "damaged or cut off: cannot be opened as mp4"


@pytest.mark.parametrize(
    ("muxer", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("aiff", "pcm_s16be")]
)
def test_a_sound_cut_in_the_middle_gives_what_is_there_and_a_note(muxer: str, codec: str, films: ModuleType) -> None:
    data = films.sound_file(films.tone(10, RATE), RATE, format=muxer, codec=codec)
    samples, facts = heard(data[: len(data) // 2], muxer)
    assert len(samples) / RATE == pytest.approx(5, abs=0.3)
    assert facts.note == "truncated: 5 s of 10 s could be read"


def test_an_ogg_file_without_its_last_page_is_marked(films: ModuleType) -> None:
    data = films.sound_file(films.tone(10, RATE), RATE, format="ogg", codec="libopus")
    assert heard(data, "ogg")[1].note is None
    samples, facts = heard(data[: len(data) // 2], "ogg")
    assert 3 < len(samples) / RATE < 7
    assert facts.note == f"truncated: {len(samples) / RATE:.0f} s could be read"


@pytest.mark.parametrize("muxer", ["matroska", "mpegts", "avi", "asf"])
def test_damage_in_the_middle_costs_only_what_is_damaged(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    data = bytearray(ten_seconds[muxer])
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    format = sniff(bytes(data[: 1 << 14]), "a", explicitly_requested=False).format
    shots, _ = seen(bytes(data), format)
    assert shots[-1].end_s > 4
    samples, _ = heard(bytes(data), format)
    assert len(samples) / RATE > 4


@pytest.mark.parametrize("muxer", ["mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf"])
def test_no_damage_brings_out_anything_but_a_decode_error(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    random = np.random.default_rng(1)
    whole = ten_seconds[muxer]
    format = sniff(whole[: 1 << 14], "a", explicitly_requested=False).format
    for _ in range(12):
        data = np.frombuffer(whole, np.uint8).copy()
        for at in random.integers(0, len(data), 40):
            data[at] = random.integers(0, 256)
        data = data[: random.integers(len(data) // 2, len(data) + 1)]
        for decode in (seen, heard):
            with contextlib.suppress(DecodeError):
                decode(data.tobytes(), format)


@pytest.mark.parametrize("format", sorted(name for name, format in FORMATS.items() if format.kind != "image"))
def test_reasons_are_in_our_words(format: str) -> None:
    for rest in (bytes(3000), b"\xff" * 3000, np.random.default_rng(5).bytes(3000), b""):
        data = (FORMATS[format].magics or (b"",))[0] + rest
        for decode in (seen, heard):
            try:
                decode(data, format)
            except DecodeError as error:
                text = str(error)
                assert re.match("damaged|header only|no |the sound lasts|a (film|sound track) in a protected", text), (
                    text
                )
                assert not re.search("Invalid|Errno|FFmpeg, |processing input|End of file|patches", text), text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (lambda: av.error.InvalidDataError(1, "Invalid data found"), "damaged or cut off: cannot be decoded"),
        (lambda: av.error.PatchWelcomeError(1, "patches welcome"), "damaged, or of a kind that FFmpeg does not read"),
        (lambda: av.error.OSError(errno.ENOSPC, "No space left"), "cannot be written: no space left on device"),
        (lambda: IndexError("tuple index out of range"), "damaged or cut off: cannot be decoded"),
    ],
)
def test_an_error_is_told_by_what_it_means(error: Callable[[], Exception], text: str) -> None:
    with pytest.raises(DecodeError) as caught, as_decode_errors():
        raise error()
    assert str(caught.value) == text


def test_a_wrong_extension_makes_no_difference(ten_seconds: dict[str, bytes]) -> None:
    for name in ("a.mp3", "a.jpg", "a"):
        found = sniff(ten_seconds["matroska"][: 1 << 14], name, explicitly_requested=False)
        assert (found.kind, found.format) == ("video", "mkv")


def test_the_demuxer_is_the_one_that_was_named(ten_seconds: dict[str, bytes], films: ModuleType) -> None:
    assert reason(ten_seconds["matroska"], "avi", seen) == "damaged or cut off: cannot be opened as avi"
    assert reason(b"#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.ts\n", "mpegts", seen)
    assert reason(b"ffconcat version 1.0\nfile /etc/passwd\n", "mkv", seen)
    assert reason(b"#EXTM3U", "hls", seen) == "not a sound or a film"


def test_a_film_that_points_to_another_file_is_not_followed(films: ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "other.mov"
    other.write_bytes(films.film([films.numbered(7)] * 5, format="mov"))
    data = bytearray(films.film([films.numbered(1)] * 5, format="mov"))
    at = data.index(b"dref") + 12
    assert data[at : at + 8] == b"url \0\0\0\1"[:8] or data[at + 4 : at + 8] in (b"url ", b"alis")
    data[data.index(b"url ", at) + 7] = 0  # no longer "the data is in this very file"
    try:
        shots, _ = seen(bytes(data), "mov")
    except DecodeError:
        return
    assert films.number_in(shots[0].frames[0]) == 1


@pytest.mark.parametrize("tag", [b"encv", b"xyz9"])
def test_a_protected_or_unknown_picture_codec_is_named(tag: bytes, films: ModuleType) -> None:
    data = films.film([films.numbered(1)] * 5).replace(b"avc1\0\0\0\0\0\0", tag + b"\0\0\0\0\0\0")
    assert reason(data, "mp4", seen) == "a film in a protected or unknown codec"


@pytest.mark.parametrize("tag", [b"enca", b"drms"])
def test_a_protected_sound_codec_is_named(tag: bytes, films: ModuleType) -> None:
    data = films.sound_file(films.tone(1, RATE), RATE, format="ipod", codec="aac")
    text = reason(data.replace(b"mp4a\0\0\0\0\0\0", tag + b"\0\0\0\0\0\0"), "m4a", heard)
    assert text == f"a sound track in a protected codec: {tag.decode()}"


def test_frames_of_one_pixel_and_of_8k_are_seen(films: ModuleType) -> None:
    tiny = films.film([Image.new("RGB", (2, 2), "red")] * 3, format="avi", codec="ffv1", pix_fmt="bgr0")
    (shot,), facts = seen(tiny, "avi")
    assert (facts.width, facts.height) == (2, 2)
    assert np.abs(shot.frames[0].astype(int) - (255, 0, 0)).max() < 10
    one = films.film([Image.new("RGB", (1, 1), "red")] * 3, format="avi", codec="ffv1", pix_fmt="bgr0")
    (shot,), facts = seen(one, "avi")
    assert (facts.width, facts.height) == (1, 1)
    assert np.abs(shot.frames[0].astype(int) - (255, 0, 0)).max() < 10
    large = films.film([films.numbered(5, (7680, 4320))] * 2)
    (shot,), facts = seen(large, "mp4")
    assert (facts.width, facts.height) == (7680, 4320)
    assert films.number_in(shot.frames[0]) == 5
    assert "over the limit" in reason(large, "mp4", lambda data, format: seen(data, format, limit=33_000_000))


def test_one_sample_is_a_sound(films: ModuleType) -> None:
    samples, facts = heard(films.wav(np.full((1, 1), 16384, np.int16), RATE), "wav")
    assert samples.tolist() == [0.5]
    assert facts.duration_s == pytest.approx(1 / RATE)
    samples, _ = heard(films.wav(np.full((1, 1), 16384, np.int16), 8000), "wav")
    assert len(samples) == 6


def test_silence_is_a_sound(films: ModuleType) -> None:
    for muxer, codec, format in (("wav", "pcm_s16le", "wav"), ("mp3", "libmp3lame", "mp3"), ("ogg", "libopus", "ogg")):
        data = films.sound_file(np.zeros((1, RATE), np.float32), RATE, format=muxer, codec=codec)
        samples, facts = heard(data, format)
        assert np.abs(samples).max() < 1e-3
        assert facts.note is None


def test_samples_that_are_no_numbers_become_silence_and_a_note(films: ModuleType) -> None:
    values = films.tone(1, RATE)
    values[0, 100:200], values[0, 300], values[0, 301] = np.nan, np.inf, -np.inf
    samples, facts = heard(films.wav(values, RATE, kind="float32"), "wav")
    assert facts.note == "NaN samples silenced"
    assert not samples[100:200].any()
    assert samples[300] == samples[301] == 0
    assert np.array_equal(samples[400:], values[0, 400:])
    resampled, _ = heard(films.wav(values, RATE, kind="float32"), "wav", 16_000)
    assert np.isfinite(resampled).all()


def test_samples_beyond_full_scale_are_cut_to_it(films: ModuleType) -> None:
    samples, _ = heard(films.wav(4 * films.tone(1, RATE), RATE, kind="float32"), "wav")
    assert samples.max() == 1
    assert samples.min() == -1


class Growing(io.BytesIO):
    """A file that gets longer whenever its end has been reached, a few times over."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data[: len(data) // 4])
        self._rest = [data[len(data) // 4 : len(data) // 2], data[len(data) // 2 :]]

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found and self._rest:
            at = self.tell()
            self.seek(0, io.SEEK_END)
            self.write(self._rest.pop(0))
            self.seek(at)
            found = super().read(size)
        return found


@pytest.mark.parametrize("muxer", ["matroska", "mpegts", "flv"])
def test_a_file_that_grows_while_it_is_read_ends_cleanly(muxer: str, ten_seconds: dict[str, bytes]) -> None:
    format = sniff(ten_seconds[muxer][: 1 << 14], "a", explicitly_requested=False).format
    film = Film(Growing(ten_seconds[muxer]), format, SMALL, max_pixels=LIMIT)
    assert 2 < list(film.shots())[-1].end_s < 10.5
    sound = Sound(Growing(ten_seconds[muxer]), format, RATE)
    assert 2 < list(sound.windows())[-1].end_s < 10.5


def test_an_error_of_the_disk_is_not_taken_for_damage(ten_seconds: dict[str, bytes]) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(self.getbuffer()) // 2:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        list(Film(Failing(ten_seconds["matroska"]), "mkv", SMALL, max_pixels=LIMIT).shots())


def test_garbage_is_no_film_for_any_door(tmp_path: Path) -> None:
    garbage = np.random.default_rng(0).bytes(50_000)
    for format in ("mp4", "mkv", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mp3", "wav", "gif", "webp"):
        with pytest.raises(DecodeError):
            frames_between(io.BytesIO(garbage), format, SMALL, 1, None, max_pixels=LIMIT)
        with pytest.raises(DecodeError):
            save_frame(io.BytesIO(garbage), format, 1, tmp_path / "a.jpg", max_pixels=LIMIT)
        with pytest.raises(DecodeError):
            cut_clip(io.BytesIO(garbage), format, 1, 2, tmp_path / "a.mp4", max_pixels=LIMIT)
        if format not in ("gif", "webp"):
            with pytest.raises(DecodeError):
                heard(garbage, format)
    with pytest.raises(DecodeError):
        open_container(io.BytesIO(b""), "mp4")
