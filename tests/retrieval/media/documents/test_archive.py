"""ZIP files that are damaged, encrypted, or much larger than they seem, and XML that wants to fetch or to explode."""

from __future__ import annotations

import zipfile
from types import ModuleType

import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents import archive


def test_a_bomb_gives_its_beginning_and_takes_no_memory(documents: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1 << 20)
    data = documents.docx(documents.paragraph("The lighthouse") + " " * (64 << 20) + documents.paragraph("the end"))
    assert len(data) < 100_000
    texts, facts = documents.read(data, "a.docx")
    assert texts == [(0, "The lighthouse")]
    assert facts.note == "only part of it could be read: it unpacks to over 1.0 MB"


def test_a_table_of_contents_that_is_too_large_has_a_reason(
    documents: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 1000)
    with pytest.raises(DecodeError, match="a table of contents of over"):
        documents.read(documents.docx("", {f"{i}": "" for i in range(100)}), "a.docx")


@pytest.mark.parametrize("cut", [30, 500, -60, -10])
def test_a_file_that_was_cut_off_has_a_reason(documents: ModuleType, cut: int) -> None:
    with pytest.raises(DecodeError, match="a damaged ZIP file"):
        documents.read(documents.docx(documents.paragraph("x"))[:cut], "a.docx")


def test_an_entry_whose_bytes_are_wrong_has_a_reason(documents: ModuleType) -> None:
    data = bytearray(documents.docx(documents.paragraph("The lighthouse " * 50)))
    at = data.index(b"word/document.xml") + 60
    data[at : at + 20] = bytes(20)
    with pytest.raises(DecodeError, match="damaged"):
        documents.read(bytes(data), "a.docx")


def test_an_encrypted_entry_has_a_reason(documents: ModuleType) -> None:
    data = bytearray(documents.zipped({"word/document.xml": "<x/>"}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    with pytest.raises(DecodeError, match="it is encrypted: it needs a password"):
        documents.read(bytes(data), "a.docx")


def test_a_way_of_packing_that_takes_much_memory_is_not_read(documents: ModuleType) -> None:
    data = bytearray(documents.zipped({"word/document.xml": "<x/>"}))
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + method] = zipfile.ZIP_LZMA
    with pytest.raises(DecodeError, match="packed in a way that is not read"):
        documents.read(bytes(data), "a.docx")


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(10))


@pytest.mark.parametrize(
    "declared",
    [LAUGHS, '<!ENTITY x SYSTEM "file:///etc/passwd">', '<!ENTITY % x SYSTEM "http://example.org/x.dtd"> %x;'],
)
def test_xml_that_declares_entities_is_refused(documents: ModuleType, declared: str) -> None:
    xml = f"<!DOCTYPE x [{declared}]><w:document {documents.NAMES}>{documents.paragraph('&x;')}</w:document>"
    with pytest.raises(DecodeError, match="it declares XML entities"):
        documents.read(documents.zipped({"word/document.xml": xml}), "a.docx")


def test_parts_outside_of_the_file_are_not_asked_for(documents: ModuleType) -> None:
    outside = (
        '<Relationships><Relationship Id="a" Type="x/officeDocument" TargetMode="External" Target="http://e.org/"/>'
    )
    up = '<Relationship Id="b" Type="x/officeDocument" Target="../../../etc/passwd"/></Relationships>'
    data = documents.zipped(
        {"_rels/.rels": outside + up, "word/document.xml": f"<w {documents.NAMES}>{documents.paragraph('x')}</w>"}
    )
    assert documents.texts_of(data, "a.docx") == [(0, "x")]


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.odt", "a.epub"])
def test_noise_in_a_zip_file_has_a_reason(documents: ModuleType, name: str) -> None:
    noise = bytes(range(256)) * 10
    entries = ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml", "content.xml", "META-INF/container.xml")
    with pytest.raises(DecodeError):
        documents.read(documents.zipped(dict.fromkeys(entries, noise)), name)
    with pytest.raises(DecodeError, match="a damaged ZIP file"):
        documents.read(b"PK\x03\x04" + noise, name)
