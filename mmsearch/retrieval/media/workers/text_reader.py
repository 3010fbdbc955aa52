"""Reads the text in the pictures of one job: which of them are looked at, and how much time that may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from mmsearch.retrieval.enrich.ocr.lines import WANTED_SIDE, OcrMode, TextLine
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.retrieval.media.workers.messages import Extent
from mmsearch.types import Facts

if TYPE_CHECKING:
    from PIL import Image

_SECONDS_OF_PICTURE = 30.0
"""A picture may take as long to read as so many seconds of a film to decode."""

_FAILED = "the text in it could not be read"


def larger(file: IO[bytes], format: str, max_pixels: int) -> Image.Image:
    """A JPEG that was decoded at a reduced scale, at the size at which it can be read."""
    return decode_image(file, max_pixels=max_pixels, target=(WANTED_SIDE, WANTED_SIDE), draft=1.0, format=format)[0]


class TextReader:
    """Reads text in pictures.

    Args:
        mode: see `DecodeSpec.ocr`.
        announce: takes how much there is to do, by which the time limit grows.
    """

    def __init__(self, mode: OcrMode, announce: Callable[[Extent], None]) -> None:
        self.mode = mode
        self._announce = announce
        self._failed = False

    def lines(self, picture: Image.Image, larger: Callable[[], Image.Image] | None = None) -> tuple[TextLine, ...]:
        """The lines in an upright RGB picture.

        Args:
            picture: what is glanced at.
            larger: gives the same picture with more pixels, which is read; None: ``picture`` has all.
        """
        if self.mode == "off":
            return ()
        from mmsearch.retrieval.enrich.ocr.reader import may_hold_text, read_lines

        try:
            if self.mode == "auto" and not may_hold_text(picture):
                return ()
            self._announce(Extent(duration_s=_SECONDS_OF_PICTURE))
            return tuple(read_lines(picture if larger is None else larger()))
        except Exception:  # the picture itself is fine: it keeps its row
            self._failed = True
            return ()

    def with_note(self, facts: Facts) -> Facts:
        """The facts of the file, with a note where the text in some picture of it could not be read."""
        return replace(facts, note=join_notes(facts.note, _FAILED)) if self._failed else facts
