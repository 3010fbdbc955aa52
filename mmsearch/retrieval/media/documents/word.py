"""Word documents (DOCX): pages as Word last laid them out, else sections that begin at headings."""

from __future__ import annotations

import re
from typing import IO

from mmsearch.retrieval.media.documents.archive import Archive
from mmsearch.retrieval.media.documents.ooxml import ParagraphReader, core_facts, main_part, related
from mmsearch.retrieval.media.documents.sections import Sections
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.xml import Attributes, XmlReader, attribute
from mmsearch.types import Facts

_BREAK = b"lastRenderedPageBreak"
_HEADING = re.compile(r"(?:heading \d|title)", re.I)


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of Word documents; see `read.Reader`."""
    archive = Archive(source)
    part = main_part(archive, "word/document.xml")
    sections = Sections(sink)
    if archive.mentions(part, _BREAK):
        reader = ParagraphReader(sections.add, turn=sections.turn)
    else:
        headings = _Headings()
        for styles in related(archive, part, "styles"):
            headings.read(archive.pieces(styles))
        reader = ParagraphReader(sections.add, heading=sections.heading, headings=frozenset(headings.found))
    facts = core_facts(archive)
    reader.read(archive.pieces(part))
    for notes in related(archive, part, "footnotes", "endnotes", "comments"):
        ParagraphReader(sections.add).read(archive.pieces(notes))
    return facts


class _Headings(XmlReader):
    """The ids of the styles of headings. Their names are English in files of any language; the ids are not."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = ""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "style":
            self._style = attribute(attributes, "styleId")
        elif name == "name" and _HEADING.fullmatch(attribute(attributes, "val")):
            self.found.append(self._style)
