"""``mmsearch compact``: merge shards and index segments."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json
from mmsearch.types import counted


@click.command()
@click.option(
    "--parallel",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Merge and encode the index with N processes; default 1.",
)
@common_options
@command
def compact(collection: Path | None, parallel: int, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Merge all shards of a modality into one, and delete forgotten rows from disk."""
    from mmsearch import Collection

    with Collection.open(collection_path(collection)) as opened:
        before, after = opened.compact(parallel=parallel)
    if as_json:
        print_json({"shards_before": before, "shards_after": after})
    elif not quiet:
        echo(f"{counted(before, 'shard')} before, {after:,} after")
