"""Reads a line of words: takes out of it what it asks for besides them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.retrieval.search.reading.reading import Reading

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch.retrieval.search.reading.known import KnownNames

_TELLING = {
    *("without", "ohne", "sans", "sin", "no", "not", "in", "at", "from", "near", "around", "close", "nahe", "bei"),
    *("last", "this", "past", "previous", "yesterday", "gestern", "heute", "today", "since", "seit", "before", "vor"),
    *("after", "nach", "until", "till", "bis", "between", "ago", "en", "à", "im", "taken", "shot", "made", "captured"),
    *("photographed", "filmed", "recorded", "aufgenommen"),
}
_KINDS = (
    *("photo", "picture", "image", "pic", "foto", "bilder", "snapshot", "video", "vídeo", "film", "movie", "footage"),
    *("song", "recording", "track", "lieder", "chanson", "canci", "sounds", "document", "dokument", "text", "note"),
    *("pdf", "article", "email"),
)


def _may_be_more(text: str) -> bool:
    """Whether a line may be more than words: it has a digit, a quotation mark, or a word that readers look for.

    Most lines are plain, and this costs less than to load the readers.
    """
    if any(c.isdigit() or c in '"“„«' for c in text):
        return True
    words = [word.strip(",;:?!.()") for word in text.casefold().split()]
    return any(word in _TELLING or word.startswith(_KINDS) for word in words)


def read_query(text: str, *, known: KnownNames | None = None, today: dt.date | None = None) -> Reading:
    """Read a line of words.

    Args:
        text: the line.
        known: the names that the collection knows; None: no places and cameras are found, but positions are.
        today: the day that ``yesterday`` is counted from; default that of this machine's clock.
    """
    if not _may_be_more(text):
        return Reading(text, text)
    from mmsearch.retrieval.search.reading.reader import Reader  # takes milliseconds

    return Reader(text, known, today).read()
