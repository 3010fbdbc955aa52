"""All commands in one group, which imports the module of a command only when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mmsearch import __version__
from mmsearch.cli.options import WholeSummaries, common_options

# The module under mmsearch.cli of each command, and its name there, in the order that the help shows.
COMMANDS = {
    "index": ("index", "index"),
    "query": ("query", "query"),
    "listen": ("listen", "listen"),
    "serve": ("serve", "serve"),
    "mcp": ("mcp", "mcp"),
    "frame": ("frame", "frame"),
    "clip": ("clip", "clip"),
    "status": ("status", "status"),
    "remove": ("remove", "remove"),
    "eval": ("evaluate", "evaluate"),
    "compact": ("compact", "compact"),
    "doctor": ("doctor", "doctor"),
    "models": ("models", "models"),
    "completion": ("completion", "completion"),
}


class Commands(WholeSummaries):
    """A group that imports its commands lazily."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found: click.Command = getattr(importlib.import_module(f"mmsearch.cli.{module}"), name)
        return found


@click.command(
    cls=Commands,
    name="mmsearch",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The options of a command: mmsearch COMMAND --help. "
    "To have bash, zsh or fish complete commands, options and models: mmsearch completion --help.",
)
@click.version_option(__version__, prog_name="mmsearch", message="%(prog)s %(version)s")
@common_options
def app(**_: Any) -> None:
    """Find your own pictures, films, sounds and texts by words or by example; everything stays on this machine."""
