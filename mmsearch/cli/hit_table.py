"""The table of hits on a terminal: a row for each hit, and below it, dim, its passage and remarks about its file.

The path gets all the width that rank, level and span leave. A longer path is wrapped after its separators, so that
folder and name are always shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmsearch import Hit
from mmsearch.cli.hit_groups import HitGroup
from mmsearch.cli.hit_words import (
    NO_GOOD_MATCH,
    evidence,
    hit_uri,
    judgements,
    marked_remarks,
    remarks,
    shown_path,
    span,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
_ROOM_FOR_PATH = 40
"""Columns: if a path had fewer, span and evidence move to the line below."""
_LEAST_PATH = 24
"""Columns: if a path had fewer, the id, match and score of a verbose table move to the line below, too."""
_COLUMNS_KEPT = 2
"""Columns on the left that never move: the rank, and the level or score."""
_NAMES = re.compile(rf"[^/{re.escape(os.sep)}]*[/{re.escape(os.sep)}]+|[^/{re.escape(os.sep)}]+")
_WORDS = re.compile(r" *[^ ]+ *| +")
_PATH_LINES = 4
_DETAIL_LINES = 2
_STYLES = {"#": "dim", "score": "green", "match": "cyan", "id": "dim", "span": "dim", "by": "dim"}
_MARKED = "bold not dim"
_LEVEL_STYLES = {"strong": "bold green", "likely": "green"}


def print_hit_table(groups: Sequence[HitGroup], console: Console, *, verbose: bool = False) -> None:
    """Print a row for each hit: rank, level, path, span and evidence; a heading before each group that has one.

    Rows of the levels weak and nothing are dim. If the terminal is too narrow, evidence, span and then the further
    columns of ``verbose`` (score, match, id of the row) move to the line below the row.
    """
    from rich.text import Text

    hits = [hit for group in groups for hit in group.hits]
    left = {"#": [str(hit.rank) for hit in hits], **judgements(hits, verbose)}
    right = {"span": [span(hit) for hit in hits], "by": [evidence(hit) for hit in hits]}
    right = {name: cells for name, cells in right.items() if any(cells)}
    widths = {name: max(len(name), *map(len, cells)) for name, cells in (left | right).items()}
    paths = [shown_path(hit.path) for hit in hits]
    longest = max([_cells(path) for path in paths], default=0)

    def room() -> int:
        return console.width - sum(widths[name] + _GAP for name in (*left, *right))

    below: list[list[str]] = []  # columns that moved to the line below
    while right and room() < min(longest, _ROOM_FOR_PATH):
        below.insert(0, right.popitem()[1])
    while len(left) > _COLUMNS_KEPT and room() < min(longest, _LEAST_PATH):
        name, cells = left.popitem()
        below.insert(0, [f"{name}={cell}" for cell in cells])
    indent = sum(widths[name] + _GAP for name in left)
    path_width = max(len("path"), min(longest, room()))

    def line(before: dict[str, str], path: Text, after: dict[str, str]) -> Text:
        row = Text()
        for name, cell in before.items():
            padded = cell.ljust(widths[name]) if name == "level" else cell.rjust(widths[name])
            row.append(padded, _LEVEL_STYLES.get(cell, "") if name == "level" else _STYLES[name]).append(" " * _GAP)
        row.append_text(path)
        if any(after.values()):
            row.append(" " * (path_width - path.cell_len))
        for name, cell in after.items():
            row.append(" " * _GAP).append(cell.ljust(widths[name]), _STYLES[name])
        row.rstrip()
        return row

    def show(text: Text, style: str = "") -> None:
        text.stylize(style)
        console.print(text, no_wrap=True, overflow="crop")

    show(line({name: name for name in left}, Text("path"), {name: name for name in right}), "dim")
    i = 0
    for group in groups:
        if group.heading:
            show(Text(group.heading), "bold")
        for hit in group.hits:
            style = "dim" if hit.level in NO_GOOD_MATCH else ""
            first, *rest = (_linked(part, hit) for part in folded_path(paths[i], path_width))
            show(line(_row(left, i), first, _row(right, i)), style)
            for part in rest:
                show(Text(" " * indent).append_text(part), style)
            details = Text("  ".join(filter(None, (cells[i] for cells in below))), "dim")
            details.append("  " if details.plain and (hit.text or remarks(hit)) else "")
            for piece, is_asked in marked_remarks(hit):
                details.append(piece, _MARKED if is_asked else "dim")
            for text in _wrapped(details, console.width - indent, console):
                show(Text(" " * indent).append_text(text))
            i += 1


def _row(columns: dict[str, list[str]], i: int) -> dict[str, str]:
    return {name: cells[i] for name, cells in columns.items()}


def folded_path(path: str, width: int) -> list[str]:
    """Wrap a path to ``width`` columns: after separators, or within a longer name after spaces, or else anywhere.

    Returns at most `_PATH_LINES` lines; if there are more, the first, which ends with ``…``, and the last ones.
    """
    lines = [""]
    for name in _NAMES.findall(path):
        pieces = [name] if _cells(name) <= width else _WORDS.findall(name)
        for piece in pieces:
            if _cells(lines[-1]) + _cells(piece.rstrip()) > width:
                lines.append("")
            first, *rest = _chopped(piece, width)
            lines[-1] += first
            lines += rest
    lines = [line.rstrip() for line in lines if line]
    if len(lines) > _PATH_LINES:
        lines = [_cut(lines[0] + "…", width), *lines[1 - _PATH_LINES :]]
    return lines or [""]


def _chopped(piece: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(piece, width) if _cells(piece.rstrip()) > width else [piece]


def _wrapped(text: Text, width: int, console: Console) -> list[Text]:
    """Wrap a text to ``width`` columns; of more than `_DETAIL_LINES` lines the first ones, which end with ``…``."""
    if not text or width < 1:
        return []
    lines = list(text.wrap(console, width))
    for line in lines:
        line.rstrip()
    if len(lines) > _DETAIL_LINES:
        lines = lines[:_DETAIL_LINES]
        last = lines[-1]
        last.truncate(max(0, width - 1))
        last.rstrip()
        last.append("…", "dim")
    return lines


def _cut(text: str, width: int) -> str:
    """Cut a text that ends with ``…`` to ``width`` columns."""
    from rich.cells import set_cell_size

    return text if _cells(text) <= width else set_cell_size(text[:-1], max(0, width - 1)).rstrip() + "…"


def _linked(part: str, hit: Hit) -> Text:
    """A piece of a hit's path with a hyperlink to the file; struck through if the file is gone or has changed."""
    from rich.text import Text

    if hit.state == "none":  # a name, not a file
        return Text(part)
    text = Text(part, f"link {hit_uri(hit)}")
    for words in hit.matched:
        if words.where == "name" and (at := part.find(hit.path[words.start : words.end])) >= 0:
            text.stylize(_MARKED, at, at + words.end - words.start)
    if hit.state != "current":
        text.stylize("strike dim")
    return text


def _cells(text: str) -> int:
    """The width of a text in columns; wide characters count as two."""
    from rich.cells import cell_len

    return cell_len(text)
