"""OpenDocument, packed or flat: texts (ODT), spreadsheets (ODS), presentations and drawings (ODP, ODG)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.archive import Archive
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.rows import RowWriter
from mmsearch.retrieval.media.documents.sections import Sections
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.xml import Attributes, Leaves, XmlReader, attribute
from mmsearch.types import Facts

_PIECE = 64 * 1024
_MOST_SPACES = 100
_SOFT_BREAK = b"soft-page-break"


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of OpenDocument; see `read.Reader`."""
    if source.read(5).lstrip(b"\xef\xbb\xbf").startswith(b"<"):
        source.seek(0)
        is_laid_out = any(_SOFT_BREAK in piece for piece in _pieces(source))
        source.seek(0)
        content = _Content(sink, is_laid_out)
        content.read(_pieces(source))
        return content.rows.noted(content.facts())
    archive = Archive(source)
    manifest = _Manifest()
    if archive.has("META-INF/manifest.xml"):
        manifest.read(archive.pieces("META-INF/manifest.xml"))
    if manifest.is_encrypted:
        raise DecodeError("it is encrypted: it needs a password")
    if not archive.has("content.xml"):
        raise DecodeError("there is no document in it: damaged, or of another kind")
    content = _Content(sink, archive.mentions("content.xml", _SOFT_BREAK))
    try:
        content.meta.read(archive.pieces("meta.xml"))
    except DecodeError:
        content.meta = Leaves()
    facts = content.facts()
    content.read(archive.pieces("content.xml"))
    return content.rows.noted(facts)


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: source.read(_PIECE), b"")


class _Manifest(XmlReader):
    """Whether the content is encrypted."""

    is_encrypted = False

    def start(self, name: str, attributes: Attributes) -> None:
        self.is_encrypted |= name == "encryption-data"


class _Content(XmlReader):
    """The text of a document: pages of a text as LibreOffice last laid them out, else sections; sheets; slides."""

    skipped = frozenset({"tracked-changes", "note-citation", "binary-data", "ruby-text", "page-number", "scripts"})

    def __init__(self, sink: DocumentSink, is_laid_out: bool) -> None:
        super().__init__()
        self._is_laid_out = is_laid_out
        self.meta = Leaves()
        self.rows = RowWriter(sink)
        self._sections = Sections(sink)
        self._breaks: set[str] = set()
        self._style = ""
        self._body = ""
        self._depth = self._in_cell = self._in_meta = 0
        self._parts: list[str] = []
        self._cell: list[str] = []
        self._row: list[str] = []
        self._pages = -1

    def facts(self) -> Facts:
        """What the document says of itself."""
        meta = self.meta
        return document_facts(
            title=meta.first("title"),
            tags=meta.found.get("keyword", ()),
            lang=meta.first("language"),
            created=meta.first("creation-date"),
        )

    def start(self, name: str, attributes: Attributes) -> None:
        if self._in_meta:
            self.meta.start(name, attributes)
        match name:
            case "meta":
                self._in_meta += 1
            case "text" | "spreadsheet" | "presentation" | "drawing" if not self._body:
                self._body = name
            case "style":
                self._style = attribute(attributes, "name")
            case "paragraph-properties" if attribute(attributes, "break-before") == "page":
                self._breaks.add(self._style)
            case "p" | "h":
                self._begin_paragraph(name, attributes)
            case "s":
                count = attribute(attributes, "c")
                self._parts.append(" " * min(int(count) if count.isdecimal() else 1, _MOST_SPACES))
            case "tab":
                self._parts.append("\t")
            case "line-break":
                self._parts.append("\n")
            case "soft-page-break" if self._body == "text":
                self._turn()
            case "page" if self._body in ("presentation", "drawing"):
                self._pages += 1
                self._sections.page = self._pages
            case "table" if self._body == "spreadsheet":
                self._pages += 1
                self.rows.begin(self._pages, attribute(attributes, "name"))
            case "table-cell":
                self._in_cell += 1

    def end(self, name: str) -> None:
        if self._in_meta:
            self.meta.end(name)
        match name:
            case "meta":
                self._in_meta -= 1
            case "p" | "h":
                self._depth -= 1
                self._finish_paragraph()
            case "table-cell":
                self._in_cell -= 1
                if not self._in_cell:
                    self._row.append(" ".join(self._cell))
                    self._cell = []
            case "table-row" if not self._in_cell:
                self._finish_row()

    def text(self, text: str) -> None:
        if self._in_meta:
            self.meta.text(text)
        elif self._depth:
            self._parts.append(text)

    def _begin_paragraph(self, name: str, attributes: Attributes) -> None:
        if self._depth:  # a footnote, or a text in a frame, inside of a paragraph
            self._parts.append("\n")
        elif self._body == "text" and not self._in_cell:
            if attribute(attributes, "style-name") in self._breaks and self._is_laid_out:
                self._sections.turn()
            elif name == "h" and not self._is_laid_out:
                self._sections.heading()
        self._depth += 1

    def _finish_paragraph(self) -> None:
        if self._depth:
            self._parts.append("\n")
            return
        text, self._parts = "".join(self._parts), []
        if self._in_cell:
            self._cell.append(text)
        else:
            self._sections.add(text)

    def _finish_row(self) -> None:
        row, self._row = self._row, []
        if self._body == "spreadsheet":
            self.rows.add(row)
        else:
            self._sections.add("\t".join(filter(None, (" ".join(cell.split()) for cell in row))))

    def _turn(self) -> None:
        """LibreOffice began a page here: in the middle of a paragraph, or between two."""
        text, self._parts = "".join(self._parts), []
        if not self._in_cell:
            self._sections.add(text, " ")
            self._sections.turn()
        else:
            self._parts = [text]
