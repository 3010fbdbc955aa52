"""EPUB: chapters in reading order, and books that are copy-protected."""

from __future__ import annotations

import datetime as dt
from types import ModuleType

import pytest

from mmsearch.errors import DecodeError


def test_each_chapter_is_a_page(documents: ModuleType) -> None:
    data = documents.epub(["<h1>Loomings</h1><p>Call me Ishmael &amp; co.</p>", "<p>The <i>chase</i>.</p>"])
    texts, facts = documents.read(data, "a.epub")
    assert texts == [(0, "Loomings\nCall me Ishmael & co."), (1, "The chase.")]
    assert (facts.title, facts.tags, facts.lang) == ("The Whale", ("sea",), "en")
    assert facts.taken_at == dt.datetime(1851, 10, 18)


def test_a_copy_protected_book_has_a_reason_and_one_with_obscured_fonts_is_read(documents: ModuleType) -> None:
    method = "<encryption><EncryptionMethod Algorithm='{}'/></encryption>".format
    fonts = {"META-INF/encryption.xml": method("http://www.idpf.org/2008/embedding")}
    assert documents.texts_of(documents.epub(["<p>x</p>"], fonts), "a.epub") == [(0, "x")]
    book = {"META-INF/encryption.xml": method("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    with pytest.raises(DecodeError, match="a copy-protected e-book"):
        documents.read(documents.epub(["<p>x</p>"], book), "a.epub")


def test_a_file_without_a_book_has_a_reason(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="there is no book in it"):
        documents.read(documents.zipped({"x": "y"}, "application/epub+zip"), "a.epub")
    with pytest.raises(DecodeError, match="there are no chapters in it"):
        documents.read(documents.epub([]), "a.epub")
