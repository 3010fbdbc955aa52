"""``mmsearch doctor``: verify everything, and mend it."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.exit_codes import BUSY_OR_DAMAGED
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, harmless, print_json


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@common_options
@command
def doctor(repair: bool, collection: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Verify every file of the collection; with --repair, mend what can be mended.

    Ends with code 4 if anything is wrong and not mended.
    """
    from mmsearch import Collection

    problems = Collection.doctor(collection_path(collection), repair=repair)
    if as_json:
        print_json({"problems": [problem.to_json() for problem in problems]})
    else:
        for problem in problems:
            echo(harmless(f"{problem.path}: {problem.reason}; {problem.repaired or 'run with --repair'}"))
        if not problems and not quiet:
            echo("all is well")
    if any(problem.repaired is None for problem in problems):
        raise click.exceptions.Exit(BUSY_OR_DAMAGED)
