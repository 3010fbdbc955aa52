"""Text that is read in pictures, pages and films becomes passages; which files are read again for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection, UsageError
from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.ingest import options
from mmsearch.retrieval.ingest.picture_texts import passages_of_lines

LINES = ["Pharmacy Raulino", "Open until 155918"]


class WordCounter:
    """Stands for a text encoder that reads six words at once."""

    max_tokens = 6

    def count_tokens(self, words: list[str]) -> np.ndarray:
        return np.array([1 for _ in words], np.int64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "c.mms"


def rows_of(home: Path) -> list[tuple]:
    """Modality, span, text and evidence of each row, in order of the text."""
    with Collection.open(home) as collection:
        found = [row for batch in collection.items() for row in batch.to_pylist()]
        rows = [(collection.get(row["id"]), row["mms_evidence"]) for row in found]
    rows = [(record.modality, record.span, record.text, evidence) for record, evidence in rows]
    return sorted(rows, key=lambda row: (row[0], str(row[1]), row[2] or ""))


def index(home: Path, folder: Path, **options):
    with Collection.open(home) if Collection.exists(home) else Collection.create(home, "mini") as collection:
        return collection.index([folder], workers=1, **options)


def test_a_passage_has_a_line_for_each_of_its_boxes():
    lines = [TextLine(f"four words a line {n}"[5:], 0.1, n / 10, 0.9, n / 10 + 0.05) for n in range(5)]
    drafts = list(passages_of_lines(lines, WordCounter()))
    assert [word for draft in drafts for word in draft.passage.split()] == [
        w for one in lines for w in one.text.split()
    ]
    for draft in drafts:
        assert draft.evidence == "ocr"
        assert len(draft.boxes) == 4 * len(draft.passage.split("\n"))
    assert drafts[0].boxes[:4] == lines[0].box


def test_a_picture_is_found_by_what_is_written_in_it(reads_text, written, folder, home):
    written.page(LINES).save(folder / "sign.png")
    index(home, folder)
    assert [(m, t, e) for m, _, t, e in rows_of(home)] == [("image", None, None), ("text", "\n".join(LINES), "ocr")]
    with Collection.open(home) as collection:
        hit = collection.search("Pharmacy Raulino", k=1)[0]
    assert hit.path == str(folder / "sign.png")
    assert len(hit.boxes) == 8
    assert all(0 <= edge <= 1 for edge in hit.boxes)


def test_a_picture_that_its_camera_turned_is_read_upright(reads_text, written, folder, home):
    exif = Image.Exif()
    exif[0x0112] = 6
    written.page(LINES).rotate(90, expand=True).save(folder / "turned.jpg", exif=exif)
    index(home, folder)
    assert rows_of(home)[-1][2] == "\n".join(LINES)


def test_a_jpeg_that_is_embedded_at_a_reduced_scale_is_read_at_its_own(reads_text, written, folder, home):
    picture = written.page([], (4000, 3000))
    written.write(picture, "Morvane Bakery 48213", (300, 300), 60)
    picture.save(folder / "large.jpg", quality=90)
    index(home, folder, ocr="all")
    assert rows_of(home)[-1][2] == "Morvane Bakery 48213"


def test_the_pages_of_a_tiff_and_of_a_scanned_pdf_are_read(reads_text, written, folder, home):
    first, second = (written.page([text], (900, 1200)) for text in ("Invoice 4711", "Total 1284"))
    first.save(folder / "scan.tiff", save_all=True, append_images=[second])
    first.save(folder / "scan.pdf", save_all=True, append_images=[second])
    index(home, folder)
    read = [(str(span), text) for modality, span, text, _ in rows_of(home) if modality == "text"]
    assert len(read) == 4
    assert sorted(text for _, text in read) == ["Invoice 4711", "Invoice 4711", "Total 1284", "Total 1284"]


def test_text_that_stays_in_a_film_is_one_row_with_its_time(reads_text, written, films, folder, home):
    def frame(shade: int, lower: str) -> Image.Image:
        picture = Image.new("RGB", (640, 360), (shade, 255 - shade // 2, 255 - shade))
        picture.paste(Image.effect_noise((200, 100), shade), (shade, 150))
        written.write(picture, "EVENING NEWS", (40, 30), 40)
        written.write(picture, lower, (40, 280), 40)
        return picture

    pictures = [frame(30, "Lisbon")] * 50 + [frame(220, "Vienna")] * 50
    (folder / "news.mp4").write_bytes(films.film(pictures))
    index(home, folder)
    read = {text: (round(span.start), round(span.end)) for m, span, text, e in rows_of(home) if e == "ocr"}
    assert read == {"EVENING NEWS": (0, 4), "Lisbon": (0, 2), "Vienna": (2, 4)}


def test_a_second_run_opens_no_file(reads_text, written, folder, home):
    written.page(LINES).save(folder / "sign.png")
    Image.new("RGB", (200, 200), "red").save(folder / "red.png")
    index(home, folder)
    stages = []
    assert index(home, folder, watch=lambda at: stages.append(at.stage)).unchanged == 2
    assert "encode" not in stages


def test_pictures_are_read_later_and_keep_their_vectors(reads_text, written, folder, home, embedded):
    written.page(LINES).save(folder / "sign.png")
    index(home, folder, ocr="off")
    assert len(rows_of(home)) == 1
    embedded.pictures = 0
    assert index(home, folder).indexed == 1
    assert embedded.pictures == 0, "the picture was not embedded again"
    assert [row[3] for row in rows_of(home)] == [None, "ocr"]
    assert index(home, folder, ocr="off").unchanged == 1
    assert index(home, folder, ocr="all").indexed == 1
    assert index(home, folder, ocr="auto").unchanged == 1, "all is more than auto"


def test_more_pictures_than_are_decoded_at_once_are_read_later(reads_text, folder, home, embedded):
    for shade in range(12):
        Image.new("RGB", (40, 30), (20 * shade, 0, 0)).save(folder / f"{shade}.png")
    index(home, folder, ocr="off", batch=1)
    assert index(home, folder, batch=1).indexed == 12
    assert embedded.pictures == 12


def test_texts_and_sounds_are_not_opened_again_for_it(reads_text, folder, home):
    (folder / "note.txt").write_text("No picture at all.")
    index(home, folder, ocr="off")
    assert index(home, folder).unchanged == 1


def test_without_the_extra_pictures_are_indexed_and_asking_for_all_says_what_is_missing(written, folder, home):
    assert not options.ocr_is_installed()
    written.page(LINES).save(folder / "sign.png")
    assert index(home, folder).indexed == 1
    with pytest.raises(UsageError, match=r"mmsearch\[ocr\]"):
        index(home, folder, ocr="all")


def test_an_unknown_mode_is_refused(folder, home):
    with pytest.raises(UsageError, match="ocr must be one of auto, off, all"):
        index(home, folder, ocr="some")


def test_a_picture_whose_text_cannot_be_read_keeps_its_row_and_has_a_note(
    reads_text, written, folder, home, faulty_worker
):
    written.page(LINES).save(folder / "sign.png")
    faulty_worker("import mmsearch.retrieval.enrich.ocr.reader as r; r.read_lines = lambda picture: 1 / 0")
    report = index(home, folder)
    assert report.indexed == 1
    assert [note.reason for note in report.marked] == ["the text in it could not be read"]
