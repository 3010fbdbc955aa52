"""Word documents: paragraphs, tables and notes, by the pages of Word or by headings."""

from __future__ import annotations

import datetime as dt
from types import ModuleType

import pytest

from mmsearch.errors import DecodeError


def test_paragraphs_tables_and_notes_are_read(documents: ModuleType) -> None:
    cell = "<w:tc>{}</w:tc>".format
    row = f"<w:tbl><w:tr>{cell(documents.paragraph('Lamp oil'))}{cell(documents.paragraph('12 EUR'))}</w:tr></w:tbl>"
    data = documents.docx(
        documents.paragraph("The lighthouse keeper") + row + documents.paragraph("A storm"),
        {
            "word/_rels/document.xml.rels": documents.relations(("f", "footnotes", "footnotes.xml")),
            "word/footnotes.xml": f"<w:footnotes {documents.NAMES}>{documents.paragraph('In 1911.')}</w:footnotes>",
        },
    )
    assert documents.texts_of(data, "a.docx") == [(0, "The lighthouse keeper\nLamp oil\t12 EUR\nA storm\nIn 1911.")]


def test_what_was_deleted_moved_away_or_is_there_twice_is_left_out(documents: ModuleType) -> None:
    twice = "<mc:AlternateContent><mc:Choice>{0}</mc:Choice><mc:Fallback>{0}</mc:Fallback></mc:AlternateContent>"
    body = (
        "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>"
    )
    body += "<w:r><w:instrText>PAGE</w:instrText><w:t>new</w:t></w:r></w:p>" + twice.format(documents.paragraph("box"))
    assert documents.texts_of(documents.docx(body), "a.docx") == [(0, "new\nbox")]


def test_pages_are_those_that_word_last_laid_out(documents: ModuleType) -> None:
    broken = "<w:p><w:r><w:t>ends here.</w:t><w:lastRenderedPageBreak/><w:t>Next page</w:t></w:r></w:p>"
    data = documents.docx(documents.paragraph("One") + broken + documents.paragraph("still two"))
    assert documents.texts_of(data, "a.docx") == [(0, "One\nends here."), (1, "Next page\nstill two")]


def test_without_pages_a_long_document_is_cut_at_headings_in_any_language(documents: ModuleType) -> None:
    heading = '<w:pStyle w:val="berschrift1"/>'
    styles = '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    body = "".join(
        documents.paragraph(f"Kapitel {i}", heading) + documents.paragraph(f"Vom Schiff {i}. " * 200) for i in range(3)
    )
    data = documents.docx(
        documents.paragraph("A short title", heading) + body,
        {
            "word/_rels/document.xml.rels": documents.relations(("s", "styles", "styles.xml")),
            "word/styles.xml": f"<w:styles {documents.NAMES}>{styles}</w:styles>",
        },
    )
    texts = documents.texts_of(data, "a.docx")
    assert [page for page, _ in texts] == [0, 1, 2]
    assert [text.split("\n")[0] for _, text in texts] == ["A short title", "Kapitel 1", "Kapitel 2"]


def test_properties_are_facts(documents: ModuleType) -> None:
    _, facts = documents.read(documents.docx(documents.paragraph("x")), "a.docx")
    assert (facts.title, facts.tags, facts.lang) == ("Lights of the coast", ("sea", "lamp"), "en")
    assert (facts.taken_at, facts.taken_from) == (dt.datetime(2022, 4, 1, 8, tzinfo=dt.UTC), "document")


def test_macros_and_objects_in_it_are_not_looked_at(documents: ModuleType) -> None:
    parts = {"word/vbaProject.bin": b"\xd0\xcf\x11\xe0" * 100, "word/media/image1.png": b"\x89PNG"}
    assert documents.texts_of(documents.docx(documents.paragraph("x"), parts), "a.docm") == [(0, "x")]


def test_what_is_read_before_the_damage_is_used(documents: ModuleType) -> None:
    data = documents.zipped({"word/document.xml": f"<w:document {documents.NAMES}>{documents.paragraph('x')}<w:p>"})
    texts, facts = documents.read(data, "a.docx")
    assert texts == [(0, "x")]
    assert facts.note == "only part of it could be read: damaged: the XML in it cannot be read"


def test_a_file_without_a_document_has_a_reason(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="there is no document in it"):
        documents.read(documents.zipped({"word/other.xml": "<x/>"}), "a.docx")
