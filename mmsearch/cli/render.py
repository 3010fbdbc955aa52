"""Printing of hits: a table on a terminal, tab-separated lines or paths for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmsearch import Hit
from mmsearch.cli.hit_groups import HitGroup, grouped
from mmsearch.cli.hit_words import NO_GOOD_MATCH, evidence, judgements, remarks, shown_path, span
from mmsearch.cli.output import echo, terminal_safe

if TYPE_CHECKING:
    from rich.console import Console


def as_listed(hits: Sequence[Hit], *, flat: bool) -> list[HitGroup]:
    """Hits in groups as they are to be printed: by kind on a terminal (see `grouped`), else in one list."""
    return [HitGroup("", hits)] if flat or not is_terminal() else grouped(hits)


def print_answer(groups: Sequence[HitGroup], level: str | None, *, verbose: bool = False) -> None:
    """Print hits to stdout: a table if it is a terminal, else tab-separated lines. Nothing is printed of no hits.

    ``level``: of the answer; if it is low, the first line says so. ``verbose``: with score, match and id of the row.
    """
    hits = [hit for group in groups for hit in group.hits]
    if not hits:
        return
    if level in NO_GOOD_MATCH:
        echo(("" if is_terminal() else "# ") + "no good match; the nearest:")
    if is_terminal():
        from mmsearch.cli.hit_table import print_hit_table

        print_hit_table(groups, terminal(), verbose=verbose)
        return
    columns = judgements(hits, verbose).values()
    for i, hit in enumerate(hits):
        said = " ".join(filter(None, (f"[{evidence(hit)}]" if evidence(hit) else "", remarks(hit))))
        fields = [str(hit.rank), *(cells[i] for cells in columns), shown_path(hit.path), span(hit), said]
        echo("\t".join(fields).rstrip("\t"))


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
