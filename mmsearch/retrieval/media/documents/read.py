"""Reads a document of any format into a `DocumentSink`."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.sink import DocumentFullError, DocumentSink
from mmsearch.retrieval.media.formats import FORMATS
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import Facts

if TYPE_CHECKING:
    from PIL import Image

Reader = Callable[[IO[bytes], str, DocumentSink], Facts]
"""Reads a file of the named format, gives its text to the sink, and returns what the document says of itself.

It raises `DecodeError` where the file is damaged, encrypted or too large; text that came before is used.
"""


def read_document(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """Read a document; its facts have a note where only part of it could be used.

    Raises:
        DecodeError: nothing of it can be read.
    """
    module = importlib.import_module(f"mmsearch.retrieval.media.{FORMATS[format].reader}")
    reader: Reader = module.read
    facts, damage = Facts(), None
    source.seek(0)
    with contextlib.suppress(DocumentFullError):
        try:
            facts = reader(source, format, sink)
        except DecodeError as error:
            if not sink.has_text:
                raise
            damage = f"only part of it could be read: {error}"
    return replace(facts, note=join_notes(facts.note, damage, sink.close()))


def page_picture(source: IO[bytes], format: str, page: int, side: int) -> Image.Image:
    """The look of one page as an RGB picture.

    Args:
        source: the file.
        format: its name in `formats.FORMATS`.
        page: its number, from 0.
        side: the pixels along its longer side.

    Raises:
        DecodeError: there is no such page, or documents of this format are not drawn.
    """
    if format != "pdf":
        raise DecodeError(f"no picture of it: only pages of PDF are drawn, not {FORMATS[format].title}")
    from mmsearch.retrieval.media.documents.pdf import Pdf

    source.seek(0)
    with Pdf(source) as pdf:
        return pdf.picture(page, side)
