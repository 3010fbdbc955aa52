"""Where a document without pages of its own is cut: at headings, into sections that count as its pages."""

from __future__ import annotations

from mmsearch.retrieval.media.documents.sink import DocumentSink

LEAST_SECTION = 2000
"""Characters of a section before a heading begins the next one: about a printed page."""


class Sections:
    """Gives paragraphs to a sink, and counts the pages or sections that they are in.

    Attributes:
        sink: takes the text.
        page: the number of the page or section, from 0.
    """

    def __init__(self, sink: DocumentSink) -> None:
        self.sink = sink
        self.page = 0
        self._length = 0

    def add(self, text: str, end: str = "\n") -> None:
        """Add a paragraph, or another piece of text."""
        self._length += len(text)
        self.sink.add(self.page, text, end)

    def heading(self) -> None:
        """A heading follows: it begins a section if the one before is long enough."""
        if self._length >= LEAST_SECTION:
            self.turn()

    def turn(self) -> None:
        """The next page begins."""
        self.page += 1
        self._length = 0
