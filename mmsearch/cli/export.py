"""``mmsearch export``: rows for databases and files of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch.cli import completers
from mmsearch.cli.exchange_lines import rows_shown
from mmsearch.cli.options import collection_path, command, common_options, under_option
from mmsearch.cli.output import echo, print_json, terminal_safe
from mmsearch.types import counted, modalities_named

if TYPE_CHECKING:
    from mmsearch.exchange import Exported

_KINDS = ["lance", "qdrant", "milvus", "pgvector", "npy", "parquet", "faiss"]


@click.command()
@click.argument("destination", metavar="DEST")
@click.option("--to", "kind", required=True, type=click.Choice(_KINDS), help="What the destination is.")
@click.option("--space", metavar="NAME", help="Whose vectors: a model, or a name of vectors made elsewhere.")
@click.option(
    "--modality",
    "modalities",
    metavar="MODALITY",
    multiple=True,
    shell_complete=completers.modalities,
    help="Only image, text, audio or video; repeatable.",
)
@under_option
@click.option("--where", metavar="CONDITION", help='Only rows that fulfil a condition, such as "width > 1000".')
@click.option(
    "--dtype",
    default="float32",
    type=click.Choice(["float16", "float32"]),
    show_default=True,
    help="The type of the numbers. They are stored as float16, and are the same as float32.",
)
@click.option("--table", metavar="NAME", help="The table there. Default: the name of the collection's folder.")
@common_options
@command
def export(
    destination: str,
    kind: str,
    space: str | None,
    modalities: tuple[str, ...],
    under: str | None,
    where: str | None,
    dtype: str,
    table: str | None,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write rows to a database or to files: ids, vectors, and what is known of each row.

    DEST is a folder or file, or the address of a server. Rows that it has already are not written again: run the same
    command again after an interruption. In the end the rows there are counted.
    """
    from mmsearch import Collection
    from mmsearch.exchange import export_vectors

    with (
        Collection.open(collection_path(collection)) as opened,
        rows_shown("written", quiet or as_json) as watch,
    ):
        done = export_vectors(
            opened,
            kind,
            destination,
            space=space,
            modality=modalities_named(modalities) or None,
            under=under,
            where=where,
            dtype=dtype,  # type: ignore[arg-type]  # click has checked it
            table=table,
            watch=watch,
        )
    if as_json:
        print_json(done.to_json())
    elif not quiet:
        echo(_line(done))


def _line(done: Exported) -> str:
    there = f", {done.there:,} were there" if done.there else ""
    return terminal_safe(
        f"{counted(done.written, 'row')} of {done.model} written to {done.destination}{there}: it holds "
        f"{done.verified:,}, as many as were to be there; {done.compared:,} were read back and are the same"
    )
