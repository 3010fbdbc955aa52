"""``mmsearch doctor``: verify and repair a collection."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.exit_codes import BUSY_OR_DAMAGED
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, terminal_safe


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@common_options
@command
def doctor(repair: bool, collection: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Verify every file of the collection; with --repair, repair what can be repaired.

    Exits with code 4 if anything is wrong and not repaired.
    """
    from mmsearch import Collection

    problems = Collection.doctor(collection_path(collection), repair=repair)
    if as_json:
        print_json({"problems": [problem.to_json() for problem in problems]})
    else:
        for problem in problems:
            echo(terminal_safe(f"{problem.path}: {problem.reason}; {problem.repaired or 'run with --repair'}"))
        if not problems and not quiet:
            echo("all is well")
    if any(problem.repaired is None for problem in problems):
        raise click.exceptions.Exit(BUSY_OR_DAMAGED)
