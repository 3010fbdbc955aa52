"""Hits and tables for people: fitted to the terminal, plain and complete where the output is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmsearch.cli.output import echo, harmless
from mmsearch.hits import Hit

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


_LEAST_PATH, _LEAST_TEXT, _GAP = 14, 10, 2


def hit_table(hits: Sequence[Hit], console: Console) -> None:
    """Rank, score, path, span, evidence and passage; match where several kinds of evidence are merged by it.

    Where the terminal is too narrow for all of them, passages go first, then evidence, match and span.
    """
    from rich.table import Table
    from rich.text import Text

    several = len({hit.evidence for hit in hits}) > 1
    before = {"#": [str(hit.rank) for hit in hits], "score": [f"{hit.score:.3f}" for hit in hits]}
    before |= {"match": [f"{hit.match:.1f}" for hit in hits]} if several else {}
    after = {"span": [_span(hit) for hit in hits], "by": [_evidence(hit) for hit in hits]}
    widths = {n: max(len(n), *map(len, cells)) for n, cells in (before | after).items() if any(cells)}

    def room() -> int:
        return console.width - sum(width + _GAP for width in widths.values())

    for name in ("by", "match", "span"):
        if room() < _LEAST_PATH:
            widths.pop(name, None)
    remarks = [_remarks(hit) for hit in hits]
    words = any(remarks) and room() >= _LEAST_PATH + _GAP + _LEAST_TEXT
    longest = max((len(shown_path(hit.path)) for hit in hits), default=0)
    path_width = max(4, min(longest, max(_LEAST_PATH, 3 * room() // 7) if words else room()))

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for name in (name for name in before if name in widths):
        style = {"score": "green", "match": "cyan"}.get(name, "dim")
        table.add_column(name, justify="right", style=style, no_wrap=True, width=widths[name])
    table.add_column("path", overflow="ellipsis", no_wrap=True, width=path_width)
    for name in (name for name in after if name in widths):
        table.add_column(name, style="dim", no_wrap=True, width=widths[name])
    if words:
        table.add_column("text", overflow="ellipsis", no_wrap=True, width=room() - path_width - _GAP)
    for i, hit in enumerate(hits):
        path = Text(_shortened(shown_path(hit.path), path_width))
        path.stylize(f"link {_uri(hit.path)}")
        if hit.state != "current":
            path.stylize("strike dim")
        row: list[str | Text] = [cells[i] for name, cells in before.items() if name in widths]
        row += [path, *(cells[i] for name, cells in after.items() if name in widths)]
        table.add_row(*row, *([Text(remarks[i])] if words else []))
    console.print(table)


def print_paths(paths: Iterable[str], end: str) -> None:
    """Paths alone, each ended by ``end``: byte for byte for xargs and other programs, harmless on a terminal."""
    sys.stdout.flush()
    for path in paths:
        if sys.stdout.isatty() and end == "\n":
            echo(harmless(path))
            continue
        sys.stdout.buffer.write(os.fsencode(path) + end.encode())
    sys.stdout.buffer.flush()


def shown_path(path: str) -> str:
    """The path relative to the working folder where it lies under it, made harmless for a terminal."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return harmless(path)
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
    parts += [f"[{len(hit.copies) + 1} copies]"] if hit.copies else []
    parts += [" ".join(hit.text.split())] if hit.text else []
    return harmless(" ".join(parts))
