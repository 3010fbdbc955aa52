"""``mmsearch saved``: the saved searches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch import CollectionDamagedError, CollectionNotFoundError, UsageError
from mmsearch.cli import completers
from mmsearch.cli.exit_codes import BUSY_OR_DAMAGED
from mmsearch.cli.hints import explained_error
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch.library import SavedSearch


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=completers.saved_names)
@click.option("--rename", metavar="NEW", help="Give the search this name.")
@click.option("--delete", is_flag=True, help="Delete the search; folders of links to its hits stay.")
@common_options
@command
def saved(
    name: str | None,
    rename: str | None,
    delete: bool,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """List saved searches, or the one of a NAME; rename and delete them."""
    from mmsearch import Collection, library

    home = collection_path(collection)
    if not Collection.exists(home):
        raise CollectionNotFoundError(f"there is no collection at {home}")
    if name is None:
        if rename or delete:
            raise UsageError("name the search: mmsearch saved NAME, with --rename or --delete")
        _show_all(library.saved_searches(home), as_json, quiet)
        return
    if rename and delete:
        raise UsageError("--rename and --delete exclude each other")
    if delete:
        library.delete_search(home, name)
        return
    search = library.rename_search(home, name, rename) if rename else library.saved_search(home, name)
    if as_json:
        print_json(search.to_json())
    elif not quiet:
        _show(search, verbose=True)


def _show_all(found: list[SavedSearch | CollectionDamagedError], as_json: bool, quiet: bool) -> None:
    searches = [one for one in found if not isinstance(one, CollectionDamagedError)]
    if as_json:
        print_json({"searches": [search.to_json() for search in searches]})
    else:
        for search in searches:
            _show(search, verbose=False)
        if not found and not quiet:
            say("no search is saved; `mmsearch save NAME TERM...` keeps one")
    errors = [one for one in found if isinstance(one, CollectionDamagedError)]
    for error in errors:
        say(f"mmsearch: {explained_error(error)}")
    if errors:
        raise click.exceptions.Exit(BUSY_OR_DAMAGED)


def _show(search: SavedSearch, *, verbose: bool) -> None:
    echo(terminal_safe(f"{search.shown}  {search.describe()}"))
    for folder in search.folders:
        echo(terminal_safe(f"  linked in {folder.path}"))
    if verbose:
        echo(f"  {counted(search.k, 'hit')}, saved {search.made_at}")
        for who, look in search.looks.items():
            echo(terminal_safe(f"  looked at by {who} {look.at}"))
