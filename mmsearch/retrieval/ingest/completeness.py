"""What was made of a file when it was embedded: told by each of its rows, so that a part that is lost is missed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S
from mmsearch.types import Modality


@dataclass(frozen=True, slots=True)
class CutOptions:
    """What a run makes of files that it embeds: windows of ``window`` seconds of sound every ``hop``, and the texts of
    the column ``text_column`` of tables (None: the one that is guessed)."""

    window: float = WINDOW_S
    hop: float = HOP_S
    text_column: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The rows of a file by modality, 0 where a modality was looked for in vain, and the options that shaped them.

    A modality that is not named was not looked for: no model embedded it.
    """

    rows: Mapping[Modality, int] = field(default_factory=dict)
    window: float | None = None
    hop: float | None = None
    column: str | None = None
    guessed: bool = False

    def to_text(self) -> str:
        """As the column ``made`` of a shard holds it: JSON."""
        data: dict[str, Any] = {"rows": dict(self.rows)}
        if self.rows.get("audio"):
            data |= {"window": self.window, "hop": self.hop}
        if self.column is not None:
            data |= {"column": self.column, "guessed": self.guessed}
        return json.dumps(data, ensure_ascii=True)

    def is_as(self, wanted: CutOptions) -> bool:
        """Whether a run that wants ``wanted`` would make the same rows of the file."""
        if self.rows.get("audio") and (self.window, self.hop) != (wanted.window, wanted.hop):
            return False
        return self.column is None or (self.has_column(wanted) and (wanted.text_column is not None or self.guessed))

    def has_column(self, wanted: CutOptions) -> bool:
        """Whether the texts are of the column that is asked for, where one is."""
        return self.column is None or wanted.text_column in (None, self.column)


@lru_cache(maxsize=4096)
def made_of_text(text: str | None) -> Made | None:
    """The inverse of `Made.to_text`; None of rows of earlier versions, which do not say."""
    if text is None:
        return None
    try:
        return Made(**json.loads(text))
    except (ValueError, TypeError):
        return None
