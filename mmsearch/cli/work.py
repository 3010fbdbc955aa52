"""``mmsearch work``: embed the parts of one task of a plan."""

from __future__ import annotations

import click

from mmsearch.cli.exit_codes import FAILED, INTERRUPTED
from mmsearch.cli.options import (
    command,
    device_option,
    json_option,
    precision_option,
    quiet_option,
    verbose_option,
)
from mmsearch.cli.output import echo, print_json, say
from mmsearch.types import counted


class TaskType(click.ParamType[tuple[int, int]]):
    """``17/512``: the number of a task, from 1, and how many there are."""

    name = "i/n"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        number, slash, count = value.partition("/")
        if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
            self.fail(f"{value!r} is no task; write 17/512 for the 17th of 512", param, ctx)
        return int(number), int(count)


@click.command()
@click.argument("plan", metavar="PLAN")
@click.option("--out", metavar="DEST", required=True, help="The collection's folder, or its address.")
@click.option("--task", metavar="I/N", type=TaskType(), default=(1, 1), help="The I-th of N tasks; default all parts.")
@click.option("--workers", metavar="N", type=int, help="Decoding processes; default one for each processor.")
@click.option("--batch", metavar="N", type=int, help="Pictures embedded at once; default as many as is fast.")
@device_option
@precision_option
@click.option(
    "--progress", type=click.Choice(("auto", "json", "none")), default="auto", help="Bar, JSON lines or nothing."
)
@json_option
@quiet_option
@verbose_option
@command
def work(
    plan: str,
    out: str,
    task: tuple[int, int],
    workers: int | None,
    batch: int | None,
    device: str,
    precision: str,
    progress: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Embed the parts of one task of a PLAN; `mmsearch gather DEST` puts the results of all tasks together."""
    from mmsearch.cli.index_report import print_skipped
    from mmsearch.cli.watch import watching
    from mmsearch.scale import work as run_work

    with watching(progress, quiet or as_json) as watch:
        report = run_work(
            plan, out, task=task, device=device, precision=precision, workers=workers, batch=batch, watch=watch
        )
    if as_json:
        print_json(report.to_json())
    else:
        if not quiet:
            print_skipped(report.skipped, False, verbose)
        for note in report.failed:
            say(f"failed: {note.path}: {note.reason}")
        left = report.parts - report.done_before - report.done
        counts = [(report.done, "done"), (report.done_before, "done before"), (left, "left")]
        text = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"
        rate = report.items / report.seconds if report.seconds else 0
        echo(
            f"{counted(report.parts, 'part')}: {text}; {counted(report.items, 'item')}, "
            f"{counted(report.rows, 'row')} ({report.seconds:.1f} s, {rate:,.0f} items/s)"
        )
    if report.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if report.failed:
        raise click.exceptions.Exit(FAILED)
