"""What the cells of a table are: words, or numbers, dates and addresses; and whether a first row names the columns."""

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
"""Of columns of texts, the likeliest first."""

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
    """A number, an amount, a percentage."""
    return _NUMBER.fullmatch(cell) is not None


def is_date(cell: str) -> bool:
    """A date or a time in digits."""
    return _DATE.fullmatch(cell) is not None


def is_address(cell: str) -> bool:
    """A URL, a path, a file's name, a mail address or a hash."""
    if " " not in cell and cell.rpartition(".")[2].lower() in _ENDINGS and "." in cell[1:]:
        return True
    return _ADDRESS.fullmatch(cell) is not None


def is_words(cell: str) -> bool:
    """Words: letters that are no address and no date."""
    return any(map(str.isalpha, cell[:200])) and not (is_number(cell) or is_date(cell) or is_address(cell))


def is_known_name(cell: str) -> bool:
    """A name that columns often have."""
    return re.sub(r"[\W_]", "", cell).lower() in _KNOWN_NAMES


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    A well-known name says so, a number or an address in it says no. Else each column has a vote: names are shorter than
    the texts below them, are no numbers above numbers, and do not come again below. Where nothing tells, rows of
    several columns have a header, and a single column of words has none: it is better to take a name for a row than to
    lose a row.
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
    """In words, those of scripts without spaces by their characters."""
    return max(len(cell.split()), len(cell) / 8)
