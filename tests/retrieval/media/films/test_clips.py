"""A frame or a clip of a film as a file of its own: the right one, whole or not at all."""

from __future__ import annotations

import functools
import io
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.cli.hints import explained_error
from mmsearch.errors import DecodeError, MMSearchError, UsageError
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.films.clips import save_clip, save_frame
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.types import Moment

av = pytest.importorskip("av")

FPS, SECONDS, RATE = 8, 9, 16_000
SIZE = (160, 120)


@pytest.fixture(scope="module")
def source(tmp_path_factory, films) -> Path:
    """``film.mp4`` of 72 numbered frames, a key frame each second, with a tone; ``turned.mp4``; a sound; a text."""
    folder = tmp_path_factory.mktemp("source")
    tone = films.tone(SECONDS, RATE)
    numbered = [films.numbered(number, SIZE) for number in range(SECONDS * FPS)]
    film = films.film(numbered, fps=FPS, sound=tone, rate=RATE, options={"g": str(FPS)})
    (folder / "film.mp4").write_bytes(film)
    (folder / "silent.webm").write_bytes(films.film(numbered[:16], format="webm", codec="libvpx", fps=FPS))
    (folder / "turned.mp4").write_bytes(films.film(numbered[:16], fps=FPS, rotation=90))
    numbered[0].save(folder / "film.gif", save_all=True, append_images=numbered[1:8], duration=500)
    (folder / "sound.wav").write_bytes(films.wav((tone * 32000).astype(np.int16), RATE))
    (folder / "sound.mp3").write_bytes(films.sound_file(tone, RATE, format="mp3", codec="libmp3lame"))
    (folder / "notes.txt").write_text("Nothing moves here.")
    numbered[0].save(folder / "still.png")
    return folder


@pytest.fixture(autouse=True)
def _nothing_unfinished_is_left_behind(tmp_path):
    yield
    assert [path.name for path in tmp_path.rglob(".*")] == []


def numbers_in(path: Path, films) -> list[int]:
    """The numbers that a film shows, in order."""
    with av.open(str(path)) as film:
        return [films.number_in(frame.to_image()) for frame in film.decode(video=0)]


def lasts(path: Path) -> float:
    """Seconds from the first to the end of the last sample of its sound, or else of its picture."""
    with av.open(str(path)) as file:
        if file.streams.audio:
            return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
        times = [frame.time for frame in file.decode(video=0)]
    return times[-1] - times[0] + 1 / FPS


# --- frames ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "number"), [(0, 0), (3.3, 26), (3.375, 27), (8.99, 71)])
def test_the_frame_that_is_shown_at_a_time_is_saved(source, tmp_path, films, time, number):
    facts = save_frame(Moment(source / "film.mp4", time), tmp_path / "frame.png")
    with Image.open(tmp_path / "frame.png") as picture:
        assert films.number_in(picture) == number
    assert facts == SavedFrame(tmp_path / "frame.png", pytest.approx(number / FPS), *SIZE)


@pytest.mark.parametrize(("ending", "format"), [("png", "PNG"), ("jpg", "JPEG"), ("JPEG", "JPEG"), ("webp", "WEBP")])
def test_a_frame_is_saved_in_full_size_as_the_name_says(source, tmp_path, films, ending, format):
    save_frame(Moment(source / "film.mp4", 3), tmp_path / f"frame.{ending}")
    with Image.open(tmp_path / f"frame.{ending}") as picture:
        assert (picture.format, picture.size) == (format, SIZE)
        assert films.number_in(picture) == 24


def test_a_frame_is_upright(source, tmp_path, films):
    save_frame(Moment(source / "turned.mp4", 1.0), tmp_path / "frame.png")
    with Image.open(tmp_path / "frame.png") as picture:
        assert picture.size == SIZE[::-1]
        assert films.number_in(picture.transpose(Image.Transpose.ROTATE_270)) == 8 or (
            films.number_in(picture.transpose(Image.Transpose.ROTATE_90)) == 8
        )


def test_a_frame_of_an_animated_picture_is_saved_too(source, tmp_path, films):
    assert save_frame(Moment(source / "film.gif", 1.2), tmp_path / "frame.png").time_s == pytest.approx(1.0)
    with Image.open(tmp_path / "frame.png") as picture:
        assert films.number_in(picture) == 2


@pytest.mark.parametrize(
    ("name", "time", "said"),
    [
        ("film.mp4", 9.5, "the film ends at 00:00:09"),
        ("film.mp4", 4000, "the film ends at 00:00:09"),
        ("sound.wav", 1, "no picture in it"),
        ("notes.txt", 1, "no film or sound"),
        ("still.png", 1, "no film or sound"),
    ],
)
def test_a_frame_that_is_not_there_is_one_clear_line(source, tmp_path, name, time, said):
    with pytest.raises(DecodeError) as error:
        save_frame(Moment(source / name, time), tmp_path / "frame.png")
    assert str(error.value).startswith(f"no frame of {source / name}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


# --- clips -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_a_clip_is_copied_from_the_key_frame_before_it(source, tmp_path, films, ending):
    out = tmp_path / f"clip.{ending}"
    facts = save_clip(Moment(source / "film.mp4", 2.5, 5.0), out)
    assert facts.copied
    assert facts.start_s == pytest.approx(2.0, abs=0.001)  # key frames stand at each second
    assert facts.end_s == pytest.approx(5.0, abs=0.1)
    assert numbers_in(out, films) == list(range(16, 40))
    assert lasts(out) == pytest.approx(3.0, abs=0.15)


def test_a_clip_of_another_kind_of_file_is_coded_anew_and_exact(source, tmp_path, films):
    out = tmp_path / "clip.webm"
    facts = save_clip(Moment(source / "film.mp4", 2.5, 4.0), out)
    assert facts == SavedClip(out, 2.5, pytest.approx(4.0, abs=0.05), copied=False)
    assert numbers_in(out, films) == list(range(20, 32))
    assert lasts(out) == pytest.approx(1.5, abs=0.05)


def test_a_film_without_sound_is_cut_too(source, tmp_path, films):
    save_clip(Moment(source / "silent.webm", 0, 1), tmp_path / "clip.webm")
    assert numbers_in(tmp_path / "clip.webm", films)[:8] == list(range(8))
    save_clip(Moment(source / "silent.webm", 0.5, 1.5), tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "clip.mp4", films) == list(range(4, 12))


def test_an_animated_picture_is_cut_into_a_film(source, tmp_path, films):
    save_clip(Moment(source / "film.gif", 1, 3), tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "clip.mp4", films) == [2, 3, 4, 5]


@pytest.mark.parametrize("name", ["sound.wav", "sound.mp3", "film.mp4"])
@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "m4a", "ogg", "opus"])
def test_a_sound_is_cut_into_a_sound_of_any_kind(source, tmp_path, name, ending):
    out = tmp_path / f"clip.{ending}"
    facts = save_clip(Moment(source / name, 2.5, 5.0), out)
    assert facts.end_s - facts.start_s == pytest.approx(2.5, abs=0.15)
    assert lasts(out) == pytest.approx(2.5, abs=0.2)


def test_of_a_clip_that_goes_past_the_end_what_there_is_is_written(source, tmp_path):
    facts = save_clip(Moment(source / "film.mp4", 8.0, 30.0), tmp_path / "clip.mp4")
    assert facts.end_s == pytest.approx(9.0, abs=0.1)
    facts = save_clip(Moment(source / "sound.wav", 8.0, 30.0), tmp_path / "clip.flac")
    assert lasts(tmp_path / "clip.flac") == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "out", "said"),
    [
        ("film.mp4", "clip.mp4", "ends"),
        ("film.mp4", "clip.webm", "ends"),
        ("sound.wav", "clip.wav", "ends"),
        ("sound.wav", "clip.flac", "ends"),
        ("notes.txt", "clip.mp4", "no film or sound"),
        ("still.png", "clip.mp4", "no film or sound"),
        ("silent.webm", "clip.wav", "no sound track"),
    ],
)
def test_a_clip_that_cannot_be_is_one_clear_line(source, tmp_path, name, out, said):
    with pytest.raises(DecodeError) as error:
        save_clip(Moment(source / name, 20.0, 30.0), tmp_path / out)
    assert str(error.value).startswith(f"no clip of {source / name}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


# --- where it is written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("save", "moment", "out"), [(save_frame, (1, None), "a.png"), (save_clip, (1, 2), "a.mp4")])
def test_a_file_that_is_there_is_written_over_only_by_force(source, tmp_path, save, moment, out):
    (tmp_path / out).write_text("precious")
    asked = Moment(source / "film.mp4", *moment)
    with pytest.raises(UsageError, match="there is a file at .* already") as error:
        save(asked, tmp_path / out)
    assert explained_error(error.value).endswith(" already; --force writes over it")
    assert (tmp_path / out).read_text() == "precious"
    save(asked, tmp_path / out, force=True)
    assert len((tmp_path / out).read_bytes()) > 100


def test_a_file_that_is_there_survives_a_failure(source, tmp_path):
    (tmp_path / "frame.png").write_text("precious")
    with pytest.raises(DecodeError):
        save_frame(Moment(source / "film.mp4", 4000), tmp_path / "frame.png", force=True)
    assert (tmp_path / "frame.png").read_text() == "precious"


def test_a_film_may_be_cut_in_place(source, tmp_path, films):
    own = tmp_path / "film.mp4"
    own.write_bytes((source / "film.mp4").read_bytes())
    save_clip(Moment(own, 3.0, 4.0), own, force=True)
    assert numbers_in(own, films) == list(range(24, 32))


@pytest.mark.parametrize(
    ("save", "moment", "out", "said"),
    [
        (save_frame, (1, None), "frame.bmp", "cannot write '.bmp': use .jpg, .jpeg, .png, .webp"),
        (save_frame, (1, None), "frame", "a file without an ending"),
        (save_frame, (1, None), "frame.mp4", "cannot write '.mp4'"),
        (save_clip, (1, 2), "clip.png", "cannot write '.png': use .mp4"),
        (save_clip, (1, 2), "clip", "a file without an ending"),
        (save_frame, (1, None), "nowhere/frame.png", "no folder "),
        (save_clip, (1, 2), "nowhere/clip.mp4", "no folder "),
    ],
)
def test_where_nothing_can_be_written_is_wrong_use(source, tmp_path, save, moment, out, said):
    with pytest.raises(UsageError) as error:
        save(Moment(source / "film.mp4", *moment), tmp_path / out)
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_one_clear_line(source, tmp_path):
    (tmp_path / "frame.png").mkdir()
    with pytest.raises(MMSearchError, match="cannot write .*frame.png"):
        save_frame(Moment(source / "film.mp4", 1), tmp_path / "frame.png", force=True)


def test_a_relative_name_is_written_in_the_working_folder(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_frame(Moment(source / "film.mp4", 1), Path("frame.png"))
    assert (tmp_path / "frame.png").exists()


@pytest.mark.parametrize("name", ["-rf.png", "two words.png", "caf\xe9.png", "a.b.c.png", ".hidden.png"])
def test_odd_names_are_written_as_they_are(source, tmp_path, name):
    save_frame(Moment(source / "film.mp4", 1), tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.size == SIZE
    (tmp_path / name).unlink()


def test_a_decoder_that_dies_amid_writing_leaves_nothing(source, tmp_path_factory, tmp_path, monkeypatch):
    script = tmp_path_factory.mktemp("worker") / "worker.py"
    fault = """
        import os
        from mmsearch.retrieval.media.films import extract
        from mmsearch.retrieval.media.workers import worker
        def dies(source, format, start, end, out, **rest):
            open(out, "wb").write(b"half a film")
            os._exit(3)
        extract.cut_clip = dies
        worker.main()
    """
    script.write_text(textwrap.dedent(fault))
    faulty = functools.partial(Decoder, _worker_command=[sys.executable, str(script)])
    monkeypatch.setattr("mmsearch.retrieval.media.films.clips.Decoder", faulty)
    with pytest.raises(DecodeError, match=r"no clip of .*film\.mp4: "):
        save_clip(Moment(source / "film.mp4", 1, 2), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_whole_when_it_appears(source, tmp_path):
    """What stands at the name asked for can be read, whoever looks: it is moved there at the end."""
    save_frame(Moment(source / "film.mp4", 1), tmp_path / "frame.png")
    assert Image.open(io.BytesIO((tmp_path / "frame.png").read_bytes())).verify() is None
