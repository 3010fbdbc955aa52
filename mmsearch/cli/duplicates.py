"""``mmsearch duplicates``: files that are there several times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch import UsageError
from mmsearch.cli import completers
from mmsearch.cli.options import collection_path, command, common_options, modalities_option, under_option
from mmsearch.cli.output import print_json, say
from mmsearch.cli.render import is_terminal, print_paths
from mmsearch.types import counted, modalities_named, sized

if TYPE_CHECKING:
    from mmsearch.library import Duplicates


@click.command()
@click.option(
    "--keep",
    default="largest",
    metavar="RULE",
    show_default=True,
    shell_complete=completers.keep_rules,
    help="Which file of a group to keep: largest, oldest, newest or first-path.",
)
@click.option("--exact", is_flag=True, help="Only files of the same content; opens none.")
@click.option("--bursts", is_flag=True, help="Also pictures of the same, taken within seconds.")
@modalities_option
@under_option
@click.option("--where", metavar="CONDITION", help='Only files that fulfil a condition, such as "width > 1000".')
@click.option("--paths", is_flag=True, help="Print only the paths of the copies, one per line.")
@click.option("--print0", is_flag=True, help="Print only the paths of the copies, each ended by NUL, for xargs -0.")
@common_options
@command
def duplicates(
    keep: str,
    exact: bool,
    bursts: bool,
    to: tuple[str, ...],
    under: str | None,
    where: str | None,
    paths: bool,
    print0: bool,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find files that are there several times, and say which to keep.

    Copies are files of the same content, and pictures that were resized, recompressed, cropped, turned or partly
    covered. Each line says why a file is a copy, and how much of what both show agrees. mmsearch deletes nothing:
    --paths and --print0 print all files but those to keep, for a program of your choice. Queries list a picture and its
    copies as one hit from then on.
    """
    from mmsearch import Collection
    from mmsearch.cli.watch import watching
    from mmsearch.library import find_duplicates

    if exact and bursts:
        raise UsageError("--exact and --bursts exclude each other: pictures of a burst differ")
    kinds = ("exact",) if exact else ("exact", "near", "film", "sound", *(("burst",) if bursts else ()))
    with (
        Collection.open(collection_path(collection)) as opened,
        watching("auto", quiet or as_json) as watch,
    ):
        found = find_duplicates(
            opened, to=modalities_named(to), under=under, where=where, keep=keep, kinds=kinds, watch=watch
        )
    if as_json:
        print_json(found.to_json())
    elif paths or print0:
        print_paths((copy.path for copy in found.copies), "\0" if print0 else "\n")
    else:
        _print_groups(found)
    if not (quiet or as_json):
        _say_sums(found, verbose)


def _print_groups(found: Duplicates) -> None:
    from mmsearch.cli.duplicate_table import print_duplicate_lines, print_duplicate_table

    if is_terminal():
        from mmsearch.cli.render import terminal

        print_duplicate_table(found.groups, terminal())
    else:
        print_duplicate_lines(found.groups)


def _say_sums(found: Duplicates, verbose: bool) -> None:
    if not found.groups:
        say("no duplicates")
    else:
        copies, groups = counted(len(found.copies), "copy", "copies"), counted(len(found.groups), "file")
        say(f"{copies} of {groups}: {sized(found.freed)} could be freed")
    if found.unreadable:
        say(f"{counted(len(found.unreadable), 'file')} could not be opened to compare" + ("" if verbose else " (-v)"))
        if verbose:
            for path, reason in found.unreadable.items():
                say(f"{path}: {reason}")
