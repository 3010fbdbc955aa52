"""OpenDocument: texts by page or heading, spreadsheets by sheet, presentations by slide, packed and flat."""

from __future__ import annotations

import datetime as dt
from types import ModuleType

import pytest

from mmsearch.errors import DecodeError

P = "<text:p>{}</text:p>".format


def test_a_text_has_the_pages_that_libreoffice_last_laid_out(documents: ModuleType) -> None:
    body = P("One") + P("ends <text:soft-page-break/>here") + '<text:p text:style-name="P9">Three</text:p>'
    for data, name in ((documents.odf("text", body), "a.odt"), (documents.flat_odf("text", body), "a.fodt")):
        assert documents.texts_of(data, name) == [(0, "One\nends"), (1, "here"), (2, "Three")]


def test_without_pages_a_long_text_is_cut_at_headings(documents: ModuleType) -> None:
    body = "".join(f"<text:h>Kapitel {i}</text:h>{P('Vom Schiff. ' * 300)}" for i in range(3))
    assert [page for page, _ in documents.texts_of(documents.odf("text", body), "a.odt")] == [0, 1, 2]


def test_spaces_notes_and_tables_are_read_and_changes_left_out(documents: ModuleType) -> None:
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>1911</text:p></text:note-body>"
    cells = "".join(f"<table:table-cell>{P(text)}</table:table-cell>" for text in ("oil", "12 EUR"))
    body = "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
    body += P(f'a<text:s text:c="2"/>b<text:tab/>c{note}</text:note>')
    body += f"<table:table><table:table-row>{cells}</table:table-row></table:table>"
    assert documents.texts_of(documents.odf("text", body), "a.odt") == [(0, "a  b\tc\n1911\n\noil\t12 EUR")]


def test_each_sheet_and_each_slide_is_a_page(documents: ModuleType) -> None:
    cell = "<table:table-cell>{}</table:table-cell>".format
    filler = '<table:table-cell table:number-columns-repeated="16000"/>'
    rows = f"<table:table-row>{cell(P('Miete'))}{filler}{cell(P('700,00'))}</table:table-row>"
    sheets = f'<table:table table:name="Konten">{rows}</table:table><table:table table:name="Leer"/>'
    assert documents.texts_of(documents.odf("spreadsheet", sheets), "a.ods") == [(0, "Konten\nMiete\t700,00")]
    notes = f"<presentation:notes>{P('Boote')}</presentation:notes>"
    slides = f"<draw:page>{P('Wale')}</draw:page><draw:page>{notes}</draw:page>"
    assert documents.texts_of(documents.odf("presentation", slides), "a.odp") == [(0, "Wale"), (1, "Boote")]


def test_metadata_are_facts(documents: ModuleType) -> None:
    for data, name in ((documents.odf("text", P("x")), "a.odt"), (documents.flat_odf("text", P("x")), "a.fodt")):
        _, facts = documents.read(data, name)
        assert (facts.title, facts.tags, facts.lang) == ("Lichter der Küste", ("sea", "lamp"), "de")
        assert facts.taken_at == dt.datetime(2020, 2, 3, 4, 5, 6, 789000)


def test_an_encrypted_one_has_a_reason(documents: ModuleType) -> None:
    manifest = (
        f"<manifest:manifest {documents.NAMES}><manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    )
    data = documents.odf("text", P("x"), {"META-INF/manifest.xml": manifest + "</manifest:manifest>"})
    with pytest.raises(DecodeError, match="it is encrypted: it needs a password"):
        documents.read(data, "a.odt")
