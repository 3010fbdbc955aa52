"""Excel workbooks (XLSX): each sheet is a page, each row a line. Formulas give the values that they last had."""

from __future__ import annotations

import datetime as dt
import re
from array import array
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.archive import Archive
from mmsearch.retrieval.media.documents.ooxml import core_facts, main_part, related, relations_of
from mmsearch.retrieval.media.documents.rows import RowWriter
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.slides import Listed
from mmsearch.retrieval.media.documents.xml import Attributes, XmlReader
from mmsearch.types import Facts

_MOST_SHARED = 32 * 1024 * 1024
"""Characters of the table of texts that cells share."""

_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""Numbers of the built-in formats that show dates or times."""
_QUOTED = re.compile(r"\"[^\"]*\"|\\.|\[[^\]]*\]")
_DAY = re.compile(r"[dy]|m+[-/. ]|[-/. ]m+", re.I)
_EPOCH = dt.datetime(1899, 12, 30)
_EPOCH_OF_MAC = dt.datetime(1904, 1, 1)


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of workbooks; see `read.Reader`."""
    archive = Archive(source)
    part = main_part(archive, "xl/workbook.xml")
    relations = relations_of(archive, part)
    listed = _Workbook()
    listed.read(archive.pieces(part))
    sheets = [(relations[id].part, name) for id, name in listed.found if id in relations]
    if not any(archive.has(sheet) for sheet, _ in sheets):
        raise DecodeError("there are no sheets in it")
    shared, styles = _SharedTexts(), _Styles()
    for name in related(archive, part, "sharedStrings"):
        shared.read(archive.pieces(name))
    for name in related(archive, part, "styles"):
        styles.read(archive.pieces(name))
    facts = core_facts(archive)
    rows = RowWriter(sink)
    for page, (sheet, name) in enumerate(sheets):
        rows.begin(page, name)
        if archive.has(sheet):
            _Sheet(rows, shared, styles.dates, listed.epoch).read(archive.pieces(sheet))
    return rows.noted(facts)


class _Workbook(Listed):
    """The sheets, and the day from which days are counted."""

    def __init__(self) -> None:
        super().__init__("sheet")
        self.epoch = _EPOCH

    def start(self, name: str, attributes: Attributes) -> None:
        super().start(name, attributes)
        if name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            self.epoch = _EPOCH_OF_MAC


class _SharedTexts(XmlReader):
    """The texts that cells name by number, in one string with the places where they begin."""

    skipped = frozenset({"rPh"})

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._ends = array("Q", [0])
        self._length = 0
        self._in_text = False
        self._all: str | None = None

    def start(self, name: str, attributes: Attributes) -> None:
        self._in_text = name == "t"

    def end(self, name: str) -> None:
        self._in_text = False
        if name == "si":
            self._ends.append(self._length)

    def text(self, text: str) -> None:
        if self._in_text and self._length < _MOST_SHARED:
            self._parts.append(text)
            self._length += len(text)

    def at(self, number: str) -> str:
        """The text of that number; empty if there is none."""
        if self._all is None:
            self._all, self._parts = "".join(self._parts), []
        place = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1
        return self._all[self._ends[place] : self._ends[place + 1]] if 0 <= place < len(self._ends) - 1 else ""


class _Styles(XmlReader):
    """Which styles of cells show a number as a date."""

    def __init__(self) -> None:
        super().__init__()
        self.dates: set[str] = set()
        self._own: set[str] = set()
        self._in_cells = False
        self._count = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "numFmt" and _DAY.search(_QUOTED.sub("", attributes.get("formatCode", ""))):
            self._own.add(attributes.get("numFmtId", ""))
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            format = attributes.get("numFmtId", "")
            if format in self._own or (format.isdecimal() and int(format[:6]) in _DATE_FORMATS):
                self.dates.add(str(self._count))
            self._count += 1

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False


class _Sheet(XmlReader):
    """The rows of a sheet."""

    skipped = frozenset({"f", "rPh"})

    def __init__(self, rows: RowWriter, shared: _SharedTexts, dates: set[str], epoch: dt.datetime) -> None:
        super().__init__()
        self._rows, self._shared, self._dates, self._epoch = rows, shared, dates, epoch
        self._cells: list[str] = []
        self._parts: list[str] = []
        self._kind = self._style = ""
        self._in_value = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            self._parts = []
        elif name in ("v", "t"):
            self._in_value = True

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._in_value = False
        elif name == "c":
            self._cells.append(self._value("".join(self._parts)))
        elif name == "row":
            self._rows.add(self._cells)
            self._cells = []

    def text(self, text: str) -> None:
        if self._in_value:
            self._parts.append(text)

    def _value(self, text: str) -> str:
        if self._kind == "s":
            return self._shared.at(text)
        if self._kind != "n" or not text:
            return text if self._kind in ("str", "inlineStr", "d") else ""
        try:
            number = float(text)
            if self._style in self._dates:
                return _as_date(self._epoch + dt.timedelta(days=number))
        except (ValueError, OverflowError):
            return text
        return f"{number:.15g}"


def _as_date(at: dt.datetime) -> str:
    at = (at + dt.timedelta(milliseconds=500)).replace(microsecond=0)
    return at.date().isoformat() if at.time() == dt.time() else at.isoformat(" ")
