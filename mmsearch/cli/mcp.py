"""``mmsearch mcp``: tools for agents over standard input and output."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import click

from mmsearch.cli.options import (
    collections_option,
    command,
    device_option,
    precision_option,
    quiet_option,
    verbose_option,
)


@click.command()
@collections_option
@device_option
@precision_option
@quiet_option
@verbose_option
@command
def mcp(collections: tuple[Path, ...], device: str, precision: str, quiet: bool, verbose: bool) -> None:
    """Offer search to an agent as tools, over standard input and output.

    This is run by the agent's program, which speaks the Model Context Protocol. The tools read only.
    """
    from mmsearch.serve import serve_stdio

    for number in (signal.SIGINT, signal.SIGTERM):  # no exception ends a thread that waits for standard input
        with suppress(ValueError):
            signal.signal(number, signal.SIG_DFL)
    serve_stdio(collections, device=device, precision=precision)
