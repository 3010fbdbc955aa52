"""``mmsearch tag``: labels by words alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch import UsageError
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, terminal_safe
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch.library import TagCount, Tagged

_MOST_SHOWN = 20
_LABEL_WIDTH = 24


@click.command()
@click.argument("labels", metavar="[LABEL]...", nargs=-1)
@click.option(
    "--labels",
    "vocabulary",
    metavar="WHICH",
    help="Many labels at once: everyday, moderation, or a file with a label in each line.",
)
@click.option(
    "--min",
    "least",
    type=float,
    metavar="P",
    help="Give labels from this probability on, 0 to 1. Default: that of each label, else 0.5.",
)
@click.option(
    "--to",
    multiple=True,
    type=click.Choice(["image", "video", "audio"]),
    help="Label only pictures, films or sounds; repeatable.",
)
@click.option("--list", "listed", is_flag=True, help="List the labels that were given, and look at nothing.")
@click.option("--drop", multiple=True, metavar="LABEL", help="Take a label away, a vocabulary, or all; repeatable.")
@common_options
@command
def tag(
    labels: tuple[str, ...],
    vocabulary: str | None,
    least: float | None,
    to: tuple[str, ...],
    listed: bool,
    drop: tuple[str, ...],
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Label pictures, films and sounds by words alone, for conditions such as --where "tag = 'dog'".

    LABELs are words of yours. Without any, labels that were given before are brought up to date; if there are none, the
    labels are everyday words. A label is a guess: the model can be wrong. Often none of the labels fits.
    """
    from mmsearch import Collection, library

    asks = bool(labels or vocabulary or to or least is not None)
    if ((listed or drop) and asks) or (listed and drop):
        raise UsageError("--list and --drop stand alone")
    with Collection.open(collection_path(collection)) as opened:
        if drop:
            _print_dropped(library.drop_tags(opened, None if drop == ("all",) else drop), as_json, quiet)
            return
        if listed:
            found = library.tags(opened)
        else:
            with _rows_shown(quiet) as watch:
                found = library.tag(
                    opened,
                    labels,
                    vocabulary=vocabulary,
                    min_probability=least,
                    to=to or None,  # type: ignore[arg-type]  # click has checked them
                    watch=watch,
                )
    if as_json:
        print_json(found.to_json())
    elif quiet:
        for label in found.merged:
            if label.rows:
                echo(f"{terminal_safe(label.label)}\t{label.rows}")
    else:
        _print_labels(found, None if listed or verbose else _MOST_SHOWN)


def _print_dropped(count: int, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json({"dropped": count})
    elif not quiet:
        echo(f"took {counted(count, 'label')} away from rows")


def _print_labels(found: Tagged, most: int | None) -> None:
    """The labels, each with how many rows have it and one of them; then what has none."""
    if not found.merged:
        echo("no labels were given yet: `mmsearch tag LABEL`, or `mmsearch tag` for everyday words")
        return
    few = len(found.merged) <= _MOST_SHOWN
    worth = [label for label in found.merged if label.rows or few or _is_own(label)]
    shown = worth[:most]
    width = min(max((len(label.label) for label in shown), default=0), _LABEL_WIDTH)
    several = len({label.vocabulary for label in found.merged}) > 1
    for label in shown:
        echo(_line(label, width) + (f"  ({terminal_safe(label.vocabulary)})" if several else ""))
    if len(worth) > len(shown):
        echo(f"… and {len(worth) - len(shown):,} more: `mmsearch tag --list`")
    if unused := len(found.merged) - len(worth):
        echo(f"{counted(unused, 'label')} of {len(found.merged):,} probably fit nothing here")
    looked = counted(found.rows, "picture, shot or window", "pictures, shots and windows")
    echo(f"none of these: {found.untagged:,} of {looked}. All are guesses of {', '.join(found.models)}.")
    if found.waiting:
        echo(f"not looked at yet: {found.waiting:,} (`mmsearch tag`)")


def _is_own(label: TagCount) -> bool:
    """Whether a user gave it as a word."""
    return label.vocabulary.partition(",")[0] == "words"


def _line(label: TagCount, width: int) -> str:
    name = terminal_safe(label.label)
    line = f"{name:<{width}}  {label.rows:>7,}"
    if label.highest is None:
        return line
    example = f"  {terminal_safe(os.path.basename(label.examples[0]))}" if label.examples else ""
    return f"{line}  probably, up to {label.highest:.2f}{example}"


@contextmanager
def _rows_shown(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """What shows on a terminal how many rows were looked at; the line is wiped in the end."""
    if quiet or not sys.stderr.isatty():
        yield None
        return

    def show(done: int, of: int) -> None:
        sys.stderr.write(f"\rlooked at {done:,} of {of:,}\x1b[K")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
