"""Takes the text of a document as it is read, page by page, and hands it on in pieces of bounded size."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mmsearch.retrieval.media.texts.encoded_data import BREAK, left_out_note, readable_part
from mmsearch.retrieval.media.texts.text import CONTROL, join_notes

if TYPE_CHECKING:
    from PIL import Image

PageTexts = list[tuple[int, str]]
"""``(page, text)``, pages from 0; several texts of a page follow one another."""

MAX_CHARACTERS = 32 * 1024 * 1024
"""Of the text of a document that is used: about 10,000 printed pages, and as many passages as a file may have."""

PIECE_CHARACTERS = 64 * 1024
"""About this long is a text that is handed on; no passage reaches across its end."""

_PART_TEXTS, _PART_CHARACTERS = 4096, 1024 * 1024
_SURROGATE = re.compile("[\ud800-\udfff]")


class Show(Protocol):
    """Takes the picture of a page."""

    def __call__(self, page: int, picture: Image.Image, draw: Callable[[int], Image.Image] | None = None, /) -> object:
        """See `DocumentSink`; ``draw`` takes the pixels along the longer side."""


class DocumentFullError(Exception):
    """The document has more text than is used: reading ends here."""


class DocumentSink:
    """Takes what is read of a document.

    Args:
        emit: is called with texts in order, in parts of bounded size.
        show: is called with the number of a page and its picture, and for a page without text with what draws it in
            any size; None: no pictures of pages are wanted.
        expect_pages: is called with the number of pages, as soon as it is known.
    """

    def __init__(
        self,
        emit: Callable[[PageTexts], None],
        show: Show | None = None,
        expect_pages: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._emit = emit
        self.show = show
        self.expect_pages = expect_pages
        self._page = 0
        self._blocks: list[str] = []
        self._length = 0
        self._texts: PageTexts = []
        self._texts_length = 0
        self._left = MAX_CHARACTERS
        self._left_out = self._repeated = 0

    @property
    def has_text(self) -> bool:
        """Whether any text has come."""
        return self._left < MAX_CHARACTERS

    def add(self, page: int, text: str, end: str = "\n") -> None:
        """Add a piece of a page's text: a paragraph, a line, or all of it. Pages come in order.

        Args:
            page: its number, from 0.
            text: the text; white space alone counts for nothing.
            end: what is put between it and the next piece.

        Raises:
            DocumentFullError: it was the last that is used.
        """
        if page != self._page:
            self._finish_text()
            self._page = page
        if not text or text.isspace():
            return
        used = text[: self._left]
        self._left -= len(used)
        while used:
            self._blocks.append(used[:PIECE_CHARACTERS])
            self._length += len(self._blocks[-1])
            used = used[PIECE_CHARACTERS:]
            self._blocks.append("" if used else end)
            if self._length >= PIECE_CHARACTERS:
                self._finish_text()
        if self._left <= 0:
            raise DocumentFullError

    def close(self) -> str | None:
        """Hand on what is left; returns a note on what was left out, or None."""
        self._finish_text()
        self._hand_on()
        full = f"only the first {MAX_CHARACTERS >> 20} million characters are used" if self._left <= 0 else None
        return join_notes(left_out_note(self._left_out, self._repeated), full)

    def _finish_text(self) -> None:
        text, self._blocks, self._length = "".join(self._blocks), [], 0
        if not text:
            return
        readable = readable_part(CONTROL.sub(" ", _SURROGATE.sub("\ufffd", text)))
        self._left_out += readable.left_out
        self._repeated += readable.repeated
        text = readable.text.replace(BREAK, "\n\n").strip()
        if not text:
            return
        self._texts.append((self._page, text))
        self._texts_length += len(text)
        if len(self._texts) >= _PART_TEXTS or self._texts_length >= _PART_CHARACTERS:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._texts:
            self._emit(self._texts)
        self._texts, self._texts_length = [], 0
