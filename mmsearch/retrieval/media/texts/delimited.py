"""CSV and similar tables: delimiter, quotes and header are guessed from the first rows, the rest is read row by row."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts.cells import USUAL_NAMES, has_header, is_known_name
from mmsearch.retrieval.media.texts.lines import MAX_LINE, Lines, open_text
from mmsearch.types import counted, sized

_DELIMITERS = ("\t", ";", "|", ",")
_NONE = "\x1f"  # `Lines` leaves no control characters, so this cuts nowhere
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 1000, 512 * 1024
_SAMPLE_ROWS = 200
_MOST_ABOVE = 30
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class DelimitedTable:
    """A table whose rows are read again by each call of `texts`.

    Attributes:
        names: of the columns, by the header; their numbers from 1 if there is none.
        has_header: whether the first row names the columns.
        notes: what was guessed or left out.

    Args:
        source: the file.
        delimiter: between the cells; None: guess it.
        expected_column: a name that the user expects in the header.
    """

    def __init__(self, source: IO[bytes], delimiter: str | None, expected_column: str | None) -> None:
        csv.field_size_limit(4 * MAX_LINE)
        self._source = source
        self._above = 0
        self.notes: list[str | None] = []
        self.has_header = True
        lines = self._first_lines()
        self._pass_over_comments(lines)
        self._options = _dialect(lines[self._above :], delimiter or self._stated)
        rows = self._sample = _rows(lines[self._above :], self._options)[:_SAMPLE_ROWS]
        above = _titles_above(rows)
        if above:
            self.notes.append(f"{counted(above, 'line')} above the header left out")
            del rows[:above]
        self._above_rows = above
        self.has_header = bool(rows) and (
            has_header(rows) or (expected_column is not None and expected_column in (cell.strip() for cell in rows[0]))
        )
        width = max(map(len, rows), default=0)
        first = [cell.strip() for cell in rows[0]] if self.has_header else []
        self.names = [name or str(i + 1) for i, name in enumerate(first)]
        self.names += [str(i + 1) for i in range(len(first), width)]

    @property
    def is_empty(self) -> bool:
        """Whether there is a header and no row below it."""
        return self.has_header and len(self._sample) == 1

    def sample(self, column: int) -> list[str]:
        """The cells of a column in the first rows, empty ones left out."""
        rows = self._sample[1:] if self.has_header else self._sample
        return [row[column].strip() for row in rows if column < len(row) and row[column].strip()]

    def texts(self, column: int) -> Iterator[tuple[int, str]]:
        """Rows, counted from 0 after the header, and their cells."""
        skipped = self._above_rows + self.has_header
        with open_text(self._source) as (text, note):
            self.notes.insert(0, note)
            lines = Lines(text, self._options["quotechar"])
            for number, row in enumerate(itertools.islice(self._read(lines), skipped, None)):
                if column < len(row):
                    yield number, row[column]
            if lines.cut:
                self.notes.append(f"{counted(lines.cut, 'row')} of over {sized(MAX_LINE)} cut")

    def _read(self, lines: Lines) -> Iterator[list[str]]:
        reader = csv.reader(itertools.islice(lines, self._above, None), **self._options)
        try:
            for row in reader:
                lines.fed = 0
                if row:
                    yield row
        except csv.Error:  # the only error that the csv module raises here: a cell is over its limit
            raise DecodeError("damaged table: a quoted cell in it does not end") from None

    def _first_lines(self) -> list[str]:
        found: list[str] = []
        characters = 0
        with open_text(self._source) as (text, _):
            for line in Lines(text):
                found.append(line)
                characters += len(line)
                if len(found) >= _SAMPLE_LINES or characters > _SAMPLE_CHARACTERS:
                    break
        return found

    def _pass_over_comments(self, lines: Sequence[str]) -> None:
        """Find the first line of the table, after blank lines, Excel's ``sep=;`` and comments."""
        self._stated: str | None = None
        for line in lines:
            stated = _SEPARATOR.fullmatch(line)
            if stated and self._stated is None:
                self._stated = stated[1]
            elif line.strip() and not _is_comment(line, lines):
                break
            self._above += 1
        comments = [line for line in lines[: self._above] if line.startswith("#")]
        rest = lines[self._above : self._above + 50]
        if comments and rest and _names_columns(comments[-1], rest, self._stated):
            self._above -= 1  # the header is written as a comment, as in "#chrom	start"


def _is_comment(line: str, lines: Sequence[str]) -> bool:
    """Whether a line is a comment; in a file where most lines begin with ``#``, they are hashtags."""
    marked = sum(other.startswith("#") for other in lines)
    return line.startswith("#") and (2 * marked < len(lines) or (marked < len(lines) and line[1:2].isspace()))


def _names_columns(comment: str, rest: Sequence[str], stated: str | None) -> bool:
    options = _dialect(rest, stated)
    rows = _rows([comment.lstrip("# "), *rest], options)
    return len(rows) > 1 and 1 < len(rows[0]) == len(rows[1]) and not has_header(rows[1:])


def _dialect(lines: Sequence[str], delimiter: str | None) -> dict[str, Any]:
    """Arguments for `csv.reader`."""
    text = "".join(lines)
    quote = "'" if '"' not in text and len(re.findall(r"(?m)^'|'$|',|,'", text)) >= 2 * len(lines) else '"'
    options: dict[str, Any] = {"quotechar": quote}
    if '\\"' in text and '""' not in text:
        options |= {"escapechar": "\\", "doublequote": False}
    if re.search(r'[,;|\t] +"[^"\n]*" *(?:[,;|\t]|\r?$)', text, re.MULTILINE):
        options["skipinitialspace"] = True
    if delimiter is None or (delimiter == "\t" and "\t" not in text):
        delimiter = _guess_delimiter(lines, options)
    return {**options, "delimiter": delimiter}


def _guess_delimiter(lines: Sequence[str], options: dict[str, Any]) -> str:
    """The delimiter that gives most rows the same number of columns, preferably a large one; or `_NONE`."""
    if lines and lines[0].strip().strip('"').lower() in USUAL_NAMES:
        return _NONE  # a single column of texts, which may contain commas
    best = (False, 0, _NONE)
    text = "".join(lines)
    for delimiter in _DELIMITERS:
        widths = Counter(map(len, _rows(lines, {**options, "delimiter": delimiter})[:_SAMPLE_ROWS]))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        if max(widths, default=0) > width and widths[max(widths)] == count:
            width = max(widths)
        share = count / max(1, widths.total())
        between_words = delimiter == "," and share < 1 and not re.search(r",(?! )", text)
        if width > 1 and share >= 0.5 and not between_words:
            best = max(best, (share >= 0.8, width, delimiter), key=lambda one: one[:2])
    if best[2] == _NONE:  # the rows may all have different numbers of columns
        for delimiter in _DELIMITERS:
            first = _rows(lines[:1], {**options, "delimiter": delimiter})
            if first and len(first[0]) > 1 and any(map(is_known_name, first[0])):
                return delimiter
    return best[2]


def _rows(lines: Sequence[str], options: dict[str, Any]) -> list[list[str]]:
    """The rows of some lines; the last line may be cut off."""
    try:
        return [row for row in csv.reader(lines, **options) if row]
    except csv.Error:
        return []


def _titles_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows above the header are titles: they have far fewer cells than most rows."""
    if len(rows) < 3:
        return 0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows[:_MOST_ABOVE]]
    above = next((i for i, count in enumerate(filled) if 2 * count >= width), 0)
    return above if width > 1 else 0
