"""Lines of a text file, decoded as they are read: memory is bounded for files and lines of any length."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from mmsearch.retrieval.media.texts.text import CONTROL, Remark, utf16_without_mark

MAX_LINE = 4 * 1024 * 1024
"""In characters; the rest of a longer line is passed over."""

_CHUNK = 1024 * 1024
_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Lines:
    """Lines with their line ends, and control characters replaced by spaces.

    Of a quoted cell of over `MAX_LINE` characters, which may span many lines, the middle is left out.

    Attributes:
        cut: how many lines or cells were too long.
        fed: how many characters the reader of a table took since its last row; it sets it to 0 after each row.

    Args:
        text: the file.
        quote: the character around cells, for tables.
    """

    def __init__(self, text: io.TextIOBase, quote: str | None = None) -> None:
        self._text = text
        self._quote = quote
        self.cut = 0
        self.fed = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
                line = self._without_rest(line)
            if self._quote and self.fed > MAX_LINE and line.count(self._quote) % 2 == 0:
                continue  # the middle of a cell: the line that closes it has an odd number of quotes
            if self._quote and self.fed <= MAX_LINE < self.fed + len(line) and len(line) < MAX_LINE:
                self.cut += 1
            self.fed += len(line)
            yield CONTROL.sub(" ", line)

    def _without_rest(self, line: str) -> str:
        """The beginning of a line that is too long, with a quote at the end if the rest has an odd number of them."""
        quotes = 0
        while rest := self._text.readline(MAX_LINE):
            quotes += rest.count(self._quote) if self._quote else 0
            if rest.endswith(("\n", "\r")):
                break
        self.cut += 1
        return line + (self._quote or "") * (quotes % 2) + "\n"


@contextmanager
def open_text(source: IO[bytes]) -> Iterator[tuple[io.TextIOBase, str | None]]:
    """A file's characters from the beginning, and a note if their encoding had to be guessed."""
    encoding, note = _encoding(source)
    source.seek(0)
    text = io.TextIOWrapper(source, encoding, errors="replace", newline="")
    try:
        yield text, note
    finally:
        text.detach()  # the file stays open


def _encoding(source: IO[bytes]) -> tuple[str, str | None]:
    """The encoding, as `text.decode_text` finds it, and a note if it had to be guessed."""
    source.seek(0)
    head = source.read(16 * 1024)
    for mark, encoding in _MARKED:
        if head.startswith(mark):
            return encoding, None
    utf16 = utf16_without_mark(head)
    if utf16 is not None:
        return utf16, Remark.UTF_16
    for encoding, note in (("utf-8", None), ("cp1252", Remark.WINDOWS_1252)):
        if _decodes(source, encoding):
            return encoding, note
    return "latin-1", Remark.LATIN_1


def _decodes(source: IO[bytes], encoding: str) -> bool:
    source.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := source.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
