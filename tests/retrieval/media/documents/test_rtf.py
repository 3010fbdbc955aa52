"""RTF: characters of any code page, pages, properties; pictures and objects are passed over."""

from __future__ import annotations

import datetime as dt
import io
from types import ModuleType

import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents import rtf
from mmsearch.retrieval.media.documents.sink import DocumentSink


def test_characters_lines_and_pages(documents: ModuleType) -> None:
    data = rb"""{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\pard Gr\'fc\'dfe {\b vom} Hafen\par
\u8364?5 \u-10179?\u-8704? \{a\}\~b\emdash c\par\page second\cell x\row}"""
    assert documents.texts_of(data, "a.rtf") == [(0, "Grüße vom Hafen\n€5 😀 {a} b—c"), (1, "second\tx")]


def test_other_code_pages(documents: ModuleType) -> None:
    coded = "".join(f"\\'{byte:02x}" for byte in "灯台守".encode("cp932")).encode()
    assert documents.texts_of(b"{\\rtf1\\ansi\\ansicpg932 " + coded + b"}", "a.rtf") == [(0, "灯台守")]


def test_pictures_objects_and_unknown_groups_are_passed_over(documents: ModuleType) -> None:
    data = rb"{\rtf1 a{\pict\pngblip 89504e470d0a}{\object{\*\objdata 0105}}{\*\unknown words}{\pict\bin6 }{}}{ab} b}"
    assert documents.texts_of(data, "a.rtf") == [(0, "a b")]


def test_properties_are_facts_and_word_documents_may_be_rtf(documents: ModuleType) -> None:
    data = rb"{\rtf1{\info{\title Lights}{\keywords sea; lamp}{\creatim\yr2019\mo3\dy4\hr5\min6}{\author x}} y}"
    texts, facts = documents.read(data, "old.doc")
    assert texts == [(0, "y")]
    assert (facts.title, facts.tags, facts.taken_at) == ("Lights", ("sea", "lamp"), dt.datetime(2019, 3, 4, 5, 6))


def test_braces_without_end_have_a_reason(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="too many braces"):
        documents.read(b"{\\rtf1" + b"{" * 100_000, "a.rtf")


def test_one_that_is_too_large_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtf, "MAX_BYTES", 10)
    with pytest.raises(DecodeError, match="over 10 B"):
        rtf.read(io.BytesIO(b"{\\rtf1 a lighthouse}"), "rtf", DocumentSink(lambda texts: None))
