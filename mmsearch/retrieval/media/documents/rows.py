"""The rows of spreadsheets as lines of text, those that are numbers alone only as far as they are of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import Facts

NUMBER_ROWS = 1000
"""Rows of numbers alone that are taken of a sheet: enough for invoices and tables that a person reads."""


class RowWriter:
    """Gives the rows of sheets to a sink, each sheet as a page that begins with its name."""

    def __init__(self, sink: DocumentSink) -> None:
        self._sink = sink
        self._page = 0
        self._name = ""
        self._numbers = 0
        self._left_out = 0

    def begin(self, page: int, name: str) -> None:
        """The next sheet begins."""
        self._page, self._name, self._numbers = page, name, 0

    def add(self, cells: Sequence[str]) -> None:
        """Add a row; one without anything in it counts for nothing."""
        line = "\t".join(filter(None, (" ".join(cell.split()) for cell in cells)))
        if not line:
            return
        if not any(map(str.isalpha, line)):
            self._numbers += 1
            if self._numbers > NUMBER_ROWS:
                self._left_out += 1
                return
        if self._name:
            self._sink.add(self._page, self._name)
            self._name = ""
        self._sink.add(self._page, line)

    def noted(self, facts: Facts) -> Facts:
        """The facts, with a note on rows that were left out."""
        note = f"{self._left_out:,} rows of numbers alone left out" if self._left_out else None
        return replace(facts, note=join_notes(facts.note, note))
