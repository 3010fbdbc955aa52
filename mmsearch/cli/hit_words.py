"""A hit in words: its path, span and evidence as a person reads them, and what is to be said of its file."""

from __future__ import annotations

import os

from mmsearch import Hit
from mmsearch.cli.output import harmless

_STATE = {"gone": "file is gone", "changed": "file has changed since"}


def shown_path(path: str) -> str:
    """The path relative to the working folder where it lies under it, made harmless for a terminal."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return harmless(path)
    return harmless(path if relative.startswith("..") else relative)


def file_uri(path: str) -> str:
    """The path as a link, which terminals that can open on a click."""
    from urllib.parse import quote_from_bytes

    return "file://" + quote_from_bytes(os.fsencode(path))


def span(hit: Hit) -> str:
    """The part of the file that answers, such as ``00:01:23–00:01:31``; empty for a whole file."""
    return str(hit.span) if hit.span else ""


def evidence(hit: Hit) -> str:
    """What speaks for a film, such as ``frame + sound``; empty where it is its frames alone."""
    return " + ".join(hit.evidence) if hit.modality == "video" and hit.evidence != ("frame",) else ""


def remarks(hit: Hit) -> str:
    """What is to be said of the file, in brackets, and the passage."""
    parts = [f"[{_STATE[hit.state]}]"] if hit.state in _STATE else []
    parts += [f"[{hit.note}]"] if hit.note else []
    parts += [f"[{len(hit.copies) + 1} copies]"] if hit.copies else []
    parts += [" ".join(hit.text.split())] if hit.text else []
    return harmless(" ".join(parts))
