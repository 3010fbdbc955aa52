"""``mmsearch link``: folders of links to the hits of saved searches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmsearch import UsageError
from mmsearch.cli import completers
from mmsearch.cli.exit_codes import FAILED
from mmsearch.cli.options import collection_path, command, common_options, device_option, precision_option
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch.library import Linked


@click.command()
@click.argument("name", metavar="[@NAME]", required=False, shell_complete=completers.saved_names)
@click.argument("folder", metavar="[DIR]", required=False, shell_complete=completers.folders)
@click.option("-k", type=int, help="The most links (1000).")
@click.option(
    "--min",
    "min_level",
    metavar="LEVEL",
    shell_complete=completers.least_levels,
    help="Least level of a hit that is linked: strong, likely or weak (default: that of the search, else likely).",
)
@click.option("--remove", is_flag=True, help="Remove the links in DIR, and forget it.")
@device_option
@precision_option
@common_options
@command
def link(
    name: str | None,
    folder: str | None,
    k: int | None,
    min_level: str | None,
    remove: bool,
    device: str,
    precision: str,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Keep links to the hits of a saved search in DIR; without DIR, bring all such folders up to date.

    DIR is new or empty, or has links to the same search. Only links that were made by this command are ever removed.
    """
    from mmsearch import Collection, library

    if folder is None and (remove or k is not None or min_level is not None):
        raise UsageError("name the folder: mmsearch link @NAME DIR")
    with Collection.open(collection_path(collection), device=device, precision=precision) as opened:
        if name is None or folder is None:
            done = library.update_links(opened, name)
        elif remove:
            done = [library.unlink_search(opened, name, folder)]
        else:
            options: dict[str, Any] = {"k": k, "min_level": min_level}
            given = {option: value for option, value in options.items() if value is not None}
            done = [library.link_search(opened, name, folder, **given)]
    if as_json:
        print_json({"folders": [one.to_json() for one in done]})
    elif not quiet:
        for one in done:
            _print(one)
            if one.unlinked:
                hits = counted(one.unlinked, "hit is an item of an archive", "hits are items of archives")
                say(f"{hits}: there is no file to link to")
            elif not (one.total or one.problem or remove):
                say(f"no hit of @{one.name} is good enough to be linked; `mmsearch link --min weak` links more")
        if not done:
            say("no folder of links is known; `mmsearch link @NAME DIR` makes one")
    if any(one.problem for one in done):
        raise click.exceptions.Exit(FAILED)


def _print(done: Linked) -> None:
    where = terminal_safe(f"{done.folder} (@{done.name})")
    if done.problem:
        say(f"{where}: {done.problem}; --remove forgets it")
    else:
        echo(f"{where}: {counted(done.total, 'link')}, {done.added} added, {done.removed} removed")
