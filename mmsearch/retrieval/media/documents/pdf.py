"""PDF: the text of each page, pages as pictures, and the metadata, by PDFium.

`Pdf.picture` renders one page. It is for worker processes only: PDFium is a large parser of untrusted files.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import Facts, counted

if TYPE_CHECKING:
    from typing import Self

    from PIL import Image

MAX_LOOKS = 1000
"""Pages of a PDF of which a picture is taken."""

FEW_LETTERS = 500
"""A page with fewer letters is also taken as a picture. A hundred words have about as many."""

LEAST_PICTURES, SCANNED = 0.2, 0.95
"""So is one of which pictures cover this share, up to a scan of a page of words, which shows nothing else."""

LOOK_SIDE = 768
"""The pixels along the longer side of a page's picture: models see less, and small drawings survive the scaling."""

_MOST_OBJECTS = 20_000
"""Lines, characters and pictures of a page that are looked at. Only maps and plans have more."""
_DEPTH = 3
_MOST_ANNOTATIONS = 1000
_LONGEST_STRING = 16 * 1024
_MAX_PAGE_CHARACTERS = 1024 * 1024
_LONGEST_SIDE = 14_400 * 75_000
"""In points: the largest unit that a page may have, times the most units."""

_HYPHEN = "\ufffe"
"""PDFium's mark for the hyphen of a word that goes on in the next line, which it joins."""
_LINE_END = re.compile(r"\r\n?|\n")
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’»)\]]*\Z")
_LEADER, _DOTS = re.compile(r"\s*\.(?:\s?\.){4,}\s*"), " … "
"""The dots between an entry of a table of contents and its page."""
_FULL_LINE = 0.6
"""A line with this share of the longest line's length goes on in the next one, unless a sentence ends with it."""


class Pdf:
    """An open PDF; a context manager.

    Args:
        source: the file, which must stay open.

    Raises:
        DecodeError: it is damaged beyond repair, or encrypted.
    """

    def __init__(self, source: IO[bytes]) -> None:
        import pypdfium2 as pdfium

        self._error = pdfium.PdfiumError
        self._raw = pdfium.raw
        try:
            self._document: Any = pdfium.PdfDocument(source)
        except pdfium.PdfiumError as error:
            raise DecodeError(_REASONS.get(int(error.err_code or 0), _DAMAGED)) from None
        self.page_count = len(self._document)
        if self._document.get_formtype() != self._raw.FORMTYPE_NONE:
            with contextlib.suppress(pdfium.PdfiumError):
                self._document.init_forms()  # what was filled in is drawn, too

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._document.close()

    def text(self, page: int) -> str:
        """The text of a page, a paragraph a line, as far as lines tell; then what was filled in and remarked on it.

        Args:
            page: its number, from 0.

        Raises:
            DecodeError: the page is damaged.
        """
        with self._page(page) as opened, contextlib.closing(opened.get_textpage()) as text:
            count = min(text.count_chars(), _MAX_PAGE_CHARACTERS)
            printed = _with_joined_lines(text.get_text_range(0, count) if count > 0 else "")
            return "\n".join([printed, *self._written_on(opened)]).strip()

    def picture(self, page: int, side: int) -> Image.Image:
        """A page as an RGB picture.

        Args:
            page: its number, from 0.
            side: the pixels along its longer side.

        Raises:
            DecodeError: there is no such page, or it is damaged.
        """
        with self._page(page) as opened:
            width, height = opened.get_size()
            longest = max(width, height)
            if not 0 < longest <= _LONGEST_SIDE or min(width, height) <= 0:
                raise DecodeError(f"page {page + 1} has no size")
            with contextlib.closing(opened.render(scale=side / longest, rev_byteorder=True)) as bitmap:
                picture: Image.Image = bitmap.to_pil().convert("RGB")
                return picture.copy()

    def is_illustrated(self, page: int) -> bool:
        """Whether pictures cover much of a page that has words beside them, or it is a large drawing.

        Args:
            page: its number, from 0.

        Raises:
            DecodeError: the page is damaged.
        """
        raw = self._raw
        with self._page(page) as opened:
            if raw.FPDFPage_CountObjects(opened) > _MOST_OBJECTS:
                return True
            width, height = opened.get_size()
            covered = 0.0
            for picture in opened.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=_DEPTH):
                left, bottom, right, top = picture.get_bounds()
                covered += max(0.0, min(right, width) - max(left, 0.0)) * max(0.0, min(top, height) - max(bottom, 0.0))
            return bool(LEAST_PICTURES <= covered / max(width * height, 1.0) < SCANNED)

    def facts(self) -> Facts:
        """Title, keywords, language and date."""
        metadata = self._document.get_metadata_dict()
        return document_facts(
            title=metadata.get("Title"),
            tags=metadata.get("Keywords") or "",
            lang=self._language(),
            created=metadata.get("CreationDate"),
        )

    @contextlib.contextmanager
    def _page(self, number: int) -> Any:
        if not 0 <= number < self.page_count:
            raise DecodeError(f"there is no page {number + 1}: it has {counted(self.page_count, 'page')}")
        try:
            page = self._document[number]
        except self._error:
            raise DecodeError(f"page {number + 1} is damaged") from None
        try:
            yield page
        except self._error:
            raise DecodeError(f"page {number + 1} is damaged") from None
        finally:
            page.close()

    def _language(self) -> str | None:
        """The natural language of the document, in its catalog."""
        read = getattr(self._raw, "FPDFCatalog_GetLanguage", None)  # PDFium marks it as experimental
        return None if read is None else self._string(read, self._document)

    def _written_on(self, page: Any) -> Iterator[str]:
        """The values of fields of a form, and comments."""
        raw, form = self._raw, self._document.formenv
        for number in range(min(raw.FPDFPage_GetAnnotCount(page), _MOST_ANNOTATIONS)):
            annotation = raw.FPDFPage_GetAnnot(page, number)
            if not annotation:
                continue
            if raw.FPDFAnnot_GetSubtype(annotation) != raw.FPDF_ANNOT_WIDGET:
                text = self._string(raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
            elif form and raw.FPDFAnnot_GetFormFieldType(form, annotation) in _fields_of_text(raw):
                text = self._string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
            else:
                text = ""
            raw.FPDFPage_CloseAnnot(annotation)
            if text.strip():
                yield text.strip()

    def _string(self, read: Callable[..., int], *arguments: Any) -> str:
        """A string that a function of PDFium writes into a buffer; empty if it is too long for it."""
        import ctypes

        buffer = ctypes.create_string_buffer(_LONGEST_STRING)
        length = read(*arguments, ctypes.cast(buffer, ctypes.POINTER(self._raw.FPDF_WCHAR)), len(buffer))
        return buffer.raw[: length - 2].decode("utf-16-le", "ignore") if 2 < length <= len(buffer) else ""


def _fields_of_text(raw: Any) -> tuple[int, ...]:
    """Kinds of fields whose values are words, not the names of ticked boxes."""
    return raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX


_DAMAGED = "a damaged PDF: it cannot be read"
_REASONS = {
    4: "an encrypted PDF: it needs a password",
    5: "an encrypted PDF: its kind of encryption is not known",
}
"""By PDFium's error code."""


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of PDF; see `read.Reader`."""
    with Pdf(source) as pdf:
        sink.expect_pages(pdf.page_count)
        failed: list[DecodeError] = []
        looks = 0
        for page in range(pdf.page_count):
            text = ""
            try:
                text = pdf.text(page)
                if sink.show is not None and (_letters(text) < FEW_LETTERS or pdf.is_illustrated(page)):
                    looks += 1
                    if looks <= MAX_LOOKS:
                        draw = None if text.strip() else partial(pdf.picture, page)
                        sink.show(page, pdf.picture(page, LOOK_SIDE), draw)
            except DecodeError as error:
                failed.append(error)
            sink.add(page, text)
        if failed and len(failed) == pdf.page_count:
            raise failed[0]
        return replace(pdf.facts(), note=_note(failed, looks))


def _note(failed: list[DecodeError], looks: int) -> str | None:
    """A note on pages that were left out: those that failed, and those of ``looks`` that were not taken as pictures."""
    others = f" and {counted(len(failed) - 1, 'other')}" if len(failed) > 1 else ""
    return join_notes(
        f"{failed[0]}{others}" if failed else None,
        f"only the first {MAX_LOOKS:,} pages with few words are seen as pictures" if looks > MAX_LOOKS else None,
    )


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _with_joined_lines(text: str) -> str:
    """The lines of a page joined to paragraphs: a full line goes on in the next one, unless a sentence ends there."""
    drawn = [_LEADER.sub(_DOTS, line).strip().split(_HYPHEN) for line in _LINE_END.split(text)]
    full = _FULL_LINE * max((len(part) for parts in drawn for part in parts), default=0)
    joined = []
    for parts in drawn:
        ends = _SENTENCE_END.search(parts[-1][-8:]) or _DOTS in parts[-1]
        goes_on = len(parts[-1]) >= full and not ends
        joined += [*parts, " " if goes_on else "\n"]
    return "".join(joined).strip()
