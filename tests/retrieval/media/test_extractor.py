"""Pictures and clips out of the files of rows, by one worker process that stays."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from mmsearch import Clip, Collection, DecodeError, Extractor, IndexedFile, Record, Span, TransientDecodeError
from mmsearch.retrieval.media.workers.jobs import Part


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor() as made:
        yield made


def opened(path: Path, modality="image", span=None, duration_s=None) -> IndexedFile:
    facts = path.stat()
    record = Record(id=1, path=str(path), modality=modality, span=span, state="current", duration_s=duration_s)
    return IndexedFile(record, open(path, "rb", buffering=0), facts.st_size, facts.st_mtime_ns, "")


def picture_in(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("size", "fitted"), [((4000, 1000), (320, 80)), ((300, 600), (160, 320)), ((90, 60), (90, 60))]
)
def test_a_picture_fits_into_a_square_and_is_never_enlarged(extractor, tmp_path, size, fitted):
    Image.new("RGB", size, "navy").save(tmp_path / "picture.jpg")
    with opened(tmp_path / "picture.jpg") as file:
        made = extractor.picture(file, side=320)
    assert (made.width, made.height) == fitted
    picture = picture_in(made.data)
    assert (picture.format, picture.size, made.media_type) == ("WEBP", fitted, "image/webp")
    assert picture.convert("RGB").getpixel((5, 5)) == pytest.approx((0, 0, 128), abs=3)


def test_a_picture_tells_nothing_of_where_it_was_taken(extractor, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (90, 60)).save(tmp_path / "picture.jpg", exif=exif)
    with opened(tmp_path / "picture.jpg") as file:
        assert not picture_in(extractor.picture(file, side=320).data).getexif()


def test_a_page_is_shown_by_itself(extractor, tmp_path):
    pages = [Image.new("RGB", (60, 30), colour) for colour in ("red", "lime", "blue")]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    with opened(tmp_path / "scan.tiff", span=Span(1, 2, "page")) as file:
        made = extractor.picture(file, side=320, coding="jpeg")
    assert picture_in(made.data).getpixel((5, 5)) == pytest.approx((0, 255, 0), abs=3)


def test_a_film_is_shown_in_the_middle_of_the_row_or_when_one_says(extractor, tmp_path, films):
    (tmp_path / "numbers.mp4").write_bytes(films.film([films.numbered(n) for n in range(40)], fps=8))
    for span, at, number in ((Span(2, 4, "s"), None, 24), (None, None, 20), (None, 1.0, 8)):
        with opened(tmp_path / "numbers.mp4", "video", span, 5.0) as file:
            made = extractor.picture(file, side=320, at=at)
        assert films.number_in(picture_in(made.data).convert("RGB")) == number
        assert made.time_s == number / 8
    with (
        opened(tmp_path / "numbers.mp4", "video") as file,
        pytest.raises(DecodeError, match="the film ends at 00:00:05"),
    ):
        extractor.picture(file, side=320, at=9)


def test_what_has_no_picture_says_why(extractor, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "words.txt").write_text("words")
    for name, modality, reason in (("broken.png", "image", "damaged"), ("words.txt", "text", "its modality is text")):
        with opened(tmp_path / name, modality) as file, pytest.raises(DecodeError, match=rf"{name}.*{reason}"):
            extractor.picture(file, side=320)


def test_only_the_file_that_is_open_is_decoded(extractor, tmp_path):
    """Another file that took its place is not, though it has the size and the time of the first one."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (60, 30), "red").save(picture)
    with opened(picture) as file:
        other = tmp_path / "other.png"
        other.write_bytes(picture.read_bytes())
        os.utime(other, ns=(0, file.mtime_ns))
        other.replace(picture)
        with pytest.raises(TransientDecodeError, match="changed just now"):
            extractor.picture(file, side=320)


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children()}


def test_one_process_does_it_all_and_ends_with_the_extractor(tmp_path):
    Image.new("RGB", (60, 30)).save(tmp_path / "picture.png")
    before = children()
    with Extractor() as extractor:
        started = set()
        for _ in range(3):
            with opened(tmp_path / "picture.png") as file:
                extractor.picture(file, side=320)
            started |= children() - before
        assert len(started) == 1
    assert not started & children()


def test_a_worker_that_died_is_replaced(tmp_path):
    Image.new("RGB", (60, 30)).save(tmp_path / "picture.png")
    before = children()
    with Extractor() as extractor:
        for _ in range(2):
            with opened(tmp_path / "picture.png") as file:
                assert extractor.picture(file, side=320).width == 60
            (worker,) = [process for process in psutil.Process().children() if process.pid not in before]
            worker.kill()
            worker.wait()


def test_a_clip_is_made_while_it_is_read(extractor, tmp_path, films):
    data = films.film([films.numbered(n) for n in range(200)], options={"g": "25", "bf": "2", "sc_threshold": "0"})
    (tmp_path / "film.mp4").write_bytes(data)
    with opened(tmp_path / "film.mp4", "video") as file, extractor.clip(file, 3.5, 6) as clip:
        assert (clip.start_s, clip.end_s, clip.media_type) == (3.0, 6.0, "video/mp4")
        assert b"".join(clip)[4:8] == b"ftyp"
    with opened(tmp_path / "film.mp4", "video") as file, extractor.clip(file, 3.5, 6, start_only=True) as clip:
        assert (clip.start_s, b"".join(clip)) == (3.0, b"")


def test_a_clip_that_nobody_reads_on_ends_its_worker(extractor, tmp_path, films):
    noise = [films.numbered(n).effect_spread(30) for n in range(200)]
    (tmp_path / "film.mkv").write_bytes(films.film(noise, format="matroska", codec="mpeg4"))
    with opened(tmp_path / "film.mkv", "video") as file:
        with extractor.clip(file, 0, 8) as clip:
            assert next(iter(clip))
        with extractor.clip(file, 0, 1) as clip:  # another worker does it
            assert b"".join(clip)


def test_no_clip_is_made_of_a_picture_or_past_the_end(extractor, tmp_path, films):
    Image.new("RGB", (60, 30)).save(tmp_path / "picture.png")
    (tmp_path / "film.mp4").write_bytes(films.film([films.numbered(n) for n in range(10)]))
    with opened(tmp_path / "picture.png") as file, pytest.raises(DecodeError, match=r"picture\.png: no film or sound"):
        extractor.clip(file, 0, 1)
    with opened(tmp_path / "film.mp4", "video") as file, pytest.raises(DecodeError, match="it ends before 00:00:05"):
        extractor.clip(file, 5, 6)


def test_thumbnails_need_no_hash_of_the_whole_film(extractor, tmp_path, films):
    """A film of gigabytes has its picture as soon as a small one: only what is needed is read."""
    path = tmp_path / "film.mp4"
    data = films.film([films.numbered(n) for n in range(40)], fps=8)
    path.write_bytes(data)
    with open(path, "r+b") as file:
        file.seek(len(data))
        file.write((1 << 30).to_bytes(4, "big") + b"free")
        file.truncate(len(data) + (1 << 30))  # a hole
    with opened(path, "video", Span(2, 4, "s")) as file:
        made = extractor.picture(file, side=320)
    assert films.number_in(picture_in(made.data).convert("RGB")) == 24


def test_rows_of_a_collection_give_pictures(collection: Collection):
    with Extractor() as extractor:
        for record in collection:
            if record.modality == "image":
                with collection.open_file(record.id) as file:
                    made = extractor.picture(file, side=40)
                assert (made.width, made.height) == (40, 27)


def test_a_worker_that_a_file_has_taken_over_cannot_make_a_browser_run_its_bytes():
    data = np.frombuffer(b"<script>alert(1)</script>", np.uint8)
    said = Part(path=b"", array=data, kind="coded", start_s=0, end_s=1, media_type="text/html\r\nX: y")
    with pytest.raises(DecodeError, match="film: the decoder gave no clip"):
        Clip("film", (part for part in [said]))
