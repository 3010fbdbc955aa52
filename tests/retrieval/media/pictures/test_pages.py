"""Every page of a scan is found, and says which one it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, TiffImagePlugin

from mmsearch import Collection
from mmsearch.retrieval.media.pictures import pages
from mmsearch.retrieval.media.pictures.pages import MAX_PAGES, decode_pages, pages_of
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Span


def colours(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (64, 48), (5 * number % 256, 100, 200)) for number in range(count)]


def tiff(pictures: list[Image.Image], **options: object) -> io.BytesIO:
    file = io.BytesIO()
    pictures[0].save(file, "TIFF", save_all=True, append_images=pictures[1:], **options)
    return file


def test_pages_are_counted_without_decoding() -> None:
    assert pages_of(tiff(colours(1)), "tiff") == [0]
    assert pages_of(tiff(colours(3)), "tiff") == [0, 1, 2]
    assert pages_of(tiff(colours(3), big_tiff=True), "tiff") == [0, 1, 2]
    assert pages_of(io.BytesIO(b"II*\0\x08\0\0\0"), "tiff") == [0]
    assert pages_of(io.BytesIO(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"), "tiff") == [0], "a directory that follows itself"


@pytest.mark.parametrize(("tag", "value"), [(254, 1), (254, 4), (255, 2)])
@pytest.mark.parametrize("prefix", [b"II", b"MM"])
def test_smaller_copies_and_masks_are_no_pages(tag: int, value: int, prefix: bytes) -> None:
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, new=True) as writer:
        for number in (0, value):
            tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=prefix)
            if number:
                tags[tag] = number
                tags.tagtype[tag] = 4 if tag == 254 else 3
            colours(1)[0].save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    assert pages_of(file, "tiff") == [0]


def test_a_page_that_is_damaged_and_pages_past_the_bound_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 3)
    seen: list[int] = []
    transform = ImageTransform(48, 64)
    file = tiff(colours(4))
    facts = decode_pages(file, "tiff", [0, 1, 7, 3], transform, lambda _, page: seen.append(page), 10**6)
    assert seen == [0, 1]
    assert facts.note == "page 8 could not be read; the first 3 of 4 pages are used"
    assert MAX_PAGES == 200


def test_a_page_is_a_hit_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    noise = Image.effect_noise((96, 96), 90).convert("RGB")
    with open(folder / "scan.tif", "wb") as file:
        file.write(tiff([Image.new("RGB", (96, 96), "white"), noise]).getvalue())
    noise.save(tmp_path / "noise.png")
    with Collection.create(tmp_path / "c", model="mini") as scans:
        report = scans.index([folder])
        assert (report.indexed, report.rows, report.skipped) == (1, 2, ())
        hits = scans.search(tmp_path / "noise.png", k=5)
        assert [(hit.span, str(hit.span)) for hit in hits] == [
            (Span(1, 2, "page"), "page 2"),
            (Span(0, 1, "page"), "page 1"),
        ]
        assert hits[0].score > 0.99
        assert hits[0].to_json()["span"] == {"start_page": 1, "end_page": 2}
        assert scans.index([folder]).unchanged == 1
        assert scans.search(folder / "scan.tif", k=1, include_self=True)[0].score > 0.5
