"""``mmsearch frame``: a frame of a film as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.options import (
    command,
    force_option,
    json_option,
    output_option,
    quiet_option,
    verbose_option,
)
from mmsearch.cli.output import echo, print_json
from mmsearch.types import clock


@click.command()
@click.argument("moment", metavar="FILE@TIME")
@output_option("The file to write, a .jpg or .png.")
@force_option
@json_option
@quiet_option
@verbose_option
@command
def frame(moment: str, output: Path, force: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Write the frame that a film shows at a time to a picture file.

    TIME is seconds, 1:23 or 1:02:03.5, as a query prints it.
    """
    from mmsearch import Collection, read_moment

    saved = Collection.save_frame(read_moment(moment, span=False), output, force=force)
    if as_json:
        print_json(saved.to_json())
    elif not quiet:
        echo(f"{output}: {saved.width} × {saved.height}, the frame at {clock(saved.time_s)}")
