"""``mmsearch import``: vectors that others have made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmsearch import UsageError
from mmsearch.cli import completers
from mmsearch.cli.exchange_lines import rows_shown
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch.exchange import Imported

_FORMATS = ["auto", "clip-retrieval", "npy", "npz", "hdf5", "fvecs", "parquet", "lance", "qdrant"]
_MOST_SHOWN = 10


@click.command(name="import")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=completers.files)
@click.option(
    "--format", "kind", default="auto", type=click.Choice(_FORMATS), show_default=True, help="What the sources are."
)
@click.option("--space", metavar="NAME", help="A name for the model that made the vectors. Default: the source's name.")
@click.option(
    "--model", metavar="NAME", shell_complete=completers.model_names, help="The model that made them, to search."
)
@click.option(
    "--modality",
    type=click.Choice(["image", "text", "audio", "video"]),
    help="What the vectors stand for. Default: what the source says, else image.",
)
@click.option("--path-column", metavar="NAME", help="The column that names what a vector stands for.")
@click.option("--vector-column", metavar="NAME", help="The column, or named vector, that holds the vectors.")
@click.option("--text-column", metavar="NAME", help="The column that holds the texts of --modality text.")
@click.option("--payload", metavar="FILE", help="A Parquet, CSV or JSON lines file with a line for each vector.")
@click.option("--table", metavar="NAME", help="The table, collection or array of a source that holds several.")
@common_options
@command
def import_(
    sources: tuple[str, ...],
    kind: str,
    model: str | None,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **columns: Any,
) -> None:
    """Add vectors that others have made, with what is known of them.

    SOURCEs are outputs of clip-retrieval, arrays (npy, npz, HDF5, fvecs), Parquet files, tables of LanceDB, and
    collections of Qdrant. Text queries find the vectors only if --model names the model that made them.
    """
    from mmsearch import Collection
    from mmsearch.exchange import collection_to_fill, import_vectors

    home = collection_path(collection)
    is_new = not Collection.exists(home)
    if model == "auto":
        raise UsageError("auto is no model that has made vectors: name it")
    with collection_to_fill(home, model) as opened, rows_shown("read", quiet or as_json) as watch:
        done = import_vectors(opened, sources, format=kind, model=model, watch=watch, **columns)  # type: ignore[arg-type]
    if as_json:
        print_json(done.to_json())
        return
    if not quiet:
        if is_new and done.rows:
            say(f"new collection {home}" + (f", model {model}" if model else ""))
        echo(_line(done))
        _say_notes(done, verbose)


def _line(done: Imported) -> str:
    rows = ", ".join(f"{count:,} {modality}" for modality, count in done.rows.items())
    parts = [f"{done.added:,} added"]
    parts += [
        f"{count:,} {word}" for word, count in (("replaced", done.replaced), ("unchanged", done.unchanged)) if count
    ]
    parts.append(f"{done.skipped:,} skipped")
    new = f"; rows: {rows}" if rows else ""
    return terminal_safe(f"{counted(done.found, 'vector')} of space {done.space}: {', '.join(parts)}{new}")


def _say_notes(done: Imported, verbose: bool) -> None:
    if done.scaled:
        say(f"{counted(done.scaled, 'vector')} had another length than 1; all are kept at length 1")
    for reason, count in done.reasons.items():
        say(f"skipped {count:,}: {reason}")
    for note in done.notes[: None if verbose else _MOST_SHOWN]:
        say(f"  {note.path}")
    if (more := done.skipped - len(done.notes[: None if verbose else _MOST_SHOWN])) > 0:
        say(f"  and {more:,} more")
    for name, new in done.renamed.items():
        say(f"column {name!r} is kept as {new!r}: the format has one of that name, or may have")
    for name, reason in done.left_out.items():
        say(f"column {name!r} is left out: {reason}")
