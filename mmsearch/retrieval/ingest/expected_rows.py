"""How many rows a file was given and which options cut it: stored with each row, so that missing rows are noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmsearch.retrieval.enrich.ocr.lines import OcrMode
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S
from mmsearch.types import Modality


@dataclass(frozen=True, slots=True)
class CutOptions:
    """The options that decide which rows a file is cut into.

    Sound is cut into windows of ``window`` seconds, one every ``hop`` seconds. The texts of a table are those of the
    column ``text_column``; None: the column is guessed. ``speech`` names what turns speech into text, if anything does;
    with ``speech_chosen``, files in which another transcriber has listened are listened to again.
    ``ocr`` tells in which pictures text is read.
    """

    window: float = WINDOW_S
    hop: float = HOP_S
    text_column: str | None = None
    speech: str | None = None
    speech_chosen: bool = False
    ocr: OcrMode = "off"


@dataclass(frozen=True, slots=True)
class ExpectedRows:
    """The number of rows that a file has in each modality when all are there, and the options that cut it.

    ``rows`` is 0 for a modality that was looked for and not found; a modality that no model embedded is missing from
    it. ``column`` is the text column of a table, and ``guessed`` whether it was guessed. ``speech`` names the
    transcriber that was to listen to a film or sound; None: none was, or it is another file.
    ``ocr`` tells in which of its pictures text was read; None: in none.
    """

    rows: Mapping[Modality, int] = field(default_factory=dict)
    window: float | None = None
    hop: float | None = None
    column: str | None = None
    guessed: bool = False
    speech: str | None = None
    ocr: OcrMode | None = None

    def to_text(self) -> str:
        """The value of the column ``made`` of a shard: JSON."""
        data: dict[str, Any] = {"rows": dict(self.rows)}
        if self.rows.get("audio"):
            data |= {"window": self.window, "hop": self.hop}
        if self.column is not None:
            data |= {"column": self.column, "guessed": self.guessed}
        if self.speech is not None:
            data["speech"] = self.speech
        if self.ocr is not None and self.has_pictures:
            data |= {"ocr": self.ocr}
        return json.dumps(data, ensure_ascii=True)

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures, pages or frames in the file."""
        return bool(self.rows.get("image") or self.rows.get("video"))

    def is_read_as(self, ocr: OcrMode) -> bool:
        """Whether text was read in all pictures of the file in which a run with that option would read it."""
        return ocr == "off" or not self.has_pictures or self.ocr in (ocr, "all")

    def is_cut_by(self, options: CutOptions) -> bool:
        """Whether a run with these options would cut the file into the same rows."""
        if self.rows.get("audio") and (self.window, self.hop) != (options.window, options.hop):
            return False
        if self.lacks_texts(options):
            return False
        if self.column is None:
            return True
        return self.has_text_column(options) and (options.text_column is not None or self.guessed)

    def lacks_texts(self, options: CutOptions) -> bool:
        """Whether a run with these options would look for texts where none were looked for: in pictures, for speech."""
        if not self.is_read_as(options.ocr):
            return True
        if options.speech is None:
            return False
        if self.speech is None:
            return bool(self.rows.get("audio") or self.rows.get("video"))
        return options.speech_chosen and self.speech != options.speech

    def has_text_column(self, options: CutOptions) -> bool:
        """Whether the texts are from the column that the options name; True where either names none."""
        return self.column is None or options.text_column in (None, self.column)


@lru_cache(maxsize=4096)
def expected_rows_from_text(text: str | None) -> ExpectedRows | None:
    """The inverse of `ExpectedRows.to_text`; None for rows of versions that did not store it."""
    if text is None:
        return None
    try:
        return ExpectedRows(**json.loads(text))
    except (ValueError, TypeError):
        return None
