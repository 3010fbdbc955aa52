"""``mmsearch clip``: a part of a film or sound as a file of its own."""

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
@click.argument("moment", metavar="FILE@FROM-TO")
@output_option("The file to write; its ending names the format.")
@force_option
@json_option
@quiet_option
@verbose_option
@command
def clip(moment: str, output: Path, force: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Cut a part of a film or sound into a file of its own.

    FROM and TO are seconds, 1:23 or 1:02:03.5. The streams are copied if the file type allows it, from the key frame
    before FROM on; else they are encoded again.
    """
    from mmsearch import Collection, read_moment

    saved = Collection.save_clip(read_moment(moment, span=True), output, force=force)
    if as_json:
        print_json(saved.to_json())
    elif not quiet:
        how = "copied" if saved.copied else "encoded again"
        echo(f"{output}: {clock(saved.start_s)}–{clock(saved.end_s)}, {how}")
