"""Tars and ZIP files as sources: samples of WebDataset, and archives that are damaged or made to do harm."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.sources import members
from mmsearch.retrieval.sources.archives import ArchiveSource, open_member
from mmsearch.retrieval.sources.protocol import SourceNote

FORMS = [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tbz2", "w:bz2"), ("a.txz", "w:xz")]


def read(path):
    """The items and the notes of an archive; the bytes of an item are in ``data``."""
    source = ArchiveSource(str(path))
    (part,) = source.parts()
    items, notes = {}, []
    for found in source.items(part):
        if isinstance(found, SourceNote):
            notes.append(found)
        else:
            data = found.content.file.read() if found.content else None
            name = found.path.partition("#")[2]
            items[name] = SimpleNamespace(
                captions=found.captions, facts=found.facts, size=found.size, problem=found.problem, data=data
            )
            found.close()
    return items, notes


@pytest.mark.parametrize(("name", "mode"), FORMS)
def test_a_sample_is_a_picture_with_its_caption_and_facts(corpora, name, mode):
    items, notes = read(corpora.tar(name, mode=mode))
    assert list(items) == [f"{number:06d}.jpg" for number in range(8)]
    assert notes == []
    disc = items["000000.jpg"]
    assert disc.captions == ("a red disc on white",)
    assert disc.facts == {"stars": 0, "name": "disc", "width": 7}
    assert disc.data == corpora.jpeg("disc")
    assert disc.size == len(disc.data)


def test_a_zip_has_the_same_items_in_any_order(corpora):
    files = dict(reversed(corpora.samples().items()))
    of_tar, _ = read(corpora.tar("a.tar"))
    of_zip, _ = read(corpora.zip("a.zip", files))
    assert of_tar.keys() == of_zip.keys()
    assert all(of_tar[name].captions == of_zip[name].captions for name in of_tar)


def test_a_text_without_a_picture_is_an_item(corpora):
    items, _ = read(corpora.tar("a.tar", {"notes/harbour.txt": b"Boats lie in the harbour."}))
    assert items["notes/harbour.txt"].data == b"Boats lie in the harbour."


def test_labels_and_captions_in_json_are_read(corpora):
    files = {"a.jpg": b"x", "a.cls": b"7", "a.json": b'{"caption": "a cat", "tags": ["x", "y"], "exif": {"f": 2}}'}
    items, _ = read(corpora.tar("a.tar", files))
    assert items["a.jpg"].captions == ("a cat",)
    assert items["a.jpg"].facts == {"cls": 7, "tags": ["x", "y"], "exif": '{"f": 2}'}


def test_hidden_files_and_names_that_come_twice_are_said(corpora):
    path = corpora.tar("a.tar", {"a.jpg": b"1", "__MACOSX/._a.jpg": b"2", ".DS_Store": b"3"})
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"4"))
    items, notes = read(path)
    assert list(items) == ["a.jpg"]
    assert items["a.jpg"].data == b"1"
    assert [(note.reason, note.passed_over) for note in notes] == [
        ("hidden", "__MACOSX/._a.jpg"),
        ("hidden", ".DS_Store"),
        ("the archive holds this name twice: the first counts", None),
    ]


def test_facts_that_are_no_object_are_said_and_the_picture_stays(corpora):
    items, notes = read(corpora.tar("a.tar", {"a.jpg": b"1", "a.json": b"[1"}))
    assert list(items) == ["a.jpg"]
    assert [note.reason for note in notes] == ["no facts can be read from it: it is no JSON object"]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_an_archive_that_is_cut_short_gives_what_can_be_read_and_says_so(corpora, name, share):
    path = corpora.zip(name) if name.endswith("zip") else corpora.tar(name, mode="w:gz" if "gz" in name else "w")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    items, notes = read(path)
    assert len(items) < 8
    assert f"cut short or damaged after {len(items)} items" in notes[-1].reason


def test_a_tar_that_ends_between_two_files_is_cut_short_too(corpora):
    path = corpora.tar("a.tar", {"a.jpg": b"1", "b.jpg": b"2"})
    path.write_bytes(path.read_bytes()[:2048])  # two headers, two blocks, and no end
    items, notes = read(path)
    assert len(items) == 2
    assert "cut short" in notes[-1].reason


def test_links_and_devices_in_a_tar_are_skipped(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        device = tarfile.TarInfo("b.jpg")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    items, _ = read(tmp_path / "a.tar")
    assert {item.problem for item in items.values()} == {"not a regular file in its archive"}
    assert all(item.data is None for item in items.values())


def test_a_header_that_claims_to_be_huge_is_not_read(tmp_path):
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    items, notes = read(tmp_path / "a.tar")
    assert items == {}
    assert "unreasonable" in notes[-1].reason or "cut short" in notes[-1].reason


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "_SUSPICIOUS_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(8 << 20))
    items, _ = read(tmp_path / "a.zip")
    assert "unpack to" in items["a.jpg"].problem
    assert items["a.jpg"].data is None


def test_a_file_that_is_locked_with_a_password_is_said(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"x")
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the header of the file
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(bytes(data))
    items, _ = read(path)
    assert items["a.jpg"].problem == "locked with a password in its archive"


def test_what_is_no_archive_is_said(tmp_path):
    for name in ("a.tar", "a.zip", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"not an archive " * 100)
        items, notes = read(tmp_path / name)
        assert items == {}
        assert "damaged after 0 items" in notes[-1].reason


def test_an_archive_that_is_not_there_is_said(tmp_path):
    with pytest.raises(MMSearchError, match=r"there is no .*a\.tar"):
        list(ArchiveSource(str(tmp_path / "a.tar")).parts())


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_one_file_is_taken_out_of_an_archive(corpora, name):
    path = corpora.zip(name) if name.endswith("zip") else corpora.tar(name, mode="w:gz" if "gz" in name else "w")
    with open_member(str(path), "000003.jpg", 1 << 20) as content:
        assert content.file.read() == corpora.jpeg("rings")
    with pytest.raises(FileNotFoundError):
        open_member(str(path), "nothing.jpg", 1 << 20)


def test_a_part_changes_its_etag_with_its_archive(corpora):
    path = corpora.tar("a.tar")
    (before,) = ArchiveSource(str(path)).parts()
    corpora.tar("a.tar", {"a.jpg": b"1"})
    (after,) = ArchiveSource(str(path)).parts()
    assert before.etag != after.etag


def test_a_gzip_stream_of_garbage_behind_its_header_is_said(tmp_path):
    data = gzip.compress(b"x" * 10_000)
    (tmp_path / "a.tar.gz").write_bytes(data[:20] + bytes(20) + data[40:])
    items, notes = read(tmp_path / "a.tar.gz")
    assert items == {}
    assert notes
