"""PowerPoint presentations (PPTX): each slide with its notes is a page."""

from __future__ import annotations

from functools import partial
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.archive import Archive
from mmsearch.retrieval.media.documents.ooxml import ParagraphReader, core_facts, main_part, related, relations_of
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.xml import Attributes, XmlReader
from mmsearch.types import Facts


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of presentations; see `read.Reader`."""
    archive = Archive(source)
    part = main_part(archive, "ppt/presentation.xml")
    relations = relations_of(archive, part)
    listed = Listed("sldId")
    listed.read(archive.pieces(part))
    slides = [relations[id].part for id, _ in listed.found if id in relations]
    if not any(map(archive.has, slides)):
        raise DecodeError("there are no slides in it")
    facts = core_facts(archive)
    for page, slide in enumerate(slides):
        add = partial(sink.add, page)
        for one in filter(archive.has, (slide, *related(archive, slide, "diagramData", "notesSlide"))):
            ParagraphReader(add).read(archive.pieces(one))
    return facts


class Listed(XmlReader):
    """The parts that a list names: the id of the relation to each, and its name there."""

    def __init__(self, element: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._element = element

    def start(self, name: str, attributes: Attributes) -> None:
        """See `XmlReader`."""
        if name == self._element:
            ids = [value for key, value in attributes.items() if key.endswith(":id")]
            self.found += [(id, attributes.get("name", "")) for id in ids]
