"""``mmsearch groups``: what is in the collection, as groups of files with names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from mmsearch import UsageError
from mmsearch.cli import completers
from mmsearch.cli.options import (
    collection_path,
    command,
    common_options,
    force_option,
    modalities_option,
    under_option,
)
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.types import counted, modalities_named

if TYPE_CHECKING:
    from rich.text import Text

    from mmsearch.library import Group, Groups


@click.command()
@click.argument("group", metavar="[GROUP]", required=False)
@click.option(
    "--by",
    default="look",
    show_default=True,
    metavar="HOW",
    shell_complete=completers.words("look", "event"),
    help="look (what is in the files) or event (when and where they were made).",
)
@modalities_option
@under_option
@click.option("--where", metavar="CONDITION", help='Only rows that fulfil a condition, such as "width > 1000".')
@click.option("--detail", default=1.0, metavar="NUMBER", show_default=True, help="Above 1: more and smaller groups.")
@click.option(
    "-n",
    "count",
    default=20,
    type=click.IntRange(0),
    metavar="N",
    show_default=True,
    help="Groups of each kind to show; 0 for all.",
)
@click.option(
    "--sheet", metavar="DIR", type=click.Path(path_type=Path), help="Write pages with small pictures of each group."
)
@click.option("--paths", is_flag=True, help="Print only the paths of GROUP, one per line.")
@click.option("--print0", is_flag=True, help="Print only the paths of GROUP, each ended by NUL, for xargs -0.")
@click.option("--again", is_flag=True, help="Group anew, not from where the last run ended.")
@force_option
@common_options
@command
def groups(
    group: str | None,
    by: str,
    to: tuple[str, ...],
    under: str | None,
    where: str | None,
    detail: float,
    count: int,
    sheet: Path | None,
    paths: bool,
    print0: bool,
    again: bool,
    force: bool,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show what is in the collection: groups of files that look alike, or that were made together, with names.

    GROUP, such as g7, lists the files of one group, those nearest to its middle first. A group is called g7 in later
    runs, too, as long as most of its files stay together.
    """
    from mmsearch import Collection
    from mmsearch.cli.watch import watching
    from mmsearch.library import Groups, find_group, find_groups, group_paths, write_contact_sheets

    if (paths or print0) and group is None:
        raise UsageError("--paths and --print0 list the files of one group: name it, such as g7")
    if group is not None and (to or under or where or again or by != "look" or detail != 1.0):
        raise UsageError(f"{group} is the id of a group: leave out the options that say how to group")
    with (
        Collection.open(collection_path(collection)) as opened,
        watching("auto", quiet or as_json) as watch,
    ):
        if group is None:
            found = find_groups(
                opened,
                by=cast(Literal["look", "event"], by),
                to=modalities_named(to),
                under=under,
                where=where,
                detail=detail,
                again=again,
                watch=watch,
            )
        else:
            found = Groups([find_group(opened, group)])
        shown = found.largest(count) if count else found
        listed = [] if group is None else group_paths(opened, found[0])
        pages = write_contact_sheets(opened, shown, sheet, force=force, watch=watch) if sheet else []
    if paths or print0:
        from mmsearch.cli.render import print_paths

        print_paths((path for path in listed if os.path.lexists(path)), "\0" if print0 else "\n")
        return
    if as_json:
        files = {} if group is None else {"paths": [terminal_safe(path) for path in listed]}
        print_json({**shown.to_json(), **files, "pages": [str(page) for page in pages]})
        return
    if group is None:
        _print_groups(shown)
    else:
        _print_files(found[0], listed)
    if not quiet:
        for notice in found.notices:
            say(notice)
        if group is None and (told := _summary(found, len(shown), by)):
            say(told)
        if pages:
            say(f"wrote {pages[0]}, and a page for {'it' if group else 'each group'}")


def _summary(found: Groups, shown: int, by: str) -> str:
    """What the table does not show: how many files there are, in how many groups, and how many are in none."""
    if not found.files:
        return "there is nothing to group: no file of these kinds"
    parts = [f"{counted(found.files, 'file')}, {counted(len(found), 'group')}"]
    if shown < len(found):
        parts.append(f"{shown:,} {'is' if shown == 1 else 'are'} shown, -n 0 shows all")
    if found.undated:
        parts.append(f"{counted(found.undated, 'file has', 'files have')} no date")
    if alone := found.ungrouped - found.undated:
        parts.append(f"{counted(alone, 'file is', 'files are')} in no group")
    return "; ".join(parts)


def _print_groups(shown: Groups) -> None:
    from mmsearch.cli.render import is_terminal, terminal

    if not is_terminal():
        for group in shown:
            path = terminal_safe(group.examples[0].path) if group.examples else ""
            echo("\t".join([group.id, _name(group), str(group.size), _when(group), path]))
        return
    console = terminal()
    several = len({group.kind for group in shown}) > 1
    left = {
        "id": [group.id for group in shown],
        "name": [_name(group) for group in shown],
        "files": [f"{group.size:,}" for group in shown],
        "when": [_when(group) for group in shown],
    }
    if all(group.kind == "event" for group in shown) or not any(left["when"]):
        del left["when"]
    widths = {name: max([len(name), *map(_cells, cells)]) for name, cells in left.items()}
    widths["name"] = min(widths["name"], _WIDEST_NAME + (0 if "when" in left else _ROOM_OF_WHEN))
    room = max(_LEAST_PATH, console.width - sum(width + _GAP for width in widths.values()))
    console.print(_line({name: name for name in left}, widths, None, room, "dim"), no_wrap=True, overflow="crop")
    kind = None
    for i, group in enumerate(shown):
        if several and group.kind != kind:
            kind = group.kind
            from rich.text import Text

            console.print(Text(_HEADINGS[kind], "bold"))
        row = {name: cells[i] for name, cells in left.items()}
        console.print(_line(row, widths, group, room, ""), no_wrap=True, overflow="crop")


_GAP = 2
_WIDEST_NAME, _ROOM_OF_WHEN, _LEAST_PATH = 34, 10, 12
_HEADINGS = {"look": "pictures and films", "sound": "sounds", "text": "texts", "event": "events"}


def _line(row: dict[str, str], widths: dict[str, int], group: Group | None, room: int, style: str) -> Text:
    """A line of the table: its columns, and the name of a file of the group with a link to it."""
    from rich.cells import set_cell_size
    from rich.text import Text

    from mmsearch.cli.hit_words import hit_uri, shown_path

    line = Text(style=style)
    for name, cell in row.items():
        cut = cell if _cells(cell) <= widths[name] else set_cell_size(cell, widths[name] - 1).rstrip() + "…"
        pad = " " * (widths[name] - _cells(cut))
        line.append(pad + cut if name == "files" else cut + pad, _style(name, group)).append(" " * _GAP)
    if group is None:
        line.append("for example")
    elif group.examples:
        example = group.examples[0]
        path = shown_path(example.path)
        if _cells(path) > room:
            path = "…" + path[-(room - 1) :]
        line.append(path, "" if example.state == "none" else f"link {hit_uri(example)}")
    line.rstrip()
    return line


def _style(column: str, group: Group | None) -> str:
    if group is None:
        return ""
    return {"id": "cyan", "name": "bold" if group.is_sure else "", "files": "green", "when": "dim"}[column]


def _print_files(group: Group, paths: Sequence[str]) -> None:
    from mmsearch.cli.hit_words import file_uri, shown_path
    from mmsearch.cli.render import is_terminal, terminal

    if not is_terminal():
        for path in paths:
            echo(shown_path(path))
        return
    from rich.text import Text

    console = terminal()
    about = ", ".join(filter(None, (counted(group.size, "file"), _when(group), group.place)))
    console.print(Text(f"{group.id}  {_name(group)}", "bold").append(f"  {about}", "not bold dim"))
    for path in paths:
        gone = "" if os.path.lexists(path) else "strike dim "
        console.print(Text(shown_path(path), f"{gone}link {file_uri(path)}"), soft_wrap=True)


def _name(group: Group) -> str:
    return terminal_safe(group.name if group.is_sure else f"probably {group.name}")


def _when(group: Group) -> str:
    """The years or months in which the files were made."""
    if group.first is None or group.last is None:
        return ""
    first, last = f"{group.first:%Y-%m}", f"{group.last:%Y-%m}"
    if group.first.year != group.last.year:
        return f"{group.first.year}–{group.last.year}"
    return first if first == last else f"{first}–{last[-2:]}"


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
