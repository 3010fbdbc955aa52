"""``mmsearch query``: search by words or by example."""

from __future__ import annotations

from pathlib import Path

import click

from mmsearch.cli.options import collection_path, command, common_options, device_option, precision_option
from mmsearch.cli.output import print_json, say


@click.command()
@click.argument("terms", metavar="TERM...", nargs=-1, required=True)
@click.option("--minus", metavar="TERM", multiple=True, help="Push away from this; repeatable.")
@click.option("-k", default=10, show_default=True, help="How many hits.")
@click.option("--to", metavar="MODALITY", multiple=True, help="Answer with image, text, audio or video; repeatable.")
@click.option("--under", metavar="DIR", help="Only files in this folder.")
@click.option("--after", metavar="DATE", help="Only what was taken (or changed) from then on.")
@click.option("--before", metavar="DATE", help="Only what was taken (or changed) before.")
@click.option("--where", metavar="CONDITION", help='On columns of the shards, such as "width > 1000".')
@click.option("--text", is_flag=True, help="Take every TERM as words, also what looks like a path.")
@click.option("--all-spans", is_flag=True, help="List each moment of a film or sound, not the best alone.")
@click.option("--include-self", is_flag=True, help="Let the query file answer too.")
@click.option("--exact", is_flag=True, help="Compare every row, also where there is an index.")
@click.option("--paths", is_flag=True, help="Print paths alone, one a line.")
@click.option("--print0", is_flag=True, help="Print paths alone, ended by NUL, for xargs -0.")
@click.option("--gone", is_flag=True, help="With --paths and --print0: also files that are gone.")
@click.option("--preview", is_flag=True, help="Show small pictures, and frames of films at the hit, in the terminal.")
@click.option("--open", "open_", is_flag=True, help="Open the first hit; play a film or sound there.")
@device_option
@precision_option
@common_options
@command
def query(
    terms: tuple[str, ...],
    minus: tuple[str, ...],
    k: int,
    to: tuple[str, ...],
    under: str | None,
    after: str | None,
    before: str | None,
    where: str | None,
    text: bool,
    all_spans: bool,
    include_self: bool,
    exact: bool,
    paths: bool,
    print0: bool,
    gone: bool,
    preview: bool,
    open_: bool,
    device: str,
    precision: str,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Search by words or by example: several TERMs make one query.

    A TERM is words, or a file, or a moment of a film or sound: FILE@1:23 or FILE@1:23-1:31. TERM^2 (or 2:TERM) weighs
    it; text: and file: before it say what it is.
    """
    from mmsearch.cli.render import print_hits, print_paths
    from mmsearch.collection import Collection
    from mmsearch.retrieval.query.terms import parse_terms
    from mmsearch.types import modalities_named

    asked = parse_terms(terms, minus, as_text=text)
    with Collection.open(collection_path(collection), device=device, precision=precision) as opened:
        answer = opened.ask(
            asked,
            k,
            to=modalities_named(to),
            under=under,
            after=after,
            before=before,
            where=where,
            all_spans=all_spans,
            include_self=include_self,
            exact=exact,
        )
    for notice in answer.notices:
        say(notice)
    if as_json:
        print_json(answer.to_json())
    elif paths or print0:
        there = [hit for hit in answer.hits if gone or hit.state != "gone"]
        print_paths(dict.fromkeys(hit.path for hit in there), "\0" if print0 else "\n")
        if (left_out := len(answer.hits) - len(there)) and not quiet:
            say(f"{left_out} {'hit is' if left_out == 1 else 'hits are'} left out: the file is gone; --gone keeps it")
    else:
        print_hits(answer.hits)
        if not answer.hits and not quiet:
            say("no hits")
    if preview:
        from mmsearch.cli.preview import print_previews

        print_previews(answer.hits)
    if open_ and answer.hits:
        from mmsearch.cli.play import open_hit

        open_hit(answer.hits[0])
    if verbose:
        say("took " + ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in answer.took_ms.items()))
