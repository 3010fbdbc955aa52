"""Groups of duplicates on a terminal, and as tab-separated lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmsearch.cli.hit_table import folded_path
from mmsearch.cli.hit_words import file_uri, shown_path
from mmsearch.cli.output import echo
from mmsearch.types import clock, sized

if TYPE_CHECKING:
    from rich.console import Console

    from mmsearch.library import DuplicateFile, DuplicateGroup

_GAP = "  "
_STYLES = {"why": "", "agrees": "dim", "what": "dim", "bytes": "dim"}


def print_duplicate_table(groups: Sequence[DuplicateGroup], console: Console) -> None:
    """Print each group: the file to keep, and below it its copies, each with the reason, a number and its size."""
    from rich.text import Text

    if not groups:
        return
    files = [file for group in groups for file in (group.kept, *group.copies)]
    columns = {
        "why": [file.reason or "keep" for file in files],
        "agrees": [_agrees(file) for file in files],
        "what": [_extent(file) for file in files],
        "bytes": [sized(file.size) for file in files],
    }
    widths = {name: max(len(name) if name != "what" else 0, *map(len, cells)) for name, cells in columns.items()}
    left = sum(widths.values()) + len(_GAP) * len(widths)
    heading = _GAP.join((name if name != "what" else "").ljust(width) for name, width in widths.items())
    console.print(Text(heading + _GAP + "path", "dim"), no_wrap=True, overflow="crop")
    ends = {number for group in groups for number in [id(group.copies[-1])]}
    for i, file in enumerate(files):
        row = Text()
        for name, cells in columns.items():
            cell = cells[i].ljust(widths[name]) if name == "why" else cells[i].rjust(widths[name])
            row.append(cell, "bold green" if name == "why" and not file.reason else _STYLES[name]).append(_GAP)
        first, *rest = folded_path(shown_path(file.path), max(16, console.width - left))
        link = f"link {file_uri(file.path)}"
        console.print(row.append(first, link), no_wrap=True, overflow="crop")
        for part in rest:
            console.print(Text(" " * left).append(part, link), no_wrap=True, overflow="crop")
        if id(file) in ends and i + 1 < len(files):
            console.print()


def print_duplicate_lines(groups: Iterable[DuplicateGroup]) -> None:
    """Print a line for each file: the number of its group, the reason (``keep``), how much agrees, bytes, path."""
    for group in groups:
        for file in (group.kept, *group.copies):
            number = f"{file.number:.4f}" if file.reason else ""
            echo("\t".join((str(group.id), file.reason or "keep", number, str(file.size), shown_path(file.path))))


def _agrees(file: DuplicateFile) -> str:
    """How much agrees, such as ``98 %``; never 100 of what is not the same."""
    if not file.reason:
        return ""
    return "100 %" if file.reason == "same content" else f"{min(99, int(100 * file.number))} %"


def _extent(file: DuplicateFile) -> str:
    """Pixels, or the length of a film or sound."""
    record = file.record
    if record.modality in ("audio", "video") and record.duration_s is not None:
        return clock(record.duration_s)
    return f"{record.width} × {record.height}" if record.width and record.height else ""
