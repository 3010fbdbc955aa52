"""Printing of hits: a table on a terminal, tab-separated lines or paths for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmsearch import Hit
from mmsearch.cli.hit_words import evidence, remarks, shown_path, span
from mmsearch.cli.output import echo, terminal_safe

if TYPE_CHECKING:
    from rich.console import Console


def print_hits(hits: Sequence[Hit]) -> None:
    """Print hits to stdout: a table if it is a terminal, else tab-separated lines."""
    if is_terminal():
        from mmsearch.cli.hit_table import print_hit_table

        print_hit_table(hits, terminal())
        return
    for hit in hits:
        said = " ".join(filter(None, (f"[{evidence(hit)}]" if evidence(hit) else "", remarks(hit))))
        fields = [str(hit.rank), f"{hit.score:.3f}", shown_path(hit.path), span(hit), said]
        sys.stdout.write("\t".join(fields).rstrip("\t") + "\n")


def is_terminal() -> bool:
    """Whether to print as for a terminal: stdout is one, or ``$FORCE_COLOR`` is set."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def terminal() -> Console:
    """rich's console on stdout, which respects ``$NO_COLOR`` and ``$FORCE_COLOR``."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def print_paths(paths: Iterable[str], end: str) -> None:
    """Print paths, each followed by ``end``: their exact bytes for other programs, escaped on a terminal."""
    sys.stdout.flush()
    for path in paths:
        if sys.stdout.isatty() and end == "\n":
            echo(terminal_safe(path))
            continue
        sys.stdout.buffer.write(os.fsencode(path) + end.encode())
    sys.stdout.buffer.flush()
