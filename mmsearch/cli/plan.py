"""``mmsearch plan``: list the parts of a corpus for workers."""

from __future__ import annotations

import click

from mmsearch.cli import completers
from mmsearch.cli.options import command, json_option, quiet_option, transcribe_option, verbose_option
from mmsearch.cli.output import echo, print_json
from mmsearch.types import counted, modalities_named, sized


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="PLAN", required=True, help="The file to write, or its address.")
@click.option(
    "--model",
    default="auto",
    metavar="NAME",
    shell_complete=completers.model_names,
    help="Model of the embeddings; auto: the best whose weights are on this machine.",
)
@click.option("--only", metavar="MODALITY", multiple=True, shell_complete=completers.modalities, help="Repeatable.")
@click.option("--text-column", metavar="NAME", help="Column of Parquet files that holds captions.")
@click.option("--window", metavar="SECONDS", type=float, default=10.0, help="Seconds of sound in one row (10).")
@click.option("--hop", metavar="SECONDS", type=float, default=5.0, help="Seconds from one window to the next (5).")
@transcribe_option
@click.option("--ocr", type=click.Choice(("auto", "off", "all")), default="off", help="Read text in pictures (off).")
@json_option
@quiet_option
@verbose_option
@command
def plan(
    sources: tuple[str, ...],
    output: str,
    model: str,
    only: tuple[str, ...],
    text_column: str | None,
    window: float,
    hop: float,
    transcribe: str,
    ocr: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """List the parts of SOURCEs (folders, tars, ZIP and Parquet files, buckets) in a file for `mmsearch work`."""
    from mmsearch.scale import make_plan

    made = make_plan(
        sources,
        output,
        model=model,
        only=modalities_named(only),
        text_column=text_column,
        window=window,
        hop=hop,
        transcribe=transcribe,
        ocr=ocr,
    )
    if as_json:
        print_json({"plan": output, "parts": len(made.parts), "bytes": made.bytes, "model": made.model})
    elif not quiet:
        echo(f"{output}: {counted(len(made.parts), 'part')}, {sized(made.bytes)}, model {made.model}")
