"""``mmsearch index``: find and embed new and changed files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from mmsearch.cli import completers
from mmsearch.cli.exit_codes import INTERRUPTED, SKIPPED
from mmsearch.cli.options import (
    collection_path,
    command,
    common_options,
    device_option,
    precision_option,
    read_size,
    transcribe_option,
)
from mmsearch.cli.output import print_json, say
from mmsearch.types import modalities_named

if TYPE_CHECKING:
    from mmsearch import Collection


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option(
    "--model",
    default="auto",
    metavar="NAME",
    shell_complete=completers.model_names,
    help="See `mmsearch models list`; auto: the collection's own.",
)
@click.option(
    "--only",
    metavar="MODALITY",
    multiple=True,
    shell_complete=completers.modalities,
    help="Index only image, text, audio or video files; repeatable.",
)
@click.option("--exclude", metavar="GLOB", multiple=True, help="Exclude by a .gitignore pattern; kept; repeatable.")
@click.option("--lift", metavar="WHAT", multiple=True, help="Undo a kept exclude or removal, or all; repeatable.")
@click.option("--hidden", is_flag=True, help="Also files and folders whose names begin with a dot.")
@click.option("--follow-links", is_flag=True, help="Follow symbolic links.")
@click.option("--text-column", metavar="NAME", help="Column of .csv, .jsonl and .parquet that holds the texts.")
@click.option("--window", metavar="SECONDS", type=float, help="Length of the windows in which sound is embedded (10).")
@click.option("--hop", metavar="SECONDS", type=float, help="Time from the start of one window to the next (5).")
@transcribe_option
@click.option(
    "--ocr",
    type=click.Choice(("auto", "off", "all")),
    default="auto",
    help="Read text in pictures: auto (where a glance finds some), off or all. Needs the extra ocr.",
)
@click.option(
    "--index",
    "index_kind",
    metavar="KIND",
    shell_complete=completers.index_kinds,
    help="auto, exact, ivfpq or a FAISS factory string; kept.",
)
@click.option("--recall", type=float, help="Recall@10 that an index is tuned to (0.98); kept.")
@click.option("--memory", metavar="SIZE", help="Memory that building an index may use, such as 4G.")
@click.option("--threads", metavar="N", type=int, help="Threads that build an index; default one for each processor.")
@click.option("--workers", metavar="N", type=int, help="Decoding processes; default one for each processor.")
@click.option(
    "--batch", metavar="N", type=int, help="Pictures or frames embedded at once; default: found by measuring."
)
@device_option
@precision_option
@click.option(
    "--prune-missing", is_flag=True, help="Also forget what lay in folders or disks that are missing or empty."
)
@click.option(
    "--check",
    type=click.Choice(("times", "mtime", "content")),
    default="times",
    help="How changed files are found: times (size, mtime, ctime), mtime (size, mtime) or content (reads every file).",
)
@click.option("--retry-skipped", is_flag=True, help="Open files again that were skipped before.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--strict", is_flag=True, help="End with code 3 if any file was skipped.")
@click.option(
    "--progress",
    default="auto",
    metavar="HOW",
    shell_complete=completers.words("auto", "none", "json"),
    help="auto, none, or json (an event per line on stderr).",
)
@common_options
@command
def index(
    paths: tuple[str, ...],
    model: str,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    lift: tuple[str, ...],
    hidden: bool,
    follow_links: bool,
    text_column: str | None,
    window: float | None,
    hop: float | None,
    transcribe: str,
    ocr: str,
    index_kind: str | None,
    recall: float | None,
    memory: str | None,
    threads: int | None,
    workers: int | None,
    batch: int | None,
    device: str,
    precision: str,
    prune_missing: bool,
    check: str,
    retry_skipped: bool,
    dry_run: bool,
    strict: bool,
    progress: str,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find and embed new and changed files under PATHs (default: all indexed before), and forget deleted ones."""
    from mmsearch.cli.index_report import print_report
    from mmsearch.cli.watch import watching

    watched = watching(progress, quiet or as_json)
    options: dict[str, Any] = {
        "only": modalities_named(only),
        "exclude": exclude,
        "lift": lift,
        "hidden": hidden,
        "follow_links": follow_links,
        "text_column": text_column,
        "transcribe": transcribe,
        "ocr": ocr,
        "memory": read_size(memory),
        "threads": threads,
        "workers": workers,
        "batch": batch,
        "prune_missing": prune_missing,
        "check": check,
        "retry_skipped": retry_skipped,
        **({} if window is None else {"window": window}),
        **({} if hop is None else {"hop": hop}),
    }
    home = collection_path(collection)
    _check(home, paths, index_kind, recall, options)
    known_model = None if model == "auto" else model
    with _opened(home, model, device, precision, dry_run, quiet) as opened, watched as watch:
        report = opened.index(
            paths, model=known_model, index=index_kind, recall=recall, dry_run=dry_run, watch=watch, **options
        )
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report, dry_run, quiet, verbose)
    if report.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if strict and report.skipped:
        raise click.exceptions.Exit(SKIPPED)


def _check(
    home: Path, paths: tuple[str, ...], index_kind: str | None, recall: float | None, options: dict[str, Any]
) -> None:
    """Raise errors in the arguments of a first run, before a collection is created for it."""
    from mmsearch import Collection, HintKind, IngestOptions, UsageError

    if Collection.exists(home):
        return
    if not paths:
        raise UsageError(f"there is no collection at {home} yet", hint=HintKind.INDEX_FOLDER)
    Collection.check_index(paths, index=index_kind, recall=recall, options=IngestOptions(**options))


@contextmanager
def _opened(path: Path, model: str, device: str, precision: str, dry_run: bool, quiet: bool) -> Iterator[Collection]:
    """The collection at ``path``, which is created if there is none; by a dry run in a temporary folder."""
    from mmsearch import Collection

    with ExitStack() as stack:
        if Collection.exists(path):
            opened = Collection.open(path, device=device, precision=precision)
        elif dry_run:
            scratch = stack.enter_context(TemporaryDirectory(prefix="mmsearch-dry-run-"))
            opened = Collection.create(scratch, model, device=device, precision=precision)
        else:
            opened = Collection.create(path, model, device=device, precision=precision)
            if not quiet:
                say(f"new collection {opened.address}, {_chosen(model)}")
        yield stack.enter_context(opened)


def _chosen(model: str) -> str:
    from mmsearch import models

    if model != "auto":
        return f"model {model}"
    best = models.best()
    if best.is_built_in:
        return "model mini: built in, small, English; better ones: `mmsearch models list`"
    return f"model {best.name}: the best whose weights are on this machine ({best.note})"
