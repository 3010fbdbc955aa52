"""Reads a line of words: takes out of it what it asks for besides them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmsearch.retrieval.search.reading.reading import Reading

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch.retrieval.search.reading.known import KnownNames

_MAY_BE_MORE = re.compile(
    r"\d|\b(?:with|without|ohne|sans|sin|no|not|in|at|from|near|around|close|by|on|last|this|past|previous|yesterday"
    r"|gestern|heute|today|since|seit|before|vor|after|nach|until|till|bis|between|ago|en|à|nahe|bei|im"
    r"|footage|bilder|lieder|dokumente|texte|(?:photo|photograph|picture|image|pic|foto|video|film|movie)\s+of)\b"
    r"|[\"“„«]|s\b",
    re.IGNORECASE,
)
"""Lines without any of these are words and nothing else."""


def read_query(text: str, *, known: KnownNames | None = None, today: dt.date | None = None) -> Reading:
    """Read a line of words.

    Args:
        text: the line.
        known: the names that the collection knows; None: no places and cameras are found, but positions are.
        today: the day that ``yesterday`` is counted from; default that of this machine's clock.
    """
    if not _MAY_BE_MORE.search(text):
        return Reading(text, text)
    from mmsearch.retrieval.search.reading.reader import Reader  # most lines are plain, and it takes some milliseconds

    return Reader(text, known, today).read()
