"""``mmsearch eval``: recall@k on your own pairs, how good the levels are, and levels fitted on the collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch import UsageError
from mmsearch.cli import completers
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, say
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch import Calibrated, LevelQuality, Scores

LEVEL_SOURCES = {"catalogue": "measured for the model", "pairs": "from own pairs", "contents": "from its contents"}
"""Where levels come from, in words."""


@click.command()
@click.argument("pairs", metavar="PAIRS", type=click.Path(path_type=Path), required=False)
@click.option(
    "--pool",
    default="collection",
    metavar="WHICH",
    show_default=True,
    shell_complete=completers.words("collection", "pairs"),
    help="What is ranked: collection, or pairs (only the files of the pairs).",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Fit levels (strong, likely, weak) on PAIRS, or on the collection's texts and pictures, and keep them.",
)
@click.option("--captions", is_flag=True, help="Take the collection's captions as PAIRS.")
@common_options
@command
def evaluate(
    pairs: Path | None,
    pool: str,
    calibrate: bool,
    captions: bool,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Measure recall@k, MRR and mAP of the collection's models and index on pairs of yours, in both directions.

    A line of PAIRS: {"query": "a dog on the beach", "relevant": ["images/1.jpg"]}, paths relative to the file. With
    "spans": [[61.0, 66.5]] moments are scored as well: R@k at a temporal IoU of 0.5. Lines with "relevant": [] say how
    well levels tell what is not in the collection: AUROC and ECE.
    """
    from mmsearch import Collection

    if captions and (calibrate or pairs is not None):
        raise UsageError("--captions stands for PAIRS, and fits no levels: leave out PAIRS and --calibrate")
    if pairs is None and not (calibrate or captions):
        raise click.MissingParameter(ctx=click.get_current_context(), param_hint="'PAIRS'", param_type="argument")
    with Collection.open(collection_path(collection)) as opened:
        if calibrate:
            _print_calibrated(opened.calibrate(pairs), as_json)
        else:
            _print_scores(opened.evaluate(pairs, pool=pool), as_json)


def _print_scores(scores: Scores, as_json: bool) -> None:
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
    for levels in scores.levels:
        asked = f"{counted(levels.answerable, 'query', 'queries')} with an answer, {levels.absent:,} without"
        if levels.quality is None or levels.source is None:
            known = "no levels are known"
        else:
            known = f"AUROC {levels.quality.auroc:.3f}, ECE {levels.quality.ece:.3f} ({LEVEL_SOURCES[levels.source]})"
        model = f", {levels.model}" if several else ""
        echo(f"levels of {levels.direction}: {known}; {asked}{model}")


def _print_calibrated(done: Calibrated, as_json: bool) -> None:
    for notice in done.notices:
        say(with_hint(str(notice), notice.hint))
    if as_json:
        print_json(done.to_json())
        return
    if not done.directions:
        return
    several = len({row.model for row in done.directions}) > 1
    echo(
        f"{'direction':<15} {'from':<9} {'queries':>8} {'absent':>7}  {'AUROC':<14} {'ECE':<14}"
        + ("  model" if several else "")
    )
    for row in done.directions:
        auroc, ece = (_change(row.before, row.after, name) for name in ("auroc", "ece"))
        echo(
            f"{row.direction:<15} {row.source:<9} {row.queries:8,} {row.absent:7,}  {auroc:<14} {ece:<14}"
            + (f"  {row.model}" if several else "")
        )
    if any(not row.absent for row in done.directions):
        say(
            "no absent queries: AUROC and ECE are of searches among rows unlike the answer, which are easier than real"
            ' ones; lines such as {"query": "a zebra", "relevant": []} tell more'
        )


def _change(before: LevelQuality | None, after: LevelQuality, name: str) -> str:
    was = f"{getattr(before, name):.3f}" if before else "none"
    return f"{was} → {getattr(after, name):.3f}"
