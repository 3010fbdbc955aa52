"""Recognises words, numbers, dates and addresses in the cells of a table, and a first row that names its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mmsearch.retrieval.media.formats import MEDIA_ENDINGS, TEXT_ENDINGS
from mmsearch.retrieval.media.unsupported import BINARY_ENDINGS

USUAL_NAMES = (
    "caption",
    "text",
    "description",
    "title",
    "sentence",
    "passage",
    "content",
    "body",
    "abstract",
    "comment",
    "summary",
    "question",
    "name",
)
"""Usual names of columns of texts, the most likely first."""

_KNOWN = """
id ids index idx no nr key uuid guid url uri link href src path file filename filepath image imageid img imgid photo
picture video audio captions texts desc alttext titles answer label labels tag tags category class type kind date time
datetime timestamp created createdat updated author user userid username email phone lang language country city address
score rating stars price amount size width height lat lon lng latitude longitude split source target query prompt
response message review tweet subject note notes keywords topic transcript datum titel beschreibung preis nombre
descripcion titulo fecha titre legende caption1 text1
"""
_KNOWN_NAMES = frozenset([*USUAL_NAMES, *_KNOWN.split()])
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d[\d.,\s]*(?:[eE][-+]?\d+)?\s*[%€$£]?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.{0,20}|\d{1,2}:\d{2}(?::\d{2})?.{0,10}")
_ADDRESS = re.compile(r"\w+://\S+|www\.\S+|[/~\\]\S*|[A-Za-z]:\\.*|\S+@\S+\.\w+|[0-9a-fA-F-]{16,}")
_ENDINGS = MEDIA_ENDINGS | BINARY_ENDINGS | TEXT_ENDINGS | {"json", "xml", "html"}
_NAME = re.compile(r"[^\W\d][\w .:()/%#-]{0,40}")


def is_number(cell: str) -> bool:
    """Whether a cell is a number, an amount or a percentage."""
    return _NUMBER.fullmatch(cell) is not None


def is_date(cell: str) -> bool:
    """Whether a cell is a date or a time in digits."""
    return _DATE.fullmatch(cell) is not None


def is_address(cell: str) -> bool:
    """Whether a cell is a URL, a path, a file's name, an e-mail address or a hash."""
    if " " not in cell and cell.rpartition(".")[2].lower() in _ENDINGS and "." in cell[1:]:
        return True
    return _ADDRESS.fullmatch(cell) is not None


def is_words(cell: str) -> bool:
    """Whether a cell has letters, and is no number, date or address."""
    return any(map(str.isalpha, cell[:200])) and not (is_number(cell) or is_date(cell) or is_address(cell))


def is_known_name(cell: str) -> bool:
    """Whether a cell is a usual name of a column."""
    return re.sub(r"[\W_]", "", cell).lower() in _KNOWN_NAMES


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    It does if it has a usual name, and does not if it has a number, a date or an address. Otherwise each column has a
    vote: a name is shorter than the texts below it, or stands above numbers, dates or addresses, and is not repeated
    below. Without a majority, several columns have a header, and a single column of words has none: a name that becomes
    a text does less harm than a text that is lost.
    """
    first = [cell.strip() for cell in rows[0]]
    columns = [[row[i].strip() for row in rows[1:] if i < len(row) and row[i].strip()] for i in range(len(first))]
    fresh = [cell for cell, below in zip(first, columns, strict=True) if cell and cell not in below]
    if any(map(is_known_name, fresh)):
        return True
    if not any(first) or any(is_number(cell) or is_date(cell) or is_address(cell) for cell in first if cell):
        return False
    votes = sum(_vote(cell, below) for cell, below in zip(first, columns, strict=True))
    if votes or len(rows) == 1:
        return votes > 0
    names = [cell for cell in first if _NAME.fullmatch(cell) and len(cell.split()) <= 3]
    return len(first) > 1 and len(set(names)) == len(first)


def _vote(name: str, below: Sequence[str]) -> int:
    if not below:
        return 0
    if name and name in below:
        return -1
    if _mostly(is_number, below) or _mostly(is_date, below):
        return 2
    if _mostly(is_address, below):
        return 1
    usual = sum(map(_length, below)) / len(below)
    if usual < 3:
        return 0
    return 1 if _length(name) <= min(3.0, usual / 2) else -1


def _mostly(test: Callable[[str], bool], cells: Sequence[str]) -> bool:
    return sum(map(test, cells)) > 0.8 * len(cells)


def _length(cell: str) -> float:
    """The number of words; in scripts without spaces, characters divided by 8."""
    return max(len(cell.split()), len(cell) / 8)
