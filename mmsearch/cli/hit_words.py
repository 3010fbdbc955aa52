"""A hit as text: its level and numbers, path, span, evidence and passage, and remarks about its file."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmsearch import Hit
from mmsearch.cli.output import terminal_safe

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


def span(hit: Hit) -> str:
    """The part of the file that the hit is, such as ``00:01:23–00:01:31``; empty if it is the whole file."""
    return str(hit.span) if hit.span else ""


def evidence(hit: Hit) -> str:
    """The kinds of rows that a film was found by, such as ``frame + sound``; empty if they are only frames."""
    return " + ".join(hit.evidence) if hit.modality == "video" and hit.evidence != ("frame",) else ""


def remarks(hit: Hit) -> str:
    """Remarks about the file in brackets (state, note, copies), and the passage of a text."""
    parts = [f"[{_STATE[hit.state]}]"] if hit.state in _STATE else []
    parts += [f"[{hit.note}]"] if hit.note else []
    parts += [f"[{len(hit.copies) + 1} copies]"] if hit.copies else []
    parts += [" ".join(hit.text.split())] if hit.text else []
    return terminal_safe(" ".join(parts))
