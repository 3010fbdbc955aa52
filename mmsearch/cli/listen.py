"""``mmsearch listen``: record and index a live source, and answer a standing query."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch.cli import completers
from mmsearch.cli.options import collection_path, command, common_options, transcribe_option
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.types import LEVELS, clock

if TYPE_CHECKING:
    from mmsearch import Heard, Hit


@click.command()
@click.argument("source", metavar="SOURCE", shell_complete=completers.files)
@click.option("--save", metavar="FILE", type=click.Path(path_type=Path), help="WAV file to write (date and time).")
@click.option("--query", metavar="TERM", shell_complete=completers.files, help="Print each new span that matches this.")
@click.option(
    "--min",
    "min_level",
    metavar="LEVEL",
    default="likely",
    shell_complete=completers.least_levels,
    help="Least level of a match: strong, likely (the default) or weak.",
)
@transcribe_option
@click.option("--every", metavar="SECONDS", default=5.0, show_default=True, help="Time from one commit to the next.")
@click.option(
    "--idle",
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="A file that has not grown for so long has ended.",
)
@common_options
@command
def listen(
    source: str,
    save: Path | None,
    query: str | None,
    min_level: str,
    transcribe: str,
    every: float,
    idle: float,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Record SOURCE and index it as it comes, until it ends or Ctrl-C.

    SOURCE is mic (or mic:NAME), - for standard input, an address such as rtsp://HOST/PATH, or a file that may still be
    written. What is heard is kept in a WAV file. --query prints each new span that matches, with its time; without it,
    what is said is printed.
    """
    from mmsearch import Collection, UsageError, read_query_line

    level = next((level for level in LEVELS if level == min_level), None)
    if level is None:
        raise UsageError(f"no level {min_level!r}; there are: {', '.join(LEVELS)}")
    home = collection_path(collection)
    standing = None if query is None else read_query_line([query], literal=True, transcribe=transcribe).query
    opened = Collection.open(home) if Collection.exists(home) else Collection.create(home)
    with opened:
        heard = None
        for heard in opened.listen(
            source, save, query=standing, min_level=level, transcribe=transcribe, every_s=every, idle_s=idle
        ):
            if as_json:
                print_json(heard.to_json())
            else:
                _print(heard, is_asked=standing is not None)
            sys.stdout.flush()  # a pipe is to have the line now
        if heard is not None and not (quiet or as_json):
            say(f"{clock(heard.until_s)} heard and indexed: {terminal_safe(str(heard.path))}")


def _print(heard: Heard, *, is_asked: bool) -> None:
    """A line for each match; or, if nothing is asked, for each piece of what was said."""
    if is_asked:
        for hit in heard.hits:
            echo(_line(hit))
    else:
        for said in heard.said:
            echo(f"{clock(said.start_s)}  {terminal_safe(said.text)}")


def _line(hit: Hit) -> str:
    words = f"  {terminal_safe(hit.text)}" if hit.text else ""
    return f"{hit.span}  {hit.level or 'unknown'}  {'+'.join(hit.evidence)}{words}"
