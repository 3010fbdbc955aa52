"""``mmsearch save``: keep a search under a name."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli import completers
from mmsearch.cli.options import collection_path, command, common_options, force_option
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.cli.search_options import Asked, search_options, takes_asked


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("terms", metavar="TERM...", nargs=-1, shell_complete=completers.files)
@search_options
@force_option
@common_options
@command
@takes_asked
def save(
    name: str,
    terms: tuple[str, ...],
    asked: Asked,
    force: bool,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Keep a search under NAME: `mmsearch query @NAME` asks it again.

    TERMs and options are those of `mmsearch query`. Files are kept by their whole paths, and a date such as "last week"
    is read anew each time.
    """
    from mmsearch import Collection, library

    if not (terms or asked.has_marks):
        raise click.MissingParameter(param_type="argument", param_hint="'TERM...'")
    with Collection.open(collection_path(collection)) as opened:
        line = asked.read(terms)
        saved = library.save_search(
            opened, name.removeprefix("@"), line, k=asked.wanted, replace_old=force, **asked.options
        )
    if not quiet:
        for notice in line.notices:
            say(str(notice))
    if as_json:
        print_json(saved.to_json())
    elif not quiet:
        echo(terminal_safe(f"saved {saved.shown}: {saved.describe()}"))
