"""``mmsearch eval``: recall@k on your own pairs."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli import completers
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, say


@click.command()
@click.argument("pairs", metavar="PAIRS", type=click.Path(path_type=Path))
@click.option(
    "--pool",
    default="collection",
    metavar="WHICH",
    show_default=True,
    shell_complete=completers.words("collection", "pairs"),
    help="What is ranked: collection, or pairs (only the files of the pairs).",
)
@common_options
@command
def evaluate(pairs: Path, pool: str, collection: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Measure recall@k, MRR and mAP of the collection's models and index on pairs of yours, in both directions.

    A line of PAIRS: {"query": "a dog on the beach", "relevant": ["images/1.jpg"]}, paths relative to the file. With
    "spans": [[61.0, 66.5]] moments are scored as well: R@k at a temporal IoU of 0.5.
    """
    from mmsearch import Collection

    with Collection.open(collection_path(collection)) as opened:
        scores = opened.evaluate(pairs, pool=pool)
    for notice in scores.notices:
        say(with_hint(str(notice), notice.hint))
    if as_json:
        print_json(scores.to_json())
        return
    names = " ".join(f"{name:>6}" for name in ("R@1", "R@5", "R@10", "MRR", "mAP"))
    several = len({row.model for row in scores.directions}) > 1
    echo(f"{'direction':<15} {'by':<12} {names} {'queries':>8} {'pool':>7}" + ("  model" if several else ""))
    for row in scores.directions:
        recall = " ".join(f"{value:6.3f}" for value in row.recall.values())
        echo(
            f"{row.direction:<15} {row.via:<12} {recall} {row.mrr:6.3f} {row.map:6.3f} {row.queries:8,} {row.pool:7,}"
            + (f"  {row.model}" if several else "")
        )
