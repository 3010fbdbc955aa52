"""``mmsearch mcp``: tools for agents over standard input and output."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import click

from mmsearch.cli.options import (
    collection_path,
    command,
    device_option,
    precision_option,
    quiet_option,
    verbose_option,
)


@click.command()
@click.option(
    "--collection",
    "-c",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A collection's folder; repeatable. Default: $MMSEARCH_COLLECTION, else the user's data folder.",
)
@device_option
@precision_option
@quiet_option
@verbose_option
@command
def mcp(collection: tuple[Path, ...], device: str, precision: str, quiet: bool, verbose: bool) -> None:
    """Offer search to an agent as tools, over standard input and output.

    This is run by the agent's program, which speaks the Model Context Protocol. The tools read only.
    """
    folders = collection or (collection_path(click.get_current_context().find_root().params.get("collection")),)
    from mmsearch.serve import serve_stdio

    for number in (signal.SIGINT, signal.SIGTERM):  # no exception ends a thread that waits for standard input
        with suppress(ValueError):
            signal.signal(number, signal.SIG_DFL)
    serve_stdio(folders, device=device, precision=precision)
