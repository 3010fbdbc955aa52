"""The file of a row is opened only if it is a live row's, lies in an indexed folder, and still is what was indexed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, FileNotServedError, IndexedFile, NoSuchRowError


def row_of(collection: Collection, name: str) -> int:
    return next(record.id for record in collection if Path(record.path).name == name)


def refusal(collection: Collection, row_id: int) -> FileNotServedError:
    with pytest.raises(FileNotServedError) as caught:
        collection.open_file(row_id)
    assert "\n" not in str(caught.value)
    return caught.value


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_is_open_with_what_is_known_of_it(collection, photos):
    with collection.open_file(row_of(collection, "disc.png")) as opened:
        assert isinstance(opened, IndexedFile)
        assert opened.file.read() == (photos / "disc.png").read_bytes()
        assert opened.size == (photos / "disc.png").stat().st_size
        assert (opened.media_type, opened.record.modality) == ("image/png", "image")
    assert opened.file.closed


@pytest.mark.parametrize("row_id", [0, -1, 999, 2**63, 10**40])
def test_what_is_no_row_opens_no_file(collection, row_id):
    with pytest.raises(NoSuchRowError):
        collection.open_file(row_id)


def test_a_removed_row_opens_no_file(collection, photos):
    row = row_of(collection, "disc.png")
    collection.remove(photos / "disc.png")
    with pytest.raises(NoSuchRowError):
        collection.open_file(row)


def test_a_file_that_is_gone_or_has_changed_is_not_opened(collection, photos):
    gone, changed, touched = (row_of(collection, name) for name in ("disc.png", "bread.md", "cross.png"))
    (photos / "disc.png").unlink()
    (photos / "bread.md").write_text("Another text altogether.")
    os.utime(photos / "cross.png", ns=(0, 0))
    before = open_descriptors()
    assert refusal(collection, gone).why == "gone"
    assert refusal(collection, changed).why == "changed"
    assert refusal(collection, touched).why == "changed"
    assert open_descriptors() == before


def test_a_link_that_leads_out_of_the_indexed_folders_is_not_followed(collection, photos, tmp_path):
    """Not even where the file that it leads to has the size and the time of the indexed one."""
    row = row_of(collection, "disc.png")
    secret = tmp_path / "secret"
    (photos / "disc.png").rename(secret)
    (photos / "disc.png").symlink_to(secret)
    assert collection.get(row).state == "current"
    assert refusal(collection, row).why == "outside"


def test_a_folder_that_became_a_link_that_leads_out_is_not_followed(tmp_path, photos, empty):
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "photos")
    empty.index([tmp_path / "all"], workers=1)
    (tmp_path / "all" / "photos").rename(tmp_path / "elsewhere")
    (tmp_path / "all" / "photos").symlink_to(tmp_path / "elsewhere")
    assert refusal(empty, row_of(empty, "disc.png")).why == "outside"


def test_links_within_the_indexed_folders_and_a_root_that_is_a_link_are_followed(tmp_path, photos, empty):
    (tmp_path / "link").symlink_to(photos)
    empty.index([tmp_path / "link"], workers=1)
    (photos / "disc.png").rename(photos / "moved.png")
    (photos / "disc.png").symlink_to(photos / "moved.png")
    with empty.open_file(row_of(empty, "disc.png")) as opened:
        assert opened.size == (photos / "moved.png").stat().st_size


def test_a_file_that_vectors_made_elsewhere_stand_for_lies_outside(collection, tmp_path):
    (tmp_path / "own.txt").write_text("a diary")
    (row,) = collection.add(np.ones((1, 256)), paths=[tmp_path / "own.txt"], modality="text", texts=["a diary"])
    assert refusal(collection, int(row)).why == "outside"
    (name,) = collection.add(np.ones((1, 256)), paths=["a name"], modality="text", texts=["words"])
    assert refusal(collection, int(name)).why == "no file"


def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_not_opened(collection, photos):
    for name, make in (("disc.png", os.mkdir), ("cross.png", os.mkfifo)):
        row = row_of(collection, name)
        (photos / name).unlink()
        make(photos / name)
        assert refusal(collection, row).why == "changed"


def test_a_folder_that_becomes_a_link_just_before_the_file_is_opened_is_noticed(empty, photos, tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    photos.rename(root / "photos")
    empty.index([root], workers=1)
    row = row_of(empty, "disc.png")
    open_as_before = os.open

    def exchange_and_open(path, flags):
        (root / "photos").rename(outside / "photos")
        (root / "photos").symlink_to(outside / "photos")
        return open_as_before(path, flags)

    monkeypatch.setattr(os, "open", exchange_and_open)
    before = open_descriptors()
    assert refusal(empty, row).why == "outside"
    assert (root / "photos").is_symlink()
    assert open_descriptors() == before


def test_every_media_type_is_of_a_format():
    from mmsearch.retrieval.media.formats import FORMATS
    from mmsearch.retrieval.media.media_types import _MEDIA_TYPES, media_type_of

    assert _MEDIA_TYPES.keys() <= FORMATS.keys()
    assert media_type_of("/a/FILM.MKV", "video") == "video/x-matroska"
    assert media_type_of("/a/table.parquet", "text") == media_type_of("/a/noending", "image")
    for name in ("page.html", "mail.eml", "letter.docx"):
        assert media_type_of(f"/a/{name}", "text") == "application/octet-stream"
    assert media_type_of("/a/letter.pdf", "text") == media_type_of("/a/letter.pdf", "image") == "application/pdf"
    for name in ("drawing.svg", "words.xml", "code.js", "notes.md", "table.csv", "noending"):
        assert media_type_of(f"/a/{name}", "text") == "text/plain"
    assert not any(kind.startswith("text/") or "xml" in kind for kind in _MEDIA_TYPES.values())
