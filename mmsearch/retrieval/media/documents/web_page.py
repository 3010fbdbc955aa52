"""Web pages (HTML): what a person reads of them, in sections that begin at headings. Nothing is fetched or run."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.sections import Sections
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.texts.text import decode_text
from mmsearch.types import Facts, sized

MAX_BYTES = 64 * 1024 * 1024
"""Larger files are refused. Pages that were saved in one file hold their pictures."""

_CHARSET = re.compile(
    rb"""<(?:meta\b[^>]{0,200}?|\?xml\b[^>]{0,200}?)(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.I
)
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+[^\s\"'()<>\\]{64,}")
_CONDITION = re.compile(r"<!\[(?!CDATA\[)[^>]*>")
"""``<![if …]>`` of old browsers; the parser gives up at words there that it does not know."""
_HEAD = 4096
_SKIPPED = frozenset(("script", "style", "template", "noscript", "svg", "math", "object", "iframe", "canvas", "select"))
_HEADINGS = frozenset(("h1", "h2", "h3"))
_CELLS = frozenset(("td", "th"))
_BLOCK_NAMES = """
address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer form
h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead title tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_DATES = frozenset(
    ("date", "dc.date", "dc.date.created", "dcterms.created", "article:published_time", "datepublished", "pubdate")
)


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of web pages; see `read.Reader`."""
    data = source.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DecodeError(f"a web page of over {sized(MAX_BYTES)}: not read")
    sections = Sections(sink)
    page = WebPage(sections.add, sections.heading)
    page.read(decoded(data))
    return page.facts()


def decoded(data: bytes, charset: str | None = None) -> str:
    """The characters of a page.

    Args:
        data: its bytes.
        charset: the name of its encoding, as an e-mail states it; None: what it says itself.
    """
    stated = _CHARSET.search(data[:_HEAD])
    name = charset or (stated[1].decode("ascii") if stated and not data.startswith(_MARKS) else None)
    if name is not None:
        try:
            return data.decode(codecs.lookup(name).name, "replace")
        except (LookupError, ValueError):  # no such encoding, or none of texts
            pass
    return decode_text(data, limit=MAX_BYTES)[0]


_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class WebPage(HTMLParser):
    """Gives the text of a page line by line.

    Args:
        add: is called with each line.
        heading: is called before a heading.
    """

    def __init__(self, add: Callable[[str], None], heading: Callable[[], None] = lambda: None) -> None:
        super().__init__(convert_charrefs=True)
        self._add, self._heading = add, heading
        self._parts: list[str] = []
        self._skipping: list[str] = []
        self._in_title = self._is_written = False
        self._title: list[str] = []
        self._lang = ""
        self._meta: dict[str, str] = {}

    def read(self, text: str) -> None:
        """Read a page.

        Raises:
            DecodeError: the parser of the standard library cannot go on.
        """
        try:
            self.feed(_CONDITION.sub("", _DATA_URI.sub("data:", text)))
            self.close()
        except AssertionError:
            raise DecodeError("damaged: the HTML in it cannot be read") from None
        finally:
            self._finish_line()

    def facts(self) -> Facts:
        """What the page says of itself."""
        created = next((self._meta[name] for name in sorted(_DATES) if self._meta.get(name)), None)
        tags = self._meta.get("keywords") or self._meta.get("article:tag") or ""
        return document_facts(title="".join(self._title), tags=tags, lang=self._lang, created=created)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        if self._skipping:
            self._skipping += [tag] if tag == self._skipping[0] else []
            return
        if tag in _SKIPPED:
            self._skipping.append(tag)
            return
        if tag in _BLOCKS or tag == "br":
            self._finish_line()
        if tag in _HEADINGS:
            self._heading()
        elif tag in _CELLS:
            self._parts.append("\t")
        elif tag == "title":
            self._in_title = True
        elif tag == "html":
            values = dict(attrs)
            self._lang = values.get("lang") or values.get("xml:lang") or ""
        elif tag == "meta":
            values = dict(attrs)
            name = values.get("name") or values.get("property") or values.get("itemprop") or ""
            self._meta.setdefault(name.lower(), values.get("content") or "")
        elif tag == "img":
            self._parts.append(f" {dict(attrs).get('alt') or ''} ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser: only XHTML means it."""
        self.handle_starttag(tag, attrs)
        if tag in _SKIPPED or tag == "title":
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        if self._skipping:
            if tag == self._skipping[0]:
                self._skipping.pop()
            return
        if tag == "title":
            self._in_title = False
        elif tag in _BLOCKS:
            self._finish_line()

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if self._in_title:
            self._title.append(data)
        elif not self._skipping:
            self._parts.append(data)

    def _finish_line(self) -> None:
        cells = [" ".join(cell.split()) for cell in "".join(self._parts).split("\t")]
        self._parts = []
        line = "\t".join(filter(None, cells))
        if line:
            self._add(line)
