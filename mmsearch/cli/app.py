"""All commands in one group, which imports the module of a command only when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mmsearch import __version__
from mmsearch.cli.options import WholeSummaries, common_options

# The module under mmsearch.cli of each command, which is also its name there, and its first sentence; in the order of
# the help.
# The sentences are here so that the help imports no command; a test compares them.
COMMANDS = {
    "index": (
        "index",
        "Find and embed new and changed files under PATHs (default: all indexed before), and forget deleted ones.",
    ),
    "watch": ("watch_folders", "Index PATHs, and go on to index what changes in them, until Ctrl-C."),
    "query": ("query", "Search by words or by example."),
    "save": ("save", "Keep a search under NAME: `mmsearch query @NAME` asks it again."),
    "saved": ("saved", "List saved searches, or the one of a NAME; rename and delete them."),
    "link": (
        "link",
        "Keep links to the hits of a saved search in DIR; without DIR, bring all such folders up to date.",
    ),
    "listen": ("listen", "Record SOURCE and index it as it comes, until it ends or Ctrl-C."),
    "serve": ("serve", "Serve a page to look at, and an HTTP interface for apps."),
    "mcp": ("mcp", "Offer search to an agent as tools, over standard input and output."),
    "frame": ("frame", "Write the frame that a film shows at a time to a picture file."),
    "clip": ("clip", "Cut a part of a film or sound into a file of its own."),
    "status": ("status", "Show what is in the collection, how it is indexed and with which model."),
    "groups": (
        "groups",
        "Show what is in the collection: groups of files that look alike, or that were made together, with names.",
    ),
    "duplicates": ("duplicates", "Find files that are there several times, and say which to keep."),
    "tag": ("tag", "Label pictures, films and sounds by words alone, for conditions such as --where \"tag = 'dog'\"."),
    "remove": ("remove", "Forget items; the files themselves are never touched."),
    "import": ("import_", "Add vectors that others have made, with what is known of them."),
    "export": ("export", "Write rows to a database or to files: ids, vectors, and what is known of each row."),
    "eval": (
        "evaluate",
        "Measure recall@k, MRR and mAP of the collection's models and index on pairs of yours, in both directions.",
    ),
    "plan": (
        "plan",
        "List the parts of SOURCEs (folders, tars, ZIP and Parquet files, buckets) in a file for `mmsearch work`.",
    ),
    "work": (
        "work",
        "Embed the parts of one task of a PLAN; `mmsearch gather DEST` puts the results of all tasks together.",
    ),
    "gather": (
        "gather",
        "Take the results of `mmsearch work` in DEST into the collection there, and build its indexes.",
    ),
    "compact": ("compact", "Merge all shards of a modality into one, and delete forgotten rows from disk."),
    "doctor": ("doctor", "Verify every file of the collection; with --repair, repair what can be repaired."),
    "models": ("models", "List models, download their weights, export them."),
    "completion": (
        "completion",
        "Print a script that completes commands, options and names of models in bash, zsh or fish.",
    ),
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
        module, _ = COMMANDS[cmd_name]
        found: click.Command = getattr(importlib.import_module(f"mmsearch.cli.{module}"), module)
        return found

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """The name and the first sentence of each command; imports none."""
        return [(name, sentence) for name, (_, sentence) in COMMANDS.items()]


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
