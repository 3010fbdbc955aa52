"""``mmsearch work``: embed the parts of one task of a plan."""

from __future__ import annotations

from typing import Any

import click

from mmsearch import UsageError
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
@click.option("--on", metavar="WHERE", help="By Daft: local, or a cluster of Ray, ray://HOST:PORT (extra `cluster`).")
@click.option("--at-once", metavar="N", type=click.IntRange(min=1), help="With --on: workers at once; default 1.")
@click.option("--gpus", metavar="X", type=float, help="With --on: GPUs of a worker, such as 1 or 0.5; default 0.")
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
    on: str | None,
    at_once: int | None,
    gpus: float | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Embed the parts of one task of a PLAN; `mmsearch gather DEST` puts the results of all tasks together."""
    from mmsearch.cli.index_report import print_skipped
    from mmsearch.cli.watch import watching
    from mmsearch.scale import work as run_work

    if on is None and (at_once is not None or gpus is not None):
        raise UsageError("--at-once and --gpus are for --on: say where the workers are to run")
    with watching(progress, quiet or as_json) as watch:
        runs: dict[str, Any] = {"device": device, "precision": precision, "workers": workers, "batch": batch}
        if on is None:
            report = run_work(plan, out, task=task, watch=watch, **runs)
        else:
            from mmsearch.scale import work_with_daft

            runs |= {"on": on, "at_once": at_once or 1, "gpus": gpus or 0}
            report = work_with_daft(plan, out, task=task, watch=watch, **runs)
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
