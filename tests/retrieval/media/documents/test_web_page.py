"""Web pages: what a person reads of them. Scripts are not run, and nothing is fetched."""

from __future__ import annotations

import datetime as dt
from types import ModuleType

import pytest


def page(body: str, head: str = "") -> bytes:
    return f"<!doctype html><html lang='en-GB'><head>{head}</head><body>{body}</body></html>".encode()


def test_text_is_read_line_by_line_and_scripts_and_styles_are_not(documents: ModuleType) -> None:
    body = "<h1>Lights</h1><p>The   keeper<br>&amp; the <b>lamp</b><script>alert('x')</script><style>p{}</style>"
    body += "<svg><text>drawn</text></svg><noscript>switch it on</noscript><ul><li>one<li>two</ul>"
    body += "<table><tr><td>oil<td>12</tr></table><img src='https://example.org/track.png' alt='a red lamp'>"
    texts = documents.texts_of(page(body), "a.html")
    assert texts == [(0, "Lights\nThe keeper\n& the lamp\none\ntwo\noil\t12\na red lamp")]


def test_what_it_says_of_itself_is_facts(documents: ModuleType) -> None:
    head = "<title>Lights of\n the coast</title><meta name=keywords content='sea, lamp'>"
    head += "<meta property='article:published_time' content='2023-01-02T03:04:05+01:00'>"
    _, facts = documents.read(page("x", head), "a.htm")
    assert (facts.title, facts.tags, facts.lang) == ("Lights of the coast", ("sea", "lamp"), "en")
    assert facts.taken_at == dt.datetime(2023, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def test_a_long_page_is_cut_at_headings(documents: ModuleType) -> None:
    body = "".join(f"<h2>Chapter {i}</h2><p>{'The ship sails on. ' * 150}</p>" for i in range(3))
    assert [number for number, _ in documents.texts_of(page(body), "a.html")] == [0, 1, 2]
    assert [number for number, _ in documents.texts_of(page("<h2>a</h2>b<h2>c</h2>d"), "a.html")] == [0]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<meta charset=windows-1251>Маяк".encode("cp1251"), "Маяк"),
        ("<?xml version='1.0' encoding='shift_jis'?><html>灯台".encode("shift_jis"), "灯台"),
        ("\ufeff<html>Größe".encode("utf-16-le"), "Größe"),
        ("<html>Größe".encode(), "Größe"),
        ("<html>Größe".encode("latin-1"), "Größe"),
        ("<meta charset=no-such-thing>Größe".encode(), "Größe"),
    ],
)
def test_its_encoding_is_the_one_that_it_states(documents: ModuleType, data: bytes, text: str) -> None:
    assert documents.texts_of(data, "a.html") == [(0, text)]


def test_conditions_for_old_browsers_and_odd_marks_do_no_harm(documents: ModuleType) -> None:
    body = "a<![if !supportLists]>b<![endif]>c<![CDAT[d]]><!-- e --><p>f</3></p><x:y>g"
    assert documents.texts_of(page(body), "a.html") == [(0, "abc\nf\ng")]
    texts, facts = documents.read(page("The lamp<![ odd"), "a.html")
    assert texts == [(0, "The lamp")]
    assert facts.note is None or "damaged" in facts.note


def test_pictures_in_it_are_left_out(documents: ModuleType) -> None:
    body = f"<p>before<img alt='a boat' src='data:image/png;base64,{'iVBORw0KGgo' * 100_000}'>after"
    assert documents.texts_of(page(body), "a.html") == [(0, "before a boat after")]
