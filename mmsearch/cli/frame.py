"""``mmsearch frame``: a frame of a film as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.options import command, json_option, quiet_option, verbose_option
from mmsearch.cli.output import echo, print_json
from mmsearch.types import clock, rounded


@click.command()
@click.argument("moment", metavar="FILE@TIME")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="A .jpg or .png.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@quiet_option
@verbose_option
@command
def frame(moment: str, output: Path, force: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Write the frame that a film shows at a time as a picture.

    TIME is seconds, 1:23 or 1:02:03.5, as a query prints it.
    """
    from mmsearch.retrieval.media.films.clips import save_frame
    from mmsearch.retrieval.search.query_line import read_moment

    facts = save_frame(read_moment(moment, span=False), output, force=force)
    if as_json:
        print_json({"output": str(output), **facts, "time_s": rounded(facts["time_s"])})
    elif not quiet:
        echo(f"{output}: {facts['width']} × {facts['height']}, the frame at {clock(facts['time_s'])}")
