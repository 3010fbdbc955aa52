"""A hit as text: its level and numbers, path, span, evidence and passage, and remarks about its file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from mmsearch import Hit, Record
from mmsearch.cli.output import terminal_safe
from mmsearch.types import counted

_STATE = {"gone": "file is gone", "changed": "file has changed since"}
_UNKNOWN = "unknown"

NO_GOOD_MATCH = ("weak", "nothing")
"""The levels of hits that are no good match."""


def judgements(hits: Sequence[Hit], verbose: bool) -> dict[str, list[str]]:
    """How well hits fit, as columns by name: their level, or their score where none has a level.

    ``verbose``: the score, the match and the id of the row as well.
    """
    columns: dict[str, list[str]] = {}
    if any(hit.level for hit in hits):
        columns["level"] = [hit.level or _UNKNOWN for hit in hits]
    if verbose or not columns:
        columns["score"] = [f"{hit.score:.3f}" for hit in hits]
    if verbose:
        columns["match"] = [f"{hit.match:.1f}" for hit in hits]
        columns["id"] = [str(hit.id) for hit in hits]
    return columns


def shown_path(path: str) -> str:
    """The path, relative to the working folder if it lies below it, safe for a terminal."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return terminal_safe(path)
    return terminal_safe(path if relative.startswith("..") else relative)


def file_uri(path: str) -> str:
    """The path as a ``file:`` URI, for terminals with hyperlinks."""
    from urllib.parse import quote_from_bytes

    return "file://" + quote_from_bytes(os.fsencode(path))


def hit_uri(hit: Record) -> str:
    """The file of a hit as a ``file:`` URI; of an item, its archive or bucket."""
    path = hit.source if hit.is_item and hit.source is not None else hit.path
    return path if "://" in path else file_uri(path)


def span(hit: Hit) -> str:
    """The part of the file that the hit is, such as ``00:01:23–00:01:31``; empty if it is the whole file."""
    return str(hit.span) if hit.span else ""


_PLAIN_EVIDENCE = {"image": ("look",), "text": ("text",), "audio": ("sound",), "video": ("frame",)}


def evidence(hit: Hit) -> str:
    """What a hit was found by, such as ``frame + sound``; empty if it is what hits of its kind are found by anyway."""
    return " + ".join(hit.evidence) if hit.evidence != _PLAIN_EVIDENCE[hit.modality] else ""


def remarks(hit: Hit) -> str:
    """Remarks about the file in brackets (state, note, copies), and the passage of a text."""
    passage = [" ".join(hit.text.split())] if hit.text else []
    return terminal_safe(" ".join([*_in_brackets(hit), *passage]))


def marked_remarks(hit: Hit) -> list[tuple[str, bool]]:
    """What `remarks` says in pieces, each with whether it is a word of the query.

    A passage begins a little before the first of these words.
    """
    pieces = [(terminal_safe(one) + " ", False) for one in _in_brackets(hit)]
    if not hit.text:
        return [*pieces[:-1], (pieces[-1][0].rstrip(), False)] if pieces else []
    marks = [(words.start, words.end) for words in hit.matched if words.where == "text"]
    at = _snippet_start(hit.text, marks[0][0]) if marks else 0
    if at:
        pieces.append(("… ", False))
    for start, end in marks:
        if start >= at:
            pieces += [(_one_line(hit.text[at:start]), False), (_one_line(hit.text[start:end]), True)]
            at = end
    return [*pieces, (_one_line(hit.text[at:]).rstrip(), False)]


_BEFORE_WORDS = 60  # characters of a passage that are shown before the first word that was asked for


def _snippet_start(text: str, first: int) -> int:
    """From where a passage is shown, so that its first marked word is near: the start of a word."""
    if first <= _BEFORE_WORDS:
        return 0
    space = text.find(" ", first - _BEFORE_WORDS, first)
    return space + 1 if space >= 0 else first - _BEFORE_WORDS


def _one_line(text: str) -> str:
    return terminal_safe(re.sub(r"\s+", " ", text))


def _in_brackets(hit: Hit) -> list[str]:
    parts = [f"[{_STATE[hit.state]}]"] if hit.state in _STATE else []
    parts += [f"[{hit.note}]"] if hit.note else []
    return parts + ([f"[+{counted(len(hit.copies), 'copy', 'copies')}]"] if hit.copies else [])
