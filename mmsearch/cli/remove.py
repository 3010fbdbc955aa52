"""``mmsearch remove``: forget items."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json
from mmsearch.types import counted


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@common_options
@command
def remove(paths: tuple[str, ...], collection: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Forget items; the files themselves are never touched."""
    from mmsearch import Collection

    with Collection.open(collection_path(collection)) as opened:
        count = opened.remove(paths)
    if as_json:
        print_json({"removed": count})
    elif not quiet and not count:
        echo("dropped from the roots; nothing was stored of it")
    elif not quiet:
        echo(f"forgot {counted(count, 'file')}; nothing was deleted from disk")
