"""A hit as text: its path, span, evidence and passage, and remarks about its file."""

from __future__ import annotations

import os

from mmsearch import Hit
from mmsearch.cli.output import terminal_safe

_STATE = {"gone": "file is gone", "changed": "file has changed since"}


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
