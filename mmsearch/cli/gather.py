"""``mmsearch gather``: take the results of workers into the collection."""

from __future__ import annotations

import click

from mmsearch.cli.exit_codes import FAILED
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import command, json_option, quiet_option, read_size, verbose_option
from mmsearch.cli.output import echo, print_json, say
from mmsearch.types import counted


@click.command()
@click.argument("destination", metavar="DEST")
@click.option("--index", "index_kind", metavar="KIND", help="auto, exact, ivfpq or a FAISS factory string.")
@click.option("--recall", metavar="R", type=float, help="Recall@10 that an approximate index is tuned to.")
@click.option("--memory", metavar="SIZE", help="Memory for building indexes, such as 4G.")
@click.option("--threads", metavar="N", type=int, help="Threads that build indexes; default one for each processor.")
@click.option(
    "--train-for",
    metavar="ROWS",
    type=click.IntRange(1),
    help="Train an index for so many rows on those that are there; workers encode theirs from then on.",
)
@click.option("--no-build", is_flag=True, help="Leave the indexes as they are; their new rows are scanned.")
@json_option
@quiet_option
@verbose_option
@command
def gather(
    destination: str,
    index_kind: str | None,
    recall: float | None,
    memory: str | None,
    threads: int | None,
    train_for: int | None,
    no_build: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Take the results of `mmsearch work` in DEST into the collection there, and build its indexes."""
    from mmsearch.scale import gather as run_gather

    report = run_gather(
        destination,
        index=index_kind,
        recall=recall,
        memory=read_size(memory),
        threads=threads,
        build=not no_build,
        train_for=train_for,
    )
    if as_json:
        print_json(report.to_json())
    else:
        for notice in report.notices:
            say(with_hint(str(notice), notice.hint))
        for note in report.refused:
            say(f"refused: {note.path}: {note.reason}")
        if not quiet:
            counts = [
                (report.parts, "taken in"),
                (report.held, "held before"),
                (len(report.refused), "refused"),
            ]
            text = ", ".join(f"{count:,} {what}" for count, what in counts if count)
            skipped = f", {counted(report.skipped, 'item')} skipped" if report.skipped else ""
            replaced = f", {counted(report.replaced, 'row')} replaced" if report.replaced else ""
            echo(f"parts: {text}; {counted(report.rows, 'new row')}{replaced}{skipped} ({report.seconds:.1f} s)")
    if report.refused:
        raise click.exceptions.Exit(FAILED)
