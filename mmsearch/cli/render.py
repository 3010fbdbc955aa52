"""Hits and tables for people: fitted to the terminal, plain and complete where the output is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmsearch.cli.options import harmless
from mmsearch.types import Hit

if TYPE_CHECKING:
    from rich.console import Console

_STATE = {"gone": "file is gone", "changed": "file has changed since"}


def print_hits(hits: Sequence[Hit]) -> None:
    """A table of hits on stdout; tab-separated lines where that is no terminal."""
    if sys.stdout.isatty() or os.environ.get("FORCE_COLOR"):
        hit_table(hits, terminal())
        return
    for hit in hits:
        told = " ".join(filter(None, (f"[{_evidence(hit)}]" if _evidence(hit) else "", _remarks(hit))))
        fields = [str(hit.rank), f"{hit.score:.3f}", shown_path(hit.path), _span(hit), told]
        sys.stdout.write("\t".join(fields).rstrip("\t") + "\n")


def terminal(width: int | None = None, record: bool = False) -> Console:
    """Stdout as a terminal; rich honours NO_COLOR and FORCE_COLOR."""
    from rich.console import Console

    return Console(width=width, record=record, highlight=False, soft_wrap=False)


def hit_table(hits: Sequence[Hit], console: Console) -> None:
    """Rank, score, path, span, evidence and passage; match where several kinds of evidence are merged by it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    several = len({hit.evidence for hit in hits}) > 1
    evidence = any(_evidence(hit) for hit in hits)
    spans = any(hit.span is not None for hit in hits)
    words = any(_remarks(hit) for hit in hits)
    taken = 3 + 7 + 7 * several + 19 * spans + max(5, *(len(_evidence(hit)) + 2 for hit in hits), 0) * evidence
    room = (console.width - taken) // (2 if words else 1) - 2
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("score", justify="right", style="green", no_wrap=True)
    if several:
        table.add_column("match", justify="right", style="cyan", no_wrap=True)
    table.add_column("path", overflow="ellipsis", no_wrap=True, ratio=3 if words else None)
    if spans:
        table.add_column("span", style="dim", no_wrap=True)
    if evidence:
        table.add_column("by", style="dim", no_wrap=True)
    if words:
        table.add_column("text", overflow="ellipsis", no_wrap=True, ratio=4)
    for hit in hits:
        path = Text(_shortened(shown_path(hit.path), room))
        path.stylize(f"link {_uri(hit.path)}")
        if hit.state != "current":
            path.stylize("strike dim")
        row: list[str | Text] = [str(hit.rank), f"{hit.score:.3f}"]
        row += [f"{hit.match:.1f}"] if several else []
        row += [path]
        row += [_span(hit)] if spans else []
        row += [_evidence(hit)] if evidence else []
        row += [Text(_remarks(hit))] if words else []
        table.add_row(*row)
    console.print(table)


def print_paths(paths: Iterable[str], end: str) -> None:
    """Paths alone, byte for byte, each ended by ``end``: for xargs and other programs."""
    sys.stdout.flush()
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + end.encode())
    sys.stdout.buffer.flush()


def shown_path(path: str) -> str:
    """The path relative to the working folder where it lies under it, made harmless for a terminal."""
    relative = os.path.relpath(path)
    return harmless(path if relative.startswith("..") else relative)


def _uri(path: str) -> str:
    from urllib.parse import quote_from_bytes

    return "file://" + quote_from_bytes(os.fsencode(path))


def _shortened(path: str, width: int) -> str:
    """The end of a path says more than its middle."""
    width = max(width, 12)
    return path if len(path) <= width else "…" + path[-width + 1 :]


def _span(hit: Hit) -> str:
    return str(hit.span) if hit.span else ""


def _evidence(hit: Hit) -> str:
    """What speaks for a film where it is not its frames alone."""
    return " + ".join(hit.evidence) if hit.modality == "video" and hit.evidence != ("frame",) else ""


def _remarks(hit: Hit) -> str:
    """The passage, and what is to be said of the file."""
    parts = [f"[{_STATE[hit.state]}]"] if hit.state in _STATE else []
    parts += [f"[{hit.note}]"] if hit.note else []
    parts += [" ".join(hit.text.split())] if hit.text else []
    return harmless(" ".join(parts))
