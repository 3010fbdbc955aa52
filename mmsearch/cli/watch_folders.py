"""``mmsearch watch``: index folders, and what changes in them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch.cli import completers
from mmsearch.cli.options import (
    collection_path,
    command,
    common_options,
    device_option,
    precision_option,
    transcribe_option,
)
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.cli.stopping import until_stopped
from mmsearch.types import modalities_named

if TYPE_CHECKING:
    from mmsearch import Progress
    from mmsearch.library import WatchEvent


_MOST_NOTES = 5
"""Of skipped files that are printed of one batch; `mmsearch status --skipped` has all."""


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, shell_complete=completers.folders)
@click.option(
    "--tell",
    metavar="@NAME",
    multiple=True,
    shell_complete=completers.saved_names,
    help="Tell of new hits of a saved search; repeatable.",
)
@click.option("--run", metavar="CMD", help="Run this for new hits, with their paths as arguments, JSON on stdin.")
@click.option("--run-limit", metavar="SECONDS", default=60.0, show_default=True, help="Time after which CMD is killed.")
@click.option("--quiet-for", metavar="SECONDS", default=2.0, show_default=True, help="Wait until nothing has changed.")
@click.option("--longest", metavar="SECONDS", default=30.0, show_default=True, help="Wait so long at most.")
@click.option(
    "--every",
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Time between looks at disks that do not tell of changes.",
)
@click.option("--by-clock", is_flag=True, help="Look at all PATHs from time to time, whatever the system tells.")
@click.option(
    "--only",
    metavar="MODALITY",
    multiple=True,
    shell_complete=completers.modalities,
    help="Index only image, text, audio or video files; repeatable.",
)
@click.option("--exclude", metavar="GLOB", multiple=True, help="Exclude by a .gitignore pattern; kept; repeatable.")
@click.option("--hidden", is_flag=True, help="Also files and folders whose names begin with a dot.")
@click.option("--workers", metavar="N", type=int, help="Decoding processes; default one for each processor.")
@transcribe_option
@click.option(
    "--ocr", type=click.Choice(("auto", "off", "all")), default="auto", help="Read text in pictures, as for index."
)
@device_option
@precision_option
@common_options
@command
def watch_folders(
    paths: tuple[str, ...],
    tell: tuple[str, ...],
    run: str | None,
    run_limit: float,
    quiet_for: float,
    longest: float,
    every: float,
    by_clock: bool,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    hidden: bool,
    workers: int | None,
    transcribe: str,
    ocr: str,
    device: str,
    precision: str,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Index PATHs, and go on to index what changes in them, until Ctrl-C.

    PATHs are folders (default: all indexed before). A line is printed for each batch that was indexed. A folder that is
    gone is waited for.
    """
    from mmsearch import Collection, HintKind, UsageError, library
    from mmsearch.cli.watch import watching

    if run is not None and not tell:
        raise UsageError("--run is for new hits: name a saved search with --tell @NAME")
    home = collection_path(collection)
    if not paths and not Collection.exists(home):
        raise UsageError(f"there is no collection at {home} yet", hint=HintKind.INDEX_FOLDER)
    if Collection.exists(home):
        opened = Collection.open(home, device=device, precision=precision)
    else:
        Collection.check_index(paths)
        opened = Collection.create(home, device=device, precision=precision)
        if not quiet:
            say(f"new collection {home}")
    is_first = True

    def show_first(progress: Progress) -> None:
        if is_first:
            show(progress)

    with opened, watching("auto", quiet or as_json) as show, until_stopped() as stop:
        events = library.watch_folders(
            opened,
            paths,
            tell=tell,
            run=shlex.split(run or ""),
            run_limit_s=run_limit,
            quiet_s=quiet_for,
            longest_s=longest,
            every_s=every,
            by_clock=by_clock,
            stop=stop,
            watch=show_first,
            only=modalities_named(only),
            exclude=exclude,
            hidden=hidden,
            workers=workers,
            transcribe=transcribe,
            ocr=ocr,
        )
        for event in events:
            is_first = is_first and event.kind != "batch"
            _print(event, as_json)


def _print(event: WatchEvent, as_json: bool) -> None:
    if as_json:
        print_json(event.to_json())
    else:
        echo(terminal_safe(f"{event.at:%H:%M:%S}  {event.describe()}"))
        new = [note for note in (event.report.skipped if event.report else ()) if not note.known]
        for note in new[:_MOST_NOTES]:
            echo(terminal_safe(f"{event.at:%H:%M:%S}  skipped {note.path}: {note.reason}"))
        for name, hits in event.hits.items():
            for hit in hits:
                echo(terminal_safe(f"{event.at:%H:%M:%S}  @{name}  {hit.level or 'unknown'}  {hit.path}"))
    sys.stdout.flush()  # a pipe is to have the line now
